package ingress

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The values of the Access-Control-… response fields.
const (
	allowMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	allowHeaders = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, X-Request-Id, " +
		"traceparent, tracestate"
	exposeHeaders = "Content-Disposition, ETag, Idempotency-Replayed, Link, Location, RateLimit, RateLimit-Policy, " +
		"Retry-After, WWW-Authenticate, X-Request-Id"
	maxAge = "7200" // seconds
)

// Origins is the set of origins whose pages may call the API from a browser. Pages send their token themselves, so
// credentials (cookies) are never allowed.
type Origins map[string]bool

// NewOrigins returns an error if a member of list is not an origin: scheme://host or scheme://host:port, in lower case.
// Wildcards and "null" are not allowed.
func NewOrigins(list []string) (Origins, error) {
	origins := make(Origins, len(list))
	for _, text := range list {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != text || text != strings.ToLower(text) ||
			strings.ContainsAny(u.Host, "*,") || u.Hostname() == "" {
			return nil, fmt.Errorf("%q is not an origin; write scheme://host or scheme://host:port in lower case, without a "+
				"path or a wildcard", text)
		}
		origins[text] = true
	}
	return origins, nil
}

// Apply writes the CORS fields of the response to header. It reports whether r is a preflight request of an allowed
// origin. The response to a preflight request has no body and needs no other header fields.
func (o Origins) Apply(header http.Header, r *http.Request) (preflight bool) {
	if len(o) == 0 {
		return false
	}
	header.Add("Vary", "Origin") // keeps caches from serving the response to another origin
	lines := r.Header.Values("Origin")
	if len(lines) != 1 || !o[lines[0]] {
		return false
	}
	header.Set("Access-Control-Allow-Origin", lines[0])
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		header.Set("Access-Control-Expose-Headers", exposeHeaders)
		return false
	}
	header.Set("Access-Control-Allow-Methods", allowMethods)
	header.Set("Access-Control-Allow-Headers", allowHeaders)
	header.Set("Access-Control-Max-Age", maxAge)
	return true
}
