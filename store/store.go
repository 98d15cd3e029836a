// Package store says what every back-end promises: a ledger for each owner, one door for writes, versions without gaps, sums
// that equal their rows. It holds no SQL. [github.com/spendwise/spendwise/store/storetest] holds an implementation to every
// sentence here.
//
//	err := st.Update(ctx, owner, func(tx store.Tx) error {
//		_, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "12.50", Category: "Food"})
//		return err
//	})
package store

import (
	"context"
	"iter"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// Store keeps the ledgers of many owners. It is safe for concurrent use. An owner's id is bound when a Reader or Tx is made, so
// no method reaches another owner's row: a row of another owner does not exist. An id that breaks [expense.OwnerID.Validate] is
// ErrInvalid. When the database cannot be reached, methods return ErrUnavailable; they work again when it is back.
type Store interface {
	// CreateLedger makes owner's ledger with these settings and categories, all at version 1, and reports whether it did: a
	// ledger that is there stays as it is.
	CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error)

	// EraseLedger removes everything that is kept of owner, tombstones and answers too; that there is nothing is no error.
	EraseLedger(ctx context.Context, owner expense.OwnerID) error

	// Reader reads owner's ledger; each call sees what is committed at that time.
	Reader(owner expense.OwnerID) Reader

	// View runs fn over one consistent snapshot of owner's ledger. It blocks no writer.
	View(ctx context.Context, owner expense.OwnerID, fn func(Reader) error) error

	// Update runs fn in one transaction that holds owner's ledger alone: all of it happens or nothing does. ErrNotFound if there
	// is no ledger. An error from fn undoes everything and is returned. fn may run more than once, so it has no effect outside tx; it does no
	// slow work. Versions are dense and rise in commit order: every row written carries the ledger's last version and one more; an
	// Update that writes no row of the ledger takes none. When Update returns nil, what was written survives a crash.
	Update(ctx context.Context, owner expense.OwnerID, fn func(Tx) error) error

	// Owners yields every owner that has a ledger, in the order of their ids, byte by byte.
	Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error]

	// PendingOwners yields every owner with an expense that waits for a rate, in the order of their ids.
	PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error]

	// BudgetOwners yields every owner with a budget, ended or not, with the version of the ledger, in the order of their ids.
	BudgetOwners(ctx context.Context) iter.Seq2[BudgetOwner, error]

	// DueOwners yields whose rules are due at now, by [recurrence.Rule.DueAt] in the zone of their ledger, and since when: the
	// oldest first, then in the order of their ids; an owner whose rules fell due at several instants comes once for each, with
	// the earliest RetryAt of the rules due since then.
	DueOwners(ctx context.Context, now time.Time) iter.Seq2[DueOwner, error]

	// PutQuotes keeps published prices for all ledgers. A price that is kept already is never overwritten: the returned ones
	// differ from what is kept, as their source published them.
	PutQuotes(ctx context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error)

	// Quotes yields the kept prices of source from the day from on, ordered by date and currency code.
	Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error]

	// StartEpoch begins a new epoch of owner's ledger, as one needs that was restored from a backup: its state becomes what
	// [State.NextEpoch] makes of it now, and no row changes. ErrNotFound if there is no ledger.
	StartEpoch(ctx context.Context, owner expense.OwnerID) error

	// Purge removes, in all ledgers, idempotency records of RetentionRequests created before requests, and tombstones and records of
	// RetentionTombstones created before tombstones. It must keep tombstones whose id is a UUID of version 5: such an id is derived
	// from what it stands for, so the same id would be made again. State.PurgedThrough rises to the highest version of a purged
	// tombstone.
	Purge(ctx context.Context, requests, tombstones time.Time) error

	// Ping returns nil when the store answers and its schema is the one that this release needs.
	Ping(ctx context.Context) error

	// Close frees what the store holds; nothing may be called after it.
	Close() error
}

// Reader reads one owner's ledger. What it promises stands at the role interfaces it is made of.
type Reader interface {
	expense.Reader
	budget.Reader
	recurrence.Reader

	// State returns where the ledger stands; ErrNotFound if the owner has no ledger.
	State(ctx context.Context) (State, error)

	// Changes returns the rows and the tombstones after a place, each row in its latest state, in the order of their places. What
	// it returns is of one moment, and whatever is committed later comes after it.
	Changes(ctx context.Context, query ChangeQuery) ([]Change, error)
}

// Tx reads and writes one owner's ledger inside Update. It is used by one goroutine, and not after fn has returned.
type Tx interface {
	Reader
	expense.Tx
	budget.Tx
	recurrence.Tx

	// IdempotencyRecord returns the record stored under key, or ErrNotFound. It must read the record after the ledger is locked, so
	// that it sees what a concurrent Update with the same key has committed.
	IdempotencyRecord(ctx context.Context, key IdempotencyKey) (IdempotencyRecord, error)

	// PutIdempotencyRecord stores a record in this transaction, or returns ErrExists if its key has one. It takes no version.
	PutIdempotencyRecord(ctx context.Context, record IdempotencyRecord) error
}

// A DueOwner is an owner with a rule that is due, and since when.
type DueOwner struct {
	Owner   expense.OwnerID
	Since   time.Time // UTC, whole microseconds
	RetryAt time.Time // failed, and not to be tried before this instant; zero: no need to wait
}

// A BudgetOwner is an owner with a budget, and where the ledger stands: nothing was written to it while the version is the same.
type BudgetOwner struct {
	Owner   expense.OwnerID
	Version expense.Version
}

// An IdempotencyKey identifies a request that one owner's ledger carries out at most once.
type IdempotencyKey struct {
	Scope string // separates kinds of requests, for example "POST /v1/expenses"; at most 128 bytes
	Key   string // chosen by the client, for example the Idempotency-Key header; at most 255 bytes
}

// An IdempotencyRecord remembers the outcome of a request, so that a repetition of the request gets the same response.
type IdempotencyRecord struct {
	IdempotencyKey
	Fingerprint []byte    // hash of the request, to detect another request with the same key; at most 64 bytes
	Retention   Retention // how long Purge keeps the record
	Payload     []byte    // the outcome, encoded by the caller; the store does not interpret it
	CreatedAt   time.Time // UTC, whole microseconds
}

// Retention selects the time limit by which [Store.Purge] removes an idempotency record.
type Retention uint8

// The retention classes.
const (
	RetentionRequests   Retention = iota // the limit for requests: clients retry for hours
	RetentionTombstones                  // the limit for tombstones: devices retry changes for as long as they stay offline
)
