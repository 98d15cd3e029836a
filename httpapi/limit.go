package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/spendwise/spendwise/expense"
)

// A Quota is how many requests there may be: so many at once, which come back evenly over the window. The zero value is no limit.
type Quota struct {
	Requests int
	Window   time.Duration
}

// A Limit is what one network address may ask for, and one user. Of IPv6 the /64 that one customer has counts as an address.
type Limit struct{ Address, User Quota }

// Limits are the limits of each class of requests. What a class has left says nothing of another's.
type Limits struct {
	Login   Limit // registering, signing in, and what takes the password
	Reads   Limit // GET, and whatever is not found
	Writes  Limit // changes of a ledger, refreshing a session
	Exports Limit // exports and imports
	Sync    Limit // pulling, pushing, opening an event stream
}

// DefaultLimits are far above what a person with a few devices does, and far below what would keep others from being served.
func DefaultLimits() *Limits {
	calls := Limit{
		Address: Quota{Requests: 3000, Window: 10 * time.Second}, // many people may share one: a household, an office, a carrier
		User:    Quota{Requests: 1500, Window: 10 * time.Second},
	}
	return &Limits{
		Login:  Limit{Address: Quota{Requests: 120, Window: time.Minute}, User: Quota{Requests: 30, Window: time.Minute}},
		Reads:  calls,
		Writes: calls,
		Exports: Limit{
			Address: Quota{Requests: 240, Window: time.Minute}, User: Quota{Requests: 60, Window: time.Minute},
		},
		Sync: calls,
	}
}

// A class says which of the limits a request counts against.
type class uint8

const (
	classNone class = iota // without a limit
	classLogin
	classReads
	classWrites
	classExports
	classSync
	classes
)

// class returns the class of a route.
func (r route) class() class {
	switch reads := r.method == http.MethodGet; {
	case r.path == "/healthz":
		return classNone // who watches the process must not be told to wait
	case r.path == "/v1/auth/refresh", r.path == "/v1/auth/logout":
		return classWrites
	case strings.HasPrefix(r.path, "/v1/auth/"), strings.HasPrefix(r.path, "/v1/me") && !reads:
		return classLogin
	case strings.HasPrefix(r.path, "/v1/exports/"), strings.HasPrefix(r.path, "/v1/imports/") && !reads:
		return classExports
	case strings.HasPrefix(r.path, "/v1/sync"):
		return classSync
	case reads:
		return classReads
	default:
		return classWrites
	}
}

// mostBuckets is how many buckets of addresses and of users are kept at most, some 25 MB each. The one that was used longest ago goes,
// which has most likely filled up again: then nothing is forgotten.
const mostBuckets = 1 << 16

// A limiter keeps the buckets of all addresses and users.
type limiter struct {
	addresses, users *lru.Cache[bucketKey, *rate.Limiter] // apart, for addresses are to be had in any number
	policies         [classes]struct{ address, user policy }
}

// A bucketKey names a bucket: that of a user, or else of an address.
type bucketKey struct {
	class  class
	user   expense.OwnerID
	prefix netip.Prefix
}

// A policy is a quota as buckets and headers need it.
type policy struct {
	name  string
	quota Quota
	text  string // the RateLimit-Policy field
}

// newLimiter returns nil for no limits.
func newLimiter(limits *Limits, most int) (*limiter, error) {
	if limits == nil {
		return nil, nil //nolint:nilnil // no limiter is what was asked for.
	}
	l := &limiter{}
	var err error
	for _, kept := range []**lru.Cache[bucketKey, *rate.Limiter]{&l.addresses, &l.users} {
		if *kept, err = lru.New[bucketKey, *rate.Limiter](most); err != nil {
			return nil, err
		}
	}
	for c, given := range map[class]struct {
		name  string
		limit Limit
	}{
		classLogin: {"login", limits.Login}, classReads: {"reads", limits.Reads}, classWrites: {"writes", limits.Writes},
		classExports: {"exports", limits.Exports}, classSync: {"sync", limits.Sync},
	} {
		of := &l.policies[c]
		of.address, of.user = newPolicy(given.name+"-address", given.limit.Address), newPolicy(given.name, given.limit.User)
		for _, q := range []Quota{given.limit.Address, given.limit.User} {
			if q.Requests < 0 || q.Requests > 0 && q.Window <= 0 {
				return nil, fmt.Errorf("httpapi: the limit on %s is no number of requests in a time: %+v", given.name, q)
			}
		}
	}
	return l, nil
}

func newPolicy(name string, q Quota) policy {
	seconds := int(math.Ceil(q.Window.Seconds()))
	return policy{name: name, quota: q, text: fmt.Sprintf("%q;q=%d;w=%d", name, q.Requests, seconds)}
}

// address takes a request of an address out of its bucket; one that is not known has none.
func (l *limiter) address(header http.Header, c class, from netip.Addr, now time.Time) error {
	if l == nil || !from.IsValid() {
		return nil
	}
	return take(l.addresses, header, bucketKey{class: c, prefix: customer(from)}, l.policies[c].address, now)
}

// user takes a request of a user out of their bucket.
func (l *limiter) user(header http.Header, c class, owner expense.OwnerID, now time.Time) error {
	if l == nil || owner == "" {
		return nil
	}
	return take(l.users, header, bucketKey{class: c, user: owner}, l.policies[c].user, now)
}

// take takes a request out of a bucket, says in the fields of the answer what is left there
// (draft-ietf-httpapi-ratelimit-headers-11), and returns the problem if it is empty.
func take(buckets *lru.Cache[bucketKey, *rate.Limiter], header http.Header, key bucketKey, p policy, now time.Time) error {
	if p.quota.Requests == 0 {
		return nil
	}
	bucket, ok := buckets.Get(key)
	if !ok {
		perSecond := float64(p.quota.Requests) / p.quota.Window.Seconds()
		bucket = rate.NewLimiter(rate.Limit(perSecond), p.quota.Requests)
		if earlier, there, _ := buckets.PeekOrAdd(key, bucket); there {
			bucket = earlier
		}
	}
	allowed := bucket.AllowN(now, 1)
	left := max(bucket.TokensAt(now), 0)
	// The next request that comes back: in a bucket that takes them one by one that is when there is more to be had.
	next := time.Duration((math.Floor(left) + 1 - left) / float64(bucket.Limit()) * float64(time.Second))
	header.Set("RateLimit-Policy", p.text)
	header.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%s", p.name, int(left), wholeSeconds(next)))
	if allowed {
		return nil
	}
	limited := newProblem(codeRateLimited, "There were more than %d requests of this kind in %s.", p.quota.Requests, p.quota.Window)
	limited.retry = next
	return limited
}

// wholeSeconds rounds up, so that whoever waits as long does not come too early.
func wholeSeconds(d time.Duration) string {
	return strconv.Itoa(max(int(math.Ceil(d.Seconds())), 1))
}
