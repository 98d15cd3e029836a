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
	"github.com/spendwise/spendwise/store/accounts"
)

func accountID(identity Identity) (uuid.UUID, error) {
	id, err := uuid.Parse(string(identity.Owner))
	if err != nil || id.String() != string(identity.Owner) {
		return uuid.Nil, ErrNoAccount
	}
	return id, nil
}

// account returns the local account of the identity. It returns ErrNoAccount if the identity has none, and
// ErrUnauthenticated if the account has been erased: its sessions may be cached for up to 30 seconds.
func (s *Service) account(ctx context.Context, identity Identity) (accounts.Account, error) {
	id, err := accountID(identity)
	if err != nil {
		return accounts.Account{}, err
	}
	account, err := s.accounts.Account(ctx, id)
	return account, erasedError(err)
}

// erasedError returns ErrUnauthenticated for an ErrNotFound, which means that the account of the request has been
// erased. It returns any other error unchanged.
func erasedError(err error) error {
	if errors.Is(err, expense.ErrNotFound) {
		return ErrUnauthenticated
	}
	return err
}

// IsErased reports whether the identity belongs to a local account that has been erased. Its sessions may be cached for
// up to 30 seconds. IsErased returns false for identities of a host or of an OpenID Connect provider.
func (s *Service) IsErased(ctx context.Context, identity Identity) (bool, error) {
	id, err := accountID(identity)
	if err != nil {
		return false, nil //nolint:nilerr // an owner of another form is no local account.
	}
	_, err = s.accounts.Account(ctx, id)
	if errors.Is(err, expense.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// User returns the account of the identity. It returns ErrNoAccount if the identity has none, and ErrUnauthenticated if
// the account has been erased.
func (s *Service) User(ctx context.Context, identity Identity) (User, error) {
	account, err := s.account(ctx, identity)
	return userOf(account), err
}

// confirmPassword returns the account of the identity if password is correct, and a field error of current_password
// otherwise. Failures are throttled like those of a sign-in.
func (s *Service) confirmPassword(
	ctx context.Context, identity Identity, password string, address netip.Addr,
) (accounts.Account, error) {
	account, err := s.account(ctx, identity)
	if err != nil {
		return accounts.Account{}, err
	}
	find := func() (accounts.Account, error) { return account, nil }
	account, err = s.verify(ctx, account.Email, password, address, find)
	if errors.Is(err, ErrInvalidCredentials) {
		var fieldErrs expense.ValidationErrors
		fieldErrs.Add("current_password", "wrong_password",
			"the password is wrong, or there were too many failed attempts; check it and try again in a few minutes")
		return accounts.Account{}, fieldErrs.Err()
	}
	return account, err
}

// A PasswordChange holds the parameters of [Service.ChangePassword].
type PasswordChange struct {
	Current string
	New     string
	Address netip.Addr // client's address, as in [Login]
}

// Validate returns ErrInvalid if the new password is not acceptable for any account.
func (change PasswordChange) Validate() error {
	var fieldErrs expense.ValidationErrors
	checkPassword(&fieldErrs, "new_password", change.New, "")
	return fieldErrs.Err()
}

// ChangePassword replaces the password of the identity's account and ends its other sessions: at once on this instance,
// within 30 seconds on others. It returns ErrInvalid with all field errors if the current password is wrong or the new
// one is not acceptable.
func (s *Service) ChangePassword(ctx context.Context, identity Identity, change PasswordChange) error {
	account, err := s.account(ctx, identity)
	if err != nil {
		return err
	}
	var fieldErrs expense.ValidationErrors
	checkPassword(&fieldErrs, "new_password", change.New, account.Email)
	if err := fieldErrs.Err(); err != nil {
		return err
	}
	account, err = s.confirmPassword(ctx, identity, change.Current, change.Address)
	if err != nil {
		return err
	}
	hash, err := s.users.hasher.hash(ctx, change.New)
	if err != nil {
		return err
	}
	// Devices created after this read have signed in with the new password.
	devices, err := s.accounts.Devices(ctx, account.ID)
	if err != nil {
		return err
	}
	now := expense.Timestamp(s.now())
	if err := s.accounts.SetPassword(ctx, account.ID, account.PasswordHash, hash, identity.Device, now); err != nil {
		return err
	}
	for _, device := range devices {
		if device.ID != identity.Device {
			s.sessions.markEnded(account.ID, device.ID)
		}
	}
	return nil
}

// An EmailChange holds the parameters of [Service.ChangeEmail].
type EmailChange struct {
	Email    string
	Password string     // current password of the account
	Address  netip.Addr // client's address, as in [Login]
}

// Validate returns ErrInvalid if the e-mail address is malformed.
func (change EmailChange) Validate() error {
	var fieldErrs expense.ValidationErrors
	checkEmail(&fieldErrs, strings.TrimSpace(change.Email))
	return fieldErrs.Err()
}

// ChangeEmail replaces the e-mail address of the identity's account. It requires the password, so that a person who
// finds an unlocked device cannot take over the account. It returns ErrExists if the address belongs to another
// account.
func (s *Service) ChangeEmail(ctx context.Context, identity Identity, change EmailChange) (User, error) {
	if err := change.Validate(); err != nil {
		return User{}, err
	}
	email := strings.TrimSpace(change.Email)
	account, err := s.confirmPassword(ctx, identity, change.Password, change.Address)
	if err != nil {
		return User{}, err
	}
	if err := s.accounts.SetEmail(ctx, account.ID, account.PasswordHash, email); err != nil {
		return User{}, err
	}
	account.Email = email
	return userOf(account), nil
}

// EraseAccount erases the identity's account with its ledger, tokens and sessions. address is the client's network
// address, as in [Login]. EraseAccount returns ErrInvalid if the password is wrong. If a crash interrupts it,
// [Service.Run] completes the erasure.
func (s *Service) EraseAccount(ctx context.Context, identity Identity, password string, address netip.Addr) error {
	account, err := s.confirmPassword(ctx, identity, password, address)
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
		s.sessions.markEnded(account.ID, device.ID)
	}
	for _, token := range tokens {
		s.personal.markRevoked(token.ID)
	}
	return nil
}

// A Device describes a session to its user.
type Device struct {
	ID        uuid.UUID
	Name      string
	CreatedAt time.Time
	SeenAt    time.Time // last sign-in or refresh
	Current   bool      // it is the session of the request
}

// Devices returns the active sessions of the identity's account, oldest first.
func (s *Service) Devices(ctx context.Context, identity Identity) ([]Device, error) {
	account, err := accountID(identity)
	if err != nil {
		return nil, err
	}
	stored, err := s.accounts.Devices(ctx, account)
	if err != nil {
		return nil, err
	}
	now := s.now()
	devices := []Device{}
	for _, device := range stored { // sorted by id; a version 7 UUID starts with its creation time
		if !device.Ended() && now.Before(device.Refresh.ExpiresAt) {
			devices = append(devices, Device{
				ID: device.ID, Name: device.Name, CreatedAt: device.CreatedAt, SeenAt: device.SeenAt,
				Current: device.ID == identity.Device,
			})
		}
	}
	return devices, nil
}

// RevokeDevice ends a session of the identity's account: at once on this instance, within 30 seconds on others. It
// returns nil if the session has ended already and ErrNotFound if the account has no such session.
func (s *Service) RevokeDevice(ctx context.Context, identity Identity, device uuid.UUID) error {
	account, err := accountID(identity)
	if err != nil {
		return err
	}
	return s.sessions.end(ctx, account, device)
}

// Logout ends the session of the identity. It returns nil if the session has ended already and ErrForbidden if the
// identity has no session.
func (s *Service) Logout(ctx context.Context, identity Identity) error {
	account, err := accountID(identity)
	if err != nil || identity.Device == uuid.Nil {
		return fmt.Errorf("the request has no session to end: %w", ErrForbidden)
	}
	if err := s.sessions.end(ctx, account, identity.Device); !errors.Is(err, expense.ErrNotFound) {
		return err
	}
	return nil
}
