package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// deploy is the folder with the Prometheus rules and the Grafana dashboard.
const deploy = "../../../examples/deploy"

var (
	// metricName matches metrics and their label matchers in an expression.
	metricName = regexp.MustCompile(`\b((?:spendwise|go|process)_[a-z0-9_]+|spendwise:[a-z0-9_:]+)(?:\{([^}]*)\})?`)
	labelName  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	// variableName matches variables of the dashboard.
	variableName = regexp.MustCompile(`\$\{?([a-z_]+)`)
	recorded     = regexp.MustCompile(`record: "?(spendwise:[a-z0-9_:]+)`)
	family       = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`)
)

// expressions returns the expressions of the rules and the dashboard by their location.
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
		Templating struct{ List []struct{ Name, Type string } }
		Panels     []struct {
			ID          int
			Title, Type string
			GridPos     struct{ W, H, X, Y int }
			Datasource  struct{ Type, UID string }
			FieldConfig struct{ Defaults struct{ Unit string } }
			Targets     []struct{ Expr, RefID string }
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
		if at := panel.GridPos; at.W <= 0 || at.H <= 0 || at.X < 0 || at.X+at.W > 24 {
			t.Errorf("the panel %s has no place: %+v", panel.Title, at)
		}
		if panel.Type == "row" {
			continue
		}
		if panel.Datasource.Type != "prometheus" || panel.Datasource.UID != "${datasource}" ||
			panel.FieldConfig.Defaults.Unit == "" || len(panel.Targets) == 0 {
			t.Errorf("the panel %s lacks the variable of the data source, a unit, or a question: %+v", panel.Title, panel)
		}
		letters := map[string]bool{}
		for _, target := range panel.Targets {
			if target.RefID == "" || letters[target.RefID] {
				t.Errorf("the panel %s has two questions %q", panel.Title, target.RefID)
			}
			letters[target.RefID] = true
			found["the panel "+panel.Title] += target.Expr + "\n"
		}
	}
	variables := map[string]bool{}
	for _, variable := range dashboard.Templating.List {
		variables[variable.Name] = true
	}
	for place, text := range found {
		for _, match := range variableName.FindAllStringSubmatch(text, -1) {
			if place != "prometheus/rules.yml" && !variables[match[1]] {
				t.Errorf("%s asks for the variable %s, which the dashboard does not have", place, match[1])
			}
		}
	}
	return found
}

// TestMonitoring_UsesExportedMetrics checks that a started server exports every metric and label in the rules
// and panels, and that the README and a rule or panel mention every exported metric.
func TestMonitoring_UsesExportedMetrics(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "x.db"), "--tick", "50ms", "--metrics-listen",
		"127.0.0.1:0")
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
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range family.FindAllStringSubmatch(scraped, -1) {
		name, ours := strings.CutPrefix(match[1], "spendwise_")
		if ours && !strings.Contains(string(readme), "`"+name+"`") {
			t.Errorf("README.md does not name %s", match[1])
		}
		if ours && !watched[match[1]] {
			t.Errorf("no rule and no panel shows %s", match[1])
		}
	}
}

func promtool(t *testing.T) string {
	t.Helper()
	tool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no promtool: install Debian's prometheus")
		}
		t.Skip("there is no promtool: Debian's package prometheus has it")
	}
	return tool
}

// TestMonitoring_PanelExpressionsParse parses the expressions of the dashboard with Prometheus' own parser, as
// recording rules.
func TestMonitoring_PanelExpressionsParse(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	asked := expressions(t)
	for _, place := range slices.Sorted(maps.Keys(asked)) {
		for line := range strings.Lines(asked[place]) {
			if place != "prometheus/rules.yml" {
				rules = append(rules, rule{"panel:question:number" + strconv.Itoa(len(rules)), strings.TrimSpace(line)})
			}
		}
	}
	// JSON is valid YAML.
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "panels", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), promtool(t), "check", "rules", path).CombinedOutput()
	if found := strconv.Itoa(len(rules)) + " rules found"; err != nil || len(rules) < 30 ||
		!strings.Contains(string(out), found) {
		t.Errorf("of %d questions: %v\n%s", len(rules), err, out)
	}
}

// TestMonitoring_AlertsHaveTestsAndDocumentation checks that each alert has a test in which it fires and one in which
// it does not, and a row in OPERATIONS.md; and that OPERATIONS.md has no other alerts.
func TestMonitoring_AlertsHaveTestsAndDocumentation(t *testing.T) {
	type expectation struct {
		Name   string `yaml:"alertname"`
		Firing []any  `yaml:"exp_alerts"`
	}
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(deploy, "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	read("rules.yml", &rules)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, name := range []string{"rules_test.yml", "rules_days_test.yml"} {
		var file struct {
			Tests []struct {
				Alerts []expectation `yaml:"alert_rule_test"`
			}
		}
		read(name, &file)
		for _, test := range file.Tests {
			for _, e := range test.Alerts {
				fires[e.Name] = fires[e.Name] || len(e.Firing) > 0
				silent[e.Name] = silent[e.Name] || len(e.Firing) == 0
			}
		}
	}
	runbook, err := os.ReadFile("OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^\| (`+"`Spendwise.*?"+`) \|`).FindAllStringSubmatch(string(runbook),
		-1) {
		for _, name := range regexp.MustCompile(`Spendwise[A-Za-z]+`).FindAllString(match[1], -1) {
			rows[name] = true
		}
	}
	alerts := map[string]bool{}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if alerts[rule.Alert] = true; rule.Alert != "" && (!fires[rule.Alert] || !silent[rule.Alert] || !rows[rule.Alert]) {
				t.Errorf("%s: a test in which it fires: %t, in which it is silent: %t, a row in OPERATIONS.md: %t",
					rule.Alert, fires[rule.Alert], silent[rule.Alert], rows[rule.Alert])
			}
		}
	}
	if len(alerts) < 13 {
		t.Errorf("only %d alerts were read", len(alerts))
	}
	for name := range rows {
		if !alerts[name] {
			t.Errorf("OPERATIONS.md explains %s, which there is not", name)
		}
	}
}

// TestMonitoring_RulesPassPromtool checks the alert rules and runs their tests with promtool. It needs its time because
// promtool evaluates the rules over days.
func TestMonitoring_RulesPassPromtool(t *testing.T) {
	tool := promtool(t)
	for _, args := range [][]string{{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"},
		{"test", "rules", "rules_test.yml", "rules_days_test.yml"}} {
		command := exec.CommandContext(t.Context(), tool, args...)
		command.Dir = filepath.Join(deploy, "prometheus")
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
