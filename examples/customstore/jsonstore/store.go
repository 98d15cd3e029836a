// Package jsonstore is an example of a custom store, in as little code as possible. It keeps all ledgers in memory and
// writes each ledger to a JSON file of its own. It uses only the exported packages of SpendWise and passes the
// conformance suite in storetest.
//
//	st, err := jsonstore.Open("ledgers")
//
// # Limits
//
// Each write of a ledger writes its whole file. Updates run one by one, also those of different owners. The folder must
// be on a POSIX file system. Only one process may have it open.
//
// # Concurrency
//
// A committed ledger never changes. A read uses the committed ledger, so it never waits for an Update. An Update works
// on a clone, which replaces the committed ledger at the end.
//
// # Files
//
// store.go has the methods of the Store, reader.go those of a Reader, and tx.go those of a Tx. file.go writes files.
package jsonstore

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// quotesFile contains the quotes. The files of ledgers have hexadecimal names, because an owner's id may contain any
// character, and some file systems ignore case or normalise Unicode.
const quotesFile = "quotes.json"

// A Store keeps ledgers in a folder. Create it with [Open].
type Store struct {
	folder    string
	writing   sync.Mutex // held during each write
	committed atomic.Pointer[database]
}

// A database is everything that is committed. It never changes.
type database struct {
	ledgers map[expense.OwnerID]*ledger
	quotes  []expense.Quote // ordered
}

// Open opens the store in a folder. It creates the folder if it does not exist.
func Open(folder string) (*Store, error) {
	s, db := &Store{folder: folder}, &database{ledgers: make(map[expense.OwnerID]*ledger)}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, unavailable(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, unavailable(err)
	}
	for _, entry := range entries {
		name, found := strings.CutSuffix(entry.Name(), ".json")
		owner, malformed := hex.DecodeString(name)
		switch {
		case entry.Name() == quotesFile:
			err = readFile(filepath.Join(folder, quotesFile), &db.quotes)
		case found && malformed == nil:
			l := new(ledger)
			err = readFile(s.path(expense.OwnerID(owner)), l)
			db.ledgers[expense.OwnerID(owner)] = l
		}
		if err != nil {
			return nil, err
		}
	}
	s.committed.Store(db)
	return s, nil
}

func (s *Store) path(owner expense.OwnerID) string {
	return filepath.Join(s.folder, hex.EncodeToString([]byte(owner))+".json")
}

// ledger returns the committed ledger of the owner, or nil.
func (s *Store) ledger(ctx context.Context, owner expense.OwnerID) (*ledger, error) {
	if err := cmp.Or(ctx.Err(), owner.Validate()); err != nil {
		return nil, err
	}
	return s.committed.Load().ledgers[owner], nil
}

// change calls fn with the committed ledger of the owner, which is nil if there is none. It commits the ledger that fn
// returns; nil erases the ledger, and the same ledger changes nothing.
func (s *Store) change(ctx context.Context, owner expense.OwnerID, fn func(before *ledger) (*ledger, error)) error {
	s.writing.Lock()
	defer s.writing.Unlock() // also after a panic in fn
	before, err := s.ledger(ctx, owner)
	if err != nil {
		return err
	}
	after, err := fn(before)
	if err != nil || after == before {
		return err
	}
	next := *s.committed.Load()
	next.ledgers = maps.Clone(next.ledgers)
	if after == nil {
		delete(next.ledgers, owner)
		err = removeFile(s.path(owner))
	} else {
		next.ledgers[owner] = after
		err = replaceFile(s.path(owner), after)
	}
	if err == nil {
		s.committed.Store(&next)
	}
	return err
}

// CreateLedger implements [store.Store].
func (s *Store) CreateLedger(
	ctx context.Context, owner expense.OwnerID, initial expense.InitialLedger,
) (created bool, err error) {
	err = s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before != nil {
			return before, nil
		}
		t := newTx(newLedger())
		if _, err := t.PutCategories(ctx, initial.Categories...); err != nil {
			return nil, err
		}
		if _, err := t.PutSettings(ctx, initial.Settings); err != nil {
			return nil, err
		}
		created = true
		return t.ledger, nil
	})
	return created && err == nil, err
}

// EraseLedger implements [store.Store].
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	return s.change(ctx, owner, func(*ledger) (*ledger, error) { return nil, nil }) //nolint:nilnil // erases the ledger
}

// Reader implements [store.Store].
func (s *Store) Reader(owner expense.OwnerID) store.Reader {
	return reader(func(ctx context.Context) (*ledger, error) { return s.ledger(ctx, owner) })
}

// View implements [store.Store]. The committed ledger is a snapshot, because it never changes.
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	snapshot, err := s.ledger(ctx, owner)
	if err != nil {
		return err
	}
	return fn(reader(func(ctx context.Context) (*ledger, error) { return snapshot, ctx.Err() }))
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before == nil {
			return nil, errNoLedger()
		}
		t := newTx(before)
		if err := fn(t); err != nil {
			return nil, err
		}
		if err := t.usable(ctx); err != nil {
			return nil, fmt.Errorf("an earlier error ended the update: %w", err)
		}
		return t.ledger, nil
	})
}

// Owners implements [store.Store].
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return ownersWhere(ctx, s, func(owner expense.OwnerID, _ *ledger) (expense.OwnerID, bool) { return owner, true })
}

// PendingOwners implements [store.Store].
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return ownersWhere(ctx, s, func(owner expense.OwnerID, l *ledger) (expense.OwnerID, bool) {
		return owner, l.Expenses.contains(expense.Expense.Pending)
	})
}

// BudgetOwners implements [store.Store].
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return ownersWhere(ctx, s, func(owner expense.OwnerID, l *ledger) (store.BudgetOwner, bool) {
		return store.BudgetOwner{Owner: owner, Version: l.Version}, len(l.Budgets.Rows) > 0
	})
}

// ownersWhere yields what match returns for the ledgers that it selects, ordered by the bytes of the owner's id.
func ownersWhere[V any](
	ctx context.Context, s *Store, match func(expense.OwnerID, *ledger) (V, bool),
) iter.Seq2[V, error] {
	return func(yield func(V, error) bool) {
		var zero V
		ledgers := s.committed.Load().ledgers
		for _, owner := range slices.Sorted(maps.Keys(ledgers)) {
			if err := ctx.Err(); err != nil {
				yield(zero, err)
				return
			}
			if value, ok := match(owner, ledgers[owner]); ok && !yield(value, nil) {
				return
			}
		}
	}
}

// DueOwners implements [store.Store]. It reads every ledger. A store for production needs an index by due time.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		var dueOwners []store.DueOwner
		for owner, l := range s.committed.Load().ledgers {
			for _, rule := range l.Rules.Rows {
				if at := rule.DueAt(l.Settings.Zone); !at.IsZero() && !at.After(now) {
					dueOwners = append(dueOwners, store.DueOwner{Owner: owner, Since: at, RetryAt: rule.RetryAt})
				}
			}
		}
		slices.SortFunc(dueOwners, func(a, b store.DueOwner) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Owner, b.Owner), a.RetryAt.Compare(b.RetryAt))
		})
		same := func(a, b store.DueOwner) bool { return a.Since.Equal(b.Since) && a.Owner == b.Owner }
		for _, due := range slices.CompactFunc(dueOwners, same) {
			if err := ctx.Err(); !yield(due, err) || err != nil {
				return
			}
		}
	}
}

// PutQuotes implements [store.Store].
func (s *Store) PutQuotes(ctx context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	next := *s.committed.Load()
	next.quotes = slices.Clone(next.quotes)
	for _, quote := range quotes {
		at, found := slices.BinarySearchFunc(next.quotes, quote, compareQuotes)
		if !found {
			next.quotes = slices.Insert(next.quotes, at, quote)
		} else if next.quotes[at].Value != quote.Value {
			changed = append(changed, quote)
		}
	}
	if err := replaceFile(filepath.Join(s.folder, quotesFile), next.quotes); err != nil {
		return nil, err
	}
	s.committed.Store(&next)
	return changed, nil
}

func compareQuotes(a, b expense.Quote) int {
	return cmp.Or(cmp.Compare(a.Source, b.Source), a.Date.Compare(b.Date),
		cmp.Compare(a.Currency.Code(), b.Currency.Code()))
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		for _, quote := range s.committed.Load().quotes {
			if quote.Source != source || quote.Date.Before(from) {
				continue
			}
			if err := ctx.Err(); !yield(quote, err) || err != nil {
				return
			}
		}
	}
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	return s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before == nil {
			return nil, errNoLedger()
		}
		after := before.clone()
		after.State = before.NextEpoch(time.Now())
		return after, nil
	})
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, requestsBefore, tombstonesBefore time.Time) error {
	limits := map[store.Retention]time.Time{
		store.RetentionRequests: requestsBefore, store.RetentionTombstones: tombstonesBefore,
	}
	for owner := range s.committed.Load().ledgers {
		err := s.change(ctx, owner, func(before *ledger) (*ledger, error) {
			if before == nil {
				return nil, nil //nolint:nilnil // the ledger was erased since
			}
			after := before.clone()
			after.Records = slices.DeleteFunc(after.Records, func(r store.IdempotencyRecord) bool {
				return r.CreatedAt.Before(limits[r.Retention])
			})
			purge := func(id uuid.UUID, t tombstone) bool {
				purged := t.DeletedAt.Before(tombstonesBefore) && id.Version() != 5 && t.MergedInto == uuid.Nil
				if purged {
					after.PurgedThrough = max(after.PurgedThrough, t.Version)
				}
				return purged
			}
			maps.DeleteFunc(after.Categories.Tombstones, purge)
			maps.DeleteFunc(after.Expenses.Tombstones, purge)
			maps.DeleteFunc(after.Budgets.Tombstones, purge)
			maps.DeleteFunc(after.Rules.Tombstones, purge)
			return after, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error {
	if _, err := os.Stat(s.folder); err != nil {
		return unavailable(err)
	}
	return ctx.Err()
}

// Close implements [store.Store]. It does nothing, because no file stays open between calls.
func (s *Store) Close() error { return nil }
