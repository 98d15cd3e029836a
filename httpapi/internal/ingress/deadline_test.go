package ingress_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// A connection receives a part every second until its read deadline.
type connection struct {
	http.ResponseWriter
	part     int // bytes
	left     int // bytes
	deadline time.Time
}

func (c *connection) SetReadDeadline(deadline time.Time) error { c.deadline = deadline; return nil }

func (c *connection) Read(p []byte) (int, error) {
	time.Sleep(min(time.Second, max(time.Until(c.deadline), 0)))
	if !time.Now().Before(c.deadline) {
		return 0, os.ErrDeadlineExceeded
	}
	if c.left == 0 {
		return 0, io.EOF
	}
	n := min(c.part, c.left, len(p))
	c.left -= n
	return n, nil
}

// A body must arrive at 10 KiB a second on average, and each part within a minute of the part before.
func TestBodyReader_RequiresPace(t *testing.T) {
	for name, c := range map[string]struct {
		part  int
		cut   bool
		after time.Duration
	}{
		"a byte a second":      {1, true, time.Minute},
		"5 KiB a second":       {5 << 10, true, 2 * time.Minute},
		"11 KiB a second":      {11 << 10, false, 50 * time.Minute},
		"empty parts":          {0, true, time.Minute},
		"32 MiB in one second": {32 << 20, false, 20 * time.Minute}, // read in pieces of 32 KiB, one a second
	} {
		synctest.Test(t, func(t *testing.T) {
			began, sent := time.Now(), &connection{part: c.part, left: 32 << 20}
			body := struct{ io.Reader }{ingress.NewBodyReader(sent, sent, func() {})}
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, body, make([]byte, 32<<10))
			took := time.Since(began)
			if cut := errors.Is(err, os.ErrDeadlineExceeded); cut != c.cut || !cut && (err != nil || n != 32<<20) {
				t.Errorf("%s: %d bytes in %s, %v", name, n, took, err)
			}
			if took > c.after+2*time.Second {
				t.Errorf("%s: the read took %s, want at most %s", name, took, c.after)
			}
		})
	}
}
