package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// serveAccounts returns an API with local accounts, called by nobody in particular.
func serveAccounts(t *testing.T, config auth.Config) server {
	t.Helper()
	st := memstore.New()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	config.KEK = make([]byte, 32)
	service, err := auth.New(t.Context(), auth.NewUsers(memstore.NewAccounts(), st, defaults, nil), config)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, st, func(cfg *httpapi.Config) {
		cfg.Authenticator, cfg.Accounts, cfg.Now = nil, service, time.Now
	}).as("")
}

func TestAPersonRegistersSignsInRefreshesAndSignsOut(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	const credentials = `"email":"Anna@example.org","password":"nine purple otters knitting"`
	got := s.must(201, "POST", "/v1/auth/register", `{`+credentials+`,"home_currency":"JPY","time_zone":"Asia/Tokyo","locale":"ja","device_name":"phone"}`)
	equal(t, "Cache-Control", got.Header().Get("Cache-Control"), "no-store")
	equal(t, "token_type", got.json["token_type"], any("Bearer"))
	equal(t, "expires_in", got.json["expires_in"], any(600.0))
	user, _ := got.json["user"].(map[string]any)
	equal(t, "email", user["email"], any("Anna@example.org"))
	bearer := func(r reply) []string { return []string{"Authorization", "Bearer " + r.json["access_token"].(string)} }

	settings := s.must(200, "GET", "/v1/settings", "", bearer(got)...)
	equal(t, "home_currency", settings.json["home_currency"], any("JPY"))
	me := s.must(200, "GET", "/v1/me", "", bearer(got)...)
	equal(t, "id", me.json["id"], user["id"])
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "")
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", "Authorization", "Bearer x.y.z")

	s.refused(409, "already_exists", nil, "POST", "/v1/auth/register", `{"email":"anna@EXAMPLE.org","password":"another good long password"}`)
	s.refused(422, "validation_error", []string{"#/email required", "#/password required"}, "POST", "/v1/auth/login", `{}`)
	wrong := s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/login", `{"email":"anna@example.org","password":"wrong"}`)
	unknown := s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/login", `{"email":"nobody@example.org","password":"wrong"}`)
	equal(t, "detail", wrong.json["detail"], unknown.json["detail"])

	session := s.must(200, "POST", "/v1/auth/login", `{`+credentials+`}`)
	refreshed := s.must(200, "POST", "/v1/auth/refresh", `{"refresh_token":"`+session.json["refresh_token"].(string)+`"}`)
	equal(t, "device_id", refreshed.json["device_id"], session.json["device_id"])
	s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/refresh", `{"refresh_token":"x"}`)
	equal(t, "an answer to sign-out", s.must(204, "POST", "/v1/auth/logout", "", bearer(refreshed)...).Body.Len(), 0)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", bearer(refreshed)...)
	s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/refresh", `{"refresh_token":"`+refreshed.json["refresh_token"].(string)+`"}`)
	s.must(200, "GET", "/v1/me", "", bearer(got)...)
}

func TestARegistrationThatBreaksRulesNamesThemAll(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	got := s.must(422, "POST", "/v1/auth/register", `{"email":"anna","password":"hunter7","home_currency":"EURO","time_zone":"Mars"}`)
	for _, place := range []string{"#/email", "#/password", "#/home_currency", "#/time_zone"} {
		if !strings.Contains(got.Body.String(), `"`+place+`"`) {
			t.Errorf("no fault at %s: %s", place, got.Body)
		}
	}
	if strings.Contains(got.Body.String(), "hunter7") {
		t.Errorf("the answer repeats the password: %s", got.Body)
	}
}

func TestRegistrationMayBeClosed(t *testing.T) {
	s := serveAccounts(t, auth.Config{RegistrationClosed: true})
	s.refused(403, "forbidden", nil, "POST", "/v1/auth/register", `{"email":"anna@example.org","password":"nine purple otters knitting"}`)
}

// TestASessionThatOutlivesItsAccountBringsNoLedgerBack states that erasing removes everything, also where another instance
// still remembers the session.
func TestASessionThatOutlivesItsAccountBringsNoLedgerBack(t *testing.T) {
	st, accounts := memstore.New(), memstore.NewAccounts()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	users := auth.NewUsers(accounts, st, defaults, nil)
	service, err := auth.New(t.Context(), users, auth.Config{KEK: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Authenticator, cfg.Accounts, cfg.Now = nil, service, time.Now }).as("")
	got := s.must(201, "POST", "/v1/auth/register", `{"email":"anna@example.org","password":"nine purple otters knitting"}`)
	bearer := []string{"Authorization", "Bearer " + got.json["access_token"].(string)}
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, bearer...)
	// Another process removes the user; this one's cache does not hear of it.
	if err := auth.NewUsers(accounts, st, defaults, nil).Remove(t.Context(), "anna@example.org"); err != nil {
		t.Fatal(err)
	}
	s.refused(401, "unauthenticated", nil, "POST", "/v1/expenses", `{"amount":"2"}`, bearer...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/settings", "", bearer...)
	for owner, err := range st.Owners(t.Context()) {
		t.Errorf("there is a ledger of %s again, %v", owner, err)
	}
}
