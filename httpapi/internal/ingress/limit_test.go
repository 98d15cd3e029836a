package ingress_test

import (
	"errors"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// The number of buckets is bounded. A bucket is evicted only after requests from as many other addresses as the cache
// holds, and requests from many addresses do not evict the bucket of a user.
func TestLimiter_BucketsAreBounded(t *testing.T) {
	const maxBuckets = 1000
	now := time.Now()
	l, err := ingress.NewLimiter(ingress.Limits{
		ingress.Reads: {
			Address: ingress.Quota{Requests: 2, Window: 2 * time.Second}, User: ingress.Quota{Requests: 1, Window: time.Second},
		},
	}, maxBuckets)
	if err != nil {
		t.Fatal(err)
	}
	byAddress := func(address netip.Addr) error { return l.Address(http.Header{}, ingress.Reads, address, now) }
	byUser := func() error { return l.User(http.Header{}, ingress.Reads, "anna", now) }
	_ = byUser()
	limited := netip.MustParseAddr("203.0.113.9")
	for range 3 {
		_ = byAddress(limited)
	}
	for i := range 10 * maxBuckets {
		if err := byAddress(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})); err != nil {
			t.Fatal(err)
		}
		if i%500 == 0 && byAddress(limited) == nil {
			t.Fatalf("after %d other addresses the limited address is allowed again", i)
		}
	}
	if limit, ok := errors.AsType[*ingress.LimitError](byUser()); !ok || limit.RetryAfter != time.Second {
		t.Errorf("a limited user gets %v after requests from many addresses, want a LimitError for 1s", limit)
	}
	if l.Len() != maxBuckets+1 {
		t.Errorf("%d buckets, want %d", l.Len(), maxBuckets+1)
	}
}
