// Package memstore stores ledgers in memory. It is the reference implementation of [store.Store], for tests and for
// trials. All data is lost when the process ends.
//
// A ledger is a value that consists of persistent trees, so a snapshot is a copy of the value. An Update changes a copy
// and publishes it at the end. Totals are computed from the rows on each call.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A Store stores ledgers in memory. It implements [store.Store] and [store.Watcher] and is safe for concurrent use.
// Create it with [New].
type Store struct {
	hub store.Hub

	mu      sync.Mutex // guards the fields below; not held during an Update
	ledgers map[expense.OwnerID]*slot
	quotes  tree[quoteKey, expense.Quote]
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Watcher = (*Store)(nil)
)

// A slot holds the committed ledger of one owner and its lock. Slots are never removed from the map, so all Updates of
// an owner use the same lock.
type slot struct {
	writing chan struct{} // has a token while the ledger is locked; a channel, because waiting must end with the context
	mu      sync.Mutex    // guards ledger
	ledger  ledger
}

// New returns an empty store.
func New() *Store {
	return &Store{ledgers: make(map[expense.OwnerID]*slot), quotes: newTree[quoteKey, expense.Quote](compareQuoteKeys)}
}

// slot returns the owner's slot, which holds an empty ledger if the owner has none.
func (s *Store) slot(owner expense.OwnerID) (*slot, error) {
	if err := owner.Validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	existing, ok := s.ledgers[owner]
	if !ok {
		existing = &slot{writing: make(chan struct{}, 1), ledger: emptyLedger()}
		s.ledgers[owner] = existing
	}
	return existing, nil
}

// owners returns the owners that have a ledger, ordered by the bytes of their ids.
func (s *Store) owners() []expense.OwnerID {
	s.mu.Lock()
	slots := maps.Clone(s.ledgers)
	s.mu.Unlock()
	maps.DeleteFunc(slots, func(_ expense.OwnerID, slot *slot) bool { return slot.load().version == 0 })
	return slices.Sorted(maps.Keys(slots))
}

func (s *slot) load() ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledger
}

func (s *slot) publish(l ledger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger = l
}

// change locks the ledger, runs fn with the committed ledger, and publishes the ledger that fn returns.
func (s *slot) change(ctx context.Context, fn func(ledger) (ledger, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writing }()
	next, err := fn(s.load())
	if err != nil {
		return err
	}
	s.publish(next)
	return nil
}

// CreateLedger implements [store.Store].
func (s *Store) CreateLedger(
	ctx context.Context, owner expense.OwnerID, newLedger expense.InitialLedger,
) (bool, error) {
	slot, err := s.slot(owner)
	if err != nil {
		return false, err
	}
	created := false
	err = slot.change(ctx, func(l ledger) (ledger, error) {
		if l.version != 0 {
			return l, nil
		}
		t := newTx(emptyLedger())
		for _, category := range newLedger.Categories {
			category.Version = 0
			if _, err := t.PutCategories(ctx, category); err != nil {
				return l, err
			}
		}
		newLedger.Settings.Version = 0
		if _, err := t.PutSettings(ctx, newLedger.Settings); err != nil {
			return l, err
		}
		created = true
		return t.current, nil
	})
	return created, err
}

// EraseLedger implements [store.Store].
func (s *Store) EraseLedger(ctx context.Context, owner expense.OwnerID) error {
	slot, err := s.slot(owner)
	if err != nil {
		return err
	}
	return slot.change(ctx, func(ledger) (ledger, error) { return emptyLedger(), nil })
}

// Watch implements [store.Watcher].
func (s *Store) Watch(fn func(owner expense.OwnerID)) (stop func()) { return s.hub.Watch(fn) }

// Reader implements [store.Store].
func (s *Store) Reader(owner expense.OwnerID) store.Reader {
	return reader{at: func(ctx context.Context) (ledger, error) {
		if err := ctx.Err(); err != nil {
			return ledger{}, err
		}
		slot, err := s.slot(owner)
		if err != nil {
			return ledger{}, err
		}
		return slot.load(), nil
	}}
}

// View implements [store.Store].
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	slot, err := s.slot(owner)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	snapshot := slot.load()
	return fn(reader{at: func(ctx context.Context) (ledger, error) { return snapshot, ctx.Err() }})
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	slot, err := s.slot(owner)
	if err != nil {
		return err
	}
	wrote := false
	err = slot.change(ctx, func(l ledger) (ledger, error) {
		if l.version == 0 {
			return l, errNoLedger()
		}
		t := newTx(l)
		if err := fn(t); err != nil {
			return l, err
		}
		if err := t.usable(ctx); err != nil {
			return l, fmt.Errorf("an earlier error ended the update: %w", err)
		}
		wrote = t.current.version != l.version
		return t.current, nil
	})
	if err == nil && wrote {
		s.hub.Notify(owner)
	}
	return err
}

// Owners implements [store.Store].
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.ownersWhere(ctx, func(ledger) bool { return true })
}

// BudgetOwners implements [store.Store].
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		var version expense.Version
		owners := s.ownersWhere(ctx, func(l ledger) bool {
			version = l.version
			return !l.budgets.rows.empty()
		})
		for owner, err := range owners {
			if !yield(store.BudgetOwner{Owner: owner, Version: version}, err) {
				return
			}
		}
	}
}

// PendingOwners implements [store.Store].
func (s *Store) PendingOwners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return s.ownersWhere(ctx, func(l ledger) bool {
		for e := range l.expenses.rows.values() {
			if e.Pending() {
				return true
			}
		}
		return false
	})
}

// DueOwners implements [store.Store].
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		due := make(map[store.DueOwner]time.Time) // RetryAt by owner and Since
		for owner, err := range s.Owners(ctx) {
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			slot, err := s.slot(owner)
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			l := slot.load()
			for rule := range l.rules.rows.values() {
				at := rule.DueAt(l.settings.Zone)
				if at.IsZero() || at.After(now) {
					continue
				}
				key := store.DueOwner{Owner: owner, Since: at}
				if retryAt, known := due[key]; !known || rule.RetryAt.Before(retryAt) {
					due[key] = rule.RetryAt
				}
			}
		}
		oldest := func(a, b store.DueOwner) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Owner, b.Owner))
		}
		for _, owner := range slices.SortedFunc(maps.Keys(due), oldest) {
			owner.RetryAt = due[owner]
			if !yield(owner, nil) {
				return
			}
		}
	}
}

func (s *Store) ownersWhere(ctx context.Context, match func(ledger) bool) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		for _, owner := range s.owners() {
			slot, err := s.slot(owner)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield("", err)
				return
			}
			if l := slot.load(); l.version != 0 && match(l) && !yield(owner, nil) {
				return
			}
		}
	}
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, requestsBefore, tombstonesBefore time.Time) error {
	for _, owner := range s.owners() {
		slot, err := s.slot(owner)
		if err != nil {
			return err
		}
		err = slot.change(ctx, func(l ledger) (ledger, error) {
			for key, record := range l.records.all() {
				before := requestsBefore
				if record.Retention == store.RetentionTombstones {
					before = tombstonesBefore
				}
				if record.CreatedAt.Before(before) {
					l.records = l.records.without(key)
				}
			}
			l.expenses.purge(tombstonesBefore, &l.purgedThrough)
			l.categories.purge(tombstonesBefore, &l.purgedThrough)
			l.budgets.purge(tombstonesBefore, &l.purgedThrough)
			l.rules.purge(tombstonesBefore, &l.purgedThrough)
			return l, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Ping implements [store.Store].
func (s *Store) Ping(ctx context.Context) error { return ctx.Err() }

// Close implements [store.Store].
func (s *Store) Close() error { return nil }
