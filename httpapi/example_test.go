package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

func ExampleNew() {
	// The host authenticates its users. This example has one user.
	host := auth.AuthenticatorFunc(func(*http.Request) (auth.Identity, error) {
		return auth.Identity{Owner: "anna", Scopes: auth.AllScopes}, nil
	})
	api, err := httpapi.New(memstore.New(), httpapi.Config{Authenticator: host, BaseURL: "/ledger"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/ledger/", http.StripPrefix("/ledger", api))

	r := httptest.NewRequest(http.MethodPut, "/ledger/v1/expenses/0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70",
		strings.NewReader(`{"amount": "12.50", "currency": "EUR", "category": "Food"}`))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 201 /ledger/v1/expenses/0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70
}
