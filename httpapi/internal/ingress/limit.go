package ingress

import (
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/spendwise/spendwise/expense"
)

// A Class is the rate class of a route. Requests of different classes do not count against each other.
type Class uint8

// The rate classes.
const (
	Unlimited Class = iota
	Login
	Reads
	Writes
	Exports
	Sync
	numClasses
)

// String returns the name of the class in the RateLimit header fields, or "" for Unlimited.
func (c Class) String() string {
	return [numClasses]string{Login: "login", Reads: "reads", Writes: "writes", Exports: "exports", Sync: "sync"}[c]
}

// A Quota allows a burst of Requests. The burst refills evenly over Window. The zero value is unlimited.
type Quota struct {
	Requests int
	Window   time.Duration
}

// A Limit holds the quotas of one rate class.
type Limit struct{ Address, User Quota }

// Limits holds the limit of each rate class.
type Limits [numClasses]Limit

// DefaultBuckets is the number of buckets that an instance keeps for addresses, and again for users. The buckets of
// each kind take up to about 25 MB.
const DefaultBuckets = 1 << 16

// A Limiter counts requests in token buckets, per rate class and address and per rate class and user. Its methods are
// safe for concurrent use. A nil Limiter allows every request.
type Limiter struct {
	// Addresses and users have separate caches, so that a flood of addresses cannot evict the bucket of a user.
	addresses, users *lru.Cache[bucketKey, *rate.Limiter]
	policies         [numClasses]struct{ address, user policy }
}

// A bucketKey identifies a bucket. Either user or network is set.
type bucketKey struct {
	class   Class
	user    expense.OwnerID
	network netip.Prefix
}

// A policy is a quota and its name in the RateLimit header fields.
type policy struct {
	name  string
	quota Quota
	field string // value of RateLimit-Policy
}

// NewLimiter returns a Limiter with at most maxBuckets buckets for addresses and as many for users. When a cache is
// full, it evicts the least recently used bucket. That bucket has usually refilled, so eviction rarely resets a limit.
func NewLimiter(limits Limits, maxBuckets int) (*Limiter, error) {
	l := &Limiter{}
	for class := Login; class < numClasses; class++ {
		limit := limits[class]
		for _, q := range []Quota{limit.Address, limit.User} {
			if q.Requests < 0 || q.Requests > 0 && q.Window <= 0 {
				return nil, fmt.Errorf("limit on %s is %d requests in %s; set a positive number and a positive window, or "+
					"zero requests for no limit", class, q.Requests, q.Window)
			}
		}
		l.policies[class].address = newPolicy(class.String()+"-address", limit.Address)
		l.policies[class].user = newPolicy(class.String(), limit.User)
	}
	var err error
	if l.addresses, err = lru.New[bucketKey, *rate.Limiter](maxBuckets); err != nil {
		return nil, err
	}
	l.users, err = lru.New[bucketKey, *rate.Limiter](maxBuckets)
	return l, err
}

func newPolicy(name string, q Quota) policy {
	window := int(math.Ceil(q.Window.Seconds()))
	return policy{name: name, quota: q, field: fmt.Sprintf("%q;q=%d;w=%d", name, q.Requests, window)}
}

// A LimitError reports that the quota of an address or a user is used up.
type LimitError struct {
	Quota      Quota
	RetryAfter time.Duration // until the next request is allowed
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d requests in %s; retry after %s", e.Quota.Requests, e.Quota.Window, e.RetryAfter)
}

// Address counts a request against the quota of the client's address and writes the state of the quota to the RateLimit
// fields of header. It returns a *LimitError if the quota is used up. An invalid address is not limited.
func (l *Limiter) Address(header http.Header, class Class, address netip.Addr, now time.Time) error {
	if l == nil || !address.IsValid() {
		return nil
	}
	key := bucketKey{class: class, network: clientNetwork(address)}
	return take(l.addresses, header, key, l.policies[class].address, now)
}

// User counts a request against the quota of a user, as Address does for an address.
func (l *Limiter) User(header http.Header, class Class, owner expense.OwnerID, now time.Time) error {
	if l == nil || owner == "" {
		return nil
	}
	return take(l.users, header, bucketKey{class: class, user: owner}, l.policies[class].user, now)
}

// take removes a token from a bucket, or returns a *LimitError if the bucket has none. The RateLimit header fields
// follow draft-ietf-httpapi-ratelimit-headers-11.
func take(
	buckets *lru.Cache[bucketKey, *rate.Limiter], header http.Header, key bucketKey, p policy, now time.Time,
) error {
	if p.quota.Requests == 0 {
		return nil
	}
	bucket, ok := buckets.Get(key)
	if !ok {
		perSecond := float64(p.quota.Requests) / p.quota.Window.Seconds()
		bucket = rate.NewLimiter(rate.Limit(perSecond), p.quota.Requests)
		if other, exists, _ := buckets.PeekOrAdd(key, bucket); exists {
			bucket = other
		}
	}
	allowed := bucket.AllowN(now, 1)
	left := max(bucket.TokensAt(now), 0)
	// The fields state when the next single request is added, because the bucket refills one request at a time.
	next := time.Duration((math.Floor(left) + 1 - left) / float64(bucket.Limit()) * float64(time.Second))
	header.Set("RateLimit-Policy", p.field)
	header.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%s", p.name, int(left), Seconds(next)))
	if !allowed {
		return &LimitError{Quota: p.quota, RetryAfter: next}
	}
	return nil
}

// Seconds formats a delay for a header field such as Retry-After: in whole seconds, rounded up, at least 1.
func Seconds(d time.Duration) string {
	return strconv.Itoa(max(int(math.Ceil(d.Seconds())), 1))
}

// clientNetwork returns the network that shares one bucket: an IPv4 address, or the /64 of an IPv6 address, because
// providers assign at least a /64 to each customer.
func clientNetwork(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
