package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func accountOf(who Identity) (uuid.UUID, error) {
	id, err := uuid.Parse(string(who.Owner))
	if err != nil || id.String() != string(who.Owner) {
		return uuid.Nil, fmt.Errorf("local account of this owner: %w", expense.ErrNotFound)
	}
	return id, nil
}

// Erased reports whether the identity is that of a local account which is no more: a session of it may be remembered for half a
// minute. The identities of a host or of an issuer are not kept here, and so never erased.
func (s *Service) IsErased(ctx context.Context, who Identity) (bool, error) {
	id, err := accountOf(who)
	if err != nil {
		return false, nil //nolint:nilerr // an owner of another form is no local account.
	}
	_, err = s.accounts.Account(ctx, id)
	if errors.Is(err, expense.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// Me returns the account of the identity; ErrNotFound if it is no local one.
func (s *Service) User(ctx context.Context, who Identity) (User, error) {
	id, err := accountOf(who)
	if err != nil {
		return User{}, err
	}
	account, err := s.accounts.Account(ctx, id)
	return userOf(account), err
}

// confirm returns the account of the identity if password is its password. A wrong one is a fault of that field; guesses are
// throttled as those at a sign-in are, and told apart from it as little.
func (s *Service) confirm(ctx context.Context, who Identity, field, password string, from netip.Addr) (store.Account, error) {
	id, err := accountOf(who)
	if err != nil {
		return store.Account{}, err
	}
	account, err := s.accounts.Account(ctx, id)
	if err != nil {
		return store.Account{}, err
	}
	account, err = s.verify(ctx, account.Email, password, from, func() (store.Account, error) { return account, nil })
	if errors.Is(err, ErrInvalidCredentials) {
		var faults expense.ValidationErrors
		faults.Add(field, "wrong_password", "this is not the password of the account, or too many were tried of late: wait a little")
		return store.Account{}, faults.Err()
	}
	return account, err
}

// A PasswordChange is what a person gives to get another password.
type PasswordChange struct {
	Current string
	New     string
	Address netip.Addr // as in [Login]
}

// ChangePassword gives the identity's account another password and ends its other devices, here at once and on other
// instances within half a minute. ErrInvalid, with every fault, if the current password is wrong or the new one no good.
func (s *Service) ChangePassword(ctx context.Context, who Identity, change PasswordChange) error {
	id, err := accountOf(who)
	if err != nil {
		return err
	}
	account, err := s.accounts.Account(ctx, id)
	if err != nil {
		return err
	}
	var faults expense.ValidationErrors
	checkPassword(&faults, "new_password", change.New, account.Email)
	if err := faults.Err(); err != nil {
		return err
	}
	account, err = s.confirm(ctx, who, "current_password", change.Current, change.Address)
	if err != nil {
		return err
	}
	hash, err := s.users.hasher.hash(ctx, change.New)
	if err != nil {
		return err
	}
	// What signs in from here on has the new password; what signed in before is in the list.
	devices, err := s.accounts.Devices(ctx, account.ID)
	if err != nil {
		return err
	}
	if err := s.accounts.SetPassword(ctx, account.ID, account.PasswordHash, hash, who.Device, expense.Timestamp(s.now())); err != nil {
		return err
	}
	for _, device := range devices {
		if device.ID != who.Device {
			s.sessions.ended(account.ID, device.ID)
		}
	}
	return nil
}

// An EmailChange is what a person gives to get another e-mail address.
type EmailChange struct {
	Email    string
	Password string     // the account's
	Address  netip.Addr // as in [Login]
}

// ChangeEmail gives the identity's account another e-mail address. It takes the password, as a sign-in does: whoever finds an
// unlocked phone does not take the account away. ErrExists if the address is taken.
func (s *Service) ChangeEmail(ctx context.Context, who Identity, change EmailChange) (User, error) {
	var faults expense.ValidationErrors
	email := strings.TrimSpace(change.Email)
	checkEmail(&faults, email)
	if err := faults.Err(); err != nil {
		return User{}, err
	}
	account, err := s.confirm(ctx, who, "current_password", change.Password, change.Address)
	if err != nil {
		return User{}, err
	}
	if err := s.accounts.SetEmail(ctx, account.ID, account.PasswordHash, email); err != nil {
		return User{}, err
	}
	account.Email = email
	return userOf(account), nil
}

// Erase removes the identity's account and everything it owns: ledger, tokens and sessions. What a crash leaves is erased by
// [Service.Run]. ErrInvalid if the password is wrong.
func (s *Service) EraseAccount(ctx context.Context, who Identity, password string, from netip.Addr) error {
	account, err := s.confirm(ctx, who, "password", password, from)
	if err != nil {
		return err
	}
	devices, err := s.accounts.Devices(ctx, account.ID)
	if err != nil {
		return err
	}
	tokens, err := s.accounts.Tokens(ctx, account.ID)
	if err != nil {
		return err
	}
	if err := s.users.eraseAccount(ctx, account); err != nil {
		return err
	}
	for _, device := range devices {
		s.sessions.ended(account.ID, device.ID)
	}
	for _, token := range tokens {
		s.personal.deleted(token.ID)
	}
	return nil
}

// A Device is a session as its person sees it.
type Device struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
	SeenAt    time.Time // of the last sign-in or refresh
	Current   bool      // it is the one that asks
}

// Devices returns the sessions of the identity's account that live, oldest first.
func (s *Service) Devices(ctx context.Context, who Identity) ([]Device, error) {
	account, err := accountOf(who)
	if err != nil {
		return nil, err
	}
	kept, err := s.accounts.Devices(ctx, account)
	if err != nil {
		return nil, err
	}
	now := s.now()
	devices := []Device{}
	for _, device := range kept { // their ids, version 7, are in the order they were made
		if !device.Ended() && now.Before(device.Refresh.ExpiresAt) {
			devices = append(devices, Device{
				ID: device.ID, Name: device.Name, CreatedAt: device.CreatedAt, SeenAt: device.SeenAt, Current: device.ID == who.Device,
			})
		}
	}
	return devices, nil
}

// EndDevice ends a session of the identity's account: here at once, on other instances within half a minute. One that has
// ended is no error; ErrNotFound if the account never had it.
func (s *Service) RevokeDevice(ctx context.Context, who Identity, device uuid.UUID) error {
	account, err := accountOf(who)
	if err != nil {
		return err
	}
	return s.sessions.end(ctx, account, device)
}

// Logout ends the session that the identity belongs to; that it has ended is no error. ErrForbidden if it belongs to none.
func (s *Service) Logout(ctx context.Context, who Identity) error {
	account, err := accountOf(who)
	if err != nil || who.Device == uuid.Nil {
		return fmt.Errorf("no session to sign out of: %w", ErrForbidden)
	}
	if err := s.sessions.end(ctx, account, who.Device); !errors.Is(err, expense.ErrNotFound) {
		return err
	}
	return nil
}
