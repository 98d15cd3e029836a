package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	changedChannel = "spendwise_changed" // NOTIFY channel; the payload is an owner
	minReconnect   = 250 * time.Millisecond
	maxReconnect   = 15 * time.Second
	closeTimeout   = 2 * time.Second       // the time limit for the last notifications when the store is closed
	notifyInterval = 20 * time.Millisecond // the minimum time between two statements that send notifications
)

// A notifier sends and receives notifications about changed ledgers, on one connection beside the pool. The first
// commit or watcher opens the connection. Notifications are hints: if the connection breaks, some are lost, and
// watchers find the changes by polling.
type notifier struct {
	config  *pgx.ConnConfig
	remote  store.Hub     // reports the commits of other processes
	pending chan struct{} // has a token while changed may not be empty

	mu      sync.Mutex
	changed map[expense.OwnerID]struct{} // owners of ledgers that this process has changed, not sent yet
	sent    time.Time                    // when notifications were sent last

	opening   sync.Once
	closeOnce sync.Once
	closing   chan struct{} // closed by close
	cancel    context.CancelFunc
	running   sync.WaitGroup
}

func newNotifier(config *pgx.ConnConfig) *notifier {
	own := config.Copy()
	own.Tracer = nil
	own.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	return &notifier{
		config: own, pending: make(chan struct{}, 1), changed: make(map[expense.OwnerID]struct{}),
		closing: make(chan struct{}),
	}
}

// Watch implements [store.Watcher]. It reports the commits of all processes that use the database.
func (s *Store) Watch(fn func(owner expense.OwnerID)) (stop func()) {
	s.notifier.open()
	stopLocal, stopRemote := s.db.Watch(fn), s.notifier.remote.Watch(fn)
	return func() { stopLocal(); stopRemote() }
}

// Close sends the last notifications, for at most 2 seconds, and closes the database. It implements [store.Store].
func (s *Store) Close() error {
	s.notifier.close()
	return s.db.Close()
}

// open starts the connection in the background.
func (n *notifier) open() {
	n.opening.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		n.cancel = cancel
		n.running.Go(func() { n.run(ctx) })
	})
}

func (n *notifier) close() {
	n.opening.Do(func() {}) // a later open does nothing
	if n.cancel == nil {
		return
	}
	n.closeOnce.Do(func() { close(n.closing) })
	defer time.AfterFunc(closeTimeout, n.cancel).Stop()
	n.running.Wait()
	n.cancel()
}

func (n *notifier) isClosing() bool {
	select {
	case <-n.closing:
		return true
	default:
		return false
	}
}

// announce queues a notification for the other processes. It does not block.
func (n *notifier) announce(owner expense.OwnerID) {
	n.open()
	n.mu.Lock()
	n.changed[owner] = struct{}{}
	n.mu.Unlock()
	n.arm()
}

// takeChanged empties the queue. It returns an owner once, even if its ledger changed several times. It returns nothing
// until notifyInterval has passed since the last call that returned owners, unless the notifier is closing.
func (n *notifier) takeChanged(closing bool) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.changed) == 0 {
		return nil
	}
	if !closing && time.Since(n.sent) < notifyInterval {
		n.arm()
		return nil
	}
	owners := make([]string, 0, len(n.changed))
	for owner := range n.changed {
		owners = append(owners, string(owner))
	}
	clear(n.changed)
	n.sent = time.Now()
	return owners
}

// arm puts the token into pending.
func (n *notifier) arm() {
	select {
	case n.pending <- struct{}{}:
	default:
	}
}

// untilNextSend returns how long takeChanged will return nothing.
func (n *notifier) untilNextSend() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return time.Until(n.sent.Add(notifyInterval))
}

// run keeps the connection open until the notifier is closed. It connects at least once, to send what was queued
// before.
func (n *notifier) run(ctx context.Context) {
	for wait := minReconnect; ; wait = min(2*wait, maxReconnect) {
		if n.exchange(ctx) {
			wait = minReconnect
		}
		select {
		case <-n.closing:
			return
		case <-time.After(wait):
		}
	}
}

// exchange connects, then sends and receives notifications until the connection breaks or the notifier is closed. It
// reports whether it was connected.
func (n *notifier) exchange(ctx context.Context) bool {
	conn, err := pgx.ConnectConfig(ctx, n.config)
	if err != nil {
		return false
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // the connection carries only hints
	if _, err := conn.Exec(ctx, "LISTEN "+changedChannel); err != nil {
		return false
	}
	for {
		last := n.isClosing() // read before the queue: takeChanged then returns everything that was announced before closing
		if owners := n.takeChanged(last); len(owners) > 0 {
			_, err := conn.Exec(ctx, "SELECT pg_notify($1, o) FROM unnest($2::text[]) AS o", changedChannel, owners)
			if err != nil {
				return true
			}
		}
		if last {
			return true
		}
		if err := n.receive(ctx, conn); err != nil || ctx.Err() != nil {
			return true
		}
	}
}

// receive waits until a notification arrives, which it forwards, or until there is something to send.
func (n *notifier) receive(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithCancel(ctx)
	var interrupter sync.WaitGroup
	interrupter.Go(func() {
		select {
		case <-n.pending:
			select {
			case <-time.After(n.untilNextSend()):
			case <-n.closing:
			case <-waiting.Done():
				n.arm()
			}
			cancel()
		case <-n.closing:
			cancel()
		case <-waiting.Done():
		}
	})
	notification, err := conn.WaitForNotification(waiting)
	interrupted := waiting.Err() != nil && ctx.Err() == nil
	cancel()
	interrupter.Wait() // otherwise it could take a token after the caller has emptied the queue
	switch {
	case err == nil && notification.PID != conn.PgConn().PID():
		n.remote.Notify(expense.OwnerID(notification.Payload))
		return nil
	case err == nil, interrupted && !conn.IsClosed():
		return nil
	default:
		return err
	}
}
