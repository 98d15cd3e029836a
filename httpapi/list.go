package httpapi

import (
	"bytes"
	"net/url"

	"github.com/spendwise/spendwise/store"
)

// page is the response to a list request.
type page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"` // null: this is the last page
}

// sendPage responds with a page of the list at path. next is the cursor of the next page, or "" after the last page.
func sendPage[T any](c *call, path string, data []T, next string) error {
	p := page[T]{Data: data}
	if next != "" {
		p.NextCursor = &next
		query := url.Values{}
		for name, values := range c.query {
			query[name] = values
		}
		query.Set("cursor", next)
		c.Writer.Header().Set("Link", "<"+c.api.url(path)+"?"+query.Encode()+`>; rel="next"`)
	}
	return c.send(result{body: p})
}

// cursorKey returns the key of the last row before the requested page, from the parameter cursor. It returns nil for
// the first page. scope must be the scope of the list that the cursor was made for.
func (c *call) cursorKey(scope string) ([]byte, error) {
	if !c.query.Has("cursor") {
		return nil, nil
	}
	return decodeCursor(scope, c.query.Get("cursor"))
}

// list describes a list that is short enough to be read completely for each page.
type list[Row, Body any] struct {
	scope, path string
	read        func(r store.Reader) ([]Row, error) // ordered by key; ErrNotFound if there is no ledger
	key         func(Row) []byte
	body        func(Row) Body
}

// sendList responds with the requested page of a list.
func sendList[Row, Body any](c *call, l list[Row, Body]) error {
	size, err := limit(c.query, defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	after, err := c.cursorKey(l.scope)
	if err != nil {
		return err
	}
	var rows []Row
	err = c.withLedger(func() (err error) {
		rows, err = l.read(c.api.store.Reader(c.owner))
		return err
	})
	if err != nil {
		return err
	}
	start := 0
	for after != nil && start < len(rows) && bytes.Compare(l.key(rows[start]), after) <= 0 {
		start++
	}
	rows = rows[start:]
	data, next := make([]Body, min(size, len(rows))), ""
	for i := range data {
		data[i] = l.body(rows[i])
	}
	if len(data) < len(rows) {
		next = encodeCursor(l.scope, l.key(rows[len(data)-1]))
	}
	return sendPage(c, l.path, data, next)
}
