// Package jsonstore keeps each ledger as one JSON file in a folder. It is written against the public interface alone and
// passes storetest: a start for a store of your own. A ledger is read whole and written whole, so a change costs as much as
// the ledger is large. The folder is on a POSIX file system, and one process at a time has it open.
//
//	st, err := jsonstore.Open("ledgers")
//
// ledger.go holds what is kept and how it is written down, reader.go and tx.go the methods of a Reader and a Tx.
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
	// maxCached is how many ledgers stay in memory at most; the others are read from their files when they are needed.
	maxCached = 64
	// ledgerSuffix ends the name of a ledger's file, after the owner's id in hexadecimal.
	ledgerSuffix = ".ledger.json"
	quotesName   = "quotes.json"
)

// A Store keeps ledgers in a folder. Make it with [Open].
type Store struct {
	folder string

	mu    sync.Mutex // held over files, cache and locks, so that they agree; never while a caller's function runs
	cache map[expense.OwnerID]*ledger
	locks map[expense.OwnerID]*sync.Mutex // never removed, so that two Updates of one owner always meet at the same lock
}

var _ store.Store = (*Store)(nil)

// Open returns the store that the folder holds; a folder that is not there is made.
func Open(folder string) (*Store, error) {
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = syncFolder(folder)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store in %s: %w", folder, err)
	}
	return &Store{folder: folder, cache: make(map[expense.OwnerID]*ledger), locks: make(map[expense.OwnerID]*sync.Mutex)}, nil
}

// path returns the owner's file. An id may hold any character, so its bytes are written in hexadecimal: two ids never share a
// file, whatever the file system thinks of capitals, accents and slashes.
func (s *Store) path(owner expense.OwnerID) string {
	return filepath.Join(s.folder, hex.EncodeToString([]byte(owner))+ledgerSuffix)
}

// committed returns the owner's ledger as it was last committed; one of version 0 says that there is none. Others read it at
// the same time, so nobody may change it: a change begins with a clone.
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
	s.remember(owner, l)
	return l, nil
}

// commit makes l the owner's ledger: first its file, then what readers see. If that fails midway the file alone says what
// holds, as after a lost connection to a database.
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
	s.remember(owner, l)
	return nil
}

func (s *Store) remember(owner expense.OwnerID, l *ledger) {
	for other := range s.cache { // any of them: the order of a map is as good as random
		if len(s.cache) < maxCached {
			break
		}
		delete(s.cache, other)
	}
	s.cache[owner] = l
}

// change runs fn over the committed ledger while nobody else may change it, and commits what fn returns. The same ledger
// again says that nothing changed, one of version 0 that the owner has none any more.
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
	defer lock.Unlock() // a panic in fn lets go of it too, and leaves nothing behind: only commit changes what others see
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
func (s *Store) CreateLedger(ctx context.Context, owner expense.OwnerID, made expense.InitialLedger) (created bool, err error) {
	err = s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before.Version != 0 {
			return before, nil
		}
		categories := slices.Clone(made.Categories)
		for i := range categories {
			categories[i].Version = 0
		}
		made.Settings.Version = 0
		t := newTx(before)
		if _, err := t.PutCategories(ctx, categories...); err != nil {
			return nil, err
		}
		if _, err := t.PutSettings(ctx, made.Settings); err != nil {
			return nil, err
		}
		created = true
		return t.now, nil
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

// View implements [store.Store]. A committed ledger never changes, so it is its own snapshot.
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
			return nil, fmt.Errorf("an earlier error ended the update: %w", err)
		}
		return t.now, nil
	})
}

// Owners implements [store.Store]. A folder is listed in the order of its names, byte by byte, and hexadecimal keeps the
// order of the ids; the point after it sorts before every digit, so "a" comes before "ab".
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
	return s.ownersWhere(ctx, (*ledger).pending)
}

// ownersWhere yields the owners whose ledgers are chosen.
func (s *Store) ownersWhere(ctx context.Context, chosen func(*ledger) bool) iter.Seq2[expense.OwnerID, error] {
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
			if chosen(l) && !yield(owner, nil) {
				return
			}
		}
	}
}

// DueOwners implements [store.Store]. A store that is used in earnest keeps an index of the due instants instead.
func (s *Store) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		var found []store.DueOwner
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
					found = append(found, store.DueOwner{Owner: owner, Since: at, RetryAt: rule.RetryAt})
				}
			}
		}
		slices.SortFunc(found, func(a, b store.DueOwner) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Owner, b.Owner), a.RetryAt.Compare(b.RetryAt))
		})
		same := func(a, b store.DueOwner) bool { return a.Since.Equal(b.Since) && a.Owner == b.Owner }
		for _, due := range slices.CompactFunc(found, same) {
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
	path := filepath.Join(s.folder, quotesName)
	var kept []expense.Quote
	if err := readFile(path, &kept); err != nil {
		return nil, err
	}
	values := make(map[expense.Quote]expense.Factor, len(kept)+len(quotes))
	for _, quote := range kept {
		values[priceless(quote)] = quote.Value
	}
	before := len(kept)
	for _, quote := range quotes {
		value, ok := values[priceless(quote)]
		switch {
		case !ok:
			values[priceless(quote)] = quote.Value
			kept = append(kept, quote)
		case value != quote.Value:
			changed = append(changed, quote)
		}
	}
	if len(kept) == before {
		return changed, nil
	}
	slices.SortFunc(kept, func(a, b expense.Quote) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), a.Date.Compare(b.Date), cmp.Compare(a.Currency.Code(), b.Currency.Code()))
	})
	return changed, replaceFile(path, kept)
}

// priceless returns the quote without its value: what there is one price of.
func priceless(quote expense.Quote) expense.Quote {
	quote.Value = expense.Factor{}
	return quote
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		var kept []expense.Quote // in the order in which PutQuotes left them
		if err := errors.Join(ctx.Err(), readFile(filepath.Join(s.folder, quotesName), &kept)); err != nil {
			yield(expense.Quote{}, err)
			return
		}
		for _, quote := range kept {
			if quote.Source == source && !quote.Date.Before(from) && !yield(quote, nil) {
				return
			}
		}
	}
}

// NewEpoch implements [store.Store].
func (s *Store) StartEpoch(ctx context.Context, owner expense.OwnerID) error {
	return s.change(ctx, owner, func(before *ledger) (*ledger, error) {
		if before.Version == 0 {
			return nil, noLedger()
		}
		after := before.clone()
		next := before.state().NextEpoch(time.Now())
		after.Epoch, after.Version, after.Lost = next.Epoch, next.Version, next.Discarded
		return after, nil
	})
}

// Purge implements [store.Store].
func (s *Store) Purge(ctx context.Context, requests, tombstones time.Time) error {
	for owner, err := range s.Owners(ctx) {
		if err != nil {
			return err
		}
		err = s.change(ctx, owner, func(before *ledger) (*ledger, error) {
			after := before.clone()
			after.Records = slices.DeleteFunc(after.Records, func(a store.IdempotencyRecord) bool {
				if a.Retention == store.RetentionTombstones {
					return a.CreatedAt.Before(tombstones)
				}
				return a.CreatedAt.Before(requests)
			})
			old := func(id uuid.UUID, t tombstone) bool {
				gone := t.At.Before(tombstones) && id.Version() != 5
				if gone {
					after.Floor = max(after.Floor, t.Version)
				}
				return gone
			}
			maps.DeleteFunc(after.Categories.Tombs, old)
			maps.DeleteFunc(after.Expenses.Tombs, old)
			maps.DeleteFunc(after.Budgets.Tombs, old)
			maps.DeleteFunc(after.Rules.Tombs, old)
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

// Close implements [store.Store]. No file stays open between two calls.
func (s *Store) Close() error { return nil }

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
