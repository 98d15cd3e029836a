// Package sqlstore is the one SQL body of both SQL stores: what [github.com/spendwise/spendwise/store] promises,
// written once. Whatever two engines disagree on is data in a [Dialect]; the packages sqlite and postgres fill one in,
// open the database and hand both over:
//
//	st := sqlstore.New(dialect, writer, reader)
//	err := st.Migrate(ctx)
//
// Statements go to the driver as text with places and native values, never with values written into the text.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// attempts is how often a transaction that another one, or a lost connection, undid is run at most.
const attempts = 8

// A Store keeps ledgers in a SQL database. It implements [store.Store].
type Store struct {
	store.Hub // tells of what this process commits

	dialect Dialect
	writer  *pool
	reader  *pool
	bun     *bun.DB  // builds the texts that vary
	zones   sync.Map // name → expense.Zone: to parse one reads a file

	addExpense string // the statement that adds an expense and adjusts its total, where the engine can
}

var _ store.Store = (*Store)(nil)

// New returns the store in a database that is open: updates go through writer, all else through reader, which may be
// the same. Close closes both.
func New(dialect Dialect, writer, reader *sql.DB) *Store {
	s := &Store{dialect: dialect, writer: &pool{db: writer}, bun: bun.NewDB(reader, dialect.Bun)}
	if dialect.AddExpense != "" {
		s.addExpense = fmt.Sprintf(dialect.AddExpense, insertExpense, addTotal, totalsTable.conflict)
	}
	s.reader = s.writer
	if reader != writer {
		s.reader = &pool{db: reader}
	}
	return s
}

// Close closes the database.
func (s *Store) Close() error {
	err := s.reader.db.Close()
	if s.writer != s.reader {
		err = errors.Join(err, s.writer.db.Close())
	}
	return err
}

// Pools says how busy the pools of connections are, by what they are for.
func (s *Store) Pools() map[string]sql.DBStats {
	if s.reader == s.writer {
		return map[string]sql.DBStats{"all": s.writer.db.Stats()}
	}
	return map[string]sql.DBStats{"writer": s.writer.db.Stats(), "reader": s.reader.db.Stats()}
}

// Reader reads one owner's ledger, each call by itself.
func (s *Store) Reader(owner expense.OwnerID) store.Reader {
	return &reader{store: s, owner: string(owner), invalid: owner.Validate()}
}

// View runs fn over one snapshot.
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
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

// Update runs fn in a transaction that holds the ledger's row, again where another transaction or a lost connection
// undid it.
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.locked(ctx, owner, func(tx *ledgerTx) error { return fn(tx) })
}

// locked is Update, for this package's own writes too.
func (s *Store) locked(ctx context.Context, owner expense.OwnerID, fn func(*ledgerTx) error) error {
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
		return tx.keep(ctx)
	})
	if err == nil && wrote {
		s.Notify(owner)
	}
	return err
}

// atomically runs fn in a transaction on the writer, and again where that may help. What dooms the transaction is the
// result even if fn returns nil.
func (s *Store) atomically(ctx context.Context, fn func(*session) error) error {
	for attempt := 1; ; attempt++ {
		again, err := s.attempt(ctx, fn)
		if !again || attempt == attempts {
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
		return passing(err), err
	}
	defer session.rollback()
	err = fn(session)
	if session.doomed != nil {
		if err == nil {
			err = session.doomed
		}
		return passing(session.doomed), err
	}
	if err != nil {
		return false, err
	}
	// A connection lost during COMMIT leaves open whether it happened: only a conflict is tried again.
	err = session.commit()
	trouble, ok := errors.AsType[*troubleError](err)
	return ok && trouble.trouble == Conflict, err
}

// passing reports whether a transaction that failed before its COMMIT may be run again.
func passing(err error) bool {
	_, ok := errors.AsType[*troubleError](err)
	return ok
}

// CreateLedger makes owner's ledger.
func (s *Store) CreateLedger(
	ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger,
) (created bool, err error) {
	if err := owner.Validate(); err != nil {
		return false, err
	}
	// Hosts ask for a ledger on every request: one that is there costs no lock.
	if _, err := s.Reader(owner).Settings(ctx); !errors.Is(err, expense.ErrNotFound) {
		return false, err
	}
	err = s.atomically(ctx, func(session *session) error {
		created = false
		l := ledger.Settings
		made, err := session.exec(ctx, insertLedger, string(owner), l.Home.Code(), l.Zone.String(), l.Locale,
			int64(l.FiscalYearStart), l.DefaultCategory.String(), store.RandomEpoch())
		if err != nil || made == 0 {
			return err
		}
		created = true
		rows := make([][]any, len(ledger.Categories))
		for i, category := range ledger.Categories {
			category.Version = 1
			rows[i] = categoryRow(string(owner), category)
		}
		_, err = session.insert(ctx, categoriesTable, rows)
		return err
	})
	return created && err == nil, err
}

// EraseLedger removes every row of owner.
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	return s.atomically(ctx, func(session *session) error {
		if _, err := session.one(ctx, ledgerWidth, func(*row) {}, selectLedger+s.dialect.Lock, string(owner)); err != nil {
			return err
		}
		for _, name := range ownedTables {
			if _, err := session.exec(ctx, "DELETE FROM "+name+" WHERE owner = $1", string(owner)); err != nil {
				return err
			}
		}
		return nil
	})
}

// ownedTables are the tables of a ledger, those that refer to others first.
var ownedTables = [...]string{
	"spendwise_expenses", "spendwise_totals", "spendwise_rules", "spendwise_budget_entries", "spendwise_budgets",
	"spendwise_alerts",
	"spendwise_categories", "spendwise_tombstones", "spendwise_idempotency_records", "spendwise_ledgers",
}

// Owners yields every owner.
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.owners(ctx, `SELECT owner FROM spendwise_ledgers WHERE owner > $1 ORDER BY owner LIMIT $2`)
}

// BudgetOwners yields every owner with a budget.
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return ownerRows(ctx, s, 2, func(r *row) store.BudgetOwner {
		return store.BudgetOwner{Owner: expense.OwnerID(r.text(0)), Version: r.version(1)}
	}, func(o store.BudgetOwner) expense.OwnerID { return o.Owner },
		`SELECT owner, version FROM spendwise_ledgers WHERE budgets > 0 AND owner > $1 ORDER BY owner LIMIT $2`)
}

// PendingOwners yields every owner with a pending expense.
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.owners(ctx, `SELECT DISTINCT owner FROM spendwise_expenses WHERE rate IS NULL AND owner > $1 ORDER BY owner
		LIMIT $2`)
}

func (s *Store) owners(ctx context.Context, text string) iter.Seq2[expense.OwnerID, error] {
	return ownerRows(ctx, s, 1, func(r *row) expense.OwnerID { return expense.OwnerID(r.text(0)) },
		func(owner expense.OwnerID) expense.OwnerID { return owner }, text)
}

// ownerRows yields what a statement says of owners, in the order of their ids and in chunks that are closed before they
// are yielded.
func ownerRows[T any](
	ctx context.Context, s *Store, width int, scan func(*row) T, ownerOf func(T) expense.OwnerID, text string,
) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		last := ""
		for {
			var chunk []T
			session := s.outside()
			err := session.each(ctx, width, func(r *row) { chunk = append(chunk, scan(r)) }, text, last, int64(chunkRows))
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, found := range chunk {
				if !yield(found, nil) {
					return
				}
				last = string(ownerOf(found))
			}
			if len(chunk) < chunkRows {
				return
			}
		}
	}
}

// outside returns a session for one statement outside a transaction.
func (s *Store) outside() *session { return &session{dialect: &s.dialect, pool: s.reader} }

// zone parses the name of a zone once.
func (s *Store) zone(name string) (expense.Zone, error) {
	if kept, ok := s.zones.Load(name); ok {
		return kept.(expense.Zone), nil
	}
	zone, err := expense.ParseZone(name)
	if err != nil {
		return expense.Zone{}, fmt.Errorf("store: a ledger's time zone: %w", err)
	}
	s.zones.Store(name, zone)
	return zone, nil
}
