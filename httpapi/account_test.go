package httpapi_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// serveAccounts returns an API with local accounts. By default its requests have no credentials.
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

func TestAccount_RegisterLoginRefreshLogout(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	const credentials = `"email":"Anna@example.org","password":"nine purple otters knitting"`
	got := s.must(201, "POST", "/v1/auth/register",
		`{`+credentials+`,"home_currency":"JPY","time_zone":"Asia/Tokyo","locale":"ja","device_name":"phone"}`)
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
	anonymous := s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "")
	equal(t, "WWW-Authenticate", anonymous.Header().Get("WWW-Authenticate"), `Bearer realm="spendwise"`)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", "Authorization", "Bearer x.y.z")

	s.refused(409, "already_exists", nil, "POST", "/v1/auth/register",
		`{"email":"anna@EXAMPLE.org","password":"another good long password"}`)
	s.refused(422, "validation_error", []string{"#/email required", "#/password required"}, "POST", "/v1/auth/login", `{}`)
	wrong := s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/login",
		`{"email":"anna@example.org","password":"wrong"}`)
	unknown := s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/login",
		`{"email":"nobody@example.org","password":"wrong"}`)
	equal(t, "detail", wrong.json["detail"], unknown.json["detail"])

	session := s.must(200, "POST", "/v1/auth/login", `{`+credentials+`}`)
	refreshed := s.must(200, "POST", "/v1/auth/refresh", `{"refresh_token":"`+session.json["refresh_token"].(string)+`"}`)
	equal(t, "device_id", refreshed.json["device_id"], session.json["device_id"])
	s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/refresh", `{"refresh_token":"x"}`)
	equal(t, "length of the sign-out response",
		s.must(204, "POST", "/v1/auth/logout", "", bearer(refreshed)...).Body.Len(), 0)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", bearer(refreshed)...)
	s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/refresh",
		`{"refresh_token":"`+refreshed.json["refresh_token"].(string)+`"}`)
	s.must(200, "GET", "/v1/me", "", bearer(got)...)
}

func TestRegister_ReportsAllInvalidFields(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	got := s.must(422, "POST", "/v1/auth/register",
		`{"email":"anna","password":"hunter7","home_currency":"EURO","time_zone":"Mars"}`)
	for _, pointer := range []string{"#/email", "#/password", "#/home_currency", "#/time_zone"} {
		if !strings.Contains(got.Body.String(), `"`+pointer+`"`) {
			t.Errorf("no field error at %s: %s", pointer, got.Body)
		}
	}
	if strings.Contains(got.Body.String(), "hunter7") {
		t.Errorf("the response contains the password: %s", got.Body)
	}
}

func TestRegister_ClosedRegistrationIsForbidden(t *testing.T) {
	s := serveAccounts(t, auth.Config{RegistrationClosed: true})
	s.refused(403, "forbidden", nil, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"nine purple otters knitting"}`)
}

// A request does not recreate the ledger of an erased account, even if the instance still has the session in its cache.
func TestErase_CachedSessionDoesNotRecreateLedger(t *testing.T) {
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
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Authenticator, cfg.Accounts, cfg.Now = nil, service, time.Now }).as(
		"")
	got := s.must(201, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"nine purple otters knitting"}`)
	bearer := []string{"Authorization", "Bearer " + got.json["access_token"].(string)}
	s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`, bearer...)
	// Erase the user as another process does: the session cache of s is not invalidated.
	if err := auth.NewUsers(accounts, st, defaults, nil).Erase(t.Context(), "anna@example.org"); err != nil {
		t.Fatal(err)
	}
	s.refused(401, "unauthenticated", nil, "POST", "/v1/expenses", `{"amount":"2"}`, bearer...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/settings", "", bearer...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", bearer...)
	s.refused(401, "unauthenticated", nil, "PUT", "/v1/me/password",
		`{"current_password":"nine purple otters knitting","new_password":"eleven green geese humming"}`, bearer...)
	s.refused(401, "unauthenticated", nil, "POST", "/v1/tokens", `{"name":"n","scopes":["read"]}`, bearer...)
	for owner, err := range st.Owners(t.Context()) {
		t.Errorf("a ledger of %s exists after the erasure, error %v", owner, err)
	}
}

// TestAccount_OfAnotherProviderIsForbidden sends the account routes as an owner that a host or an OpenID Connect
// provider has authenticated.
func TestAccount_OfAnotherProviderIsForbidden(t *testing.T) {
	st := memstore.New()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := auth.New(t.Context(), auth.NewUsers(memstore.NewAccounts(), st, defaults, nil),
		auth.Config{KEK: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, st, func(cfg *httpapi.Config) { cfg.Accounts = service })
	for _, r := range [][3]string{
		{"GET", "/v1/me", ""}, {"POST", "/v1/tokens", `{"name":"n","scopes":["read"]}`},
		{"POST", "/v1/me/erase", `{"current_password":"x"}`},
	} {
		got := s.refused(403, "forbidden", nil, r[0], r[1], r[2])
		equal(t, "detail", got.json["detail"], any("The credentials do not belong to an account of this server; manage the "+
			"account at the provider that issued them."))
	}
}

func TestAccount_ChangePasswordEmailAndErase(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	const password, next = "nine purple otters knitting", "eleven green geese humming"
	session := s.must(201, "POST", "/v1/auth/register",
		`{"email":"anna@example.org","password":"`+password+`","device_name":"phone"}`)
	laptop := s.must(200, "POST", "/v1/auth/login",
		`{"email":"anna@example.org","password":"`+password+`","device_name":"laptop"}`)
	with := func(token string) []string { return []string{"Authorization", "Bearer " + token} }
	bearer := func(r reply) []string { return with(r.json["access_token"].(string)) }

	devices := s.must(200, "GET", "/v1/devices", "", bearer(laptop)...).list()
	if len(devices) != 2 || devices[0]["name"] != "phone" || devices[0]["current"] != false ||
		devices[1]["current"] != true ||
		devices[1]["id"] != laptop.json["device_id"] || devices[0]["last_seen_at"] == nil || devices[0]["created_at"] == nil {
		t.Errorf("devices: %v", devices)
	}

	created := s.must(201, "POST", "/v1/tokens",
		`{"name":"backup","scopes":["export","read"],"expires_at":"`+time.Now().Add(time.Hour).Format(
			time.RFC3339)+`"}`, bearer(laptop)...)
	equal(t, "Location", created.Header().Get("Location"), "/v1/tokens/"+created.id())
	secret, _ := created.json["token"].(string)
	s.must(200, "GET", "/v1/expenses", "", with(secret)...)
	s.must(200, "GET", "/v1/exports/expenses.csv", "", with(secret)...)
	s.refused(403, "forbidden", nil, "POST", "/v1/expenses", `{"amount":"1"}`, with(secret)...)
	s.refused(403, "forbidden", nil, "POST", "/v1/tokens", `{"name":"more","scopes":["write"]}`, with(secret)...)
	list := s.must(200, "GET", "/v1/tokens", "", bearer(laptop)...)
	if token := list.list()[0]; token["last_used_at"] == nil || token["token"] != nil ||
		strings.Contains(list.Body.String(), secret) {
		t.Errorf("the list has no last_used_at or contains the secret: %v", token)
	}
	s.refused(422, "validation_error", []string{"#/scopes/0 unknown_value", "#/expires_at malformed"},
		"POST", "/v1/tokens", `{"name":"x","scopes":["account"],"expires_at":"tomorrow"}`, bearer(laptop)...)
	s.refused(422, "validation_error", []string{"#/name required", "#/scopes required"}, "POST", "/v1/tokens", `{}`,
		bearer(laptop)...)
	s.must(204, "DELETE", "/v1/tokens/"+created.id(), "", bearer(laptop)...)
	s.refused(404, "not_found", nil, "DELETE", "/v1/tokens/"+created.id(), "", bearer(laptop)...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/expenses", "", with(secret)...)

	s.refused(422, "validation_error", []string{"#/current_password wrong_password"},
		"PUT", "/v1/me/password", `{"current_password":"no","new_password":"`+next+`"}`, bearer(laptop)...)
	s.refused(422, "validation_error", []string{"#/new_password too_short"},
		"PUT", "/v1/me/password", `{"current_password":"`+password+`","new_password":"short"}`, bearer(laptop)...)
	s.must(204, "PUT", "/v1/me/password", `{"current_password":"`+password+`","new_password":"`+next+`"}`,
		bearer(laptop)...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", bearer(session)...)
	s.must(200, "GET", "/v1/me", "", bearer(laptop)...)

	changed := s.must(200, "PATCH", "/v1/me", `{"email":"anna@example.com","current_password":"`+next+`"}`,
		bearer(laptop)...)
	equal(t, "email", changed.json["email"], any("anna@example.com"))

	tablet := s.must(200, "POST", "/v1/auth/login", `{"email":"anna@example.com","password":"`+next+`"}`)
	for range 2 {
		s.must(204, "DELETE", "/v1/devices/"+tablet.json["device_id"].(string), "", bearer(laptop)...)
	}
	s.refused(401, "unauthenticated", nil, "GET", "/v1/me", "", bearer(tablet)...)

	s.refused(422, "validation_error", []string{"#/current_password wrong_password"}, "POST", "/v1/me/erase",
		`{"current_password":"no"}`,
		bearer(laptop)...)
	s.must(204, "POST", "/v1/me/erase", `{"current_password":"`+next+`"}`, bearer(laptop)...)
	s.refused(401, "unauthenticated", nil, "GET", "/v1/expenses", "", bearer(laptop)...)
	s.refused(401, "unauthenticated", nil, "POST", "/v1/auth/login", `{"email":"anna@example.com","password":"`+next+`"}`)
}

func TestLogin_ThrottlesByAddress(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	s.must(201, "POST", "/v1/auth/register", `{"email":"anna@example.org","password":"nine purple otters knitting"}`)
	login := func(email, address string) reply {
		r := s.request("POST", "/v1/auth/login", strings.NewReader(`{"email":"`+email+`","password":"nine purple otters `+
			`knitting"}`))
		r.RemoteAddr = address
		return s.send(r)
	}
	var wrong reply
	for i := range 7 {
		wrong = login("nobody"+strconv.Itoa(i)+"@example.org", "192.0.2.7:1234")
	}
	locked := login("anna@example.org", "192.0.2.7:4321")
	if wrong.Code != 401 || locked.Code != 401 || wrong.json["detail"] != locked.json["detail"] ||
		len(wrong.Header()) != len(locked.Header()) {
		t.Errorf("unknown user: %d %s; locked address: %d %s; want equal responses", wrong.Code, wrong.Body,
			locked.Code, locked.Body)
	}
	if other := login("anna@example.org", "192.0.2.8:1234"); other.Code != 200 {
		t.Errorf("login from another address: status %d, want 200", other.Code)
	}
}

func TestJWKS_ServesPublicKeys(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	got := s.must(200, "GET", "/.well-known/jwks.json", "")
	keys, _ := got.json["keys"].([]any)
	if len(keys) != 1 || got.Header().Get("Content-Type") != "application/jwk-set+json" ||
		got.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("headers %v, body %s", got.Header(), got.Body)
	}
	key, _ := keys[0].(map[string]any)
	if key["kty"] != "OKP" || key["crv"] != "Ed25519" || key["use"] != "sig" || key["alg"] != "EdDSA" || key["d"] != nil {
		t.Errorf("key %v", key)
	}
}
