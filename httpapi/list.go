package httpapi

import (
	"bytes"
	"net/http"
	"net/url"

	"github.com/spendwise/spendwise/store"
)

// A page is one answer of a list.
type page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"`
}

// sendPage answers with a page of the list at path; next is the cursor of the one after it, or "".
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
	return c.send(result{status: http.StatusOK, body: p})
}

// place returns where the page that the call asks for begins in the list of this scope; nil: at the start.
func (c *call) place(scope string) ([]byte, error) {
	if !c.query.Has("cursor") {
		return nil, nil
	}
	return decodeCursor(scope, c.query.Get("cursor"))
}

// A list is one that is short enough to be read whole, each time.
type list[Row, Body any] struct {
	scope, path string
	read        func(r store.Reader) ([]Row, error) // in the order of the rows' keys; ErrNotFound where there is no ledger
	key         func(Row) []byte
	body        func(Row) Body
}

// sendList answers with the page of a list that the call asks for.
func sendList[Row, Body any](c *call, l list[Row, Body]) error {
	size, err := limit(c.query)
	if err != nil {
		return err
	}
	place, err := c.place(l.scope)
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
	for place != nil && start < len(rows) && bytes.Compare(l.key(rows[start]), place) <= 0 {
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
