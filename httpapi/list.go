package httpapi

import (
	"net/http"
	"net/url"
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

// window returns the part of all, at most limit long, that begins at the first entry after the place, and whether more follow.
func window[T any](all []T, limit int, after func(T) bool) ([]T, bool) {
	start := 0
	for start < len(all) && !after(all[start]) {
		start++
	}
	end := min(start+limit, len(all))
	return all[start:end], end < len(all)
}
