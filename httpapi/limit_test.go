package httpapi_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// A hangingStore blocks each call until its context ends, as if the database does not respond.
type hangingStore struct{ store.Store }

func (hangingStore) View(ctx context.Context, _ expense.OwnerID, _ func(store.Reader) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func (h hangingStore) Update(ctx context.Context, owner expense.OwnerID, _ func(store.Tx) error) error {
	return h.View(ctx, owner, nil)
}

func TestTimeout_EndsRequestOnHangingStore(t *testing.T) {
	short := func(cfg *httpapi.Config) { cfg.Timeout = 20 * time.Millisecond }
	s := serve(t, hangingStore{memstore.New()}, short)
	for _, request := range [][2]string{
		{"POST", "/v1/expenses"}, {"GET", "/v1/reports/monthly"}, {"GET", "/v1/exports/expenses.csv"},
	} {
		got := s.refused(http.StatusServiceUnavailable, "unavailable", nil, request[0], request[1], `{"amount":"1"}`)
		if got.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: the response has no Retry-After header", request[0], request[1])
		}
	}
	hangingAuth := serve(t, memstore.New(), short, func(cfg *httpapi.Config) {
		cfg.Authenticator = auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
			<-r.Context().Done()
			return auth.Identity{}, r.Context().Err()
		})
	})
	hangingAuth.refused(http.StatusServiceUnavailable, "unavailable", nil, "GET", "/v1/exports/expenses.csv", "")
}

func TestRouter_StaticPathHasItsOwnMethods(t *testing.T) {
	s := serve(t, memstore.New())
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
		got := s.refused(http.StatusMethodNotAllowed, "method_not_allowed", nil, method, "/v1/budgets/progress", `{}`)
		equal(t, "Allow of "+method, got.Header().Get("Allow"), "GET, HEAD")
	}
}
