package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// silence is how long a stream may be silent: the server says something every 15 seconds.
	silence = 45 * time.Second
	// usualRetry is how long to wait before a stream is opened again, unless the server says.
	usualRetry = 5 * time.Second
	// shortestRetry and longestRetry bound what the server may say, and what failures in a row lead to.
	shortestRetry = time.Second
	longestRetry  = 2 * time.Minute
	// largestLine and largestEvent bound what is kept of a stream.
	largestLine  = 16 << 10
	largestEvent = 64 << 10
)

// An Event is a hint that a pull would bring something.
type Event struct {
	Name   string // changed; others may come to be
	Cursor string // that the pull would end with
}

// Events yields the server's hints. A stream that breaks off is opened again, and what happened meanwhile is hinted at by then: the
// sequence ends with ctx, whose error is the last, or with an error that needs somebody.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := subscription{client: c, retry: usualRetry}
		if err := c.storage.View(ctx, func(tx Tx) error {
			at, err := placeOf(ctx, tx)
			s.last = at.Cursor
			return err
		}); err != nil {
			yield(Event{}, err)
			return
		}
		for failures := 0; ; {
			stopped := false
			alive, err := s.listen(ctx, func(event Event) bool {
				stopped = !yield(event, nil)
				return !stopped
			})
			switch {
			case stopped:
				return
			case ctx.Err() != nil:
				yield(Event{}, ctx.Err())
				return
			case permanent(err):
				yield(Event{}, err)
				return
			case alive:
				failures = 0
			default:
				failures++
			}
			pause := min(s.retry<<min(max(failures-1, 0), 8), longestRetry)
			if p, ok := errors.AsType[*Problem](err); ok {
				pause = max(pause, p.RetryAfter)
			}
			c.logger.DebugContext(ctx, "the stream of events is opened again", "error", err, "in", pause)
			if sleep(ctx, jittered(pause)) != nil {
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}

// A subscription is a row of streams, each of which goes on where the one before broke off.
type subscription struct {
	client *Client
	last   string // the id of the last event
	retry  time.Duration
}

// listen opens a stream and reads it to its end. alive reports that something came over it.
func (s *subscription) listen(ctx context.Context, emit func(Event) bool) (alive bool, err error) {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	// A connection that has died without a word is given up.
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	err = s.client.authorised(within, request{method: http.MethodGet, path: "/v1/sync/events", last: s.last, stream: func(header http.Header, body io.Reader) error {
		if media, _, _ := strings.Cut(header.Get("Content-Type"), ";"); media != "text/event-stream" {
			return fmt.Errorf("a stream of events has the type %q", media)
		}
		reader := eventReader{in: bufio.NewReader(body), heard: func() {
			alive = true
			watch.Reset(silence)
		}}
		for {
			event, err := reader.next()
			if err != nil {
				return err
			}
			if reader.id != "" {
				s.last = reader.id
			}
			if reader.retry > 0 {
				s.retry = min(max(reader.retry, shortestRetry), longestRetry)
			}
			if event.Name != "" && !emit(event) {
				return nil
			}
		}
	}})
	return alive, err
}

// An eventReader reads a stream of server-sent events as the HTML standard defines it.
type eventReader struct {
	in    *bufio.Reader
	heard func() // called at each line

	id    string        // of the last event that named one
	retry time.Duration // what the stream asked for; 0: nothing
	begun bool          // the first line, before which a byte order mark may stand, was read
	after bool          // the last line ended with a carriage return: a line feed may follow that belongs to it
}

// next returns the next event, or one without a name where a block was none.
func (r *eventReader) next() (Event, error) {
	var name string
	var data []byte
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		r.heard()
		if len(line) == 0 {
			if len(data) == 0 {
				return Event{}, nil
			}
			if name == "" {
				name = "message"
			}
			return Event{Name: name, Cursor: string(bytes.TrimSuffix(data, []byte("\n")))}, nil
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if data = append(append(data, value...), '\n'); len(data) > largestEvent {
				return Event{}, fmt.Errorf("an event has more than %d bytes", largestEvent)
			}
		case "id":
			if !bytes.ContainsAny(value, "\x00") && validHeader(string(value)) {
				r.id = string(value)
			}
		case "retry":
			if ms, err := strconv.ParseUint(string(value), 10, 32); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
}

// validHeader reports a text that can be sent back as Last-Event-ID.
func validHeader(text string) bool {
	return len(text) <= 4096 && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// line returns the next line without its end, which is a line feed, a carriage return, or both. A line that the stream breaks off
// in is none.
func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, err
		}
		followed := r.after
		r.after = false
		switch {
		case c == '\n' && followed:
			continue
		case c == '\r':
			r.after = true
			return r.first(line), nil
		case c == '\n':
			return r.first(line), nil
		}
		if line = append(line, c); len(line) > largestLine {
			return nil, fmt.Errorf("a line of the stream has more than %d bytes", largestLine)
		}
	}
}

// first takes the byte order mark off the first line.
func (r *eventReader) first(line []byte) []byte {
	if !r.begun {
		r.begun = true
		return bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return line
}
