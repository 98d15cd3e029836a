// Package store declares the interface between SpendWise and a database: [Store] and the guarantees that every
// implementation keeps. It contains no SQL. The implementations are store/memstore, store/sqlite and store/postgres; a
// host can write its own. [github.com/spendwise/spendwise/store/storetest] checks an implementation. The errors that
// this documentation names, such as ErrNotFound, are those of package [expense].
//
// Everything that one owner has is a ledger: settings, categories, expenses, budgets and recurring rules. A ledger is
// the unit of locking and versioning. A host changes it with a use case inside an Update:
//
//	err := st.Update(ctx, owner, func(tx store.Tx) error {
//		_, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "12.50", Category: "Food"})
//		return err
//	})
//
// Do not call the Store inside the function. The Update holds the ledger's lock, and a second Update of the same owner
// would wait for that lock forever.
//
// # Write a store
//
// A store has 45 methods. Package storetest gives an order in which to implement them, and checks that pass after each
// step. Use these parts of the domain instead of rules of your own:
//
//   - [expense.OwnerID.Validate] in each method that has an owner
//   - [expense.Fold] to compare names, [expense.FoldSearch] to search notes, [expense.Filter.Matches] for filters
//   - [expense.Sort] and [expense.Position] for the order of lists, [expense.Granularity] for periods
//   - SameGuardedFields of [expense.Expense], [budget.Budget] and [recurrence.Rule] to set a Guard
//   - [expense.Expense.Volume] for the limit of the total, [recurrence.Rule.DueAt] for due rules
//   - [expense.TotalsQuery.Sum] for totals, [recurrence.Rule.WithoutFailure] to clear failures
//   - [expense.Timestamp] for all times
//   - [State.NextEpoch] and [RandomEpoch] for epochs, [FeedPosition.Compare] for the order of changes
//   - [IdempotencyKey.Validate] for idempotency keys
//
// Dates, months, amounts, rates, zones and ids have text forms, so encoding/json can store every row.
package store

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// Store stores the ledgers of many owners. It must be safe for concurrent use. A Reader and a Tx are bound to one
// owner: a row of another owner does not exist for them. Methods must return ErrInvalid for an owner that does not pass
// [expense.OwnerID.Validate]. They must return ErrUnavailable while the database cannot be reached, and work again when
// it can.
type Store interface {
	// CreateLedger creates owner's ledger with these settings and categories, all at version 1. It returns false and
	// changes nothing if the owner has a ledger.
	CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (created bool, err error)

	// EraseLedger removes everything that is stored for owner, including tombstones and idempotency records. It returns
	// nil if there is nothing.
	EraseLedger(ctx context.Context, owner expense.OwnerID) error

	// Reader returns a Reader of owner's ledger. Each call of its methods reads what is committed at that time.
	Reader(owner expense.OwnerID) Reader

	// View runs fn with a Reader of one consistent snapshot of owner's ledger. It must not block an Update, even
	// one that writes many megabytes.
	View(ctx context.Context, owner expense.OwnerID, fn func(Reader) error) error

	// Update runs fn in one transaction that locks owner's ledger: either everything that fn wrote is committed, or
	// nothing. It returns ErrNotFound if there is no ledger. If fn returns an error, Update rolls back and returns that
	// error. Update may run fn again after a conflict, so fn must have no effects outside tx, and it must be quick.
	// Versions must be dense and ascend in commit order: all rows that fn writes get the ledger's last version plus one,
	// and an Update that writes no row takes no version. When Update returns nil, the writes must survive a crash. If ctx
	// is cancelled while fn runs, Update rolls back and returns an error. If ctx is cancelled later, Update may return an
	// error although it has committed.
	Update(ctx context.Context, owner expense.OwnerID, fn func(Tx) error) error

	// Owners yields the owners of all ledgers, ordered by the bytes of their ids.
	Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error]

	// PendingOwners yields the owners that have a pending expense, ordered by the bytes of their ids.
	PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error]

	// BudgetOwners yields the owners that have a budget, also an ended one, ordered by the bytes of their ids.
	BudgetOwners(ctx context.Context) iter.Seq2[BudgetOwner, error]

	// DueOwners yields the owners that have rules which are due at now. A rule is due from [recurrence.Rule.DueAt] in the
	// ledger's zone. The order is by DueOwner.Since, then by the bytes of the owner's id. An owner appears once for each
	// distinct Since, with the earliest RetryAt of the rules that became due then.
	DueOwners(ctx context.Context, now time.Time) iter.Seq2[DueOwner, error]

	// PutQuotes stores published exchange rates, which all ledgers share. It must not overwrite a stored quote. It returns
	// the quotes whose value differs from the stored one.
	PutQuotes(ctx context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error)

	// Quotes yields the stored quotes of a source that are not dated before from, ordered by date and currency code.
	Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error]

	// StartEpoch replaces the state of owner's ledger with its [State.NextEpoch], and changes no row. Call it after a
	// ledger was restored from a backup. It returns ErrNotFound if there is no ledger.
	StartEpoch(ctx context.Context, owner expense.OwnerID) error

	// Purge removes, in all ledgers, idempotency records of RetentionRequests created before requestsBefore, and
	// tombstones and records of RetentionTombstones created before tombstonesBefore, by the store's clock. It must keep
	// tombstones whose id is a UUID of version 5: such an id is derived, for example from a rule and a date, so a later
	// row could get the same id. It must keep the tombstones of merged categories, because imported files name such
	// categories for years. Purge raises State.PurgedThrough to the highest version of a purged tombstone.
	Purge(ctx context.Context, requestsBefore, tombstonesBefore time.Time) error

	// Ping returns nil if the database can be reached and has the schema that this release needs.
	Ping(ctx context.Context) error

	// Close releases the store's resources. No method may be called afterwards.
	Close() error
}

// Reader reads one owner's ledger. The role interfaces that it embeds state the guarantees of their methods. If the
// owner has no ledger, a method that returns or yields several rows returns none.
type Reader interface {
	expense.Reader
	budget.Reader
	recurrence.Reader
	ImportReader

	// State returns the state of the ledger, or ErrNotFound if the owner has none.
	State(ctx context.Context) (State, error)

	// Changes returns the part of the change feed that query selects, in the order of FeedPosition: each row in its latest
	// state, and each tombstone. The result must be a consistent snapshot. Rows that are committed later must have
	// positions after those of the result.
	Changes(ctx context.Context, query ChangeQuery) ([]Change, error)
}

// Tx reads and writes one owner's ledger inside Update. Only one goroutine may use it, and only until fn returns.
type Tx interface {
	Reader
	expense.Tx
	budget.Tx
	recurrence.Tx
	ImportTx

	// IdempotencyRecord returns the record stored under key, or ErrNotFound. It must read the record after the ledger is
	// locked, so that it sees what a concurrent Update with the same key has committed.
	IdempotencyRecord(ctx context.Context, key IdempotencyKey) (IdempotencyRecord, error)

	// PutIdempotencyRecord stores a record in this transaction, or returns ErrExists if its key has one. It takes no
	// version. It returns ErrInvalid, as IdempotencyRecord does, for a key that [IdempotencyKey.Validate] rejects.
	PutIdempotencyRecord(ctx context.Context, record IdempotencyRecord) error
}

// A Prefetcher is a Tx that can read ahead. A Tx may implement it.
type Prefetcher interface {
	// Prefetch reads the records with these keys, and the expenses with these ids, in few statements. Methods of the Tx
	// that need them later read nothing. It is not an error if some of them do not exist.
	Prefetch(ctx context.Context, keys []IdempotencyKey, expenses []uuid.UUID) error
}

// A PositionReader is a Reader that can read the positions of rows without the rows. A Reader may implement it.
type PositionReader interface {
	// Positions returns the state of the ledger, and the positions of all rows in any order, from one snapshot. There are
	// no tombstones. It returns ErrNotFound if the owner has no ledger.
	Positions(ctx context.Context) (State, []FeedPosition, error)
}

// A DueOwner is an owner that has a due rule.
type DueOwner struct {
	Owner   expense.OwnerID
	Since   time.Time // when the rule became due; UTC, whole microseconds
	RetryAt time.Time // the rule failed and waits until then; zero: it does not wait
}

// A BudgetOwner is an owner that has a budget.
type BudgetOwner struct {
	Owner   expense.OwnerID
	Version expense.Version // of the ledger; two calls return the same version if no row was written in between
}

// An IdempotencyKey identifies a request that one owner's ledger carries out at most once. Both fields are UTF-8
// without control characters.
type IdempotencyKey struct {
	Scope string // separates kinds of requests, for example "POST /v1/expenses"; at most 128 bytes
	Key   string // chosen by the client, for example the Idempotency-Key header; at most 255 bytes
}

// Validate returns an [expense.ErrInvalid] if k breaks the rules of its fields.
func (k IdempotencyKey) Validate() error {
	text := k.Scope + " " + k.Key
	if len(k.Scope) > 128 || len(k.Key) > 255 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return &expense.InvalidError{Field: "idempotency_key", Code: "malformed", Detail: fmt.Sprintf(
			"key %.300q of scope %.150q is malformed; give at most 255 and 128 bytes of UTF-8 without control characters",
			k.Key, k.Scope)}
	}
	return nil
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
	RetentionRequests Retention = iota // the limit for requests: clients retry for hours
	// the limit for tombstones: devices may stay offline for weeks before they retry
	RetentionTombstones
)
