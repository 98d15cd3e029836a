package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// TestRole_ServesOnlyItsRoutes tests that an instance with one role serves only the routes of that
// role, and that its response to any other route names the role that serves it.
func TestRole_ServesOnlyItsRoutes(t *testing.T) {
	st, accounts := memstore.New(), memstore.NewAccounts()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	instance := func(roles httpapi.Roles) server {
		config := auth.Config{VerifyOnly: !roles.Has(httpapi.RoleAuth)}
		if !config.VerifyOnly {
			config.KEK = make([]byte, auth.KEKSize)
		}
		service, err := auth.New(t.Context(), auth.NewUsers(accounts, st, defaults, nil), config)
		if err != nil {
			t.Fatal(err)
		}
		return serve(t, st, func(cfg *httpapi.Config) {
			cfg.Authenticator, cfg.Accounts, cfg.Now, cfg.Roles = nil, service, time.Now, roles
		}).as("")
	}
	early := instance(httpapi.RoleAPI)
	early.refused(503, "unavailable", nil, "GET", "/readyz", "") // there is no signing key yet
	roles := map[string]server{"auth": instance(httpapi.RoleAuth), "api": instance(httpapi.RoleAPI),
		"ticker": instance(httpapi.RoleTicker)}
	session := roles["auth"].must(201, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"`+accessPassword+`"}`)
	bearer := []string{"Authorization", "Bearer " + session.json["access_token"].(string)}

	for _, r := range httpapi.Routes() {
		target := strings.NewReplacer(":id", "00000000-0000-4000-8000-000000000000", ":code", "conflict").Replace(r.Path)
		var servedBy []string
		for _, role := range []string{"api", "auth", "ticker"} {
			got := roles[role].do(r.Method, target, "")
			if text := got.Body.String(); got.Code != 404 || !strings.Contains(text, "This instance does not serve the role") {
				servedBy = append(servedBy, role)
			} else if !strings.Contains(text, `the role \"api\";`) && !strings.Contains(text, `the role \"auth\";`) {
				t.Errorf("%s %s: the response of an instance with role %s does not name the role of the route: %s", r.Method,
					r.Path, role, text)
			}
		}
		want := "[api]"
		switch {
		case !strings.HasPrefix(r.Path, "/v1/") && !strings.HasPrefix(r.Path, "/.well-known"):
			want = "[api auth ticker]"
		case strings.HasPrefix(r.Path, "/v1/auth"), strings.HasPrefix(r.Path, "/v1/me"),
			strings.HasPrefix(r.Path, "/v1/devices"),
			strings.HasPrefix(r.Path, "/v1/tokens"), strings.HasPrefix(r.Path, "/.well-known"):
			want = "[auth]"
		}
		equal(t, r.Method+" "+r.Path, fmt.Sprint(servedBy), want)
	}
	roles["api"].must(404, "DELETE", "/v1/auth/login", "") // not 405: this instance serves no method of the route
	roles["auth"].must(404, "PATCH", "/v1/nowhere", "")

	roles["api"].must(200, "GET", "/v1/settings", "", bearer...)
	roles["auth"].must(200, "GET", "/v1/me", "", bearer...)
	for role, lag := range map[string]bool{"api": true, "auth": false, "ticker": true} {
		got := roles[role].must(200, "GET", "/readyz", "")
		equal(t, role+": roles", fmt.Sprint(got.json["roles"]), "["+role+"]")
		equal(t, role+": recurring", got.json["recurring"] != nil, lag)
	}
	early.must(200, "GET", "/v1/settings", "", bearer...)
	early.must(200, "GET", "/readyz", "")
}
