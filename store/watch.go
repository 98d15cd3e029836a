package store

import (
	"sync"

	"github.com/spendwise/spendwise/expense"
)

// A Watcher is a store that tells which ledgers have changed. It may tell of a change that was none, late, or never: whoever
// watches looks for itself now and then. A Store need not be one.
type Watcher interface {
	// Watch calls fn with the owner of each ledger that may have changed, until stop is called. fn returns at once.
	Watch(fn func(owner expense.OwnerID)) (stop func())
}

// A Hub passes on within the process which ledgers have changed. The zero Hub is ready.
type Hub struct {
	mu       sync.RWMutex
	watchers map[*func(expense.OwnerID)]struct{}
}

// Watch implements [Watcher].
func (h *Hub) Watch(fn func(owner expense.OwnerID)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[*func(expense.OwnerID)]struct{})
	}
	h.watchers[&fn] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, &fn)
	}
}

// Notify tells all who watch that owner's ledger may have changed.
func (h *Hub) Notify(owner expense.OwnerID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for fn := range h.watchers {
		(*fn)(owner)
	}
}
