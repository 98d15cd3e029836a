// Command mount serves ledgers inside a program that has a web server and users of its own: under /ledger/ of its mux, behind its own
// sign-in. Ask it with curl -u anna:secret http://127.0.0.1:8080/ledger/v1/settings.
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

// users are the host's own, by name and password. A real host has sessions, a database and hashes.
var users = map[string]string{"anna": "secret", "ben": "hidden"}

// challenge is how the host asks for a name and a password.
const challenge = `Basic realm="host"`

// signedIn is how the host knows whose request it is.
func signedIn(r *http.Request) (user string, ok bool) {
	user, password, _ := r.BasicAuth()
	known, ok := users[user]
	return user, ok && known == password
}

// mount returns the host's mux with the ledgers of st under /ledger/.
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
		BaseURL:   "/ledger", // what comes before /v1 in Location, Link and the problems' types
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
		http.Error(w, "who are you?", http.StatusUnauthorized)
	})
	return mux, nil
}

func main() {
	gin.SetMode(gin.ReleaseMode) // gin is how the API routes, and would print its routes
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
