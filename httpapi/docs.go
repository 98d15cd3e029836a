package httpapi

import (
	"net/http"

	"github.com/spendwise/spendwise/httpapi/internal/docs"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// getDocs handles GET /docs.
func (c *call) getDocs() error {
	served, header := c.api.served(), c.Writer.Header()
	header.Set("Content-Security-Policy", ingress.ContentSecurityPolicy+"; style-src "+docs.StyleSource())
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	return c.sendPublic("text/html; charset=utf-8", served.pageTag, served.page)
}

// index handles GET /. It redirects a browser to the documentation.
func (c *call) index() error {
	c.Writer.Header().Set("Location", c.api.url("/docs"))
	c.Writer.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}
