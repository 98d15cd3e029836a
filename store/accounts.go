package store

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Accounts keeps who may sign in to the bundled shell: local accounts, the devices they are signed in on, their personal
// tokens, the failures that slow down guessing, and the keys that sign access tokens. It is apart from [Store]: a host with identities of its own never sees it. Each method happens whole or
// not at all, is safe for concurrent use, and returns ErrUnavailable while the database cannot be reached; what it wrote
// survives a crash. Times are UTC in whole microseconds. No secret is kept in the clear: passwords and tokens arrive hashed,
// private keys sealed. [github.com/spendwise/spendwise/store/storetest] holds an implementation to every sentence here.
type Accounts interface {
	// CreateAccount keeps a new account; ErrExists if its id is taken, or its e-mail address by EmailKey.
	CreateAccount(ctx context.Context, account Account) error

	// Account returns one account; ErrNotFound if there is none.
	Account(ctx context.Context, id uuid.UUID) (Account, error)

	// AccountByEmail returns the account whose e-mail address is the same by EmailKey; ErrNotFound if there is none.
	AccountByEmail(ctx context.Context, email string) (Account, error)

	// Accounts yields every account, ordered by EmailKey byte by byte. An error is the last thing it yields. No rows are open
	// while it yields: the loop's body may use the store.
	Accounts(ctx context.Context) iter.Seq2[Account, error]

	// Rehash replaces the hash of an account's password by another one of the same password; no device ends. ErrStale if
	// from is not the hash that is kept, ErrNotFound if there is no account.
	RehashPassword(ctx context.Context, account uuid.UUID, from, to string) error

	// SetPassword replaces the hash of an account's password and ends the account's devices at that time, all but keep
	// (Nil: all of them). ErrStale if from is not the hash that is kept, ErrNotFound if there is no account.
	SetPassword(ctx context.Context, account uuid.UUID, from, to string, keep uuid.UUID, at time.Time) error

	// SetEmail gives an account another e-mail address; the old one is free again. ErrStale if passwordHash is not what the
	// account has, ErrExists if another account has the address by EmailKey, ErrNotFound if there is no account.
	SetEmail(ctx context.Context, account uuid.UUID, passwordHash, email string) error

	// DeleteAccount removes an account with its devices and personal tokens, and keeps an Erasure begun at that time; its
	// e-mail address is free again. ErrNotFound if there is none.
	DeleteAccount(ctx context.Context, id uuid.UUID, at time.Time) error

	// Erasures returns the erasures that were not ended, ordered by account.
	Erasures(ctx context.Context) ([]Erasure, error)

	// EndErasure forgets an erasure; that there is none is no error.
	EndErasure(ctx context.Context, account uuid.UUID) error

	// CreateDevice keeps a new device; ErrExists if the account has one of its id, ErrNotFound if there is no account, ErrStale
	// if passwordHash is not what the account has: a password that changed meanwhile lets nobody in any more.
	CreateDevice(ctx context.Context, device Device, passwordHash string) error

	// Device returns one device of an account, an ended one too; ErrNotFound if the account has none of this id.
	Device(ctx context.Context, account, id uuid.UUID) (Device, error)

	// Devices returns all devices of an account, ended ones too, ordered by id; none where there is no account.
	Devices(ctx context.Context, account uuid.UUID) ([]Device, error)

	// RotateRefresh replaces the refresh tokens of a device, and its SeenAt by seen. ErrStale if from is not its current
	// token: of two rotations from one token, one happens. ErrNotFound if there is no device, ErrGone if it has ended.
	RotateRefresh(ctx context.Context, account, device uuid.UUID, from SecretHash, to RefreshTokens, seen time.Time) error

	// EndDevice ends a device for good; one that has ended stays as it is. ErrNotFound if there is none.
	EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error

	// CreateToken keeps a new personal token; ErrExists if the account has one of its id, ErrNotFound if there is no account.
	CreateToken(ctx context.Context, token Token) error

	// Token returns one personal token of an account, an expired one too; ErrNotFound if the account has none of this id.
	Token(ctx context.Context, account, id uuid.UUID) (Token, error)

	// Tokens returns all personal tokens of an account, expired ones too, ordered by id; none where there is no account.
	Tokens(ctx context.Context, account uuid.UUID) ([]Token, error)

	// UseToken notes when a personal token was used last. ErrNotFound if there is none.
	RecordTokenUse(ctx context.Context, account, id uuid.UUID, at time.Time) error

	// DeleteToken removes a personal token. ErrNotFound if there is none.
	DeleteToken(ctx context.Context, account, id uuid.UUID) error

	// Failures returns what was counted under each of the keys; one under which nothing was counted is left out.
	Failures(ctx context.Context, keys ...SecretHash) (map[SecretHash]Failures, error)

	// CountFailure counts one more failure, at that time, under each of the keys, none of which is given twice. What was
	// counted before is forgotten if the last failure was before quiet.
	RecordFailure(ctx context.Context, at, quiet time.Time, keys ...SecretHash) error

	// ForgetFailures forgets what was counted under a key; that there is nothing is no error.
	ClearFailures(ctx context.Context, key SecretHash) error

	// Purge removes, of all accounts, the devices that ended or whose refresh tokens expired before that time, and the
	// personal tokens that expired before it. It forgets the failures whose last was before quiet.
	Purge(ctx context.Context, before, quiet time.Time) error

	// Keys returns all signing keys, ordered by serial.
	SigningKeys(ctx context.Context) ([]SigningKey, error)

	// PutKey keeps a new signing key; ErrExists if its id or its serial is taken: of two that follow one key, one is kept.
	CreateSigningKey(ctx context.Context, key SigningKey) error

	// MoveKey moves a signing key from one stage to another. ErrStale if it is not at from: of two moves from one stage, one
	// happens. ErrNotFound if there is none.
	SetSigningKeyStage(ctx context.Context, id uuid.UUID, from, to KeyStage, at time.Time) error

	// DeleteKey removes a signing key. ErrNotFound if there is none.
	DeleteSigningKey(ctx context.Context, id uuid.UUID) error
}

// An Account is one person who may sign in. The ledger of a local account is owned by the text of its id.
type Account struct {
	ID           uuid.UUID
	Email        string // as it was typed
	PasswordHash string // in the PHC string format; never the password
	CreatedAt    time.Time
}

// Owner returns who the account's ledger belongs to.
func (a Account) Owner() expense.OwnerID { return expense.OwnerID(a.ID.String()) }

// Owner returns who the ledger that is to go belongs to.
func (e Erasure) Owner() expense.OwnerID { return Account{ID: e.Account}.Owner() }

// EmailKey returns the form in which e-mail addresses are compared: that of [expense.Fold].
func EmailKey(email string) string { return expense.Fold(email) }

// A Device is one session of an account: what a sign-in made, and what ends with a sign-out.
type Device struct {
	ID        uuid.UUID
	Account   uuid.UUID
	Name      string // given by the person, or empty
	CreatedAt time.Time
	SeenAt    time.Time // of the last sign-in or refresh
	EndedAt   time.Time // zero while it lives
	Refresh   RefreshTokens
}

// Ended reports whether the device has ended.
func (d Device) Ended() bool { return !d.EndedAt.IsZero() }

// A SecretHash is a SHA-256 sum.
type SecretHash [32]byte

// RefreshTokens is the state of a device's family of refresh tokens, of which one is current at a time.
type RefreshTokens struct {
	Family    SecretHash // of the secret that every token of the family carries
	Current   SecretHash // of the token that is current
	Previous  SecretHash // of the one before it; zero before the first rotation
	Salt      SecretHash // with the previous token it makes the current one again, for an answer that was lost
	RotatedAt time.Time
	ExpiresAt time.Time // the current token is of no use from then on
}

// A Token is a personal access token: what a person gives to a script in place of a password.
type Token struct {
	ID        uuid.UUID
	Account   uuid.UUID
	Name      string     // given by the person
	Scopes    uint8      // what it may do; the bits are the shell's own
	Secret    SecretHash // of the token's secret
	CreatedAt time.Time
	ExpiresAt time.Time // it is of no use from then on
	UsedAt    time.Time // zero before the first use
}

// An Erasure is an account that was deleted and whose ledger may not be gone everywhere yet.
type Erasure struct {
	Account uuid.UUID
	At      time.Time
}

// Failures are the attempts to sign in that failed under one key: those of an account, or those from an address.
type Failures struct {
	Count int
	Last  time.Time
}

// A Key is a pair that signs access tokens.
type SigningKey struct {
	ID               uuid.UUID
	Serial           int    // 1 for the first one made, one more for each that follows
	Public           []byte // PKIX, DER
	EncryptedPrivate []byte // the private half, encrypted with a key that the store does not know
	Stage            KeyStage
	CreatedAt        time.Time
	StagedAt         time.Time // when it came to its stage
}

// A KeyStage is where a signing key is in its life. Tokens signed by a key of any stage are accepted; one that is gone, or
// was revoked, is no longer kept.
type KeyStage string

// The stages of a key.
const (
	KeyPending KeyStage = "pending" // published, signs nothing yet
	KeyActive  KeyStage = "active"  // signs
	KeyRetired KeyStage = "retired" // published, signs nothing any more
)
