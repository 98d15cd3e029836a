package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store/replica"
)

const (
	// maxStreams is how many event streams one user may have open on one instance.
	maxStreams = 5
	// heartbeat is the interval of the comments that keep proxies from closing a stream. The session is checked as often,
	// and the ledger every second time, so that a lost hint delays an event by at most 30 seconds.
	heartbeat = 15 * time.Second
	// streamWriteTimeout is how long a client may take to accept one write.
	streamWriteTimeout = 20 * time.Second
)

// streams holds the event streams that are open on this instance. It is safe for concurrent use.
type streams struct {
	done <-chan struct{} // closed when the server stops; may be nil

	mu   sync.Mutex
	open map[expense.OwnerID]map[*stream]struct{}
}

// A stream is the event stream of one client. Its channel has a token when the ledger or the session may have changed.
type stream struct{ hint chan struct{} }

// join opens a stream for owner. It returns nil if owner has maxStreams.
func (s *streams) join(owner expense.OwnerID) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open[owner]) >= maxStreams {
		return nil
	}
	if s.open == nil {
		s.open = make(map[expense.OwnerID]map[*stream]struct{})
	}
	if s.open[owner] == nil {
		s.open[owner] = make(map[*stream]struct{})
	}
	joined := &stream{hint: make(chan struct{}, 1)}
	s.open[owner][joined] = struct{}{}
	return joined
}

func (s *streams) leave(owner expense.OwnerID, left *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.open[owner], left); len(s.open[owner]) == 0 {
		delete(s.open, owner)
	}
}

// wake makes owner's streams check the ledger and the session. It never blocks.
func (s *streams) wake(owner expense.OwnerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for listening := range s.open[owner] {
		select {
		case listening.hint <- struct{}{}:
		default: // a hint is pending already
		}
	}
}

// events handles GET /v1/sync/events with a stream of server-sent events. An event says that a pull may return changes.
// Its id and data are the cursor that this pull would return.
func (c *call) events() error {
	var last replica.Cursor // the client has received everything up to it; zero: nothing
	if text := c.Request.Header.Get("Last-Event-ID"); text != "" {
		// After an invalid cursor, the client gets an event. Its next pull then returns the error of the cursor.
		last, _ = replica.ParseCursor(c.owner, text)
	} else {
		state, err := c.state()
		if err != nil {
			return err
		}
		last = replica.EndCursor(c.owner, state)
	}
	listening := c.api.streams.join(c.owner)
	if listening == nil {
		return problem.New(problem.CodeRateLimited, "You already have %d event streams open, the maximum; close one of them.",
			maxStreams)
	}
	defer c.api.streams.leave(c.owner, listening)
	c.api.observe(StreamOpened{})
	defer c.api.observe(StreamClosed{})

	out := http.NewResponseController(c.Writer)
	// A stream outlives the server's read timeout.
	if err := out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // keeps proxies from buffering the stream
	c.Writer.WriteHeader(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	c.sendEvents(listening, out, last)
	return nil
}

// sendEvents sends events until the client disconnects, its session ends, or the server stops. The client then opens a
// new stream.
func (c *call) sendEvents(listening *stream, out *http.ResponseController, last replica.Cursor) {
	send := func(text string) bool {
		err := out.SetWriteDeadline(time.Now().Add(streamWriteTimeout))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		_, err = c.Writer.WriteString(text)
		return err == nil && out.Flush() == nil
	}
	check := func() bool {
		state, err := c.api.store.Reader(c.owner).State(c.Request.Context())
		if err != nil {
			return errors.Is(err, expense.ErrUnavailable) && c.Request.Context().Err() == nil
		}
		if last.AtEnd(state) {
			return true
		}
		last = replica.EndCursor(c.owner, state)
		return send(fmt.Sprintf("event: changed\nid: %[1]s\ndata: %[1]s\n\n", last))
	}
	if !send("retry: 5000\n\n") || !check() {
		return
	}
	beats := time.NewTicker(heartbeat)
	defer beats.Stop()
	for checkNext := false; ; {
		var ok bool
		select {
		case <-c.Request.Context().Done():
			return
		case <-c.api.streams.done:
			return
		case <-listening.hint:
			ok = c.stillAuthenticated() && check()
		case <-beats.C:
			if ok = c.stillAuthenticated() && send(": still here\n\n"); ok && checkNext {
				ok = check()
			}
			checkNext = !checkNext
		}
		if !ok {
			return
		}
	}
}

// stillAuthenticated reports whether the stream's credentials are valid and belong to the same owner: a token may have
// expired, or a session ended. If the store is unavailable the credentials count as valid until the next check.
func (c *call) stillAuthenticated() bool {
	identity, err := c.api.authenticator.Authenticate(c.Request)
	if errors.Is(err, expense.ErrUnavailable) {
		return true
	}
	return err == nil && identity.Owner == c.owner
}
