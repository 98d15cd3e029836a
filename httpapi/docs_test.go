package httpapi_test

import (
	"fmt"
	"html"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/store/memstore"
)

// A docsCommand is a command of the page /docs.
type docsCommand struct {
	operation string // its operationId; "": the first section of the page
	text      string
}

var (
	docsArticle  = regexp.MustCompile(`(?s)<article class="operation" id="(\w+)">(.*?)</article>`)
	docsPreBlock = regexp.MustCompile(`(?s)<div class="command"><pre>(.*?)</pre>`)
)

// docsCommands returns the commands of the page.
func docsCommands(page string) []docsCommand {
	var commands []docsCommand
	add := func(operation, part string) {
		for _, match := range docsPreBlock.FindAllStringSubmatch(part, -1) {
			commands = append(commands, docsCommand{operation, html.UnescapeString(match[1])})
		}
	}
	start, _, _ := strings.Cut(page, "<article")
	add("", start)
	for _, article := range docsArticle.FindAllStringSubmatch(page, -1) {
		add(article[1], article[2])
	}
	return commands
}

// TestDocs_CommandsWorkInPageOrder pastes the commands of the page into one shell, from the top to the bottom. Each one
// must succeed today. A command that the first section also has is pasted once.
func TestDocs_CommandsWorkInPageOrder(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("curl is missing: apt-get install curl")
		}
		t.Skip("curl is missing: apt-get install curl")
	}
	handler, _ := newReplay(t, time.Now)
	running := httptest.NewServer(handler)
	defer running.Close()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", running.URL+"/docs", nil))
	commands := docsCommands(w.Body.String())
	home := t.TempDir()
	curlrc := "fail-with-body\nsilent\nshow-error\nmax-time = 60\n"
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	script := &strings.Builder{}
	script.WriteString("set -o pipefail\n")
	pasted := map[string]bool{}
	for _, c := range commands {
		if !pasted[c.text] {
			fmt.Fprintf(script, "%[1]s >%[2]s/out 2>&1 || { cat <<'SHOWN'; cat %[2]s/out; echo; }\n%[3]s: %[1]s\nSHOWN\n",
				grouped(c.text), home, c.operation)
		}
		pasted[c.text] = true
	}
	bash := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	bash.Env = append(os.Environ(), "CURL_HOME="+home)
	out, err := bash.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("commands fail (%v); each is listed with its output:\n%s", err, out)
	}
	for path, methods := range contractOf(t).at("paths") {
		for method, op := range methods.(map[string]any) {
			op := jsonTree(op.(map[string]any))
			for _, target := range op.at("x-targets") {
				_, query, _ := strings.Cut(target.(string), "?")
				shown := func(c docsCommand) bool {
					missing := func(part string) bool { return !strings.HasPrefix(part, "cursor=") && !strings.Contains(c.text, part) }
					return c.operation == op["operationId"] && !slices.ContainsFunc(strings.Split(query, "&"), missing)
				}
				if !slices.ContainsFunc(commands, shown) {
					t.Errorf("the page has no command for %s %s with the query of the example %s", method, path, target)
				}
			}
		}
	}
}

// grouped returns a command as one group of the shell, so that a here-document in it ends with its own line.
func grouped(command string) string { return "{ " + command + "\n}" }

// TestDocs_ShowsTheAddressOfTheServer tests the URLs in the commands.
func TestDocs_ShowsTheAddressOfTheServer(t *testing.T) {
	for _, test := range []struct{ base, host, want string }{
		{"", "example.org:8080", "http://example.org:8080/v1/expenses"},
		{"", "[::1]:8080", "http://[::1]:8080/v1/expenses"},
		{"", "example.org;id", "http://localhost/v1/expenses"},
		{"/ledger", "example.org", "http://example.org/ledger/v1/expenses"},
		{"https://api.example.org/ledger", "10.0.0.7", "https://api.example.org/ledger/v1/expenses"},
	} {
		s := serve(t, memstore.New(), func(cfg *httpapi.Config) { cfg.BaseURL = test.base }).as("")
		r := s.request("GET", "/docs", nil)
		r.Host = test.host
		page := s.send(r).Body.String()
		if !strings.Contains(page, "curl "+test.want) && !strings.Contains(page, "curl &#34;"+test.want) {
			t.Errorf("base %q, host %q: the page has no command for %s", test.base, test.host, test.want)
		}
	}
}
