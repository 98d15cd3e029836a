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

// list describes a list that is short enough to be read completely for each page.
type list[Row, Body any] struct {
	scope, path string
	read        func(r store.Reader) ([]Row, error) // ordered by key; ErrNotFound if there is no ledger
	key         func(Row) []byte
	body        func(Row) Body
}

// sendList responds with the requested page of a list.
func sendList[Row, Body any](c *call, l list[Row, Body]) error {
	p := c.params()
	after, size := p.cursor(l.scope), p.limit(defaultLimit, maxLimit)
	if err := p.err(); err != nil {
		return err
	}
	var rows []Row
	err := c.withLedger(func() (err error) {
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
