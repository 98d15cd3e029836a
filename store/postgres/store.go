package postgres

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/internal/sqlaccounts"
)

// The methods are written out instead of promoted from an embedded type, so that go doc lists them.

// Migrate brings the schema to the version of this release, each migration in its own transaction. Several instances
// may call it at the same time. It returns an error if the schema is newer than this release supports.
func (s *Store) Migrate(ctx context.Context) error { return s.db.Migrate(ctx) }

// Ping implements [store.Store]. It returns an error that says how to continue if the schema is older or newer than
// this release needs.
func (s *Store) Ping(ctx context.Context) error { return s.db.Ping(ctx) }

// Accounts returns the local accounts in the same database. Migrate creates their tables too.
func (s *Store) Accounts() accounts.Store { return sqlaccounts.New(s.db.DB) }

// CreateLedger implements [store.Store].
func (s *Store) CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error) {
	return s.db.CreateLedger(ctx, owner, ledger)
}

// EraseLedger implements [store.Store].
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	return s.db.EraseLedger(ctx, owner)
}

// Reader implements [store.Store]. It uses no connection until a method of the Reader is called.
func (s *Store) Reader(owner expense.OwnerID) store.Reader { return s.db.Reader(owner) }

// View implements [store.Store]. It reads in one transaction with the isolation level REPEATABLE READ.
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return s.db.View(ctx, owner, fn)
}

// Update implements [store.Store]. It locks the ledger's row; updates of other owners run in
// parallel. It repeats fn after a serialization failure, a deadlock, or a connection lost before the commit.
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.db.Update(ctx, owner, fn)
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	return s.db.StartEpoch(ctx, owner)
}

// Owners implements [store.Store]. It reads in chunks and holds no connection while it yields.
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.db.Owners(ctx)
}

// PendingOwners implements [store.Store]. It reads in chunks and holds no connection while it yields.
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.db.PendingOwners(ctx)
}

// BudgetOwners implements [store.Store]. It reads in chunks and holds no connection while it yields.
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return s.db.BudgetOwners(ctx)
}

// DueOwners implements [store.Store]. It reads an index of due times, so its cost depends on the number of due rules
// only.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return s.db.DueOwners(ctx, now)
}

// PutQuotes implements [store.Store]. It writes a long list in several transactions.
func (s *Store) PutQuotes(ctx context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error) {
	return s.db.PutQuotes(ctx, quotes...)
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return s.db.Quotes(ctx, source, from)
}

// Purge implements [store.Store]. It purges each ledger in its own transaction.
func (s *Store) Purge(ctx context.Context, requestsBefore, tombstonesBefore time.Time) error {
	return s.db.Purge(ctx, requestsBefore, tombstonesBefore)
}

// VerifyCounters compares the counters that the store keeps of a ledger with its rows: the volume of its expenses,
// and the number of its budgets. It returns [expense.ErrNotFound] if there is no ledger. jobs.Verify checks everything
// else.
func (s *Store) VerifyCounters(ctx context.Context, owner expense.OwnerID) ([]store.Deviation, error) {
	return s.db.VerifyCounters(ctx, owner)
}

// RebuildTotals recomputes the monthly totals and the counters of owner's ledger from its rows. The ledger's version
// stays, since no row changes. It returns [expense.ErrNotFound] if there is no ledger.
func (s *Store) RebuildTotals(ctx context.Context, owner expense.OwnerID) error {
	return s.db.RebuildTotals(ctx, owner)
}

// Pools returns the statistics of each connection pool, by the pool's purpose.
func (s *Store) Pools() map[string]sql.DBStats { return s.db.Pools() }
