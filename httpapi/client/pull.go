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

// A place is how far the device has followed the feed.
type place struct {
	Cursor     string `json:"cursor"`     // empty: nothing was fetched
	Generation int64  `json:"generation"` // of the rows that are fetched now
	Anew       bool   `json:"anew"`       // everything is fetched anew: the rows of earlier generations are to go at the end
}

func placeOf(ctx context.Context, tx Tx) (at place, err error) {
	_, err = getValue(ctx, tx, placeValue, &at)
	return at, err
}

// unknown reports a place in a history that the device has not seen the whole of yet.
func (p place) unknown() bool { return p.Anew || p.Cursor == "" }

// syncPage is a part of the feed.
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

// read decodes a page and refuses one that could not be stored, before anything of it is.
func (p *syncPage) read(a answer, from string) error {
	*p = syncPage{}
	if err := into(p)(a); err != nil {
		return err
	}
	if p.Cursor == "" || p.HasMore && (len(p.Changes) == 0 || p.Cursor == from) {
		return errors.New("it leads nowhere")
	}
	for _, change := range p.Changes {
		if change.Type == "" || change.ID == "" || !change.Deleted && (len(change.Data) == 0 || change.Data[0] != '{') {
			return fmt.Errorf("a change of %q %q without a row", change.Type, change.ID)
		}
	}
	return nil
}

// Pull fetches what changed since the last pull, page by page, each stored together with its cursor; in between, rows may refer to
// some that are still to come. If the server cannot tell what changed, it fetches everything: rows that did not come are dropped at
// the end, and nothing of the queue is.
func (c *Client) Pull(ctx context.Context) error {
	if err := take(ctx, c.syncing); err != nil {
		return err
	}
	defer give(c.syncing)
	return c.pull(ctx)
}

// mostRestarts is how often one pull starts anew. A ledger is restored once in a while, and not at every page.
const mostRestarts = 3

func (c *Client) pull(ctx context.Context) error {
	var acknowledged []string // what the server had before this pull asked for the first page: the pull brings what came of it
	err := c.storage.View(ctx, func(tx Tx) error {
		acknowledged = nil
		done, err := tx.Mutations(ctx, MutationQuery{States: []State{Acknowledged}})
		for _, m := range done {
			acknowledged = append(acknowledged, m.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	for restarts := 0; ; {
		var at place
		err := c.storage.View(ctx, func(tx Tx) (err error) {
			at, err = placeOf(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		query := url.Values{"limit": {strconv.Itoa(c.page)}}
		if at.Cursor != "" {
			query.Set("cursor", at.Cursor)
		}
		var page syncPage
		err = c.send(ctx, request{method: http.MethodGet, path: "/v1/sync", query: query, decode: func(a answer) error {
			return page.read(a, at.Cursor)
		}})
		if expired(err) && restarts < mostRestarts {
			restarts++
			if err := c.startAnew(ctx, at); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("pull: %w", err)
		}
		if err := c.storage.Update(ctx, func(tx Tx) error { return page.store(ctx, tx, at, acknowledged) }); err != nil {
			return fmt.Errorf("store a page of the feed: %w", err)
		}
		if !page.HasMore {
			return nil
		}
	}
}

// expired reports the answer to a cursor that is of no use any more.
func expired(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && p.Status == http.StatusGone && p.Code == "cursor_expired"
}

// startAnew makes the next pull fetch everything, unless somebody has moved on from the place since. What the server had
// acknowledged, and no pull has brought, may be lost with a history that a restore took back: it is sent again, as it was, to a
// server that does it once.
func (c *Client) startAnew(ctx context.Context, from place) error {
	return c.storage.Update(ctx, func(tx Tx) error {
		at, err := placeOf(ctx, tx)
		if err != nil || at != from {
			return err
		}
		doubtful, err := tx.Mutations(ctx, MutationQuery{States: []State{Acknowledged}})
		for i := range doubtful {
			doubtful[i].State, doubtful[i].Result = Sent, nil
		}
		return errors.Join(err, tx.PutMutations(ctx, doubtful...),
			putValue(ctx, tx, placeValue, place{Generation: at.Generation + 1, Anew: true}))
	})
}

// Refetch makes the next pull fetch everything. What was not sent stays in the queue.
func (c *Client) RequestFullPull(ctx context.Context) error {
	if err := take(ctx, c.syncing); err != nil {
		return err
	}
	defer give(c.syncing)
	var at place
	err := c.storage.View(ctx, func(tx Tx) (err error) {
		at, err = placeOf(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.startAnew(ctx, at)
}

// store writes the page's rows and its cursor. Another process with the same storage may have been faster; then the page is
// dropped, and the next one is asked for from where that one is.
func (p *syncPage) store(ctx context.Context, tx Tx, from place, acknowledged []string) error {
	at, err := placeOf(ctx, tx)
	if err != nil || at != from {
		return err
	}
	var rows []Row
	var gone []RowKey
	for _, change := range p.Changes {
		key := RowKey{change.Type, change.ID}
		if change.Deleted {
			gone = append(gone, key)
			continue
		}
		rows = append(rows, Row{RowKey: key, Version: change.Version, Generation: at.Generation, Data: change.Data})
	}
	err = errors.Join(tx.PutRows(ctx, rows...), tx.DeleteRows(ctx, gone...))
	at.Cursor = p.Cursor
	if !p.HasMore {
		if at.Anew {
			err = errors.Join(err, tx.DeleteRowsBefore(ctx, at.Generation))
			at.Anew = false
		}
		done, failed := tx.Mutations(ctx, MutationQuery{States: []State{Acknowledged}})
		err = errors.Join(err, failed)
		for _, m := range done {
			if slices.Contains(acknowledged, m.ID) {
				err = errors.Join(err, tx.DeleteMutations(ctx, m.ID))
			}
		}
	}
	return errors.Join(err, putValue(ctx, tx, placeValue, at))
}
