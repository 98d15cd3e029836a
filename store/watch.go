package store

import (
	"sync"

	"github.com/spendwise/spendwise/expense"
)

// A Watcher reports which ledgers have changed. A Store may implement it. Reports are hints: one may come late, twice,
// without a change, or not at all. Polling [Reader.State] is authoritative.
type Watcher interface {
	// Watch calls fn with the owner of each ledger that may have changed, until stop is called. fn must return quickly and
	// must be safe for concurrent use. It must not call Watch or stop, which would deadlock.
	Watch(fn func(owner expense.OwnerID)) (stop func())
}

// A Hub is a [Watcher] that distributes reports within the process. The zero Hub is ready to use. It is safe for
// concurrent use.
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

// Notify reports to all watchers that owner's ledger may have changed.
func (h *Hub) Notify(owner expense.OwnerID) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for fn := range h.watchers {
		(*fn)(owner)
	}
}
