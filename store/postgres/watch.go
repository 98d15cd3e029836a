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
	// changedChannel is where instances tell each other which ledgers have changed.
	changedChannel = "spendwise_changed"
	// firstRedial and lastRedial bound the wait before a lost line is opened again.
	firstRedial = 250 * time.Millisecond
	lastRedial  = 15 * time.Second
	// lastWord is how long Close waits for what was committed last to be told.
	lastWord = 2 * time.Second
)

// A line is the one connection, beside the pool, over which a process tells others what it commits, and hears of what they commit.
// It is opened by whatever comes first, a commit or a watcher. Nothing correct depends on it: what is lost with it is found by those
// who watch when they look for themselves.
type line struct {
	config *pgx.ConnConfig
	remote store.Hub // passes on what others commit
	dirty  chan struct{}

	mu      sync.Mutex
	changed map[expense.OwnerID]struct{} // here, and not told yet

	opening sync.Once
	hangUp  sync.Once
	closing chan struct{} // closed when there will be nothing more to tell
	cancel  context.CancelFunc
	ended   sync.WaitGroup
}

func newLine(config *pgx.ConnConfig) *line {
	own := config.Copy()
	own.Tracer = nil
	return &line{
		config: own, dirty: make(chan struct{}, 1), changed: make(map[expense.OwnerID]struct{}), closing: make(chan struct{}),
	}
}

// Watch implements [store.Watcher]: it tells of what this and every other process commits.
func (s *Store) Watch(fn func(owner expense.OwnerID)) (stop func()) {
	s.line.open()
	here, there := s.Store.Watch(fn), s.line.remote.Watch(fn)
	return func() { here(); there() }
}

// Close tells the other processes what they have not heard yet, for a short time, and closes the database.
func (s *Store) Close() error {
	s.line.close()
	return s.Store.Close()
}

// open begins to listen and to tell. It does not wait for the connection.
func (l *line) open() {
	l.opening.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		l.cancel = cancel
		l.ended.Go(func() { l.run(ctx) })
	})
}

func (l *line) close() {
	l.opening.Do(func() {}) // whoever comes later opens nothing
	if l.cancel == nil {
		return
	}
	l.hangUp.Do(func() { close(l.closing) })
	defer time.AfterFunc(lastWord, l.cancel).Stop()
	l.ended.Wait()
	l.cancel()
}

// over reports whether the line is being closed.
func (l *line) over() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// tell notes a change that others are to hear of. It never waits.
func (l *line) tell(owner expense.OwnerID) {
	l.open()
	l.mu.Lock()
	l.changed[owner] = struct{}{}
	l.mu.Unlock()
	select {
	case l.dirty <- struct{}{}:
	default: // the line was told already, and has not looked yet
	}
}

// take returns what is to be told, each ledger once however often it changed.
func (l *line) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	owners := make([]string, 0, len(l.changed))
	for owner := range l.changed {
		owners = append(owners, string(owner))
	}
	clear(l.changed)
	return owners
}

// run keeps the line open until it is closed. One that is closed at once is still opened once, for the last word.
func (l *line) run(ctx context.Context) {
	for wait := firstRedial; ; wait = min(2*wait, lastRedial) {
		if l.talk(ctx) {
			wait = firstRedial
		}
		select {
		case <-l.closing:
			return
		case <-time.After(wait):
		}
	}
}

// talk opens the line, listens and tells until something ends it, and reports whether it was open at all.
func (l *line) talk(ctx context.Context) bool {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return false
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is lost with a connection that only carries hints.
	if _, err := conn.Exec(ctx, "LISTEN "+changedChannel); err != nil {
		return false
	}
	for {
		ending := l.over() // looked at first: what was committed before is in what is taken
		if owners := l.take(); len(owners) > 0 {
			_, err := conn.Exec(ctx, "SELECT pg_notify($1, o) FROM unnest($2::text[]) AS o", changedChannel, owners)
			if err != nil {
				return true
			}
		}
		if ending {
			return true
		}
		if err := l.listen(ctx, conn); err != nil || ctx.Err() != nil {
			return true
		}
	}
}

// listen waits until there is something to tell, or passes on one thing that it hears.
func (l *line) listen(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithCancel(ctx)
	var interrupter sync.WaitGroup
	interrupter.Go(func() {
		select {
		case <-l.dirty:
			cancel()
		case <-l.closing:
			cancel()
		case <-waiting.Done():
		}
	})
	heard, err := conn.WaitForNotification(waiting)
	interrupted := waiting.Err() != nil && ctx.Err() == nil
	cancel()
	interrupter.Wait() // so that no token is taken after the caller has looked at what is to be told
	switch {
	case err == nil && heard.PID != conn.PgConn().PID():
		l.remote.Notify(expense.OwnerID(heard.Payload))
		return nil
	case err == nil, interrupted && !conn.IsClosed():
		return nil
	default:
		return err
	}
}
