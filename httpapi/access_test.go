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

// An accountServer is an API with local accounts under test.
type accountServer struct {
	server
	service, past *auth.Service // past uses the same accounts; its clock is one hour behind
	accounts      accounts.Store
	userCount     int
}

func newAccountServer(t *testing.T) *accountServer {
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
	h := &accountServer{past: past, service: service(time.Now), accounts: accounts}
	stopping := make(chan struct{}) // closed, so that an event stream ends right after it starts
	close(stopping)
	h.server = serve(t, st, func(cfg *httpapi.Config) {
		cfg.Done = stopping
		cfg.Authenticator, cfg.Accounts, cfg.Now = nil, h.service, time.Now
	}).as("")
	return h
}

const accessPassword = "nine purple otters knitting"

// A testUser is a registered user with access tokens of several kinds.
type testUser struct {
	h                         *accountServer
	email                     string
	token, expired, signedOut string
	session                   auth.Session
	// Personal access tokens. Each has all of the scopes read, write and export except the one in its name.
	withoutRead, withoutWrite, withoutExport string
}

// addUser registers a user and signs in. Hashing the password takes most of the time.
func (h *accountServer) addUser() testUser {
	h.t.Helper()
	h.userCount++
	p := testUser{h: h, email: fmt.Sprintf("person%d@example.org", h.userCount)}
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

// withTokens returns p with the token of a signed-out session and with personal access tokens.
func (p testUser) withTokens() testUser {
	p.h.t.Helper()
	ctx := p.h.t.Context()
	session, err := p.h.service.Login(ctx, auth.Login{Email: p.email, Password: accessPassword})
	if err != nil {
		p.h.t.Fatal(err)
	}
	p.signedOut = session.AccessToken
	p.h.must(204, "POST", "/v1/auth/logout", "", "Authorization", "Bearer "+p.signedOut)
	p.withoutRead = p.createToken("write", "export")
	p.withoutWrite = p.createToken("read", "export")
	p.withoutExport = p.createToken("read", "write")
	return p
}

func (p testUser) createToken(scopes ...string) string {
	p.h.t.Helper()
	got := p.must(201, "POST", "/v1/tokens", `{"name":"x","scopes":["`+strings.Join(scopes, `","`)+`"]}`)
	return got.json["token"].(string)
}

func (p testUser) must(status int, method, target, body string) reply {
	p.h.t.Helper()
	return p.h.must(status, method, target, body, "Authorization", "Bearer "+p.token)
}

// isSignedIn reports whether the user's access token and personal access tokens are accepted.
func (p testUser) isSignedIn() bool {
	for _, token := range []string{p.token, p.withoutRead, p.withoutWrite, p.withoutExport} {
		if code := p.h.do("GET", "/v1/me", "", "Authorization", "Bearer "+token).Code; code == http.StatusUnauthorized {
			return false
		}
	}
	return true
}

// without returns a personal access token that lacks scope.
func (p testUser) without(scope auth.Scopes) string {
	switch scope {
	case auth.ScopeRead:
		return p.withoutRead
	case auth.ScopeWrite:
		return p.withoutWrite
	case auth.ScopeExport:
		return p.withoutExport
	default:
		return p.createToken("read", "write", "export")
	}
}

// createResources creates one resource of each kind that has an :id in its path.
// It returns the IDs by route pattern, up to and including :id.
func (p testUser) createResources() map[string]string {
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
	for _, resource := range []struct{ pattern, path, body string }{
		{"/v1/recurrences/:id", "/v1/recurrences", `{"amount":"3","currency":"EUR","category_id":"` + food +
			`","freq":"monthly","start_date":"2026-01-31"}`},
	} {
		if hasRoute(resource.pattern) {
			owned[resource.pattern] = p.must(201, "POST", resource.path, resource.body).id()
		}
	}
	body, media := form(p.h.t, "file", "Date,Amount\n2026-01-02,-3.00\n")
	owned["/v1/imports/:id"] = p.h.must(201, "POST", "/v1/imports", body, "Authorization", "Bearer "+p.token,
		"Content-Type", media).id()
	if hasRoute("/v1/budgets/alerts/:id/read") {
		alerts := p.must(200, "GET", "/v1/budgets/alerts", "").list()
		if len(alerts) == 0 {
			p.h.t.Error("the ledger has no alert, so the test cannot read an alert as another user")
		} else {
			owned["/v1/budgets/alerts/:id"] = alerts[0]["id"].(string)
		}
	}
	return owned
}

// hasRoute reports whether the path of a route begins with prefix.
func hasRoute(prefix string) bool {
	for _, r := range httpapi.Routes() {
		if strings.HasPrefix(r.Path, prefix) {
			return true
		}
	}
	return false
}

// TestAccess calls each route of the routing table without a token, with an expired token, with the token of a
// signed-out session, with a token that lacks the route's scope, and as another user. A golden file contains the
// expected status codes, so a new route fails the test until its row is added.
func TestAccess(t *testing.T) {
	h := newAccountServer(t)
	ada := h.addUser()
	ada.must(200, "GET", "/v1/settings", "")
	owned := ada.createResources()
	before := ada.contents(owned)
	table := &strings.Builder{}
	row := func(cells ...any) {
		fmt.Fprintf(table, "%-7v %-36v %-9v %-8v %-11v %-12v %v\n", cells...)
	}
	var bob testUser // the other user
	renew := true    // whether the next route needs another Bob
	row("method", "path", "no token", "expired", "signed out", "wrong scope", "another person")
	for _, r := range httpapi.Routes() {
		target, hasID := r.Path, false
		if prefix, rest, ok := strings.Cut(r.Path, ":id"); ok {
			id, known := owned[prefix+":id"]
			if !known {
				t.Errorf("createResources creates no resource for :id in %s", r.Path)
				continue
			}
			target, hasID = prefix+id+rest, true
		}
		target = strings.Replace(target, ":code", "not_found", 1)
		if renew || !bob.isSignedIn() { // some routes end the session
			bob = h.addUser().withTokens()
		}
		renew = r.Method == http.MethodPut // which creates an expense of Bob with the id of Ada's expense
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
				t.Errorf("%s %s returns Ada's user ID to another user: %s", r.Method, r.Path, got.Body)
			}
			for _, id := range owned {
				if r.Scope != 0 && !hasID && strings.Contains(got.Body.String(), id) {
					t.Errorf("%s %s returns the ID of Ada's resource to another user: %s", r.Method, r.Path, got.Body)
				}
			}
			return got.Code
		}
		if r.Scope == 0 {
			row(r.Method, r.Path, try(""), "-", "-", "-", "-")
			continue
		}
		noToken, expired, signedOut := try(""), try(bob.expired), try(bob.signedOut)
		wrongScope := try(bob.without(r.Scope))
		other := try(bob.token)
		row(r.Method, r.Path, noToken, expired, signedOut, wrongScope, other)
		if noToken != 401 || expired != 401 || signedOut != 401 || wrongScope != 403 {
			t.Errorf("%s %s: status %d without a token, %d with an expired token, %d after sign-out, %d without the scope; "+
				"want 401, 401, 401 and 403", r.Method, r.Path, noToken, expired, signedOut, wrongScope)
		}
		if hasID && other != 404 && r.Method != http.MethodPut { // PUT creates an expense of the caller with this ID
			t.Errorf("%s %s with the ID of Ada's resource: status %d for another user, want 404", r.Method, r.Path, other)
		}
	}
	if after := ada.contents(owned); after != before {
		t.Errorf("Ada's data changed:\n%s\nbefore:\n%s", after, before)
	}
	path := filepath.Join("testdata", "access.txt")
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != table.String() {
		t.Errorf("%s does not match the routes (%v); check the difference, then run the test with -update\n%s", path, err,
			table)
	}
}

// contents returns the responses of the routes that read the user's account and ledger.
func (p testUser) contents(owned map[string]string) string {
	var responses strings.Builder
	for _, path := range []string{"/v1/me", "/v1/settings", "/v1/categories?limit=200", "/v1/expenses", "/v1/budgets",
		"/v1/devices", "/v1/tokens"} {
		responses.WriteString(p.must(200, "GET", path, "").Body.String() + "\n")
	}
	return responses.String()
}

// bodyFor returns a well-formed body, so that the server rejects the request because of the caller and not the body.
func bodyFor(r httpapi.Route, ada testUser) string {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodDelete:
		return ""
	case strings.HasSuffix(r.Path, "/erase"):
		return `{"current_password":"not the password"}`
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
