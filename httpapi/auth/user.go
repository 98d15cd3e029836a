package auth

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

// LedgerStore is the part of store.Store that creates and erases the ledgers of accounts.
type LedgerStore interface {
	CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error)
	EraseLedger(ctx context.Context, owner expense.OwnerID) error
}

// Users manages local accounts. It needs no signing key, so administrative commands can use it without a [Service].
// Users is safe for concurrent use.
type Users struct {
	accounts accounts.Store
	ledgers  LedgerStore
	defaults expense.Settings
	now      func() time.Time
	hasher   hasher
}

// NewUsers returns Users that stores accounts in accounts and their ledgers in ledgers. New ledgers have the settings
// defaults unless the registration overrides them. A nil now means [time.Now].
func NewUsers(store accounts.Store, ledgers LedgerStore, defaults expense.Settings, now func() time.Time) *Users {
	if now == nil {
		now = time.Now
	}
	return &Users{accounts: store, ledgers: ledgers, defaults: defaults, now: now, hasher: newHasher()}
}

// A User describes an account without its password.
type User struct {
	ID        uuid.UUID
	Email     string
	CreatedAt time.Time
}

func userOf(account accounts.Account) User {
	return User{ID: account.ID, Email: account.Email, CreatedAt: account.CreatedAt}
}

// A Registration holds the parameters of a new account.
type Registration struct {
	Email      string
	Password   string
	DeviceName string                // name of the first session; ignored by [Users.Add]
	Settings   expense.SettingsDraft // settings of the new ledger; nil members use the defaults
}

// Validate returns ErrInvalid with all field errors if the registration is invalid.
func (reg Registration) Validate() error {
	var fieldErrs expense.ValidationErrors
	email := strings.TrimSpace(reg.Email)
	checkEmail(&fieldErrs, email)
	checkPassword(&fieldErrs, "password", reg.Password, email)
	checkDeviceName(&fieldErrs, reg.DeviceName)
	_, err := expense.NewSettings(reg.Settings)
	return errors.Join(fieldErrs.AddError("", err), fieldErrs.Err())
}

// Add creates an account and its ledger. It returns ErrInvalid with all field errors if the registration is invalid and
// ErrExists if the e-mail address belongs to another account. Add writes the account first. If the process stops before
// it writes the ledger, the first request of the account creates the ledger.
func (u *Users) Add(ctx context.Context, reg Registration) (User, error) {
	account, err := u.add(ctx, reg)
	return userOf(account), err
}

func (u *Users) add(ctx context.Context, reg Registration) (accounts.Account, error) {
	if err := reg.Validate(); err != nil {
		return accounts.Account{}, err
	}
	settings, err := u.defaults.With(reg.Settings)
	if err != nil {
		return accounts.Account{}, err
	}
	hash, err := u.hasher.hash(ctx, reg.Password)
	if err != nil {
		return accounts.Account{}, err
	}
	now := expense.Timestamp(u.now())
	account := accounts.Account{
		ID: uuid.Must(uuid.NewV7()), Email: strings.TrimSpace(reg.Email), PasswordHash: hash, CreatedAt: now,
	}
	if err := u.accounts.CreateAccount(ctx, account); err != nil {
		return accounts.Account{}, err
	}
	ledger := expense.NewInitialLedger(account.Owner(), settings, now)
	if _, err := u.ledgers.CreateLedger(ctx, account.Owner(), ledger); err != nil {
		return accounts.Account{}, fmt.Errorf("create the ledger of account %s: %w", account.ID, err)
	}
	return account, nil
}

// SetPassword replaces the password of the account with this e-mail address and ends all its sessions, which takes
// effect within 30 seconds. It returns ErrNotFound if there is no such account and ErrInvalid if the password is not
// acceptable.
func (u *Users) SetPassword(ctx context.Context, email, password string) error {
	account, err := u.byEmail(ctx, email)
	if err != nil {
		return err
	}
	var fieldErrs expense.ValidationErrors
	checkPassword(&fieldErrs, "password", password, account.Email)
	if err := fieldErrs.Err(); err != nil {
		return err
	}
	hash, err := u.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return u.accounts.SetPassword(ctx, account.ID, account.PasswordHash, hash, uuid.Nil, expense.Timestamp(u.now()))
}

// erasureRetention is how long the store keeps an erasure record. It exceeds the duration of any request that was
// authenticated before the erasure.
const erasureRetention = time.Hour

// Erase erases the account with this e-mail address and its ledger. It returns ErrNotFound if there is no such account.
// If it returns another error, the erasure may be incomplete. [Users.FinishErasures] then completes it.
func (u *Users) Erase(ctx context.Context, email string) error {
	account, err := u.byEmail(ctx, email)
	if err != nil {
		return err
	}
	return u.eraseAccount(ctx, account)
}

// eraseAccount deletes the account first, which blocks new requests, and then its ledger. A request that is still
// running may create the ledger again, and a crash may come between the two steps. Deleting the account therefore
// stores an erasure record, from which finishErasures repeats the second step.
func (u *Users) eraseAccount(ctx context.Context, account accounts.Account) error {
	if err := u.accounts.DeleteAccount(ctx, account.ID, expense.Timestamp(u.now())); err != nil {
		return err
	}
	return u.ledgers.EraseLedger(ctx, account.Owner())
}

// FinishErasures erases the ledgers of all accounts with an erasure record. It completes erasures that a crash
// interrupted, and removes ledgers that concurrent requests have created again. It may be called at any time and by any
// number of instances. [Service.Run] calls it.
func (u *Users) FinishErasures(ctx context.Context) error { return u.finishErasures(ctx, true) }

// finishErasures processes all erasure records, or only those past erasureRetention.
func (u *Users) finishErasures(ctx context.Context, all bool) error {
	erasures, err := u.accounts.Erasures(ctx)
	if err != nil {
		return fmt.Errorf("read the erasure records: %w", err)
	}
	for _, erasure := range erasures {
		over := u.now().Sub(erasure.At) >= erasureRetention
		if !all && !over {
			continue
		}
		if err := u.ledgers.EraseLedger(ctx, erasure.Owner()); err != nil {
			return fmt.Errorf("erase the ledger of account %s: %w", erasure.Account, err)
		}
		if over {
			if err := u.accounts.EndErasure(ctx, erasure.Account); err != nil {
				return err
			}
		}
	}
	return nil
}

// byEmail returns the account with this e-mail address. It returns ErrInvalid if the address is malformed and
// ErrNotFound if no account has it.
func (u *Users) byEmail(ctx context.Context, email string) (accounts.Account, error) {
	email = strings.TrimSpace(email)
	var fieldErrs expense.ValidationErrors
	checkEmail(&fieldErrs, email)
	if err := fieldErrs.Err(); err != nil {
		return accounts.Account{}, err
	}
	return u.accounts.AccountByEmail(ctx, email)
}

// credentialsError returns ErrInvalidCredentials for ErrNotFound and ErrStale: the account was deleted, or its password
// was changed, after it was read. It returns any other error unchanged.
func credentialsError(err error) error {
	if errors.Is(err, expense.ErrStale) || errors.Is(err, expense.ErrNotFound) {
		return ErrInvalidCredentials
	}
	return err
}

// maxEmailBytes is the longest e-mail address of RFC 5321.
const maxEmailBytes = 254

func checkEmail(fieldErrs *expense.ValidationErrors, email string) {
	if email == "" {
		fieldErrs.Add("email", "required", "the e-mail address is missing; give one like name@example.org")
		return
	}
	address, err := mail.ParseAddress(email)
	hidden := strings.ContainsFunc(email, func(r rune) bool {
		return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsGraphic(r)
	})
	if len(email) > maxEmailBytes || err != nil || hidden || address.Name != "" || address.Address != email {
		fieldErrs.Add("email", "malformed_email",
			"%s is not an e-mail address; write it like name@example.org, with at most %d bytes",
			expense.QuoteText(email), maxEmailBytes)
	}
}

// maxDeviceName is the longest device name in characters.
const maxDeviceName = 100

func checkDeviceName(fieldErrs *expense.ValidationErrors, name string) {
	if !isLabel(name, maxDeviceName) {
		fieldErrs.Add("device_name", "malformed",
			"device name %s is not allowed; give at most %d characters of UTF-8 without control characters",
			expense.QuoteText(name), maxDeviceName)
	}
}

// isLabel reports whether text is valid UTF-8 without control characters and has at most size characters.
func isLabel(text string, size int) bool {
	return utf8.ValidString(text) && utf8.RuneCountInString(text) <= size && !strings.ContainsFunc(text, unicode.IsControl)
}
