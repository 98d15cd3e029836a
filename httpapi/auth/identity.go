package auth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// The errors of this package, beside those of package expense. None says more than this: what was wrong with a token or a
// password is of use to an attacker only.
var (
	// ErrUnauthenticated says that the request does not prove who sends it.
	ErrUnauthenticated = errors.New("a valid access token is needed: sign in, or refresh the session")
	// ErrInvalidCredentials says that an e-mail address or its password is wrong. It is an ErrUnauthenticated too.
	ErrInvalidCredentials error = &unauthenticated{"the e-mail address or the password is wrong"}
	// ErrSessionEnded says that a refresh token is of no use any more. It is an ErrUnauthenticated too.
	ErrSessionEnded error = &unauthenticated{"the session is over: sign in again"}
	// ErrForbidden says that it is known who sends the request, and that they may not do this.
	ErrForbidden = errors.New("not allowed")
	// ErrRegistrationClosed says that nobody may register by themselves. It is an ErrForbidden too.
	ErrRegistrationClosed = fmt.Errorf("registration is closed on this server: ask who runs it for an account: %w", ErrForbidden)
)

type unauthenticated struct{ text string }

func (e *unauthenticated) Error() string { return e.text }

// Is reports whether target is ErrUnauthenticated.
func (e *unauthenticated) Is(target error) bool { return target == ErrUnauthenticated }

// An Identity is who sends a request and what they may do.
type Identity struct {
	Owner  expense.OwnerID // whose ledger the request is about
	Scopes Scopes          // what it may do there
	Device uuid.UUID       // the session it belongs to; Nil where the host has no such thing
}

// Scopes is a set of things that a request may do; the zero value is the empty set.
type Scopes uint8

// The scopes.
const (
	ScopeRead    Scopes = 1 << iota // read the ledger
	ScopeWrite                      // change the ledger
	ScopeExport                     // take the ledger away whole
	ScopeAccount                    // change the password, make tokens, end sessions, erase everything: nothing for a script

	// LedgerScopes is all that can be done with a ledger, and what a personal access token may be given.
	LedgerScopes = ScopeRead | ScopeWrite | ScopeExport
	// AllScopes is what a person has who signed in.
	AllScopes = LedgerScopes | ScopeAccount
)

// Has reports whether every scope of want is in s.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// An Authenticator finds out who sends a request. It returns ErrUnauthenticated if the request does not prove it, and
// expense.ErrUnavailable if that cannot be found out at the moment. It is called by many goroutines at once, for every request.
type Authenticator interface {
	Authenticate(r *http.Request) (Identity, error)
}

// An AuthenticatorFunc is a function that is an Authenticator.
type AuthenticatorFunc func(r *http.Request) (Identity, error)

// Authenticate calls f.
func (f AuthenticatorFunc) Authenticate(r *http.Request) (Identity, error) { return f(r) }
