package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

const (
	// sessionCacheTTL is how long an instance relies on a cached session or personal token before it reads the store
	// again.
	sessionCacheTTL  = 30 * time.Second
	sessionCacheSize = 1 << 14
)

// sessions checks sessions and caches them. The end of a session takes effect at once on the instance that ends it, and
// after at most sessionCacheTTL on others.
type sessions struct {
	accounts accounts.Store
	now      func() time.Time
	cache    *cache[uuid.UUID, cachedSession]
}

// A cachedSession is the state of a session at its last lookup.
type cachedSession struct {
	account uuid.UUID
	active  bool
	at      time.Time // start of the lookup
}

func newSessions(store accounts.Store, now func() time.Time) *sessions {
	return &sessions{accounts: store, now: now, cache: newCache[uuid.UUID, cachedSession](sessionCacheSize)}
}

// isActive reports whether the device belongs to the account and its session has not ended.
func (s *sessions) isActive(ctx context.Context, account, device uuid.UUID) (bool, error) {
	now := s.now()
	if last, ok := s.cache.get(device); ok && last.account == account && now.Sub(last.at) < sessionCacheTTL {
		return last.active, nil
	}
	stored, err := s.accounts.Device(ctx, account, device)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return false, err
	}
	fresh := cachedSession{account: account, active: err == nil && !stored.Ended(), at: now}
	s.cache.update(device, func(last cachedSession, ok bool) cachedSession {
		if ok && last.account == account && !last.active && !last.at.Before(now) {
			return last // the session ended while the store was read
		}
		return fresh
	})
	return fresh.active, nil
}

// end ends a session in the store and in the cache.
func (s *sessions) end(ctx context.Context, account, device uuid.UUID) error {
	err := s.accounts.EndDevice(ctx, account, device, expense.Timestamp(s.now()))
	if err != nil {
		s.cache.remove(device) // the session may have ended, so the next lookup reads the store
		return err
	}
	s.markEnded(account, device)
	return nil
}

// markEnded records in the cache that a session has ended.
func (s *sessions) markEnded(account, device uuid.UUID) {
	s.cache.update(device, func(cachedSession, bool) cachedSession { return cachedSession{account: account, at: s.now()} })
}
