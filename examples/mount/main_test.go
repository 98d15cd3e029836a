package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/store/memstore"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	m.Run()
}

// The API accepts the host's users only, keeps their ledgers apart, and returns URLs with the host's prefix.
func TestMount_HostUsersHaveLedgersUnderPrefix(t *testing.T) {
	handler, err := mount(memstore.New())
	if err != nil {
		t.Fatal(err)
	}
	send := func(status int, user, password, method, path, body string) (http.Header, map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if user != "" {
			r.SetBasicAuth(user, password)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Fatalf("%s %s as %q: %d %s, want %d", method, path, user, w.Code, w.Body, status)
		}
		decoded := map[string]any{}
		if strings.Contains(w.Header().Get("Content-Type"), "json") {
			if err := json.Unmarshal(w.Body.Bytes(), &decoded); err != nil {
				t.Fatal(err)
			}
		}
		return w.Header(), decoded
	}

	header, added := send(201, "anna", "secret", "POST", "/ledger/v1/expenses",
		`{"amount":"12.50","currency":"EUR","category":"Food"}`)
	location := header.Get("Location")
	if location != "/ledger/v1/expenses/"+added["id"].(string) {
		t.Errorf("Location %q", location)
	}
	send(200, "anna", "secret", "GET", location, "")
	send(404, "ben", "hidden", "GET", location, "")
	asked, problem := send(401, "anna", "wrong", "GET", location, "")
	if got := asked.Get("WWW-Authenticate"); got != challenge {
		t.Errorf("asked for %s, want %s", got, challenge)
	}
	if problem["type"] != "/ledger/problems/unauthenticated" || problem["instance"] != location {
		t.Errorf("the problem %v", problem)
	}
	send(200, "", "", "GET", "/ledger/problems/unauthenticated", "")
	for range 2 {
		send(201, "anna", "secret", "POST", "/ledger/v1/expenses", `{"amount":"1","category":"Food"}`)
	}
	header, page := send(200, "anna", "secret", "GET", "/ledger/v1/expenses?limit=2", "")
	next, _, _ := strings.Cut(strings.TrimPrefix(header.Get("Link"), "<"), ">")
	if len(page["data"].([]any)) != 2 || !strings.HasPrefix(next, "/ledger/v1/expenses?") {
		t.Errorf("Link %q", header.Get("Link"))
	}
	if _, rest := send(200, "anna", "secret", "GET", next, ""); len(rest["data"].([]any)) != 1 {
		t.Errorf("the second page: %v", rest)
	}
	send(404, "anna", "secret", "POST", "/ledger/v1/auth/login", `{}`) // the host has accounts of its own
	send(404, "anna", "secret", "GET", "/ledger/v1/me", "")
	send(401, "", "", "GET", "/", "")
	send(200, "anna", "secret", "GET", "/", "")
}
