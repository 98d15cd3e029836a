package httpapi

import (
	"time"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// MaxHeaderBytes is the maximum length of a request line together with the headers: 32 KiB. Set
// http.Server.MaxHeaderBytes to four times as much. The API then answers an oversized request itself, with the problem
// headers_too_large, and answers an oversized token as it answers any invalid token.
const MaxHeaderBytes = ingress.MaxHeaderBytes

// A Quota allows a burst of Requests, which refills evenly over Window. The zero value does not limit. If Requests is
// positive, Window must be positive too.
type Quota struct {
	Requests int
	Window   time.Duration
}

// A Limit sets the quota of one client address and the quota of one user. A request counts against both. The addresses
// of an IPv6 /64 network share one quota, because one customer has at least a /64.
type Limit struct{ Address, User Quota }

// Limits sets the limit of each class of requests. The classes do not count against each other. Each instance counts
// for itself. A request over the limit is answered with 429 and Retry-After.
type Limits struct {
	Login   Limit // registration, login and other requests that take the password
	Reads   Limit // GET, and requests that match no route
	Writes  Limit // changes to a ledger, and refreshing a session
	Exports Limit // exports and imports
	Sync    Limit // pull, push and opening an event stream
}

// DefaultLimits returns limits that a person with a few devices does not reach:
//
//   - reads, writes and sync: 3000 requests per address and 1500 per user, in 10 seconds
//   - exports and imports: 240 requests per address and 60 per user, in a minute
//   - login: 120 requests per address and 30 per user, in a minute
//
// The limits per address are higher because households, offices and carriers share addresses.
func DefaultLimits() *Limits {
	limit := func(address, user int, window time.Duration) Limit {
		return Limit{Address: Quota{Requests: address, Window: window}, User: Quota{Requests: user, Window: window}}
	}
	calls := limit(3000, 1500, 10*time.Second)
	return &Limits{
		Login: limit(120, 30, time.Minute), Reads: calls, Writes: calls, Exports: limit(240, 60, time.Minute), Sync: calls,
	}
}

// limiter returns an ingress.Limiter with these limits.
func (l *Limits) limiter(maxBuckets int) (*ingress.Limiter, error) {
	convert := func(l Limit) ingress.Limit {
		return ingress.Limit{Address: ingress.Quota(l.Address), User: ingress.Quota(l.User)}
	}
	return ingress.NewLimiter(ingress.Limits{
		ingress.Login: convert(l.Login), ingress.Reads: convert(l.Reads), ingress.Writes: convert(l.Writes),
		ingress.Exports: convert(l.Exports), ingress.Sync: convert(l.Sync),
	}, maxBuckets)
}
