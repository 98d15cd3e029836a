// Package sqlstore implements [github.com/spendwise/spendwise/store] for all SQL engines, on package sqldb.
//
// Each table has a model: ledgerRow, expenseRow and so on. The statements that most requests need are hot; texts.go
// builds their texts. The others are plain queries of bun.
//
// A ledgerTx reads and writes in an Update. It remembers what it has read, and keeps writes of expenses until something
// reads their tables or the Update ends; write.go explains it.
package sqlstore

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A Store stores ledgers in an SQL database. It implements [store.Store].
type Store struct {
	store.Hub // reports the commits of this process
	*sqldb.DB

	texts texts
	zones sync.Map // name → expense.Zone, because parsing a zone reads a file
}

var (
	_ store.Store          = (*Store)(nil)
	_ store.Prefetcher     = (*ledgerTx)(nil)
	_ store.PositionReader = (*reader)(nil)
)

// New returns the store in a database. [Store.Close] closes the database.
func New(db *sqldb.DB) *Store { return &Store{DB: db, texts: newTexts(&db.Dialect, db.Reading())} }

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
	session, err := s.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer session.Rollback()
	if err := fn(&reader{store: s, owner: string(owner), session: session}); err != nil {
		return err
	}
	return session.Commit()
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
	err := s.Atomically(ctx, func(session *sqldb.Session) error {
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
	err = s.Atomically(ctx, func(session *sqldb.Session) error {
		row := newLedgerRow(string(owner), ledger.Settings)
		inserted, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
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
		_, err = session.Change(ctx, session.NewInsert().Model(&rows))
		return err
	})
	return created && err == nil, err
}

// EraseLedger implements [store.Store].
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	return s.Atomically(ctx, func(session *sqldb.Session) error {
		var row ledgerRow
		if _, err := sqldb.One(ctx, session, &row, s.texts.lockLedger, string(owner)); err != nil {
			return err
		}
		for _, table := range ledgerTables() {
			if _, err := session.Change(ctx, session.NewDelete().Table(table).Where("owner = ?", string(owner))); err != nil {
				return err
			}
		}
		return nil
	})
}

// ledgerTables returns the tables of a ledger. A table comes before those that it refers to.
func ledgerTables() []string {
	return []string{
		"spendwise_imported_rows", "spendwise_imports",
		"spendwise_expenses", "spendwise_totals", "spendwise_rules", "spendwise_budget_entries", "spendwise_budgets",
		"spendwise_alerts", "spendwise_categories", "spendwise_tombstones", "spendwise_idempotency_records",
		"spendwise_ledgers",
	}
}

// Owners implements [store.Store].
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.Reading().NewSelect().Table("spendwise_ledgers").Column("owner").Where("owner > ?", after)
	}, func(row ownerVersion) (expense.OwnerID, string) { return expense.OwnerID(row.Owner), row.Owner })
}

// PendingOwners implements [store.Store].
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.Reading().NewSelect().Table("spendwise_expenses").Distinct().Column("owner").
			Where("rate IS NULL AND owner > ?", after)
	}, func(row ownerVersion) (expense.OwnerID, string) { return expense.OwnerID(row.Owner), row.Owner })
}

// BudgetOwners implements [store.Store].
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return owners(ctx, s, func(after string) *bun.SelectQuery {
		return s.Reading().NewSelect().Table("spendwise_ledgers").Column("owner", "version").
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
			if _, err := s.Single().Find(ctx, query(last).Order("owner").Limit(chunkRows), &rows); err != nil {
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
