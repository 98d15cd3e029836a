package auth

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// sessionFresh is how long an instance takes a device to live without asking the store.
	sessionFresh = 30 * time.Second
	sessionCache = 1 << 14
)

// sessions knows which devices live. An end that this instance brings about counts at once, one that another brings about
// within sessionFresh.
type sessions struct {
	accounts store.Accounts
	now      func() time.Time
	seen     *cache[uuid.UUID, sighting]
}

// A sighting is what was known of a device when it was last looked up.
type sighting struct {
	account uuid.UUID
	live    bool
	at      time.Time // when the look-up began
}

func newSessions(accounts store.Accounts, now func() time.Time) *sessions {
	return &sessions{accounts: accounts, now: now, seen: newCache[uuid.UUID, sighting](sessionCache)}
}

// live reports whether the device is one of the account and has not ended.
func (s *sessions) live(ctx context.Context, account, device uuid.UUID) (bool, error) {
	now := s.now()
	if last, ok := s.seen.get(device); ok && last.account == account && now.Sub(last.at) < sessionFresh {
		return last.live, nil
	}
	found, err := s.accounts.Device(ctx, account, device)
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		return false, err
	}
	looked := sighting{account: account, live: err == nil && !found.Ended(), at: now}
	s.seen.update(device, func(last sighting, ok bool) sighting {
		if ok && last.account == account && !last.live && !last.at.Before(now) {
			return last // it ended while the store was asked
		}
		return looked
	})
	return looked.live, nil
}

// end ends a device in the store and here.
func (s *sessions) end(ctx context.Context, account, device uuid.UUID) error {
	err := s.accounts.EndDevice(ctx, account, device, expense.Timestamp(s.now()))
	if err != nil {
		s.seen.remove(device) // whether it ended is for the next look-up to find out
		return err
	}
	s.ended(account, device)
	return nil
}

// ended notes that a device has ended in the store.
func (s *sessions) ended(account, device uuid.UUID) {
	s.seen.update(device, func(sighting, bool) sighting { return sighting{account: account, at: s.now()} })
}
