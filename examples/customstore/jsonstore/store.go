// Package jsonstore is an example of a custom store. It keeps each ledger as one JSON file in a folder. It uses only
// the exported packages of SpendWise and passes the conformance suite in storetest.
//
//	st, err := jsonstore.Open("ledgers")
//
// # Limits
//
// A ledger is read and written as a whole, so each write takes time in proportion to the size of the ledger. The
// folder must be on a POSIX file system. Only one process may have it open.
//
// # Concurrency
//
// A committed ledger never changes. A read uses the committed ledger, so it never waits for an Update. An Update works
// on a clone, which replaces the committed ledger at the end. A mutex for each owner runs the Updates of one ledger
// one by one.
//
// # Files
//
// store.go has the methods of the Store, reader.go and change.go those of a Reader, and tx.go those of a Tx. ledger.go
// has the data and its files.
package jsonstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// maxCached is the maximum number of ledgers in memory. Others are read from their files when they are used.
	maxCached = 64
	// ledgerSuffix follows the hexadecimal id of the owner in the name of a ledger's file.
	ledgerSuffix = ".ledger.json"
	quotesFile   = "quotes.json"
)

// A Store keeps ledgers in a folder. Create it with [Open].
type Store struct {
	folder string

	mu    sync.Mutex // guards the files, cache and locks; not held while a caller's function runs
	cache map[expense.OwnerID]*ledger
	locks map[expense.OwnerID]*sync.Mutex // entries stay, so that all Updates of an owner use the same lock
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder. It creates the folder if it does not exist.
func Open(folder string) (*Store, error) {
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = syncFolder(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", folder, err)
	}
	return &Store{
		folder: folder, cache: make(map[expense.OwnerID]*ledger), locks: make(map[expense.OwnerID]*sync.Mutex),
	}, nil
}

// path returns the path of the owner's file. The name is the hexadecimal id, because an id may contain any character
// and some file systems ignore case or normalise Unicode.
func (s *Store) path(owner expense.OwnerID) string {
	return filepath.Join(s.folder, hex.EncodeToString([]byte(owner))+ledgerSuffix)
}

// committed returns the committed ledger of the owner. Its version is 0 if it does not exist. It is shared with
// concurrent readers, so the caller must not modify it.
func (s *Store) committed(ctx context.Context, owner expense.OwnerID) (*ledger, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := owner.Validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.cache[owner]; ok {
		return l, nil
	}
	l := newLedger()
	if err := readFile(s.path(owner), l); err != nil {
		return nil, err
	}
	s.addToCache(owner, l)
	return l, nil
}

// commit makes l the committed ledger of the owner. It writes the file before readers see l. If that fails, the next
// read reads the file, which has either the old content or the new, as after a lost connection to a database.
func (s *Store) commit(owner expense.OwnerID, l *ledger) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cache, owner)
	var err error
	if l.Version == 0 {
		err = removeFile(s.path(owner))
	} else {
		err = replaceFile(s.path(owner), l)
	}
	if err != nil {
		return err
	}
	s.addToCache(owner, l)
	return nil
}

func (s *Store) addToCache(owner expense.OwnerID, l *ledger) {
	for other := range s.cache { // evicts an arbitrary ledger
		if len(s.cache) < maxCached {
			break
		}
		delete(s.cache, other)
	}
	s.cache[owner] = l
}

// change locks the owner's ledger, calls fn with the committed one, and commits the ledger that fn returns. If fn
// returns the same ledger, nothing is written. If fn returns a ledger with version 0, the owner's ledger is erased.
func (s *Store) change(ctx context.Context, owner expense.OwnerID, fn func(before *ledger) (*ledger, error)) error {
	if err := owner.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	lock, ok := s.locks[owner]
	if !ok {
		lock = new(sync.Mutex)
		s.locks[owner] = lock
	}
	s.mu.Unlock()

	lock.Lock()
	defer lock.Unlock() // also after a panic in fn, which changes nothing: only commit writes
	before, err := s.committed(ctx, owner)
	if err != nil {
		return err
	}
	after, err := fn(before)
	if err != nil || after == before {
		return err
	}
	return s.commit(owner, after)
}

// CreateLedger implements [store.Store].
func (s *Store) CreateLedger(
	ctx context.Context, owner expense.OwnerID, initial expense.InitialLedger,
) (created bool, err error) {
	err = s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before.Version != 0 {
			return before, nil
		}
		categories := slices.Clone(initial.Categories)
		for i := range categories {
			categories[i].Version = 0
		}
		initial.Settings.Version = 0
		t := newTx(before)
		if _, err := t.PutCategories(ctx, categories...); err != nil {
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
	return s.change(ctx, owner, func(*ledger) (*ledger, error) { return newLedger(), nil })
}

// Reader implements [store.Store].
func (s *Store) Reader(owner expense.OwnerID) store.Reader {
	return reader(func(ctx context.Context) (*ledger, error) { return s.committed(ctx, owner) })
}

// View implements [store.Store]. The committed ledger is a snapshot, because it never changes.
func (s *Store) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	snapshot, err := s.committed(ctx, owner)
	if err != nil {
		return err
	}
	return fn(reader(func(ctx context.Context) (*ledger, error) { return snapshot, ctx.Err() }))
}

// Update implements [store.Store].
func (s *Store) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	return s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before.Version == 0 {
			return nil, noLedger()
		}
		t := newTx(before)
		if err := fn(t); err != nil {
			return nil, err
		}
		if err := t.usable(ctx); err != nil {
			return nil, fmt.Errorf("the update had failed before: %w", err)
		}
		return t.ledger, nil
	})
}

// Owners implements [store.Store]. os.ReadDir sorts by name. That is the order of the ids, because hexadecimal keeps
// the order of bytes, and the dot of the suffix sorts before every digit.
func (s *Store) Owners(ctx context.Context) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		entries, err := os.ReadDir(s.folder)
		if err != nil {
			yield("", unavailable(err))
			return
		}
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				yield("", err)
				return
			}
			name, isLedger := strings.CutSuffix(entry.Name(), ledgerSuffix)
			owner, malformed := hex.DecodeString(name)
			if isLedger && malformed == nil && !yield(expense.OwnerID(owner), nil) {
				return
			}
		}
	}
}

// BudgetOwners implements [store.Store].
func (s *Store) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		var version expense.Version
		owners := s.ownersWhere(ctx, func(l *ledger) bool {
			version = l.Version
			return len(l.Budgets.Rows) > 0
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
	return s.ownersWhere(ctx, (*ledger).hasPending)
}

// ownersWhere yields the owners of the ledgers for which match returns true.
func (s *Store) ownersWhere(ctx context.Context, match func(*ledger) bool) iter.Seq2[expense.OwnerID, error] {
	return func(yield func(expense.OwnerID, error) bool) {
		for owner, err := range s.Owners(ctx) {
			var l *ledger
			if err == nil {
				l, err = s.committed(ctx, owner)
			}
			if err != nil {
				yield("", err)
				return
			}
			if match(l) && !yield(owner, nil) {
				return
			}
		}
	}
}

// DueOwners implements [store.Store]. It reads every ledger. A store for production needs an index by due time.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		var dueOwners []store.DueOwner
		for owner, err := range s.Owners(ctx) {
			var l *ledger
			if err == nil {
				l, err = s.committed(ctx, owner)
			}
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
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
			if !yield(due, nil) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	path := filepath.Join(s.folder, quotesFile)
	var stored []expense.Quote
	if err := readFile(path, &stored); err != nil {
		return nil, err
	}
	values := make(map[expense.Quote]expense.Factor, len(stored)+len(quotes))
	for _, quote := range stored {
		values[quoteKey(quote)] = quote.Value
	}
	before := len(stored)
	for _, quote := range quotes {
		value, ok := values[quoteKey(quote)]
		switch {
		case !ok:
			values[quoteKey(quote)] = quote.Value
			stored = append(stored, quote)
		case value != quote.Value:
			changed = append(changed, quote)
		}
	}
	if len(stored) == before {
		return changed, nil
	}
	slices.SortFunc(stored, func(a, b expense.Quote) int {
		return cmp.Or(
			cmp.Compare(a.Source, b.Source), a.Date.Compare(b.Date), cmp.Compare(a.Currency.Code(), b.Currency.Code()))
	})
	return changed, replaceFile(path, stored)
}

// quoteKey returns the quote without its value. The store keeps one value for each key.
func quoteKey(quote expense.Quote) expense.Quote {
	quote.Value = expense.Factor{}
	return quote
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		var stored []expense.Quote // ordered by PutQuotes
		if err := errors.Join(ctx.Err(), readFile(filepath.Join(s.folder, quotesFile), &stored)); err != nil {
			yield(expense.Quote{}, err)
			return
		}
		for _, quote := range stored {
			if quote.Source == source && !quote.Date.Before(from) && !yield(quote, nil) {
				return
			}
		}
	}
}

// StartEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	return s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before.Version == 0 {
			return nil, noLedger()
		}
		after := before.clone()
		next := before.state().NextEpoch(time.Now())
		after.Epoch, after.Version, after.Discarded = next.Epoch, next.Version, next.Discarded
		return after, nil
	})
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, requestsBefore, tombstonesBefore time.Time) error {
	for owner, err := range s.Owners(ctx) {
		if err != nil {
			return err
		}
		err = s.change(ctx, owner, func(before *ledger) (*ledger, error) {
			after := before.clone()
			after.Records = slices.DeleteFunc(after.Records, func(a store.IdempotencyRecord) bool {
				if a.Retention == store.RetentionTombstones {
					return a.CreatedAt.Before(tombstonesBefore)
				}
				return a.CreatedAt.Before(requestsBefore)
			})
			purge := func(id uuid.UUID, t tombstone) bool {
				purged := t.DeletedAt.Before(tombstonesBefore) && id.Version() != 5
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

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
