package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/spendwise/spendwise/expense"
)

// A feedPosition records how far the device has read the change feed.
type feedPosition struct {
	Cursor     string `json:"cursor"`     // empty: no page was ever stored
	Generation int64  `json:"generation"` // generation of the rows that are stored now
	FullPull   bool   `json:"anew"`       // a full pull is in progress: rows of earlier generations are deleted at its end
}

func readPosition(ctx context.Context, tx Tx) (at feedPosition, err error) {
	_, err = getValue(ctx, tx, positionValue, &at)
	return at, err
}

func (c *Client) position(ctx context.Context) (at feedPosition, err error) {
	err = c.storage.View(ctx, func(tx Tx) error {
		at, err = readPosition(ctx, tx)
		return err
	})
	return at, err
}

// incomplete reports whether the local copy does not hold the whole ledger yet.
func (p feedPosition) incomplete() bool { return p.FullPull || p.Cursor == "" }

// syncPage is a page of the change feed.
type syncPage struct {
	Changes []struct {
		Type    Type            `json:"type"`
		ID      string          `json:"id"`
		Version expense.Version `json:"version"`
		Deleted bool            `json:"deleted"`
		Data    json.RawMessage `json:"data"`
	} `json:"changes"`
	Cursor  string `json:"cursor"`
	HasMore bool   `json:"has_more"`
}

// decode parses a page and checks that all of it can be stored.
func (p *syncPage) decode(r response, from string) error {
	*p = syncPage{}
	if err := decodeJSON(p)(r); err != nil {
		return err
	}
	if p.Cursor == "" || p.HasMore && (len(p.Changes) == 0 || p.Cursor == from) {
		return errors.New("the cursor of the page does not advance")
	}
	for _, change := range p.Changes {
		if change.Type == "" || change.ID == "" || !change.Deleted && (len(change.Data) == 0 || change.Data[0] != '{') {
			return fmt.Errorf("the change of %q %q has no row", change.Type, change.ID)
		}
	}
	return nil
}

// Pull reads the changes since the last pull, page by page, and stores each page together with its cursor. Between two
// pages, rows may refer to rows that have not arrived yet. If the server no longer accepts the cursor, Pull reads all
// rows again and then deletes the local rows that the server did not send. The queue is not changed.
func (c *Client) Pull(ctx context.Context) error {
	return c.syncLock.locked(ctx, c.pull)
}

// maxRestarts is the maximum number of full pulls that one pull or push starts. If the server refuses more cursors, it
// has a defect.
const maxRestarts = 3

func (c *Client) pull(ctx context.Context) error {
	// This pull returns the results of all mutations that were acknowledged before its first request.
	mutations, err := c.mutations(ctx, Acknowledged)
	if err != nil {
		return err
	}
	var acknowledged []string
	for _, m := range mutations {
		acknowledged = append(acknowledged, m.ID)
	}
	for restarts := 0; ; {
		at, err := c.position(ctx)
		if err != nil {
			return err
		}
		query := url.Values{"limit": {strconv.Itoa(c.pageSize)}}
		if at.Cursor != "" {
			query.Set("cursor", at.Cursor)
		}
		var page syncPage
		err = c.send(ctx, request{method: http.MethodGet, path: "/v1/sync", query: query, decode: func(r response) error {
			return page.decode(r, at.Cursor)
		}})
		if cursorExpired(err) && restarts < maxRestarts {
			restarts++
			if err := c.restartPull(ctx, at); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		if err := c.storage.Update(ctx, func(tx Tx) error { return page.store(ctx, tx, at, acknowledged) }); err != nil {
			return fmt.Errorf("store a page of the change feed: %w", err)
		}
		if !page.HasMore {
			return nil
		}
	}
}

// cursorExpired reports whether err is the response to a cursor that is no longer valid.
func cursorExpired(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == http.StatusGone && p.Code == "cursor_expired"
}

// restartPull makes the next pull a full pull, unless another process has moved the position since from was read. A
// restored ledger may lack acknowledged mutations whose results were not pulled yet. restartPull marks them as Sent, so
// that the next push repeats them with the same ids. The server applies them at most once.
func (c *Client) restartPull(ctx context.Context, from feedPosition) error {
	return c.storage.Update(ctx, func(tx Tx) error {
		at, err := readPosition(ctx, tx)
		if err != nil || at != from {
			return err
		}
		mutations, err := tx.Mutations(ctx, MutationQuery{States: []State{Acknowledged}})
		for i := range mutations {
			mutations[i].State, mutations[i].Result = Sent, nil
		}
		return errors.Join(err, tx.PutMutations(ctx, mutations...),
			putValue(ctx, tx, positionValue, feedPosition{Generation: at.Generation + 1, FullPull: true}))
	})
}

// RequestFullPull makes the next pull read all rows again. The queue is kept.
func (c *Client) RequestFullPull(ctx context.Context) error {
	return c.syncLock.locked(ctx, func(ctx context.Context) error {
		at, err := c.position(ctx)
		if err != nil {
			return err
		}
		return c.restartPull(ctx, at)
	})
}

// store writes the rows of the page and its cursor. It does nothing if another process sharing the storage has moved
// the position; the next request then continues from there.
func (p *syncPage) store(ctx context.Context, tx Tx, from feedPosition, acknowledged []string) error {
	at, err := readPosition(ctx, tx)
	if err != nil || at != from {
		return err
	}
	var rows []Row
	var deleted []RowKey
	for _, change := range p.Changes {
		key := RowKey{change.Type, change.ID}
		if change.Deleted {
			deleted = append(deleted, key)
			continue
		}
		rows = append(rows, Row{RowKey: key, Version: change.Version, Generation: at.Generation, Data: change.Data})
	}
	err = errors.Join(tx.PutRows(ctx, rows...), tx.DeleteRows(ctx, deleted...))
	at.Cursor = p.Cursor
	if !p.HasMore {
		if at.FullPull {
			err = errors.Join(err, tx.DeleteRowsBefore(ctx, at.Generation))
			at.FullPull = false
		}
		mutations, readErr := tx.Mutations(ctx, MutationQuery{States: []State{Acknowledged}})
		err = errors.Join(err, readErr)
		for _, m := range mutations {
			if slices.Contains(acknowledged, m.ID) {
				err = errors.Join(err, tx.DeleteMutations(ctx, m.ID))
			}
		}
	}
	return errors.Join(err, putValue(ctx, tx, positionValue, at))
}
