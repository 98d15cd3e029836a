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
	// silenceTimeout is how long a stream may be silent. The server sends a line every 15 seconds.
	silenceTimeout = 45 * time.Second
	// defaultRetry is the wait before a reconnect unless the server sets another.
	defaultRetry = 5 * time.Second
	// minRetry and maxRetry bound the wait that the server sets. maxRetry also bounds the exponential back-off.
	minRetry = time.Second
	maxRetry = 2 * time.Minute
	// maxLineBytes and maxEventBytes limit the memory that a stream can occupy.
	maxLineBytes  = 16 << 10
	maxEventBytes = 64 << 10
)

// An Event announces that a pull would return new changes.
type Event struct {
	Name   string // "changed"; later releases may add others
	Cursor string // cursor after the announced changes
}

// Events yields the server's events. It reconnects after a broken connection and resumes after the last event, so no
// announcement is lost. The sequence ends with the error of ctx or with an error that retrying cannot fix, such as
// ErrSignedOut.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		at, err := c.position(ctx)
		if err != nil {
			yield(Event{}, err)
			return
		}
		s := subscription{client: c, retry: defaultRetry, lastEventID: at.Cursor}
		for failures := 0; ; {
			stopped := false
			received, err := s.listen(ctx, func(event Event) bool {
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
			case received:
				failures = 0
			default:
				failures++
			}
			pause := min(s.retry<<min(max(failures-1, 0), 8), maxRetry)
			if p, ok := errors.AsType[*Problem](err); ok {
				pause = max(pause, p.RetryAfter)
			}
			c.logger.DebugContext(ctx, "the event stream ended and will be reopened", "error", err, "in", pause)
			if sleep(ctx, withJitter(pause)) != nil {
				yield(Event{}, ctx.Err())
				return
			}
		}
	}
}

// A subscription is a sequence of streams. Each stream resumes where the previous one ended.
type subscription struct {
	client      *Client
	lastEventID string
	retry       time.Duration
}

// listen opens a stream and reads it until it ends. received reports whether anything was received.
func (s *subscription) listen(ctx context.Context, emit func(Event) bool) (received bool, err error) {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Cancel the connection if the server sends nothing for silenceTimeout: it may be broken without being closed.
	watch := time.AfterFunc(silenceTimeout, cancel)
	defer watch.Stop()
	read := func(header http.Header, body io.Reader) error {
		if media, _, _ := strings.Cut(header.Get("Content-Type"), ";"); media != "text/event-stream" {
			return fmt.Errorf("the event stream has media type %q instead of text/event-stream", media)
		}
		reader := eventReader{in: bufio.NewReader(body), onLine: func() {
			received = true
			watch.Reset(silenceTimeout)
		}}
		for {
			event, err := reader.next()
			if err != nil {
				return err
			}
			if reader.id != "" {
				s.lastEventID = reader.id
			}
			if reader.retry > 0 {
				s.retry = min(max(reader.retry, minRetry), maxRetry)
			}
			if event.Name != "" && !emit(event) {
				return nil
			}
		}
	}
	err = s.client.sendWithToken(streamCtx, request{
		method: http.MethodGet, path: "/v1/sync/events", lastEventID: s.lastEventID, stream: read,
	})
	return received, err
}

// An eventReader parses a stream of server-sent events as defined by the HTML standard.
type eventReader struct {
	in     *bufio.Reader
	onLine func() // called for each line

	id      string        // last event id of the stream
	retry   time.Duration // reconnection time set by the stream; 0: none
	started bool          // the first line, which may start with a byte order mark, has been read
	afterCR bool          // the last line ended with CR, so a following LF belongs to it
}

// next returns the next event. Its name is empty for a block without data.
func (r *eventReader) next() (Event, error) {
	var name string
	var data []byte
	for {
		line, err := r.line()
		if err != nil {
			return Event{}, err
		}
		r.onLine()
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
			if data = append(append(data, value...), '\n'); len(data) > maxEventBytes {
				return Event{}, fmt.Errorf("an event is larger than %d bytes", maxEventBytes)
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

// validHeader reports whether text can be sent as Last-Event-ID.
func validHeader(text string) bool {
	return len(text) <= 4096 && !strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f })
}

// line returns the next line without its terminator LF, CR or CRLF. It does not return a last line without a
// terminator.
func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, err
		}
		afterCR := r.afterCR
		r.afterCR = false
		switch {
		case c == '\n' && afterCR:
			continue
		case c == '\r':
			r.afterCR = true
			return r.trimBOM(line), nil
		case c == '\n':
			return r.trimBOM(line), nil
		}
		if line = append(line, c); len(line) > maxLineBytes {
			return nil, fmt.Errorf("a line of the event stream is longer than %d bytes", maxLineBytes)
		}
	}
}

// trimBOM removes the byte order mark from the first line.
func (r *eventReader) trimBOM(line []byte) []byte {
	if !r.started {
		r.started = true
		return bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return line
}
