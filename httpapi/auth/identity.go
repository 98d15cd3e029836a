package auth

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// The errors of this package, in addition to those of package expense. Their texts do not say why a token or a password
// is invalid, because that would help an attacker.
var (
	// ErrUnauthenticated means that the request has no valid credentials.
	ErrUnauthenticated = errors.New("the request has no valid access token; sign in or refresh the session")
	// ErrInvalidCredentials means that the e-mail address or the password is wrong, or that sign-ins are blocked after too
	// many failures. It matches ErrUnauthenticated.
	ErrInvalidCredentials error = &unauthenticated{"the e-mail address or the password is wrong"}
	// ErrSessionEnded means that a refresh token is not valid or its session has ended. It matches ErrUnauthenticated.
	ErrSessionEnded error = &unauthenticated{"the session has ended; sign in again"}
	// ErrNoAccount means that the identity has no local account: a host or an OpenID Connect provider authenticated it. It
	// matches expense.ErrNotFound.
	ErrNoAccount = fmt.Errorf("the identity has no local account: %w", expense.ErrNotFound)
	// ErrForbidden means that the request is authenticated, but its identity does not have the permission.
	ErrForbidden = errors.New("not allowed")
	// ErrRegistrationClosed means that [Config.RegistrationClosed] is set. It matches ErrForbidden.
	ErrRegistrationClosed = fmt.Errorf(
		"registration is closed on this server; ask its administrator for an account: %w", ErrForbidden)
)

type unauthenticated struct{ text string }

func (e *unauthenticated) Error() string { return e.text }

// Is reports whether target is ErrUnauthenticated.
func (e *unauthenticated) Is(target error) bool { return target == ErrUnauthenticated }

// An Identity is the authenticated sender of a request.
type Identity struct {
	Owner  expense.OwnerID // owner of the ledger that the request accesses
	Scopes Scopes          // what the request may do
	Device uuid.UUID       // session of the request; uuid.Nil for personal access tokens and other authenticators
}

// Scopes is a set of permissions. The zero value is the empty set.
type Scopes uint8

// The permissions.
const (
	ScopeRead    Scopes = 1 << iota // read the ledger
	ScopeWrite                      // change the ledger
	ScopeExport                     // export and back up the whole ledger
	ScopeAccount                    // manage password, e-mail address, tokens and sessions, and erase the account

	// LedgerScopes are the permissions that a personal access token may have.
	LedgerScopes = ScopeRead | ScopeWrite | ScopeExport
	// AllScopes are the permissions of a signed-in user.
	AllScopes = LedgerScopes | ScopeAccount
)

// Has reports whether s contains every permission of want.
func (s Scopes) Has(want Scopes) bool { return s&want == want }

// An Authenticator determines the identity of a request. Authenticate returns ErrUnauthenticated if the request has no
// valid credentials, and expense.ErrUnavailable if they cannot be checked at the moment. It is called for every request
// and must be safe for concurrent use.
type Authenticator interface {
	Authenticate(r *http.Request) (Identity, error)
}

// AuthenticatorFunc adapts a function to an [Authenticator].
type AuthenticatorFunc func(r *http.Request) (Identity, error)

// Authenticate calls f(r).
func (f AuthenticatorFunc) Authenticate(r *http.Request) (Identity, error) { return f(r) }
