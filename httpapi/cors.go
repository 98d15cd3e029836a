package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	// corsMethods and corsRequest are what a page of another origin may send.
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsRequest = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, traceparent, tracestate"
	// corsAnswer is what it may see of an answer, beside what every page may.
	corsAnswer = "Content-Disposition, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, Retry-After, " +
		"WWW-Authenticate, X-Request-Id"
	corsMaxAge = "7200"
)

// origins are the origins whose pages may use the API. Those pages send their token by themselves; a browser adds nothing, so
// there are no credentials to be allowed.
type origins map[string]bool

func newOrigins(list []string) (origins, error) {
	allowed := make(origins, len(list))
	for _, text := range list {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != text || text != strings.ToLower(text) ||
			strings.ContainsAny(u.Host, "*,") || u.Hostname() == "" {
			return nil, fmt.Errorf("httpapi: %q is no origin: scheme://host or scheme://host:port, in lower case and without a path", text)
		}
		allowed[text] = true
	}
	return allowed, nil
}

// allow lets the page that sent r see the answer, if its origin is listed, and reports whether r only asks whether it may send
// something: then the answer is complete.
func (o origins) allow(header http.Header, r *http.Request) (preflight bool) {
	if len(o) == 0 {
		return false
	}
	header.Add("Vary", "Origin") // a cache must not give one origin what is another's
	lines := r.Header.Values("Origin")
	if len(lines) != 1 || !o[lines[0]] {
		return false
	}
	header.Set("Access-Control-Allow-Origin", lines[0])
	header.Set("Access-Control-Expose-Headers", corsAnswer)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	header.Del("Access-Control-Expose-Headers")
	header.Set("Access-Control-Allow-Methods", corsMethods)
	header.Set("Access-Control-Allow-Headers", corsRequest)
	header.Set("Access-Control-Max-Age", corsMaxAge)
	return true
}
