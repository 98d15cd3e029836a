package accountstest

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestMemoryAccounts(t *testing.T) {
	Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
}

// TestEverySentenceOfAccountsHasACheck reads the interface. Each method, and each error that a method's comment names,
// must be covered by a check; and checks must cover nothing else.
func TestEverySentenceOfAccountsHasACheck(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../accounts.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	covered := make(map[string]bool)
	for _, c := range checks() {
		for method := range strings.SplitSeq(c.covers, ", ") {
			words := strings.Fields(method)
			covered[words[0]] = true
			for _, name := range words[1:] {
				covered[words[0]+" "+name] = true
			}
		}
	}
	errorName := regexp.MustCompile(`\bErr[A-Z]\w+`)
	guarantees := make(map[string]bool)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Store" {
			return true
		}
		for _, method := range spec.Type.(*ast.InterfaceType).Methods.List {
			name := method.Names[0].Name
			guarantees[name] = true
			for _, returned := range errorName.FindAllString(method.Doc.Text(), -1) {
				guarantees[name+" "+returned] = true
			}
		}
		return false
	})
	for guarantee := range guarantees {
		if !covered[guarantee] {
			t.Errorf("no check covers %s", guarantee)
		}
	}
	for guarantee := range covered {
		if !guarantees[guarantee] {
			t.Errorf("a check covers %s, which is not in the interface", guarantee)
		}
	}
	if len(guarantees) < 40 {
		t.Errorf("found only %d guarantees", len(guarantees))
	}
}

// inner is an alias because an embedded Accounts would collide with the method of that name.
type inner = memstore.Accounts

// Each of these stores breaks one guarantee.
type (
	foldsNothing     struct{ *inner } // compares e-mail addresses byte by byte
	mixesAccounts    struct{ *inner } // finds a device under any account
	rotatesAnyway    struct{ *inner } // ignores which token is current
	endsAgain        struct{ *inner } // moves the time of the end
	endsNone         struct{ *inner } // changes a password and leaves the devices
	endsAll          struct{ *inner } // forgets which device to keep
	admitsOldHash    struct{ *inner } // lets a password in that has changed
	leavesDevices    struct{ *inner } // deletes an account but not its devices
	purgesEagerly    struct{ *inner } // takes "before" for "until"
	forgetsSalt      struct{ *inner } // loses a column
	listsUnsorted    struct{ *inner }
	replacesKeys     struct{ *inner }
	losesHashChange  struct{ *inner } // overwrites a newer password
	yieldsPastErrors struct{ *inner }
	erasesSilently   struct{ *inner } // keeps no erasure
	leavesTokens     struct{ *inner } // deletes an account but not its tokens
	keepsEmail       struct{ *inner } // compares before it changes
	countsForEver    struct{ *inner } // never forgets a failure
	losesCounts      struct{ *inner } // counts by reading and writing
	movesAnyway      struct{ *inner } // ignores the stage a key is at
)

func (s foldsNothing) AccountByEmail(ctx context.Context, email string) (accounts.Account, error) {
	account, err := s.inner.AccountByEmail(ctx, email)
	if err == nil && account.Email != email {
		return accounts.Account{}, expense.ErrNotFound
	}
	return account, err
}

func (s mixesAccounts) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	device, err := s.inner.Device(ctx, account, id)
	for other, failed := range s.Accounts(ctx) {
		if err != nil && failed == nil {
			device, err = s.inner.Device(ctx, other.ID, id)
		}
	}
	return device, err
}

func (s rotatesAnyway) RotateRefresh(
	ctx context.Context, account, device uuid.UUID, _ accounts.SecretHash, to accounts.RefreshTokens, seen time.Time,
) error {
	kept, err := s.Device(ctx, account, device)
	if err != nil {
		return err
	}
	return s.inner.RotateRefresh(ctx, account, device, kept.Refresh.Current, to, seen)
}

func (s endsAgain) EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error {
	kept, err := s.Device(ctx, account, device)
	if err != nil || !kept.Ended() {
		return errors.Join(err, s.inner.EndDevice(ctx, account, device, at))
	}
	owner, err := s.Account(ctx, account)
	if err != nil {
		return err
	}
	devices, err := s.Devices(ctx, account)
	if err != nil {
		return err
	}
	if err := errors.Join(s.DeleteAccount(ctx, account, at), s.CreateAccount(ctx, owner)); err != nil {
		return err
	}
	for _, d := range devices {
		if d.ID == device {
			d.EndedAt = at
		}
		if err := s.CreateDevice(ctx, d, owner.PasswordHash); err != nil {
			return err
		}
	}
	return nil
}

func (s endsNone) SetPassword(ctx context.Context, account uuid.UUID, from, to string, _ uuid.UUID, _ time.Time) error {
	return s.RehashPassword(ctx, account, from, to)
}

func (s endsAll) SetPassword(ctx context.Context, account uuid.UUID, from, to string, _ uuid.UUID, at time.Time) error {
	return s.inner.SetPassword(ctx, account, from, to, uuid.Nil, at)
}

func (s admitsOldHash) CreateDevice(ctx context.Context, device accounts.Device, _ string) error {
	account, err := s.Account(ctx, device.Account)
	if err != nil {
		return err
	}
	return s.inner.CreateDevice(ctx, device, account.PasswordHash)
}

func (s leavesDevices) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	device, err := s.inner.Device(ctx, account, id)
	if errors.Is(err, expense.ErrNotFound) {
		device, err = accounts.Device{ID: id, Account: account}, nil
	}
	return device, err
}

func (s purgesEagerly) Purge(ctx context.Context, before, quiet time.Time) error {
	return s.inner.Purge(ctx, before.Add(time.Microsecond), quiet.Add(time.Microsecond))
}

func (s erasesSilently) Erasures(context.Context) ([]accounts.Erasure, error) { return nil, nil }

func (s leavesTokens) Tokens(ctx context.Context, account uuid.UUID) ([]accounts.Token, error) {
	tokens, err := s.inner.Tokens(ctx, account)
	if _, gone := s.Account(ctx, account); errors.Is(gone, expense.ErrNotFound) {
		tokens = []accounts.Token{{Account: account}}
	}
	return tokens, err
}

func (s keepsEmail) SetEmail(ctx context.Context, account uuid.UUID, hash, email string) error {
	if kept, err := s.Account(ctx, account); err != nil || accounts.EmailKey(kept.Email) == accounts.EmailKey(email) {
		return err // the same address, written another way
	}
	return s.inner.SetEmail(ctx, account, hash, email)
}

func (s countsForEver) RecordFailure(ctx context.Context, at, _ time.Time, keys ...accounts.SecretHash) error {
	return s.inner.RecordFailure(ctx, at, time.Time{}, keys...)
}

func (s losesCounts) RecordFailure(ctx context.Context, at, quiet time.Time, keys ...accounts.SecretHash) error {
	known, err := s.Failures(ctx, keys...)
	if err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // reads, then writes: another failure comes between
	for _, key := range keys {
		if now, err := s.Failures(ctx, key); err == nil && now[key] != known[key] {
			continue
		}
		if err := s.inner.RecordFailure(ctx, at, quiet, key); err != nil {
			return err
		}
	}
	return nil
}

func (s movesAnyway) SetSigningKeyStage(
	ctx context.Context, id uuid.UUID, _, to accounts.KeyStage, at time.Time,
) error {
	keys, err := s.SigningKeys(ctx)
	for _, key := range keys {
		if key.ID == id {
			return s.inner.SetSigningKeyStage(ctx, id, key.Stage, to, at)
		}
	}
	return errors.Join(err, expense.ErrNotFound)
}

func (s forgetsSalt) CreateDevice(ctx context.Context, device accounts.Device, hash string) error {
	device.Refresh.Salt = accounts.SecretHash{}
	return s.inner.CreateDevice(ctx, device, hash)
}

func (s listsUnsorted) Accounts(ctx context.Context) iter.Seq2[accounts.Account, error] {
	return func(yield func(accounts.Account, error) bool) {
		var list []accounts.Account
		for account, err := range s.inner.Accounts(ctx) {
			if err != nil {
				yield(account, err)
				return
			}
			list = append(list, account)
		}
		for _, account := range slices.Backward(list) {
			if !yield(account, nil) {
				return
			}
		}
	}
}

func (s replacesKeys) CreateSigningKey(ctx context.Context, key accounts.SigningKey) error {
	if err := s.inner.CreateSigningKey(ctx, key); !errors.Is(err, expense.ErrExists) {
		return err
	}
	return nil
}

func (s losesHashChange) RehashPassword(ctx context.Context, account uuid.UUID, _, to string) error {
	kept, err := s.Account(ctx, account)
	if err != nil {
		return err
	}
	return s.inner.RehashPassword(ctx, account, kept.PasswordHash, to)
}

func (s yieldsPastErrors) Accounts(ctx context.Context) iter.Seq2[accounts.Account, error] {
	return func(yield func(accounts.Account, error) bool) {
		if ctx.Err() != nil && !yield(accounts.Account{}, ctx.Err()) {
			return
		}
		for account, err := range s.inner.Accounts(ctx) {
			if !yield(account, err) {
				return
			}
		}
	}
}

func TestBrokenAccountsAreCaught(t *testing.T) {
	for name, broken := range map[string]struct {
		wrap   func(*memstore.Accounts) accounts.Store
		caught string // the check that must fail
	}{
		"folds nothing":       {func(a *inner) accounts.Store { return foldsNothing{a} }, "account-by-email"},
		"mixes accounts":      {func(a *inner) accounts.Store { return mixesAccounts{a} }, "device-create"},
		"rotates anyway":      {func(a *inner) accounts.Store { return rotatesAnyway{a} }, "device-rotate"},
		"ends again":          {func(a *inner) accounts.Store { return endsAgain{a} }, "device-end"},
		"ends no device":      {func(a *inner) accounts.Store { return endsNone{a} }, "account-password"},
		"ends every device":   {func(a *inner) accounts.Store { return endsAll{a} }, "account-password"},
		"admits an old hash":  {func(a *inner) accounts.Store { return admitsOldHash{a} }, "device-create"},
		"leaves devices":      {func(a *inner) accounts.Store { return leavesDevices{a} }, "account-delete"},
		"erases silently":     {func(a *inner) accounts.Store { return erasesSilently{a} }, "account-erasure"},
		"leaves tokens":       {func(a *inner) accounts.Store { return leavesTokens{a} }, "token-delete"},
		"keeps the e-mail":    {func(a *inner) accounts.Store { return keepsEmail{a} }, "account-email"},
		"purges tokens":       {func(a *inner) accounts.Store { return purgesEagerly{a} }, "token-purge"},
		"counts for ever":     {func(a *inner) accounts.Store { return countsForEver{a} }, "failure"},
		"loses counts":        {func(a *inner) accounts.Store { return losesCounts{a} }, "failure-at-once"},
		"moves anyway":        {func(a *inner) accounts.Store { return movesAnyway{a} }, "key-at-once"},
		"purges eagerly":      {func(a *inner) accounts.Store { return purgesEagerly{a} }, "device-purge"},
		"forgets the salt":    {func(a *inner) accounts.Store { return forgetsSalt{a} }, "device-create"},
		"lists unsorted":      {func(a *inner) accounts.Store { return listsUnsorted{a} }, "account-list"},
		"replaces keys":       {func(a *inner) accounts.Store { return replacesKeys{a} }, "key"},
		"loses a hash change": {func(a *inner) accounts.Store { return losesHashChange{a} }, "account-rehash"},
		"yields past errors":  {func(a *inner) accounts.Store { return yieldsPastErrors{a} }, "account-list"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, c := range checks() {
				if c.id != broken.caught {
					continue
				}
				if failures := c.failures(t.Context(), broken.wrap(memstore.NewAccounts())); len(failures) == 0 {
					t.Errorf("the check %s finds nothing", c.id)
				}
			}
		})
	}
}
