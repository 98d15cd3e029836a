// Package accounts declares how the bundled server stores local accounts: who may sign in, on which devices, with which
// personal access tokens, and which keys sign access tokens. A host that has its own accounts does not need this
// package.
//
// The method Accounts of the SQL stores and the function memstore.NewAccounts return a [Store]. Test an implementation
// with [github.com/spendwise/spendwise/store/accounts/accountstest].
package accounts

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Store stores local accounts. Every method must be atomic, safe for concurrent use, and durable: its writes survive a
// crash. A method returns [expense.ErrUnavailable] while the database cannot be reached. The other errors that it
// returns, such as ErrNotFound, are also those of package expense. Times are UTC in whole microseconds.
//
// A Store never receives a secret in plain text: passwords and tokens arrive hashed, private keys encrypted.
type Store interface {
	// CreateAccount stores a new account. It returns ErrExists if the id is taken, or if the address of another account
	// has the same EmailKey.
	CreateAccount(ctx context.Context, account Account) error

	// Account returns an account, or ErrNotFound.
	Account(ctx context.Context, id uuid.UUID) (Account, error)

	// AccountByEmail returns the account whose address has the same EmailKey as email, or ErrNotFound.
	AccountByEmail(ctx context.Context, email string) (Account, error)

	// Accounts yields all accounts, ordered by the bytes of EmailKey. It yields nothing after an error. No query may be
	// open while it yields: the loop's body may call the store.
	Accounts(ctx context.Context) iter.Seq2[Account, error]

	// RehashPassword replaces the hash of an unchanged password, for example after the parameters of the hash function
	// have changed. The account's devices stay signed in. It returns ErrStale unless the stored hash equals oldHash,
	// and ErrNotFound if there is no account.
	RehashPassword(ctx context.Context, account uuid.UUID, oldHash, newHash string) error

	// SetPassword replaces the hash of an account's password. It also ends, at the time at, all devices of the account
	// except the one with the id keepDevice. If keepDevice is uuid.Nil, it ends all of them. It returns ErrStale unless
	// the stored hash equals oldHash, and ErrNotFound if there is no account.
	SetPassword(
		ctx context.Context, account uuid.UUID, oldHash, newHash string, keepDevice uuid.UUID, at time.Time,
	) error

	// SetEmail changes an account's address; another account may use the old one. It returns ErrStale unless passwordHash
	// is the stored hash, ErrExists if the address of another account has the same EmailKey, and ErrNotFound if there is
	// no account.
	SetEmail(ctx context.Context, account uuid.UUID, passwordHash, email string) error

	// DeleteAccount removes an account with its devices and personal tokens, and stores an Erasure. Another account may
	// use the address. It returns ErrNotFound if there is no account.
	DeleteAccount(ctx context.Context, id uuid.UUID, at time.Time) error

	// Erasures returns all stored erasures, ordered by the bytes of the account's id.
	Erasures(ctx context.Context) ([]Erasure, error)

	// EndErasure removes the erasure of an account, if there is one. Call it after the ledger was erased.
	EndErasure(ctx context.Context, account uuid.UUID) error

	// CreateDevice stores a new device. It returns ErrExists if the account has a device with this id, ErrNotFound if
	// there is no account, and ErrStale if passwordHash is not the stored hash: a sign-in that runs while the password
	// changes must fail.
	CreateDevice(ctx context.Context, device Device, passwordHash string) error

	// Device returns a device of an account, also an ended one. It returns ErrNotFound if the account has no device with
	// this id.
	Device(ctx context.Context, account, id uuid.UUID) (Device, error)

	// Devices returns all devices of an account, including ended ones, ordered by id. An unknown account has none.
	Devices(ctx context.Context, account uuid.UUID) ([]Device, error)

	// RotateRefresh replaces a device's refresh tokens and sets SeenAt to seen. It returns ErrStale unless oldHash is the
	// hash of the current token, so that only one of several concurrent rotations succeeds. It returns ErrNotFound if
	// there is no device, and ErrGone if the device has ended.
	RotateRefresh(
		ctx context.Context, account, device uuid.UUID, oldHash SecretHash, tokens RefreshTokens, seen time.Time,
	) error

	// EndDevice ends a device permanently. A device that has ended keeps its EndedAt. It returns ErrNotFound if there is
	// no device.
	EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error

	// CreateToken stores a new personal token. It returns ErrExists if the account has a token with this id, ErrNotFound
	// if there is no account.
	CreateToken(ctx context.Context, token Token) error

	// Token returns a personal token of an account, also an expired one. It returns ErrNotFound if the account has no
	// token with this id.
	Token(ctx context.Context, account, id uuid.UUID) (Token, error)

	// Tokens returns all personal tokens of an account, including expired ones, ordered by id. An unknown account has
	// none.
	Tokens(ctx context.Context, account uuid.UUID) ([]Token, error)

	// RecordTokenUse sets a personal token's UsedAt. It returns ErrNotFound if there is no token.
	RecordTokenUse(ctx context.Context, account, id uuid.UUID, at time.Time) error

	// DeleteToken removes a personal token. It returns ErrNotFound if there is none.
	DeleteToken(ctx context.Context, account, id uuid.UUID) error

	// Failures returns the count of failed attempts for each key. The map has no entry for a key without failures.
	Failures(ctx context.Context, keys ...SecretHash) (map[SecretHash]Failures, error)

	// RecordFailure counts one failed attempt at the time at for each key. Keys must be distinct. If a key's last failure
	// was before resetBefore, its count starts again at 1.
	RecordFailure(ctx context.Context, at, resetBefore time.Time, keys ...SecretHash) error

	// ClearFailures removes the count of a key, if there is one.
	ClearFailures(ctx context.Context, key SecretHash) error

	// Purge removes devices that ended or whose refresh tokens expired before expiredBefore, personal tokens that expired
	// before it, and counts whose last failure was before failedBefore.
	Purge(ctx context.Context, expiredBefore, failedBefore time.Time) error

	// SigningKeys returns all signing keys, ordered by serial.
	SigningKeys(ctx context.Context) ([]SigningKey, error)

	// CreateSigningKey stores a new signing key. It returns ErrExists if the id or the serial is taken, so that only one
	// of several concurrent successors of a key is stored.
	CreateSigningKey(ctx context.Context, key SigningKey) error

	// SetSigningKeyStage moves a signing key from one stage to another, and sets its StagedAt to at. It returns ErrStale
	// if the key is not in the stage from, so that only one of several concurrent moves succeeds, and ErrNotFound if there
	// is no key.
	SetSigningKeyStage(ctx context.Context, id uuid.UUID, from, to KeyStage, at time.Time) error

	// DeleteSigningKey removes a signing key. It returns ErrNotFound if there is none.
	DeleteSigningKey(ctx context.Context, id uuid.UUID) error
}

// An Account is a person who may sign in.
type Account struct {
	ID           uuid.UUID
	Email        string // as the person entered it
	PasswordHash string // PHC string format
	CreatedAt    time.Time
}

// Owner returns the owner of the account's ledger: the text form of the account's id.
func (a Account) Owner() expense.OwnerID { return expense.OwnerID(a.ID.String()) }

// EmailKey returns the folded form of an e-mail address; see [expense.Fold]. Two addresses count as the same if their
// keys are equal.
func EmailKey(email string) string { return expense.Fold(email) }

// A Device is one sign-in session of an account.
type Device struct {
	ID        uuid.UUID
	Account   uuid.UUID
	Name      string // chosen by the person; may be empty
	CreatedAt time.Time
	SeenAt    time.Time // of the last sign-in or refresh
	EndedAt   time.Time // zero while the device is signed in
	Refresh   RefreshTokens
}

// Ended reports whether the device has been signed out.
func (d Device) Ended() bool { return !d.EndedAt.IsZero() }

// A SecretHash is a SHA-256 hash.
type SecretHash [32]byte

// RefreshTokens is the state of a device's refresh tokens. One token is current at a time; using it makes the next one
// current.
type RefreshTokens struct {
	Family   SecretHash // of the secret that all tokens of the device share
	Current  SecretHash // of the current token
	Previous SecretHash // of the token before it; zero before the first rotation
	// Salt is random. With it, the server can derive the current token from the previous one again, if the client did not
	// receive the response to a refresh.
	Salt      SecretHash
	RotatedAt time.Time
	ExpiresAt time.Time // of the current token
}

// A Token is a personal access token, which a person gives to a script instead of a password.
type Token struct {
	ID        uuid.UUID
	Account   uuid.UUID
	Name      string // chosen by the person
	Scopes    uint8  // permissions; the caller defines the bits
	Secret    SecretHash
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time // zero before the first use
}

// An Erasure is a deleted account whose ledger is still to be erased.
type Erasure struct {
	Account uuid.UUID
	At      time.Time
}

// Owner returns the owner of the ledger that is to be erased.
func (e Erasure) Owner() expense.OwnerID { return Account{ID: e.Account}.Owner() }

// Failures counts the failed attempts to sign in for one key. A key is the hash of an account or a network address.
type Failures struct {
	Count int
	Last  time.Time
}

// A SigningKey is a key pair that signs access tokens.
type SigningKey struct {
	ID               uuid.UUID
	Serial           int    // 1 for the first key, then ascending by 1
	Public           []byte // PKIX, DER
	EncryptedPrivate []byte // encrypted with a key that the store does not have
	Stage            KeyStage
	CreatedAt        time.Time
	StagedAt         time.Time // when the key reached its stage
}

// A KeyStage is a stage in the life of a signing key. Tokens signed by a key in any stage are accepted; a revoked key
// is deleted.
type KeyStage string

// The stages of a key.
const (
	KeyPending KeyStage = "pending" // published, but does not sign yet
	KeyActive  KeyStage = "active"  // signs
	KeyRetired KeyStage = "retired" // published, but does not sign any more
)
