package httpapi

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/spendwise/spendwise/httpapi/internal/docs"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// renderDocs renders the contract of this API for people.
func (a *api) renderDocs() docs.Page {
	problems := make([]docs.Problem, len(problem.Types))
	for i, t := range problem.Types {
		problems[i] = docs.Problem(t)
	}
	page, err := docs.Render(a.served().document, problems)
	if err != nil {
		panic(err) // the template does not match the contract; every test of the page fails
	}
	return page
}

// getDocs handles GET /docs. The commands on the page contain the URL of the API, as the client sees it.
func (c *call) getDocs() error {
	header := c.Writer.Header()
	header.Set("Content-Security-Policy", ingress.ContentSecurityPolicy+"; "+docs.ContentSecurityPolicy())
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	page := c.api.docs().WithBase(c.baseURL())
	return c.sendPublic("text/html; charset=utf-8", contentTag(page), page)
}

// plainHost matches a host that the page can show in a command without quoting.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]+$`)

// baseURL returns the absolute URL of the API: Config.BaseURL if it is absolute, else the origin of the request and
// Config.BaseURL.
func (c *call) baseURL() string {
	if strings.Contains(c.api.base, "://") {
		return c.api.base
	}
	scheme, host := "http://", c.Request.Host
	if clientOf(c.Context).Secure {
		scheme = "https://"
	}
	if !plainHost.MatchString(host) {
		host = "localhost"
	}
	return scheme + host + c.api.base
}

// index handles GET /. It redirects a browser to the documentation.
func (c *call) index() error {
	c.Writer.Header().Set("Location", c.api.url("/docs"))
	c.Writer.WriteHeader(http.StatusTemporaryRedirect)
	return nil
}
