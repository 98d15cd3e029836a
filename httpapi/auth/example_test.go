package auth_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

// A host that has its own users implements Authenticator.
func ExampleAuthenticatorFunc() {
	ownerOf := func(r *http.Request) expense.OwnerID { return expense.OwnerID(r.Header.Get("X-Customer")) }

	host := auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
		return auth.Identity{Owner: ownerOf(r), Scopes: auth.AllScopes}, nil
	})

	r := httptest.NewRequest(http.MethodGet, "/v1/expenses", nil)
	r.Header.Set("X-Customer", "customer-17")
	identity, err := host.Authenticate(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(identity.Owner, identity.Scopes.Has(auth.ScopeWrite))
	// Output: customer-17 true
}

// Service manages local accounts.
func ExampleService() {
	ctx := context.Background()
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	ledgers := memstore.New()
	users := auth.NewUsers(memstore.NewAccounts(), ledgers, defaults, nil)
	service, err := auth.New(ctx, users, auth.Config{KEK: make([]byte, auth.KEKSize)}) // in production: LoadOrCreateKEK
	if err != nil {
		log.Fatal(err)
	}
	session, err := service.Register(ctx, auth.Registration{Email: "ada@example.org", Password: "four words in a row"})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/me", nil)
	r.Header.Set("Authorization", "Bearer "+session.AccessToken)
	identity, err := service.Authenticate(r)
	if err != nil {
		log.Fatal(err)
	}
	me, err := service.User(ctx, identity)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.Email)

	_, err = service.Login(ctx, auth.Login{Email: "ada@example.org", Password: "four words in a raw"})
	fmt.Println(errors.Is(err, auth.ErrUnauthenticated), err)
	// Output:
	// ada@example.org
	// true the e-mail address or the password is wrong
}
