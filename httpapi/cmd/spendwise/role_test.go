package main_test

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// TestRoles_SeparateProcesses checks a deployment of three processes with one role each. Only auth has the private keys
// and their key-encryption key, and the ticker posts due rules.
func TestRoles_SeparateProcesses(t *testing.T) {
	dsn, dirs := pgtest.New(t), map[string]string{}
	run := func(role string) *server {
		dirs[role] = t.TempDir()
		return start(t, dirs[role], "--database", dsn, "--roles", role, "--tick", "100ms")
	}
	signsIn, ledgers := run("auth"), run("api")
	c := signsIn.register(`,"home_currency":"EUR"`)
	here := c.at(ledgers.url)
	here.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"12.50","category":"Food"}`)
	here.must(t, http.StatusNotFound, "GET", "/v1/me", "")
	c.must(t, http.StatusNotFound, "GET", "/v1/expenses", "")
	here.must(t, http.StatusCreated, "POST", "/v1/recurrences",
		`{"amount":"1","freq":"daily","start_date":"2026-01-01","count":3}`)
	time.Sleep(300 * time.Millisecond)
	if n := len(here.expenses(t)); n != 1 {
		t.Errorf("%d expenses without a ticker, want 1", n)
	}
	run("ticker")
	for deadline := time.Now().Add(time.Minute); len(here.expenses(t)) != 4; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d expenses with a ticker, want 4", len(here.expenses(t)))
		}
	}
	for role, want := range map[string]bool{"auth": true, "api": false, "ticker": false} {
		_, err := os.Stat(filepath.Join(dirs[role], "spendwise", "key-encryption-key"))
		if (err == nil) != want {
			t.Errorf("the role %s has a key-encryption key: %t, want %t", role, err == nil, want)
		}
	}
}

// TestServe_PrintsRegistrationOnlyIfOpen checks that the first command that a server prints is a registration
// only if registration is open.
func TestServe_PrintsRegistrationOnlyIfOpen(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"by default":             {nil, "/v1/auth/register"},
		"with the api role only": {[]string{"--roles", "api"}, "/healthz"},
		"registration is closed": {[]string{"--registration", "closed"}, "/healthz"},
	} {
		t.Run(name, func(t *testing.T) {
			command := program(t.Context(), t.TempDir(), append([]string{
				"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--rates", "off", "--database",
				"sqlite:" + filepath.Join(t.TempDir(), "x.db"),
			}, c.args...)...)
			stdout, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			lines, output := bufio.NewScanner(stdout), ""
			for !strings.Contains(output, "curl") && lines.Scan() {
				output = lines.Text()
			}
			_ = command.Process.Kill()
			_ = command.Wait()
			if !strings.Contains(output, c.want) {
				t.Errorf("output %q, want %s", output, c.want)
			}
		})
	}
}

func TestServe_RejectsInvalidIngressFlags(t *testing.T) {
	for name, args := range map[string][]string{
		"a role that there is not": {"--roles", "api,cook"},
		"no role":                  {"--roles", ""},
		"signing in without accounts": {"--roles", "auth", "--no-local-accounts", "--issuer", "https://login.example.org",
			"--audience", "x"},
		"a proxy that is a name":          {"--trusted-proxies", "gateway"},
		"a proxy in a network of no size": {"--trusted-proxies", "10.0.0.0/40"},
		"any origin":                      {"--cors-origins", "*"},
		"an origin with a path":           {"--cors-origins", "https://app.example.org/"},
	} {
		dir := t.TempDir()
		args = append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--rates", "off", "--database",
			"sqlite:" + filepath.Join(dir, "x.db")}, args...)
		if out, err := program(t.Context(), dir, args...).CombinedOutput(); err == nil ||
			strings.Contains(string(out), "listening") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}
