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

// pasted returns the commands in an order in which all of them succeed: those that end sessions, delete rows or change
// the account come last. A command of the first section is not repeated.
func pasted(commands []docsCommand) []docsCommand {
	last := []string{
		"mergeCategory", "logout", "deleteDevice", "deleteExpense", "deleteBudget", "deleteRule", "deleteCategory",
		"deleteToken",
		"updateAccount", "changePassword", "login", "eraseAccount",
	}
	var first, rest []docsCommand
	for _, c := range commands {
		repeats := func(f docsCommand) bool { return strings.Contains(f.text, strings.TrimPrefix(c.text, "curl ")) }
		switch {
		case c.operation != "" && slices.ContainsFunc(first, repeats):
		case slices.Contains(last, c.operation):
			rest = append(rest, c)
		default:
			first = append(first, c)
		}
	}
	slices.SortStableFunc(rest, func(a, b docsCommand) int {
		return slices.Index(last, a.operation) - slices.Index(last, b.operation)
	})
	signIn := commands[1]
	for _, c := range rest {
		first = append(first, c)
		if c.operation == "logout" || c.operation == "deleteDevice" {
			first = append(first, signIn)
		}
	}
	return first
}

// TestDocs_CommandsWork pastes every command of the page into one shell. Each one must succeed.
func TestDocs_CommandsWork(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("curl is missing: apt-get install curl")
		}
		t.Skip("curl is missing: apt-get install curl")
	}
	handler, _ := newReplay(t)
	running := httptest.NewServer(handler)
	defer running.Close()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", running.URL+"/docs", nil))
	commands := pasted(docsCommands(w.Body.String()))
	home := t.TempDir()
	curlrc := "fail-with-body\nsilent\nshow-error\nmax-time = 60\n"
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte(curlrc), 0o600); err != nil {
		t.Fatal(err)
	}
	script := &strings.Builder{}
	script.WriteString("set -o pipefail\n")
	for i, c := range commands {
		fmt.Fprintf(script, "%s >%s/out 2>&1 || { echo %d; cat %[2]s/out; echo; }\n", grouped(c.text), home, i)
	}
	bash := exec.CommandContext(t.Context(), "bash", "-c", script.String())
	bash.Env = append(os.Environ(), "CURL_HOME="+home)
	out, err := bash.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("commands fail (%v); each is listed by its number with its output:\n%s", err, out)
		for i, c := range commands {
			t.Logf("%d %s\n%s", i, c.operation, c.text)
		}
	}
	for path, methods := range contractOf(t).at("paths") {
		for method, op := range methods.(map[string]any) {
			shown := func(c docsCommand) bool { return c.operation == op.(map[string]any)["operationId"] }
			if !slices.ContainsFunc(docsCommands(w.Body.String()), shown) {
				t.Errorf("the page has no command for %s %s", method, path)
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
