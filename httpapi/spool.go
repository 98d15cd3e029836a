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
	// maxQueued is how many bytes of a stream wait in memory for a slow client; more go to the disk.
	maxQueued = 1 << 20
	// spoolPart is how many bytes are read back from the disk at once.
	spoolPart = 64 << 10
)

// A spool lies between a snapshot and its client: the snapshot, with its connection, lasts as long as reading takes, and not as long
// as a slow client. One goroutine writes to it and another one drains it.
type spool struct {
	progress func() // called with each part that comes

	mu    sync.Mutex
	moved *sync.Cond // on anything below
	queue [][]byte   // what comes before the file
	bytes int        // in queue
	file  *os.File   // nil until the queue was full for the first time
	size  int64      // of the file
	taken int64      // of them
	ended bool       // nothing will be written any more
	err   error      // why there is no rest
}

func newSpool(progress func()) *spool {
	s := &spool{progress: progress}
	s.moved = sync.NewCond(&s.mu)
	return s
}

// Write keeps a part; it waits for nobody.
func (s *spool) Write(part []byte) (int, error) {
	s.progress()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.moved.Signal()
	if s.err != nil {
		return 0, s.err
	}
	if s.file == nil && s.bytes+len(part) <= maxQueued {
		s.queue, s.bytes = append(s.queue, slices.Clone(part)), s.bytes+len(part)
		return len(part), nil
	}
	if s.file == nil {
		var err error
		if s.file, err = newScratch("export"); err != nil {
			return 0, fmt.Errorf("keep what a slow client has not taken yet: %w", err)
		}
	}
	n, err := s.file.Write(part)
	s.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("keep what a slow client has not taken yet: %w", err)
	}
	return n, nil
}

// end says that nothing will be written any more, because all was or for another reason.
func (s *spool) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.err == nil {
		s.err = err
	}
	s.moved.Signal()
}

// drain hands on what is written until the end.
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

// next waits for the next part; nil after the last. There is none after an error: what is cut off must be seen to be.
func (s *spool) next(buffer *[]byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && len(s.queue) == 0 && s.taken == s.size && !s.ended {
		s.moved.Wait()
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
		return nil, fmt.Errorf("read what a slow client has not taken yet: %w", err)
	}
	return (*buffer)[:n], nil
}

// discard removes the file, if there is one.
func (s *spool) discard() error {
	if s.file == nil {
		return nil
	}
	return dropScratch(s.file)
}

// stream sends what write makes of one snapshot, as it is made. A client that goes away ends the snapshot, a slow one does not hold it.
func (c *call) stream(out *attachment, write func(ctx context.Context, w io.Writer, r store.Reader) error) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	s := newSpool(c.extendDeadline)
	sent := make(chan error, 1)
	go func() {
		err := s.drain(out)
		if err != nil {
			s.end(err)
			cancel()
		}
		sent <- err
	}()
	err := errors.New("the export was given up") // what stays if write panics
	finish := sync.OnceValue(func() error {
		s.end(err)
		err := <-sent // whichever of the two failed first is what the drain has ended with
		if trouble := s.discard(); trouble != nil {
			c.api.log.WarnContext(c.ctx, "an export's file was not removed", "error", trouble)
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
	return c.Request.Context().Err() // the client has gone: that is nobody's fault
}
