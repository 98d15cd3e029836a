// Command mount shows a program with its own web server and users that serves their ledgers under /ledger/. Try it with
// curl -u anna:secret http://127.0.0.1:8080/ledger/v1/settings.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// users holds the passwords of the host's users by name. A real host has sessions, a database and hashes.
var users = map[string]string{"anna": "secret", "ben": "hidden"}

// challenge is the WWW-Authenticate field of responses to requests without a valid name and password.
const challenge = `Basic realm="host"`

// signedIn authenticates a request and returns the user's name.
func signedIn(r *http.Request) (user string, ok bool) {
	user, password, _ := r.BasicAuth()
	known, ok := users[user]
	return user, ok && known == password
}

// mount returns the host's handler, with the API for the ledgers of st under /ledger/.
func mount(st store.Store) (http.Handler, error) {
	rates, err := ecb.EmbeddedTable()
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(st, httpapi.Config{
		Authenticator: auth.AuthenticatorFunc(func(r *http.Request) (auth.Identity, error) {
			if user, ok := signedIn(r); ok {
				return auth.Identity{Owner: expense.OwnerID(user), Scopes: auth.LedgerScopes}, nil
			}
			return auth.Identity{}, auth.ErrUnauthenticated
		}),
		Challenge: challenge,
		BaseURL:   "/ledger", // the prefix of URLs in Location, Link and problem types
		Rates:     rates,
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/ledger/", http.StripPrefix("/ledger", api))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if user, ok := signedIn(r); ok {
			_, _ = fmt.Fprintf(w, "Hello %s, your ledger is at /ledger/v1/expenses\n", user)
			return
		}
		w.Header().Set("WWW-Authenticate", challenge)
		http.Error(w, "sign in with a name and a password", http.StatusUnauthorized)
	})
	return mux, nil
}

func main() {
	gin.SetMode(gin.ReleaseMode) // otherwise gin, the router of the API, prints its routes
	listen := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		listen = os.Args[1]
	}
	handler, err := mount(memstore.New())
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	log.Println("listening on http://" + listen)
	log.Fatal(server.ListenAndServe())
}
