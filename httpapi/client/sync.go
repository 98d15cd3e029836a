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

// Sync pushes the queue and then pulls: after it, this device has what the server has, and the server what this device has.
func (c *Client) Sync(ctx context.Context) error {
	if err := take(ctx, c.syncing); err != nil {
		return err
	}
	defer give(c.syncing)
	if err := c.push(ctx); err != nil {
		return err
	}
	return c.pull(ctx)
}

// Run keeps the device in sync until ctx ends: it syncs when something was changed here, when the server hints that something was
// changed elsewhere, and now and then without either. Trouble that may pass is waited for. It returns the error of ctx, or one
// that needs somebody: ErrSignedOut, or a [*Problem] such as that of a token without the scope. What it started has ended then.
func (c *Client) Run(ctx context.Context) error {
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	hints := make(chan struct{}, 1)
	hint := func() {
		select {
		case hints <- struct{}{}:
		default: // one is waiting
		}
	}
	var listening sync.WaitGroup
	defer listening.Wait()
	defer cancel()
	listening.Go(func() {
		for _, err := range c.Events(within) {
			if err != nil {
				if within.Err() == nil {
					c.logger.WarnContext(within, "there are no events; changes of other devices are found by looking", "error", err)
				}
				return
			}
			hint()
		}
	})
	for failures := 0; ; {
		err := c.Sync(within)
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
				pause = max(pause, jittered(p.RetryAfter))
			}
			c.logger.WarnContext(ctx, "sync failed and is tried again", "error", err, "in", pause)
			if sleep(ctx, pause) != nil {
				return ctx.Err()
			}
			continue
		}
		next := time.NewTimer(jittered(c.poll))
		select {
		case <-ctx.Done():
			next.Stop()
			return ctx.Err()
		case <-c.edited:
		case <-hints:
		case <-next.C:
		}
		next.Stop()
	}
}

// permanent reports an error that waiting does not help against. A refusal that is not the server's own, such as that of a network
// which wants to be paid first, does pass.
func permanent(err error) bool {
	if errors.Is(err, ErrSignedOut) || errors.Is(err, ErrOtherAccount) {
		return true
	}
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Code != "" && p.Status < 500 && !passing(err) && !expired(err)
}

// A typeDigest says which rows of a type there are: how many, and a hash over their ids and versions.
type typeDigest struct {
	Count int    `json:"count"`
	Hash  string `json:"hash"`
}

// Diverged pulls, and returns the types of rows in which the copy differs from what the server has, in the order of their names:
// none, unless something is broken; [Client.RequestFullPull] mends it. It compares ids and versions, not members.
func (c *Client) Verify(ctx context.Context) ([]Type, error) {
	const attempts = 5 // each is in vain if something is changed elsewhere in between
	for range attempts {
		if err := c.Pull(ctx); err != nil {
			return nil, err
		}
		var theirs struct {
			Cursor string              `json:"cursor"`
			Types  map[Type]typeDigest `json:"types"`
		}
		if err := c.send(ctx, request{method: http.MethodGet, path: "/v1/sync/digest", decode: into(&theirs)}); err != nil {
			return nil, err
		}
		var at place
		var different []Type
		err := c.storage.View(ctx, func(tx Tx) (err error) {
			different = nil
			if at, err = placeOf(ctx, tx); err != nil {
				return err
			}
			for _, t := range types() {
				ours, err := digest(ctx, tx, t)
				if err != nil {
					return err
				}
				if ours != theirs.Types[t] {
					different = append(different, t)
				}
			}
			return nil
		})
		if err != nil || at.Cursor == theirs.Cursor {
			return different, err
		}
	}
	return nil, fmt.Errorf("the ledger was changed at each of %d looks", attempts)
}

func digest(ctx context.Context, tx Tx, t Type) (typeDigest, error) {
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
