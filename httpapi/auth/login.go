package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// The throttle on guessing passwords: by account and by address, whichever is slower.
const (
	// freeFailures is how many failures in a row have no consequence.
	freeFailures = 5
	// firstDelay is how long nobody gets in after one failure more; it doubles with each further one up to maxDelay. So nobody
	// is locked out for good, and whoever guesses has about a hundred guesses a day.
	firstDelay = time.Second
	maxDelay   = 15 * time.Minute
	// failuresQuiet is how long after the last failure all are forgotten.
	failuresQuiet = time.Hour
)

// delay returns how long after the last of so many failures nobody gets in.
func delay(failures int) time.Duration {
	if failures <= freeFailures {
		return 0
	}
	return min(firstDelay<<min(failures-freeFailures-1, 20), maxDelay)
}

// A Login is what a person gives to sign in.
type Login struct {
	Email      string
	Password   string
	DeviceName string
	Address    netip.Addr // where the request comes from; the zero value is not throttled by address
}

// Login signs a person in on a new device. ErrInvalidCredentials if the e-mail address or the password is wrong, or if there were too
// many failures of late, with nothing, not even the time it takes, that tells which; ErrInvalid if the device's name is no
// good one.
func (s *Service) Login(ctx context.Context, login Login) (Session, error) {
	var faults expense.ValidationErrors
	checkDeviceName(&faults, login.DeviceName)
	if err := faults.Err(); err != nil {
		return Session{}, err
	}
	account, err := s.verify(ctx, login.Email, login.Password, login.Address, func() (store.Account, error) {
		return s.users.byEmail(ctx, login.Email)
	})
	if err != nil {
		return Session{}, err
	}
	return s.signIn(ctx, account, login.DeviceName)
}

// verify returns the account that find finds, if password is its password; ErrInvalidCredentials if it is not, if there is no such
// account, or if guesses under this e-mail address or from this network address failed too often of late. Each of them takes
// one hash and one count of failures. A hash that costs less than today's is made anew.
//
// The failures are looked at in a turn to hash, so no more guesses slip past the limit than there are turns.
func (s *Service) verify(
	ctx context.Context, email, password string, from netip.Addr, find func() (store.Account, error),
) (store.Account, error) {
	leave, err := s.users.hasher.enter(ctx)
	if err != nil {
		return store.Account{}, err
	}
	defer leave()
	keys := failureKeys(email, from)
	failures, locked, err := s.failures(ctx, keys)
	if err != nil {
		return store.Account{}, err
	}
	account, err := find()
	unknown := errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrInvalid)
	if err != nil && !unknown {
		return store.Account{}, err
	}
	var match, outdated bool
	if unknown || locked {
		burnPassword(password)
	} else if match, outdated, err = verifyPassword(account.PasswordHash, password); err != nil {
		return store.Account{}, fmt.Errorf("account %s: %w", account.ID, err)
	}
	if !match {
		if locked {
			// Whoever keeps trying does not keep the rightful one out for longer: the count is kept where nobody looks, so that
			// the answer takes as long as every other.
			for i := range keys {
				keys[i] = sha256.Sum256(keys[i][:])
			}
		}
		return store.Account{}, s.failed(ctx, keys)
	}
	if _, counted := failures[keys[0]]; counted {
		if err := s.accounts.ClearFailures(ctx, keys[0]); err != nil {
			return store.Account{}, err
		}
	}
	if outdated {
		hash := hashPassword(password)
		if err := s.accounts.RehashPassword(ctx, account.ID, account.PasswordHash, hash); err != nil {
			return store.Account{}, credentialsIfChanged(err)
		}
		account.PasswordHash = hash
	}
	return account, nil
}

// failures returns what was counted under the keys, and whether it is too early for another attempt.
func (s *Service) failures(ctx context.Context, keys []store.SecretHash) (map[store.SecretHash]store.Failures, bool, error) {
	if s.unthrottled {
		return nil, false, nil
	}
	counted, err := s.accounts.Failures(ctx, keys...)
	now, locked := s.now(), false
	for _, failures := range counted {
		since := now.Sub(failures.Last)
		locked = locked || since < failuresQuiet && since < delay(failures.Count)
	}
	return counted, locked, err
}

// failed counts a failure and returns ErrInvalidCredentials.
func (s *Service) failed(ctx context.Context, keys []store.SecretHash) error {
	if !s.unthrottled {
		now := expense.Timestamp(s.now())
		if err := s.accounts.RecordFailure(ctx, now, now.Add(-failuresQuiet), keys...); err != nil {
			return err
		}
	}
	return ErrInvalidCredentials
}

// failureKeys returns under what failures are counted: the e-mail address first, whether anybody has it or not, and the
// network address, of IPv6 the /64 that one customer has.
func failureKeys(email string, from netip.Addr) []store.SecretHash {
	keys := []store.SecretHash{sha256.Sum256([]byte("account\x00" + store.EmailKey(strings.TrimSpace(email))))}
	if from = from.Unmap().WithZone(""); from.IsValid() {
		bits := from.BitLen()
		if from.Is6() {
			bits = 64
		}
		prefix, err := from.Prefix(bits)
		if err == nil {
			keys = append(keys, sha256.Sum256([]byte("address\x00"+prefix.String())))
		}
	}
	return keys
}
