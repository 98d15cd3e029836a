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
	"github.com/spendwise/spendwise/store/accounts"
)

// Limits on failed sign-ins, which are counted by account and by network address. The stricter one applies.
const (
	// freeFailures is the number of consecutive failures that do not block sign-ins.
	freeFailures = 5
	// firstBlock is how long the next failure blocks sign-ins. It doubles with each further failure, up to maxBlock. So no
	// account is blocked permanently, and an attacker has about 100 guesses a day.
	firstBlock = time.Second
	maxBlock   = 15 * time.Minute
	// failureWindow is how long after the last failure the count starts again at zero.
	failureWindow = time.Hour
)

// blockDuration returns how long sign-ins are blocked after the last of this number of consecutive failures.
func blockDuration(failures int) time.Duration {
	if failures <= freeFailures {
		return 0
	}
	return min(firstBlock<<min(failures-freeFailures-1, 20), maxBlock)
}

// A Login holds the credentials of a sign-in.
type Login struct {
	Email      string
	Password   string
	DeviceName string
	Address    netip.Addr // client's address; the zero value is not throttled by address
}

// Validate returns ErrInvalid if the device name is invalid. It does not check the e-mail address and the password:
// those that are malformed are wrong.
func (login Login) Validate() error {
	var fieldErrs expense.ValidationErrors
	checkDeviceName(&fieldErrs, login.DeviceName)
	return fieldErrs.Err()
}

// Login signs a user in and creates a session. It returns ErrInvalidCredentials if the e-mail address or the password
// is wrong or sign-ins are blocked after too many failures. The caller cannot tell these cases apart, not even by their
// duration. Login returns ErrInvalid if the device name is invalid.
func (s *Service) Login(ctx context.Context, login Login) (Session, error) {
	if err := login.Validate(); err != nil {
		return Session{}, err
	}
	account, err := s.verify(ctx, login.Email, login.Password, login.Address, func() (accounts.Account, error) {
		return s.users.byEmail(ctx, login.Email)
	})
	if err != nil {
		return Session{}, err
	}
	return s.signIn(ctx, account, login.DeviceName)
}

// verify returns the account returned by find if password is correct. It returns ErrInvalidCredentials if it is wrong,
// if find returns ErrNotFound or ErrInvalid, or if sign-ins under the e-mail address or network address are blocked.
// Each of these cases computes one hash and counts one failure. verify replaces a hash whose parameters are below
// today's.
//
// The failures are read while a hash slot is held, so concurrent guesses exceed the limit by at most the number of
// slots.
func (s *Service) verify(
	ctx context.Context, email, password string, address netip.Addr, find func() (accounts.Account, error),
) (accounts.Account, error) {
	release, err := s.users.hasher.acquire(ctx)
	if err != nil {
		return accounts.Account{}, err
	}
	defer release()
	keys := failureKeys(email, address)
	failures, locked, err := s.readFailures(ctx, keys)
	if err != nil {
		return accounts.Account{}, err
	}
	account, err := find()
	unknown := errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrInvalid)
	if err != nil && !unknown {
		return accounts.Account{}, err
	}
	var match, outdated bool
	if unknown || locked {
		s.users.hasher.hashDummy(password)
	} else if match, outdated, err = s.users.hasher.verify(account.PasswordHash, password); err != nil {
		return accounts.Account{}, fmt.Errorf("account %s: %w", account.ID, err)
	}
	if !match {
		if locked {
			// Failures during a block must not extend it, or an attacker could lock the user out. They are written under another
			// key, so that the response takes as long as the others.
			for i := range keys {
				keys[i] = sha256.Sum256(keys[i][:])
			}
		}
		return accounts.Account{}, s.recordFailure(ctx, keys)
	}
	if _, counted := failures[keys[0]]; counted {
		if err := s.accounts.ClearFailures(ctx, keys[0]); err != nil {
			return accounts.Account{}, err
		}
	}
	if outdated {
		hash := s.users.hasher.hashNow(password)
		if err := s.accounts.RehashPassword(ctx, account.ID, account.PasswordHash, hash); err != nil {
			return accounts.Account{}, credentialsError(err)
		}
		account.PasswordHash = hash
	}
	return account, nil
}

// readFailures returns the failures counted under keys and whether one of them blocks sign-ins now.
func (s *Service) readFailures(
	ctx context.Context, keys []accounts.SecretHash,
) (map[accounts.SecretHash]accounts.Failures, bool, error) {
	if s.throttlingDisabled {
		return nil, false, nil
	}
	counts, err := s.accounts.Failures(ctx, keys...)
	now, locked := s.now(), false
	for _, failures := range counts {
		since := now.Sub(failures.Last)
		locked = locked || since < failureWindow && since < blockDuration(failures.Count)
	}
	return counts, locked, err
}

// recordFailure counts a failure under keys and returns ErrInvalidCredentials.
func (s *Service) recordFailure(ctx context.Context, keys []accounts.SecretHash) error {
	if !s.throttlingDisabled {
		now := expense.Timestamp(s.now())
		if err := s.accounts.RecordFailure(ctx, now, now.Add(-failureWindow), keys...); err != nil {
			return err
		}
	}
	return ErrInvalidCredentials
}

// failureKeys returns the keys under which failures are counted: first the e-mail address, whether it has an account or
// not, then the network address. IPv6 addresses count by /64, the prefix of one customer.
func failureKeys(email string, address netip.Addr) []accounts.SecretHash {
	keys := []accounts.SecretHash{sha256.Sum256([]byte("account\x00" + accounts.EmailKey(strings.TrimSpace(email))))}
	if address = address.Unmap().WithZone(""); address.IsValid() {
		bits := address.BitLen()
		if address.Is6() {
			bits = 64
		}
		prefix, err := address.Prefix(bits)
		if err == nil {
			keys = append(keys, sha256.Sum256([]byte("address\x00"+prefix.String())))
		}
	}
	return keys
}
