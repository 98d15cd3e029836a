package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/spendwise/spendwise/store"
)

const (
	// maxQueued is how many bytes of a stream wait in memory for a slow client. Further bytes go to a file.
	maxQueued = 1 << 20
	// spoolPart is how many bytes are read from the file at once.
	spoolPart = 64 << 10
)

// spool is a buffer between a snapshot of a ledger and a client. It lets the snapshot, and the database connection of
// the snapshot, end as soon as everything is read, even if the client is slow. One goroutine writes to it and another
// goroutine drains it.
type spool struct {
	extendDeadline func() // called for each part that is written

	mu      sync.Mutex
	changed *sync.Cond // signals a change of any field below
	queue   [][]byte   // the bytes before those of the file
	bytes   int        // of the queue
	file    *os.File   // nil until the queue was full once
	size    int64      // of the file
	taken   int64      // bytes of the file that were read
	ended   bool       // no more bytes will be written
	err     error      // why the stream is incomplete
}

func newSpool(extendDeadline func()) *spool {
	s := &spool{extendDeadline: extendDeadline}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Write adds a part to the spool. It does not wait for the client.
func (s *spool) Write(part []byte) (int, error) {
	s.extendDeadline()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Signal()
	if s.err != nil {
		return 0, s.err
	}
	if s.file == nil && s.bytes+len(part) <= maxQueued {
		s.queue, s.bytes = append(s.queue, slices.Clone(part)), s.bytes+len(part)
		return len(part), nil
	}
	if s.file == nil {
		var err error
		if s.file, err = newTempFile("export"); err != nil {
			return 0, fmt.Errorf("create a file for a slow client: %w", err)
		}
	}
	n, err := s.file.Write(part)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write to the file for a slow client: %w", err)
	}
	return n, nil
}

// end says that no more bytes will be written. err is nil if the stream is complete.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.err == nil {
		s.err = err
	}
	s.changed.Signal()
}

// drain copies the stream to a writer until its end.
func (s *spool) drain(to io.Writer) error {
	var buffer []byte
	for {
		part, err := s.next(&buffer)
		if err != nil || part == nil {
			return err
		}
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
}

// next waits for the next part. It returns nil after the last part. After an error it returns no further part, so that
// the client notices that the stream is incomplete.
func (s *spool) next(buffer *[]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.queue) == 0 && s.taken == s.size && !s.ended {
		s.changed.Wait()
	}
	switch {
	case s.err != nil:
		return nil, s.err
	case len(s.queue) > 0:
		part := s.queue[0]
		s.queue, s.bytes = s.queue[1:], s.bytes-len(part)
		return part, nil
	case s.taken == s.size:
		return nil, nil
	}
	if *buffer == nil {
		*buffer = make([]byte, spoolPart)
	}
	n, err := s.file.ReadAt((*buffer)[:min(spoolPart, s.size-s.taken)], s.taken)
	s.taken += int64(n)
	if err != nil {
		return nil, fmt.Errorf("read the file for a slow client: %w", err)
	}
	return (*buffer)[:n], nil
}

// discard removes the file, if there is one.
func (s *spool) discard() error {
	if s.file == nil {
		return nil
	}
	return removeTempFile(s.file)
}

// stream sends what write produces from one snapshot of the ledger, while write produces it. If the client disconnects,
// the context of write is cancelled. A slow client does not delay write.
func (c *call) stream(out *attachment, write func(ctx context.Context, w io.Writer, r store.Reader) error) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	s := newSpool(c.deadline.Extend)
	sent := make(chan error, 1)
	go func() {
		err := s.drain(out)
		if err != nil {
			s.end(err)
			cancel()
		}
		sent <- err
	}()
	err := errors.New("the export was aborted") // the error if write panics
	finish := sync.OnceValue(func() error {
		s.end(err)
		err := <-sent // the first error of write and drain: drain ends with the error that was passed to end
		if failure := s.discard(); failure != nil {
			c.api.log.WarnContext(c.ctx, "an export's file was not removed", "error", failure)
		}
		return err
	})
	defer finish() //nolint:errcheck // it is returned below.
	err = c.withLedger(func() error {
		return c.api.store.View(ctx, c.owner, func(r store.Reader) error { return write(ctx, s, r) })
	})
	if err := finish(); err == nil || c.Request.Context().Err() == nil {
		return err
	}
	return c.Request.Context().Err() // the client disconnected, which is not a failure of the server
}
