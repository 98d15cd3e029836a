package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// deploy holds what watches a server: Prometheus' rules and Grafana's dashboard.
const deploy = "../../../examples/deploy"

var (
	// metricName finds metrics in an expression, together with the labels that are asked of them.
	metricName = regexp.MustCompile(`\b((?:spendwise|go|process)_[a-z0-9_]+|spendwise:[a-z0-9_:]+)(?:\{([^}]*)\})?`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	recorded   = regexp.MustCompile(`record: "?(spendwise:[a-z0-9_:]+)`)
	family     = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`)
)

// expressions returns what the rules and the dashboard ask Prometheus.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	rules, err := os.ReadFile(filepath.Join(deploy, "prometheus/rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{"prometheus/rules.yml": string(rules)}
	raw, err := os.ReadFile(filepath.Join(deploy, "grafana/spendwise.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("two panels have the id %d", panel.ID)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			found["the panel "+panel.Title] += target.Expr + "\n"
		}
	}
	return found
}

// TestWhatWatchesAServerWatchesWhatItExports: every metric and label that a rule or a panel names comes from a started server, and the
// README names every metric that does.
func TestWhatWatchesAServerWatchesWhatItExports(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "x.db"), "--tick", "50ms", "--metrics-listen", "127.0.0.1:0")
	traffic(t, s)
	scraped := s.await("spendwise_poster_posted_total", 3)
	exported := map[string]bool{}
	for _, match := range family.FindAllStringSubmatch(scraped, -1) {
		exported[match[1]] = true
		if match[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				exported[match[1]+suffix] = true
			}
		}
	}
	asked := expressions(t)
	records := map[string]bool{}
	for _, match := range recorded.FindAllStringSubmatch(asked["prometheus/rules.yml"], -1) {
		records[match[1]] = true
	}
	watched := map[string]bool{}
	for _, place := range slices.Sorted(maps.Keys(asked)) {
		for _, match := range metricName.FindAllStringSubmatch(asked[place], -1) {
			name := match[1]
			watched[strings.TrimSuffix(name, "_bucket")] = true
			if !exported[name] && !records[name] {
				t.Errorf("%s asks for %s, which no server exports", place, name)
			}
			for _, label := range labelName.FindAllStringSubmatch(match[2], -1) {
				has := regexp.MustCompile(`(?m)^` + name + `\{([^}]*,)?` + label[1] + `="`).MatchString(scraped)
				if label[1] != "job" && label[1] != "instance" && !has {
					t.Errorf("%s asks for the label %s of %s, which it does not have", place, label[1], name)
				}
			}
		}
	}
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range family.FindAllStringSubmatch(scraped, -1) {
		name, ours := strings.CutPrefix(match[1], "spendwise_")
		if ours && !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("the README does not name %s", match[1])
		}
		if ours && !watched[match[1]] {
			t.Errorf("no rule and no panel shows %s", match[1])
		}
	}
}

// TestTheRules has Prometheus' own tool read the rules, and play what they say of servers that fail and of those that do not.
func TestTheRules(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no promtool: install Debian's prometheus")
		}
		t.Skip("there is no promtool: Debian's package prometheus has it")
	}
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}} {
		command := exec.CommandContext(t.Context(), tool, args...)
		command.Dir = filepath.Join(deploy, "prometheus")
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
