package ingress

import (
	"errors"
	"net/http"
)

// MaxHeaderBytes is the maximum length of the request line together with the header fields, as HTTP/1.1 writes them.
const MaxHeaderBytes = 32 << 10

// The errors of CheckHeaders.
var (
	ErrHeadersTooLarge    = errors.New("the request line and the headers are longer than 32 KiB")
	ErrCredentialsTooLong = errors.New("the Authorization header is too long: with the request line it exceeds 32 KiB")
)

// CheckHeaders returns ErrHeadersTooLarge if the request line and the header fields of r are longer than
// MaxHeaderBytes. If authenticated is set and only the Authorization field makes them too long, it returns
// ErrCredentialsTooLong. Package httpapi responds to that as to an invalid token, so that the response to an invalid
// token does not depend on its length.
func CheckHeaders(r *http.Request, authenticated bool) error {
	total, credentials := headerBytes(r)
	switch {
	case total <= MaxHeaderBytes:
		return nil
	case authenticated && total-credentials <= MaxHeaderBytes:
		return ErrCredentialsTooLong
	default:
		return ErrHeadersTooLarge
	}
}

// headerBytes returns the length of the request line and the header fields, and the length of the Authorization field.
func headerBytes(r *http.Request) (total, credentials int) {
	const line, field = len("  HTTP/1.1\r\n"), len(": \r\n")
	total = line + len(r.Method) + len(r.RequestURI) + len("Host") + len(r.Host) + field
	for name, values := range r.Header {
		bytes := 0
		for _, value := range values {
			bytes += len(name) + len(value) + field
		}
		total += bytes
		if name == "Authorization" {
			credentials = bytes
		}
	}
	return total, credentials
}

// ContentSecurityPolicy is the default policy of a response: a browser that displays it runs nothing, loads nothing and
// does not allow framing. The handler of a page replaces it.
const ContentSecurityPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// strictTransportSecurity tells a browser to use TLS for two years. It does not include subdomains, because the API
// does not know which other services the domain has.
const strictTransportSecurity = "max-age=63072000"

// SetSecurityHeaders sets the header fields that tell browsers and caches to keep a response private. secure says
// whether the client used TLS.
func SetSecurityHeaders(header http.Header, secure bool) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", ContentSecurityPolicy)
	if secure {
		header.Set("Strict-Transport-Security", strictTransportSecurity)
	}
}
