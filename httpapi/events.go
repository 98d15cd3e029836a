package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// mostStreams is how many event streams one user has open at most, on one instance.
	mostStreams = 5
	// beat is how often a stream sends a comment, so that nothing between takes it for dead, and looks whether its caller may
	// still listen. Every second one looks at the ledger too: that look is what no lost hint can undo.
	beat = 15 * time.Second
	// writeTime is how long a client may take to accept what it is sent.
	writeTime = 20 * time.Second
)

// streams are the event streams that are open on this instance.
type streams struct {
	done <-chan struct{} // closed when the server stops; nil: it never says

	mu   sync.Mutex
	open map[expense.OwnerID]map[*stream]struct{}
}

// A stream is one client that listens. Its channel holds a token when there may be something new.
type stream struct{ hint chan struct{} }

// join opens a stream for owner; nil if there are enough.
func (s *streams) join(owner expense.OwnerID) *stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open[owner]) >= mostStreams {
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

// wake tells the streams of owner that there may be something new: a change, or a session that has ended. It never waits.
func (s *streams) wake(owner expense.OwnerID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for listening := range s.open[owner] {
		select {
		case listening.hint <- struct{}{}:
		default: // it has not taken up the last hint yet
		}
	}
}

// events answers GET /v1/sync/events with a stream of server-sent events. An event is a hint that a pull would bring something;
// it carries the cursor that the pull would end with.
func (c *call) events() error {
	var last store.State // what the client knows, or will know by the pull that it makes anyhow
	if text := c.Request.Header.Get("Last-Event-ID"); text != "" {
		// A cursor that is of no use any more is behind: the pull will say what to do.
		if at, err := c.decodeSync(text); err == nil {
			last = store.State{Epoch: at.epoch, Version: at.after.Version}
		}
	} else {
		var err error
		if last, err = c.state(); err != nil {
			return err
		}
	}
	listening := c.api.streams.join(c.owner)
	if listening == nil {
		return newProblem(codeRateLimited, "You have %d event streams open; close one.", mostStreams)
	}
	defer c.api.streams.leave(c.owner, listening)
	c.api.observe(StreamOpened{})
	defer c.api.observe(StreamClosed{})

	out := http.NewResponseController(c.Writer)
	// The server's time to read a request is over some day; this one stays open for longer.
	if err := out.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	header := c.Writer.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // a proxy that would collect the answer before passing it on
	c.Writer.WriteHeader(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	c.hold(listening, out, last)
	return nil
}

// hold sends hints until the client or its session has gone, or the server stops. Whatever ends a stream, the client opens
// another one.
func (c *call) hold(listening *stream, out *http.ResponseController, last store.State) {
	send := func(text string) bool {
		if err := out.SetWriteDeadline(time.Now().Add(writeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		_, err := c.Writer.WriteString(text)
		return err == nil && out.Flush() == nil
	}
	look := func() bool {
		state, err := c.api.store.Reader(c.owner).State(c.Request.Context())
		if err != nil {
			return errors.Is(err, expense.ErrUnavailable) && c.Request.Context().Err() == nil
		}
		if state.Epoch == last.Epoch && state.Version == last.Version {
			return true // a client that is ahead has seen a history that is no more: the pull will say so
		}
		last = state
		cursor := c.encodeSync(endOf(state))
		return send(fmt.Sprintf("event: changed\nid: %s\ndata: %s\n\n", cursor, cursor))
	}
	if !send("retry: 5000\n\n") || !look() {
		return
	}
	beats := time.NewTicker(beat)
	defer beats.Stop()
	for quiet := false; ; {
		var ok bool
		select {
		case <-c.Request.Context().Done():
			return
		case <-c.api.streams.done:
			return
		case <-listening.hint:
			ok = c.admitted() && look()
		case <-beats.C:
			if ok = c.admitted() && send(": still here\n\n"); ok && quiet {
				ok = look()
			}
			quiet = !quiet
		}
		if !ok {
			return
		}
	}
}

// admitted reports whether the caller would still be let in: the token's time may be over, or the session.
func (c *call) admitted() bool {
	identity, err := c.api.authenticator.Authenticate(c.Request)
	if errors.Is(err, expense.ErrUnavailable) {
		return true // it was let in before, and will be asked again
	}
	return err == nil && identity.Owner == c.owner
}
