package httpapi_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/memstore"
)

// A tenancy is a server with local accounts on which two people have what they have.
type tenancy struct {
	server
	service, past *auth.Service // past works on the same accounts, an hour ago
	accounts      accounts.Store
	people        int
}

func newTenancy(t *testing.T) *tenancy {
	t.Helper()
	st, accounts := memstore.New(), memstore.NewAccounts()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	service := func(now func() time.Time) *auth.Service {
		s, err := auth.New(t.Context(), auth.NewUsers(accounts, st, defaults, now),
			auth.Config{KEK: make([]byte, auth.KEKSize), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	past := service(func() time.Time { return time.Now().Add(-time.Hour) })
	h := &tenancy{past: past, service: service(time.Now), accounts: accounts}
	stopping := make(chan struct{}) // so that a stream ends as soon as it has begun
	close(stopping)
	h.server = serve(t, st, func(cfg *httpapi.Config) {
		cfg.Done = stopping
		cfg.Authenticator, cfg.Accounts, cfg.Now = nil, h.service, time.Now
	}).as("")
	return h
}

const accessPassword = "nine purple otters knitting"

// A person has an account, and tokens of several kinds.
type person struct {
	h                          *tenancy
	email                      string
	token, expired, signedOut  string
	session                    auth.Session
	readOnly, writeOnly, whole string // personal access tokens, whole with all that they may have but what its name says
}

// join makes a person.
func (h *tenancy) join() person {
	h.t.Helper()
	h.people++
	p := person{h: h, email: fmt.Sprintf("person%d@example.org", h.people)}
	ctx := h.t.Context()
	before, err := h.past.Register(ctx, auth.Registration{Email: p.email, Password: accessPassword})
	if err != nil {
		h.t.Fatal(err)
	}
	p.session, err = h.service.Login(ctx, auth.Login{Email: p.email, Password: accessPassword})
	if err != nil {
		h.t.Fatal(err)
	}
	p.token, p.expired = p.session.AccessToken, before.AccessToken
	return p
}

// outsiders adds the tokens that are good for some things only, or for nothing any more.
func (p person) outsiders() person {
	p.h.t.Helper()
	ctx := p.h.t.Context()
	over, err := p.h.service.Login(ctx, auth.Login{Email: p.email, Password: accessPassword})
	if err != nil {
		p.h.t.Fatal(err)
	}
	p.signedOut = over.AccessToken
	p.h.must(204, "POST", "/v1/auth/logout", "", "Authorization", "Bearer "+p.signedOut)
	p.readOnly = p.personal("write", "export")
	p.writeOnly = p.personal("read", "export")
	p.whole = p.personal("read", "write")
	return p
}

func (p person) personal(scopes ...string) string {
	p.h.t.Helper()
	got := p.must(201, "POST", "/v1/tokens", `{"name":"x","scopes":["`+strings.Join(scopes, `","`)+`"]}`)
	return got.json["token"].(string)
}

func (p person) must(status int, method, target, body string) reply {
	p.h.t.Helper()
	return p.h.must(status, method, target, body, "Authorization", "Bearer "+p.token)
}

// without returns a personal access token with every scope but this one.
func (p person) without(scope auth.Scopes) string {
	switch scope {
	case auth.ScopeRead:
		return p.readOnly
	case auth.ScopeWrite:
		return p.writeOnly
	case auth.ScopeExport:
		return p.whole
	default:
		return p.personal("read", "write", "export")
	}
}

// possessions makes one of everything that has an id in a path, and returns the paths that stand for the patterns.
func (p person) possessions() map[string]string {
	food := p.must(201, "POST", "/v1/categories", `{"name":"Treats"}`).id()
	month := time.Now().UTC().Format("2006-01")
	token := p.must(201, "POST", "/v1/tokens", `{"name":"mine","scopes":["read"]}`).id()
	owned := map[string]string{
		"/v1/categories/:id": food,
		"/v1/budgets/:id": p.must(201, "POST", "/v1/budgets",
			`{"category_id":"`+food+`","from_month":"`+month+`","amount":"1","currency":"EUR","alert_at":["0.50"]}`).id(),
		"/v1/expenses/:id": p.must(201, "POST", "/v1/expenses",
			`{"amount":"9","currency":"EUR","category_id":"`+food+`"}`).id(),
		"/v1/devices/:id": p.session.Device.String(),
		"/v1/tokens/:id":  token,
	}
	for _, more := range []struct{ pattern, path, body string }{
		{"/v1/recurrences/:id", "/v1/recurrences", `{"amount":"3","currency":"EUR","category_id":"` + food +
			`","freq":"monthly","start_date":"2026-01-31"}`},
	} {
		if served(more.pattern) {
			owned[more.pattern] = p.must(201, "POST", more.path, more.body).id()
		}
	}
	if served("/v1/budgets/alerts/:id/read") {
		alerts := p.must(200, "GET", "/v1/budgets/alerts", "").list()
		if len(alerts) == 0 {
			p.h.t.Error("there is no alert to try to read as somebody else")
		} else {
			owned["/v1/budgets/alerts/:id"] = alerts[0]["id"].(string)
		}
	}
	return owned
}

func served(pattern string) bool {
	for _, r := range httpapi.Routes() {
		if strings.HasPrefix(r.Path, pattern) {
			return true
		}
	}
	return false
}

// TestAccess tries each route of the router's own table as nobody, with tokens that are over, with every scope but the
// one it needs, and as another person. The table of what came of it is a golden file: a new route does not get past it
// unseen.
func TestAccess(t *testing.T) {
	h := newTenancy(t)
	ada := h.join()
	ada.must(200, "GET", "/v1/settings", "")
	owned := ada.possessions()
	before := ada.all(owned)
	table := &strings.Builder{}
	row := func(cells ...any) {
		fmt.Fprintf(table, "%-7v %-36v %-9v %-8v %-11v %-12v %v\n", cells...)
	}
	row("method", "path", "no token", "expired", "signed out", "wrong scope", "another person")
	for _, r := range httpapi.Routes() {
		target, named := r.Path, false
		if prefix, rest, ok := strings.Cut(r.Path, ":id"); ok {
			id, known := owned[prefix+":id"]
			if !known {
				t.Errorf("what of Ada's does :id stand for in %s? Make one in possessions", r.Path)
				continue
			}
			target, named = prefix+id+rest, true
		}
		target = strings.Replace(target, ":code", "not_found", 1)
		bob := h.join().outsiders()
		try := func(token string) int {
			var header []string
			if token != "" {
				header = []string{"Authorization", "Bearer " + token}
			}
			got := h.do(r.Method, target, bodyFor(r, ada), header...)
			challenged := strings.HasPrefix(got.Header().Get("WWW-Authenticate"), "Bearer ")
			if (got.Code == http.StatusUnauthorized) != challenged {
				t.Errorf("%s %s: %d, WWW-Authenticate %q", r.Method, r.Path, got.Code, got.Header().Get("WWW-Authenticate"))
			}
			if r.Scope != 0 && strings.Contains(got.Body.String(), ada.session.User.ID.String()) {
				t.Errorf("%s %s shows Ada to somebody else: %s", r.Method, r.Path, got.Body)
			}
			for _, id := range owned {
				if r.Scope != 0 && !named && strings.Contains(got.Body.String(), id) {
					t.Errorf("%s %s shows what is Ada's to somebody else: %s", r.Method, r.Path, got.Body)
				}
			}
			return got.Code
		}
		if r.Scope == 0 {
			row(r.Method, r.Path, try(""), "-", "-", "-", "-")
			continue
		}
		nobody, expired, over, scope := try(""), try(bob.expired), try(bob.signedOut), try(bob.without(r.Scope))
		other := try(bob.token)
		row(r.Method, r.Path, nobody, expired, over, scope, other)
		if nobody != 401 || expired != 401 || over != 401 || scope != 403 {
			t.Errorf("%s %s: %d without a token, %d with an expired one, %d signed out, %d without the scope",
				r.Method, r.Path, nobody, expired, over, scope)
		}
		if named && other != 404 && r.Method != http.MethodPut { // PUT makes one of one's own under the id
			t.Errorf("%s %s of Ada's: %d for another person, want 404", r.Method, r.Path, other)
		}
	}
	if after := ada.all(owned); after != before {
		t.Errorf("what is Ada's changed:\n%s\nwas\n%s", after, before)
	}
	path := filepath.Join("testdata", "access.txt")
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != table.String() {
		t.Errorf("%s is not what the routes do (%v); look at the difference, then run the test with -update\n%s", path, err,
			table)
	}
}

// all returns everything that is in the person's ledger and account, but for when tokens were used.
func (p person) all(owned map[string]string) string {
	var all strings.Builder
	for _, path := range []string{"/v1/me", "/v1/settings", "/v1/categories?limit=200", "/v1/expenses", "/v1/budgets",
		"/v1/devices", "/v1/tokens"} {
		all.WriteString(p.must(200, "GET", path, "").Body.String() + "\n")
	}
	return all.String()
}

// bodyFor returns a body that gets past the check of its shape, so that what is refused is refused for who asks.
func bodyFor(r httpapi.Route, ada person) string {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodDelete:
		return ""
	case strings.HasSuffix(r.Path, "/erase"):
		return `{"password":"not the password"}`
	case r.Path == "/v1/me/password":
		return `{"current_password":"not the password","new_password":"eleven green geese humming"}`
	case r.Path == "/v1/me":
		return `{"email":"` + ada.email + `","current_password":"` + accessPassword + `"}`
	case strings.HasSuffix(r.Path, "/merge"):
		return `{"into":"00000000-0000-4000-8000-000000000000"}`
	case strings.HasSuffix(r.Path, "/skip"):
		return `{"date":"2026-01-31"}`
	case r.Path == "/v1/expenses/:id" && r.Method == http.MethodPut:
		return `{"amount":"1"}`
	default:
		return `{}`
	}
}
