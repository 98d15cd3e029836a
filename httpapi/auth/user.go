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
	"github.com/spendwise/spendwise/store"
)

// LedgerStore is what the local accounts need of the store that keeps the ledgers; see store.Store.
type LedgerStore interface {
	CreateLedger(ctx context.Context, owner expense.OwnerID, ledger expense.InitialLedger) (bool, error)
	EraseLedger(ctx context.Context, owner expense.OwnerID) error
}

// Users are the local accounts: people who have an e-mail address, a password and a ledger. They need no signing key, so a
// command for administrators can do with them alone.
type Users struct {
	accounts store.Accounts
	ledgers  LedgerStore
	defaults expense.Settings
	now      func() time.Time
	hasher   *hasher
}

// NewUsers returns the users that accounts keeps. Their ledgers are made in ledgers, with the settings defaults where their
// registration says nothing. A nil now is [time.Now].
func NewUsers(accounts store.Accounts, ledgers LedgerStore, defaults expense.Settings, now func() time.Time) *Users {
	if now == nil {
		now = time.Now
	}
	return &Users{accounts: accounts, ledgers: ledgers, defaults: defaults, now: now, hasher: newHasher()}
}

// A User is what an account shows of itself.
type User struct {
	ID        uuid.UUID
	Email     string
	CreatedAt time.Time
}

func userOf(account store.Account) User {
	return User{ID: account.ID, Email: account.Email, CreatedAt: account.CreatedAt}
}

// A Registration is what a person gives to get an account.
type Registration struct {
	Email      string
	Password   string
	DeviceName string                // what the session is called; no matter to [Users.Add]
	Settings   expense.SettingsDraft // of the new ledger; nil members take the server's defaults
}

// Add makes an account and its ledger. The error lists every fault of the registration and is ErrInvalid, or it is ErrExists
// if the e-mail address is taken. An account whose ledger could not be made any more gets it at its first request.
func (u *Users) Add(ctx context.Context, reg Registration) (User, error) {
	account, err := u.add(ctx, reg)
	return userOf(account), err
}

func (u *Users) add(ctx context.Context, reg Registration) (store.Account, error) {
	var faults expense.ValidationErrors
	email := strings.TrimSpace(reg.Email)
	checkEmail(&faults, email)
	checkPassword(&faults, "password", reg.Password, email)
	checkDeviceName(&faults, reg.DeviceName)
	settings, err := u.defaults.With(reg.Settings)
	if err := errors.Join(faults.AddError("", err), faults.Err()); err != nil {
		return store.Account{}, err
	}
	hash, err := u.hasher.hash(ctx, reg.Password)
	if err != nil {
		return store.Account{}, err
	}
	now := expense.Timestamp(u.now())
	account := store.Account{ID: uuid.Must(uuid.NewV7()), Email: email, PasswordHash: hash, CreatedAt: now}
	if err := u.accounts.CreateAccount(ctx, account); err != nil {
		return store.Account{}, err
	}
	if _, err := u.ledgers.CreateLedger(ctx, account.Owner(), expense.NewInitialLedger(account.Owner(), settings, now)); err != nil {
		return store.Account{}, fmt.Errorf("ledger of account %s: %w", account.ID, err)
	}
	return account, nil
}

// SetPassword gives the account with this e-mail address another password and ends all its devices; they notice within half
// a minute. ErrNotFound if there is no such account, ErrInvalid if the password is no good one.
func (u *Users) SetPassword(ctx context.Context, email, password string) error {
	account, err := u.byEmail(ctx, email)
	if err != nil {
		return err
	}
	var faults expense.ValidationErrors
	checkPassword(&faults, "password", password, account.Email)
	if err := faults.Err(); err != nil {
		return err
	}
	hash, err := u.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return u.accounts.SetPassword(ctx, account.ID, account.PasswordHash, hash, uuid.Nil, expense.Timestamp(u.now()))
}

// erasureKept is how long the erasure of an account is kept in mind: longer than any request takes that was let in before.
const erasureKept = time.Hour

// Remove erases the account with this e-mail address and its ledger. After an error the rest of it happens by itself; see
// [Users.FinishErasures]. ErrNotFound if there is no such account.
func (u *Users) Erase(ctx context.Context, email string) error {
	account, err := u.byEmail(ctx, email)
	if err != nil {
		return err
	}
	return u.eraseAccount(ctx, account)
}

// erase removes the account first, so that nobody gets in any more, and then what it leaves. Whoever got in before may yet
// make the ledger anew, and a crash may come between: the erasure that is kept with the first step brings both to an end.
func (u *Users) eraseAccount(ctx context.Context, account store.Account) error {
	if err := u.accounts.DeleteAccount(ctx, account.ID, expense.Timestamp(u.now())); err != nil {
		return err
	}
	return u.ledgers.EraseLedger(ctx, account.Owner())
}

// FinishErasures erases what accounts that were removed may have left: the ledgers that a crash spared, and those that a
// request which was under way made anew. It can be called at any time, by any number of instances.
func (u *Users) FinishErasures(ctx context.Context) error { return u.finishErasures(ctx, true) }

// finishErasures looks at all erasures, or at those only that are to be forgotten.
func (u *Users) finishErasures(ctx context.Context, all bool) error {
	erasures, err := u.accounts.Erasures(ctx)
	if err != nil {
		return fmt.Errorf("erasures under way: %w", err)
	}
	for _, erasure := range erasures {
		over := u.now().Sub(erasure.At) >= erasureKept
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

// byEmail returns the account with this e-mail address; ErrInvalid if it is none, ErrNotFound if nobody has it.
func (u *Users) byEmail(ctx context.Context, email string) (store.Account, error) {
	email = strings.TrimSpace(email)
	var faults expense.ValidationErrors
	checkEmail(&faults, email)
	if err := faults.Err(); err != nil {
		return store.Account{}, err
	}
	return u.accounts.AccountByEmail(ctx, email)
}

// credentialsIfChanged returns ErrInvalidCredentials in place of what the store says of an account that was deleted, or whose
// password changed, since it was read.
func credentialsIfChanged(err error) error {
	if errors.Is(err, expense.ErrStale) || errors.Is(err, expense.ErrNotFound) {
		return ErrInvalidCredentials
	}
	return err
}

// maxEmail is how many bytes an e-mail address has at most, by RFC 5321.
const maxEmail = 254

func checkEmail(faults *expense.ValidationErrors, email string) {
	address, err := mail.ParseAddress(email)
	visible := strings.IndexFunc(email, func(r rune) bool { return r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsGraphic(r) }) < 0
	if len(email) > maxEmail || err != nil || !visible || address.Name != "" || address.Address != email {
		faults.Add("email", "malformed_email", "an e-mail address looks like name@example.org and has at most %d bytes", maxEmail)
	}
}

// maxDeviceName is how many characters a device's name has at most.
const maxDeviceName = 100

func checkDeviceName(faults *expense.ValidationErrors, name string) {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxDeviceName || strings.ContainsFunc(name, unicode.IsControl) {
		faults.Add("device_name", "malformed", "a device's name is at most %d characters of UTF-8 without control characters", maxDeviceName)
	}
}
