package httpapi

import (
	"io"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

// A Route is a row of the router's own table.
type Route struct {
	Method, Path string
	Scope        auth.Scopes
	Class        string // of its limits
}

// Routes lists everything that an API with local accounts serves, HEAD left out.
func Routes() []Route {
	l, err := newLimiter(DefaultLimits(), 1)
	if err != nil {
		panic(err)
	}
	var routes []Route
	for _, r := range (&api{accounts: new(auth.Service)}).allRoutes() {
		routes = append(routes, Route{r.method, r.path, r.scope, l.policies[r.class()].user.name})
	}
	return routes
}

// A Limiter is the buckets alone.
type Limiter struct{ limiter *limiter }

// NewLimiter returns an API's buckets, at most so many.
func NewLimiter(t testing.TB, limits *Limits, most int) Limiter {
	l, err := newLimiter(limits, most)
	if err != nil {
		t.Fatal(err)
	}
	return Limiter{l}
}

// Read takes a read out of an address's bucket.
func (l Limiter) Read(from netip.Addr, now time.Time) error {
	return l.limiter.address(http.Header{}, classReads, from, now)
}

// ReadAs takes a read out of a user's bucket.
func (l Limiter) ReadAs(owner expense.OwnerID, now time.Time) error {
	return l.limiter.user(http.Header{}, classReads, owner, now)
}

// Len is how many buckets there are.
func (l Limiter) Len() int { return l.limiter.addresses.Len() + l.limiter.users.Len() }

// ClientOf returns where r comes from, by the word of proxies in these networks.
func ClientOf(t testing.TB, networks []netip.Prefix, r *http.Request) (netip.Addr, bool) {
	p, err := newProxies(networks)
	if err != nil {
		t.Fatal(err)
	}
	from := p.client(r)
	return from.address, from.secure
}

// NewPatientReader returns an import's body as it is read of a connection.
func NewPatientReader(body io.Reader, w http.ResponseWriter) io.Reader {
	return &patientReader{body: body, connection: http.NewResponseController(w), progress: func() {}, began: time.Now()}
}
