package httpapi

import (
	"net/http"

	"github.com/spendwise/spendwise/httpapi/auth"
)

// MaxHeaderBytes is how long a request line may be together with its headers. A server that a handler runs in should read four times as
// much: what is longer than MaxHeaderBytes is then answered as everything else is, a token of any such length as any other bad token.
const MaxHeaderBytes = 32 << 10

// checkHead refuses a request whose line and headers are too long. Where somebody has to say who they are, a head that only its
// credentials make too long has bad credentials: of a token's length nobody learns more than of its signature.
func checkHead(r *http.Request, secured bool) error {
	all, credentials := headBytes(r)
	switch {
	case all <= MaxHeaderBytes:
		return nil
	case secured && all-credentials <= MaxHeaderBytes:
		return auth.ErrUnauthenticated
	default:
		return newProblem(codeHeadersTooLarge, "The request line and the headers have more than %d bytes.", MaxHeaderBytes)
	}
}

// headBytes returns how long a request's line and headers are, as HTTP/1.1 writes them, and how much of that is its credentials.
func headBytes(r *http.Request) (all, credentials int) {
	const line, field = len("  HTTP/1.1\r\n"), len(": \r\n")
	all = line + len(r.Method) + len(r.RequestURI) + len("Host") + len(r.Host) + field
	for name, values := range r.Header {
		bytes := 0
		for _, value := range values {
			bytes += len(name) + len(value) + field
		}
		all += bytes
		if name == "Authorization" {
			credentials = bytes
		}
	}
	return all, credentials
}
