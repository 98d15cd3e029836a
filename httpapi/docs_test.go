package httpapi_test

import (
	"crypto/sha256"
	"encoding/base64"
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
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
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

// TestDocs_LoadsNothing tests that the page has no resource outside itself, that the policy has the hashes of its style
// and script, and that each link within the page has a target.
func TestDocs_LoadsNothing(t *testing.T) {
	w := serve(t, memstore.New()).as("").must(200, "GET", "/docs", "")
	page, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q, want default-src 'none' without unsafe sources", policy)
	}
	for _, tag := range []string{"style", "script"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 || strings.Count(page, "<"+tag) != 1 {
			t.Fatalf("the page has %d elements %s, want 1", len(found), tag)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !strings.Contains(policy, want) {
			t.Errorf("the policy is %q, want %s", policy, want)
		}
		page = strings.Replace(page, found[0][0], "", 1)
		if loaded := regexp.MustCompile(`url\(|@import|fetch\(|import\(`).FindString(found[0][1]); loaded != "" {
			t.Errorf("the %s has %s", tag, loaded)
		}
	}
	markup := regexp.MustCompile(`<(?:link|img|iframe|object|embed|base|form)\b|\s(?:src|srcset|style|on\w+)="`)
	if loaded := markup.FindString(page); loaded != "" {
		t.Errorf("the page has %q", loaded)
	}
	ids := map[string]int{}
	for _, match := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[match[1]]++; ids[match[1]] > 1 {
			t.Errorf("the page has several elements with the id %s", match[1])
		}
	}
	for _, match := range regexp.MustCompile(`\shref="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		fragment, within := strings.CutPrefix(match[1], "#")
		if within && ids[fragment] == 0 {
			t.Errorf("the link to #%s has no target", fragment)
		}
		if !within && !strings.HasSuffix(match[1], "/openapi.json") {
			t.Errorf("the page has a link to %s", match[1])
		}
	}
}

// TestDocs_MarksRequiredMembers compares the marks of the page with the required members of each request body.
func TestDocs_MarksRequiredMembers(t *testing.T) {
	doc := contractOf(t)
	page := serveAccounts(t, auth.Config{}).must(200, "GET", "/docs", "").Body.String()
	marked := map[string]string{} // by operationId
	field := regexp.MustCompile(`<dt><code>([^<]*)</code> <small>(?:[^<]|</?a\b)*</small> <b>required</b></dt>`)
	for _, article := range docsArticle.FindAllStringSubmatch(page, -1) {
		_, body, _ := strings.Cut(article[2], "<h4>Request body")
		body, _, _ = strings.Cut(body, "<h4>Responses")
		var names []string
		for _, match := range field.FindAllStringSubmatch(body, -1) {
			if !strings.ContainsAny(match[1], ".[") { // else a member of an object within the body
				names = append(names, match[1])
			}
		}
		marked[article[1]] = sorted(names)
	}
	for path, methods := range doc.at("paths") {
		for method := range methods.(map[string]any) {
			op := doc.at("paths", path, method)
			var want []string
			for media := range op.at("requestBody", "content") {
				schema := op.at("requestBody", "content", media, "schema").resolve(doc)
				want = contracttest.StringList(schema["required"])
			}
			id := op["operationId"].(string)
			equal(t, id+": required members", marked[id], sorted(want))
		}
	}
}
