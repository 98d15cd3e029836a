package ingress

import (
	"context"
	"io"
	"net/http"
	"time"
)

const (
	// PartTimeout is the time within which a client must send or accept the next part of a stream.
	PartTimeout = time.Minute
	// minUploadRate is the average number of bytes a second that a client must send of a streamed body. At this rate an
	// import of 32 MiB takes about an hour.
	minUploadRate = 10 << 10
)

// A Deadline limits the time of one request. The zero value has no deadline. Only one goroutine may use it, but any
// goroutine may call Extend.
type Deadline struct {
	timeout    time.Duration
	timer      *time.Timer
	cancel     context.CancelCauseFunc
	connection *http.ResponseController // nil unless the response is streamed
}

// Start returns a context that is cancelled after timeout, with the cause context.DeadlineExceeded. The caller must
// call Stop when the request is done.
func (d *Deadline) Start(parent context.Context, timeout time.Duration) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	d.timeout, d.cancel = timeout, cancel
	d.timer = time.AfterFunc(timeout, func() { cancel(context.DeadlineExceeded) })
	return ctx
}

// Stream makes the deadline apply to each part of a stream instead of the whole request. After Stream, each call of
// Extend restarts the deadline. Stream also removes the read deadline of the connection, because the server's own read
// timeout would end a long response.
func (d *Deadline) Stream(w http.ResponseWriter) {
	d.connection = http.NewResponseController(w)
	SetDeadline(d.connection.SetReadDeadline, 0)
}

// Extend restarts the deadline of a stream, for the context and for the connection. It does nothing for other requests.
func (d *Deadline) Extend() {
	if d.connection == nil {
		return
	}
	d.timer.Reset(d.timeout)
	SetDeadline(d.connection.SetWriteDeadline, d.timeout+PartTimeout)
}

// Stop releases the resources of the deadline and cancels the context.
func (d *Deadline) Stop() {
	if d.connection != nil {
		SetDeadline(d.connection.SetReadDeadline, PartTimeout)
	}
	d.timer.Stop()
	d.cancel(nil)
}

// SetDeadline calls set with the time d from now, or with the zero time if d is 0. It ignores an error: a connection
// without deadlines needs none.
func SetDeadline(set func(time.Time) error, d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = set(deadline)
}

// A BodyReader reads a streamed request body. It fails if a part takes longer than PartTimeout, or if the client sends
// less than 10 KiB a second on average after the first minute.
type BodyReader struct {
	body       io.Reader
	connection *http.ResponseController
	extend     func()
	start      time.Time
	received   int64
}

// NewBodyReader returns a reader of body that sets the read deadline of the connection of w. It calls extend after each
// part.
func NewBodyReader(body io.Reader, w http.ResponseWriter, extend func()) *BodyReader {
	return &BodyReader{body: body, connection: http.NewResponseController(w), extend: extend, start: time.Now()}
}

// Read implements io.Reader.
func (r *BodyReader) Read(p []byte) (int, error) {
	last := r.start.Add(PartTimeout + time.Duration(r.received)*(time.Second/minUploadRate))
	SetDeadline(r.connection.SetReadDeadline, max(min(PartTimeout, time.Until(last)), 1))
	defer r.extend()
	n, err := r.body.Read(p)
	r.received += int64(n)
	return n, err
}

// Done removes the read deadline of the connection, so that the handler can take its time to process the body.
func (r *BodyReader) Done() { SetDeadline(r.connection.SetReadDeadline, 0) }
