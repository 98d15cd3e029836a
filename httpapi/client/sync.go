package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Sync pushes the queue and then pulls. Afterwards device and server agree, apart from undecided conflicts and changes
// made in the meantime.
func (c *Client) Sync(ctx context.Context) error {
	return c.syncLock.locked(ctx, func(ctx context.Context) error {
		if err := c.push(ctx); err != nil {
			return err
		}
		return c.pull(ctx)
	})
}

// Run synchronises until ctx ends: after a local change, after an event from the server, and at the poll interval. It
// retries after temporary errors. It returns the error of ctx or an error that retrying cannot fix, such as
// ErrSignedOut or a [*Problem] for a token without the required scope. All goroutines of Run have ended when it
// returns.
func (c *Client) Run(ctx context.Context) error {
	runCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	events := make(chan struct{}, 1)
	notify := func() {
		select {
		case events <- struct{}{}:
		default: // a signal is pending already
		}
	}
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() {
		for _, err := range c.Events(runCtx) {
			if err != nil {
				if runCtx.Err() == nil {
					c.logger.WarnContext(runCtx, "events are unavailable; changes of other devices are found by polling", "error", err)
				}
				return
			}
			notify()
		}
	})
	for failures := 0; ; {
		err := c.Sync(runCtx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			failures = 0
		case permanent(err):
			return err
		default:
			failures++
			pause := backoff(failures)
			if p, ok := errors.AsType[*Problem](err); ok {
				pause = max(pause, withJitter(p.RetryAfter))
			}
			c.logger.WarnContext(ctx, "synchronisation failed and will be retried", "error", err, "in", pause)
			if sleep(ctx, pause) != nil {
				return ctx.Err()
			}
			continue
		}
		next := time.NewTimer(withJitter(c.pollInterval))
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-c.changed:
		case <-events:
		case <-next.C:
		}
		next.Stop()
	}
}

// permanent reports whether retrying cannot fix an error. An error response without a problem code of the API, for
// example from a captive portal, is temporary.
func permanent(err error) bool {
	if errors.Is(err, ErrSignedOut) || errors.Is(err, ErrOtherAccount) {
		return true
	}
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code != "" && p.Status < 500 && !retryable(err) && !cursorExpired(err)
}

// A typeDigest describes the rows of a type: their number and a hash of their ids and versions.
type typeDigest struct {
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

// Verify pulls and then compares the local copy with the server. It returns the types whose rows differ, in
// alphabetical order, and nil if all agree. It compares ids and versions, not contents. A difference indicates a
// defect; [Client.RequestFullPull] repairs the copy. Verify returns an error if the ledger changes during each of 5
// attempts.
func (c *Client) Verify(ctx context.Context) ([]Type, error) {
	const attempts = 5 // an attempt fails if the ledger changes during it
	for range attempts {
		if err := c.Pull(ctx); err != nil {
			return nil, err
		}
		var server struct {
			Cursor string              `json:"cursor"`
			Types  map[Type]typeDigest `json:"types"`
		}
		err := c.send(ctx, request{method: http.MethodGet, path: "/v1/sync/digest", decode: decodeJSON(&server)})
		if err != nil {
			return nil, err
		}
		var at feedPosition
		var different []Type
		err = c.storage.View(ctx, func(tx Tx) (err error) {
			different = nil
			if at, err = readPosition(ctx, tx); err != nil {
				return err
			}
			for _, t := range types() {
				local, err := localDigest(ctx, tx, t)
				if err != nil {
					return err
				}
				if local != server.Types[t] {
					different = append(different, t)
				}
			}
			return nil
		})
		if err != nil || at.Cursor == server.Cursor {
			return different, err
		}
	}
	return nil, fmt.Errorf("the ledger changed during each of %d attempts; try again later", attempts)
}

func localDigest(ctx context.Context, tx Tx, t Type) (typeDigest, error) {
	rows, err := tx.Rows(ctx, t)
	if err != nil {
		return typeDigest{}, err
	}
	hash := sha256.New()
	for _, row := range rows {
		hash.Write([]byte(row.ID + " " + strconv.FormatInt(int64(row.Version), 10) + "\n"))
	}
	return typeDigest{Count: len(rows), Hash: hex.EncodeToString(hash.Sum(nil))}, nil
}
