// Package sqlstore implements [github.com/spendwise/spendwise/store] once for all SQL engines, on bun. A [Dialect]
// describes the differences between engines. Packages sqlite and postgres provide one, open the database and pass both:
//
//	st := sqlstore.New(dialect, writer, reader)
//	err := st.Migrate(ctx)
//
// Each table has a model: ledgerRow, expenseRow and so on. Two kinds of statements use it. Most are plain queries of
// bun. The statements that most requests need are hot; hot.go explains them.
//
// A ledgerTx reads and writes in an Update. It remembers what it has read, and keeps writes of expenses until something
// reads their tables or the Update ends; write.go explains it.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// maxAttempts is the maximum number of times that a transaction is run if conflicts or lost connections undo it.
const maxAttempts = 8

// A Store stores ledgers in an SQL database. It implements [store.Store].
type Store struct {
	store.Hub // reports the commits of this process

	dialect Dialect
	writer  *pool
	reader  *pool
	texts   texts
	zones   sync.Map // name → expense.Zone, because parsing a zone reads a file
}

var (
	_ store.Store          = (*Store)(nil)
	_ store.Prefetcher     = (*ledgerTx)(nil)
	_ store.PositionReader = (*reader)(nil)
)

// New returns the store in an open database. Updates use writer, everything else uses reader, which may be the same.
// [Store.Close] closes both.
func New(dialect Dialect, writer, reader *sql.DB) *Store {
	s := &Store{dialect: dialect}
	s.writer = s.newPool(writer)
	s.reader = s.writer
	if reader != writer {
		s.reader = s.newPool(reader)
	}
	s.texts = newTexts(&s.dialect, s.reader.DB)
	return s
}

func (s *Store) newPool(db *sql.DB) *pool {
	return &pool{DB: bun.NewDB(db, s.dialect.Bun).WithQueryHook(tracer{&s.dialect})}
}

// Close closes the database.
func (s *Store) Close() error {
	err := s.reader.Close()
	if s.writer != s.reader {
		err = errors.Join(err, s.writer.Close())
	}
	return err
}

// Pools returns the statistics of each connection pool, by the pool's purpose.
func (s *Store) Pools() map[string]sql.DBStats {
	if s.reader == s.writer {
		return map[string]sql.DBStats{"all": s.writer.Stats()}
	}
	return map[string]sql.DBStats{"writer": s.writer.Stats(), "reader": s.reader.Stats()}
}

// single returns a session whose statements run each by itself.
func (s *Store) single() *session {
	return &session{IDB: s.reader, dialect: &s.dialect, pool: s.reader}
}

// Reader implements [store.Store].
func (s *Store) Reader(owner expense.OwnerID) store.Reader {
	return &reader{store: s, owner: string(owner), invalid: owner.Validate()}
}

// View implements [store.Store].
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return s.view(ctx, owner, func(r *reader) error { return fn(r) })
}

func (s *Store) view(ctx context.Context, owner expense.OwnerID, fn func(*reader) error) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	session, err := s.dialect.begin(ctx, s.reader, s.dialect.Snapshot)
	if err != nil {
		return err
	}
	defer session.rollback()
	if err := fn(&reader{store: s, owner: string(owner), session: session}); err != nil {
		return err
	}
	return session.commit()
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.update(ctx, owner, func(tx *ledgerTx) error { return fn(tx) })
}

func (s *Store) update(ctx context.Context, owner expense.OwnerID, fn func(*ledgerTx) error) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	wrote := false
	err := s.atomically(ctx, func(session *session) error {
		tx := &ledgerTx{reader: reader{store: s, owner: string(owner), session: session}}
		if err := tx.lock(ctx); err != nil {
			return err
		}
		if err := fn(tx); err != nil {
			return err
		}
		wrote = tx.wrote
		return tx.flush(ctx)
	})
	if err == nil && wrote {
		s.Notify(owner)
	}
	return err
}

// atomically runs fn in a transaction on the writer, and repeats it after an error that may not occur again. It returns
// the error of a failed statement even if fn ignores it.
func (s *Store) atomically(ctx context.Context, fn func(*session) error) error {
	for attempt := 1; ; attempt++ {
		again, err := s.attempt(ctx, fn)
		if !again || attempt == maxAttempts {
			return err
		}
		pause := time.Duration(rand.Int64N(int64(2*time.Millisecond) << attempt))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (s *Store) attempt(ctx context.Context, fn func(*session) error) (again bool, err error) {
	session, err := s.dialect.begin(ctx, s.writer, s.dialect.Update)
	if err != nil {
		return isTemporary(err), err
	}
	defer session.rollback()
	err = fn(session)
	if session.failed != nil {
		if err == nil {
			err = session.failed
		}
		return isTemporary(session.failed), err
	}
	if err != nil {
		return false, err
	}
	// If the connection is lost during COMMIT, the transaction may be committed. Only a conflict proves that it is not.
	err = session.commit()
	unavailable, ok := errors.AsType[*unavailableError](err)
	return ok && unavailable.class == Conflict, err
}

// isTemporary reports whether a transaction that failed before its COMMIT may be repeated.
func isTemporary(err error) bool {
	_, ok := errors.AsType[*unavailableError](err)
	return ok
}

// CreateLedger implements [store.Store].
func (s *Store) CreateLedger(
	ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger,
) (created bool, err error) {
	if err := owner.Validate(); err != nil {
		return false, err
	}
	// Hosts call CreateLedger in every request. If there is a ledger, the call needs no lock.
	if _, err := s.Reader(owner).Settings(ctx); !errors.Is(err, expense.ErrNotFound) {
		return false, err
	}
	err = s.atomically(ctx, func(session *session) error {
		row := newLedgerRow(string(owner), ledger.Settings)
		inserted, err := session.change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
		created = inserted > 0
		if err != nil || !created {
			return err
		}
		rows := make([]categoryRow, len(ledger.Categories))
		for i, category := range ledger.Categories {
			category.Version = 1
			rows[i] = newCategoryRow(string(owner), category)
		}
		if len(rows) == 0 {
			return nil
		}
		_, err = session.change(ctx, session.NewInsert().Model(&rows))
		return err
	})
	return created && err == nil, err
}

// EraseLedger implements [store.Store].
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	return s.atomically(ctx, func(session *session) error {
		var row ledgerRow
		if _, err := one(ctx, session, &row, s.texts.lockLedger, string(owner)); err != nil {
			return err
		}
		for _, table := range ledgerTables() {
			if _, err := session.change(ctx, session.NewDelete().Table(table).Where("owner = ?", string(owner))); err != nil {
				return err
			}
		}
		return nil
	})
}

// ledgerTables returns the tables of a ledger. A table comes before those that it refers to.
func ledgerTables() []string {
	return []string{
		"spendwise_expenses", "spendwise_totals", "spendwise_rules", "spendwise_budget_entries", "spendwise_budgets",
		"spendwise_alerts", "spendwise_categories", "spendwise_tombstones", "spendwise_idempotency_records",
		"spendwise_ledgers",
	}
}

// Owners implements [store.Store].
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.reader.NewSelect().Table("spendwise_ledgers").Column("owner").Where("owner > ?", after)
	}, func(row ownerVersion) (expense.OwnerID, string) { return expense.OwnerID(row.Owner), row.Owner })
}

// PendingOwners implements [store.Store].
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.reader.NewSelect().Table("spendwise_expenses").Distinct().Column("owner").
			Where("rate IS NULL AND owner > ?", after)
	}, func(row ownerVersion) (expense.OwnerID, string) { return expense.OwnerID(row.Owner), row.Owner })
}

// BudgetOwners implements [store.Store].
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.reader.NewSelect().Table("spendwise_ledgers").Column("owner", "version").
			Where("budgets > 0 AND owner > ?", after)
	}, func(row ownerVersion) (store.BudgetOwner, string) {
		return store.BudgetOwner{Owner: expense.OwnerID(row.Owner), Version: expense.Version(row.Version)}, row.Owner
	})
}

type ownerVersion struct {
	Owner   string
	Version int64
}

// owners yields what convert returns for the rows of a query, ordered by owner. It reads them in chunks and keeps no
// rows open while it yields. query returns the query for the rows after an owner.
func owners[T any](
	ctx context.Context, s *Store, query func(after string) *bun.SelectQuery, convert func(ownerVersion) (T, string),
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		last := ""
		for {
			var rows []ownerVersion
			if _, err := s.single().find(ctx, query(last).Order("owner").Limit(chunkRows), &rows); err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, row := range rows {
				var found T
				found, last = convert(row)
				if !yield(found, nil) {
					return
				}
			}
			if len(rows) < chunkRows {
				return
			}
		}
	}
}
