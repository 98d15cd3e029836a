// Package spool buffers streams for slow clients, in memory and then in a temporary file.
package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
)

const (
	// maxQueued is how many bytes of a stream wait in memory for a slow client. Further bytes go to a file.
	maxQueued = 1 << 20
	// spoolPart is how many bytes are read from the file at once.
	spoolPart = 64 << 10
)

// A Spool is a buffer between a snapshot of a ledger and a client. It lets the snapshot, and the database connection of
// the snapshot, end as soon as everything is read, even if the client is slow. One goroutine writes to it and another
// goroutine drains it.
type Spool struct {
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

// New returns an empty Spool. It calls extendDeadline for each part that is written.
func New(extendDeadline func()) *Spool {
	s := &Spool{extendDeadline: extendDeadline}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// Write adds a part to the spool. It does not wait for the client.
func (s *Spool) Write(part []byte) (int, error) {
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
		if s.file, err = NewTempFile("export"); err != nil {
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

// End says that no more bytes will be written. err is nil if the stream is complete.
func (s *Spool) End(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.err == nil {
		s.err = err
	}
	s.changed.Signal()
}

// Drain copies the stream to a writer until its end.
func (s *Spool) Drain(to io.Writer) error {
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
func (s *Spool) next(buffer *[]byte) ([]byte, error) {
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

// Discard removes the file, if there is one.
func (s *Spool) Discard() error {
	if s.file == nil {
		return nil
	}
	return RemoveTempFile(s.file)
}

// NewTempFile creates a temporary file for data that a client sends or has not received yet. Where the operating system
// allows it, the file has no name any more, so that nothing remains if the process ends.
func NewTempFile(purpose string) (*os.File, error) {
	file, err := os.CreateTemp("", "spendwise-"+purpose+"-*")
	if err == nil {
		_ = os.Remove(file.Name()) // Windows cannot remove an open file; RemoveTempFile does it there
	}
	return file, err
}

// RemoveTempFile closes the file, and removes it if it still has a name.
func RemoveTempFile(file *os.File) error {
	err := file.Close()
	if removed := os.Remove(file.Name()); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}
