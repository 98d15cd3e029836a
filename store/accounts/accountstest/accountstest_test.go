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

func TestRun_AcceptsMemstore(t *testing.T) {
	Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
}

// TestChecks_CoverInterface reads the source of the interface. Checks must cover each method and each error
// that a method's comment names, and must not name any other method or error.
func TestChecks_CoverInterface(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../accounts.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	covered := make(map[string]bool)
	for _, c := range checks() {
		for method := range strings.SplitSeq(c.covers, ", ") {
			names := strings.Fields(method)
			covered[names[0]] = true
			for _, name := range names[1:] {
				covered[names[0]+" "+name] = true
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
			t.Errorf("a check covers %s, which the interface does not declare", guarantee)
		}
	}
	if len(guarantees) < 40 {
		t.Errorf("found %d guarantees, want at least 40", len(guarantees))
	}
}

// inner is an alias because an embedded Accounts would collide with the method of that name.
type inner = memstore.Accounts

// Each of these stores breaks one guarantee.
type (
	comparesEmailBytes   struct{ *inner } // AccountByEmail compares addresses byte by byte
	ignoresDeviceAccount struct{ *inner } // Device finds a device of any account
	ignoresRefreshToken  struct{ *inner } // RotateRefresh does not compare the current token
	changesEndTime       struct{ *inner } // EndDevice changes the EndedAt of an ended device
	endsNoDevice         struct{ *inner } // SetPassword ends no device
	endsAllDevices       struct{ *inner } // SetPassword also ends the device to keep
	ignoresPasswordHash  struct{ *inner } // CreateDevice does not compare the hash
	leavesDevices        struct{ *inner } // DeleteAccount does not delete the devices
	purgesAtLimit        struct{ *inner } // Purge also removes rows at the limit
	losesSalt            struct{ *inner } // CreateDevice does not store a column
	listsUnsorted        struct{ *inner } // Accounts yields in the wrong order
	ignoresKeyConflict   struct{ *inner } // CreateSigningKey returns no error for an existing key
	overwritesHash       struct{ *inner } // RehashPassword overwrites a changed password
	yieldsAfterError     struct{ *inner } // Accounts continues after an error
	storesNoErasure      struct{ *inner } // DeleteAccount stores no erasure
	leavesTokens         struct{ *inner } // DeleteAccount does not delete the personal tokens
	keepsEmailSpelling   struct{ *inner } // SetEmail ignores a change of letter case
	neverResetsCount     struct{ *inner } // RecordFailure ignores resetBefore
	losesFailures        struct{ *inner } // RecordFailure loses concurrent failures
	ignoresKeyStage      struct{ *inner } // SetSigningKeyStage does not compare the current stage
)

func (s comparesEmailBytes) AccountByEmail(ctx context.Context, email string) (accounts.Account, error) {
	account, err := s.inner.AccountByEmail(ctx, email)
	if err == nil && account.Email != email {
		return accounts.Account{}, expense.ErrNotFound
	}
	return account, err
}

func (s ignoresDeviceAccount) Device(ctx context.Context, account, id uuid.UUID) (accounts.Device, error) {
	device, err := s.inner.Device(ctx, account, id)
	for other, failed := range s.Accounts(ctx) {
		if err != nil && failed == nil {
			device, err = s.inner.Device(ctx, other.ID, id)
		}
	}
	return device, err
}

func (s ignoresRefreshToken) RotateRefresh(
	ctx context.Context, account, device uuid.UUID, _ accounts.SecretHash, to accounts.RefreshTokens, seen time.Time,
) error {
	stored, err := s.Device(ctx, account, device)
	if err != nil {
		return err
	}
	return s.inner.RotateRefresh(ctx, account, device, stored.Refresh.Current, to, seen)
}

func (s changesEndTime) EndDevice(ctx context.Context, account, device uuid.UUID, at time.Time) error {
	stored, err := s.Device(ctx, account, device)
	if err != nil || !stored.Ended() {
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

func (s endsNoDevice) SetPassword(
	ctx context.Context, account uuid.UUID, from, to string, _ uuid.UUID, _ time.Time,
) error {
	return s.RehashPassword(ctx, account, from, to)
}

func (s endsAllDevices) SetPassword(
	ctx context.Context, account uuid.UUID, from, to string, _ uuid.UUID, at time.Time,
) error {
	return s.inner.SetPassword(ctx, account, from, to, uuid.Nil, at)
}

func (s ignoresPasswordHash) CreateDevice(ctx context.Context, device accounts.Device, _ string) error {
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

func (s purgesAtLimit) Purge(ctx context.Context, expiredBefore, failedBefore time.Time) error {
	return s.inner.Purge(ctx, expiredBefore.Add(time.Microsecond), failedBefore.Add(time.Microsecond))
}

func (s storesNoErasure) Erasures(context.Context) ([]accounts.Erasure, error) { return nil, nil }

func (s leavesTokens) Tokens(ctx context.Context, account uuid.UUID) ([]accounts.Token, error) {
	tokens, err := s.inner.Tokens(ctx, account)
	if _, gone := s.Account(ctx, account); errors.Is(gone, expense.ErrNotFound) {
		tokens = []accounts.Token{{Account: account}}
	}
	return tokens, err
}

func (s keepsEmailSpelling) SetEmail(ctx context.Context, account uuid.UUID, hash, email string) error {
	if stored, err := s.Account(ctx, account); err != nil || accounts.EmailKey(stored.Email) == accounts.EmailKey(email) {
		return err // equal by EmailKey, although the spelling differs
	}
	return s.inner.SetEmail(ctx, account, hash, email)
}

func (s neverResetsCount) RecordFailure(ctx context.Context, at, _ time.Time, keys ...accounts.SecretHash) error {
	return s.inner.RecordFailure(ctx, at, time.Time{}, keys...)
}

func (s losesFailures) RecordFailure(ctx context.Context, at, quiet time.Time, keys ...accounts.SecretHash) error {
	known, err := s.Failures(ctx, keys...)
	if err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // another call can record a failure between the read and the write
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

func (s ignoresKeyStage) SetSigningKeyStage(
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

func (s losesSalt) CreateDevice(ctx context.Context, device accounts.Device, hash string) error {
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

func (s ignoresKeyConflict) CreateSigningKey(ctx context.Context, key accounts.SigningKey) error {
	if err := s.inner.CreateSigningKey(ctx, key); !errors.Is(err, expense.ErrExists) {
		return err
	}
	return nil
}

func (s overwritesHash) RehashPassword(ctx context.Context, account uuid.UUID, _, to string) error {
	stored, err := s.Account(ctx, account)
	if err != nil {
		return err
	}
	return s.inner.RehashPassword(ctx, account, stored.PasswordHash, to)
}

func (s yieldsAfterError) Accounts(ctx context.Context) iter.Seq2[accounts.Account, error] {
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

func TestRun_DetectsBrokenStores(t *testing.T) {
	empty := memstore.NewAccounts
	for name, broken := range map[string]struct {
		store  accounts.Store
		caught string // id of the check that must fail
	}{
		"AccountByEmail compares bytes":           {comparesEmailBytes{empty()}, "accounts/by-email"},
		"Device ignores the account":              {ignoresDeviceAccount{empty()}, "devices/create"},
		"RotateRefresh ignores the current token": {ignoresRefreshToken{empty()}, "devices/rotate"},
		"EndDevice changes the end":               {changesEndTime{empty()}, "devices/end"},
		"SetPassword ends no device":              {endsNoDevice{empty()}, "accounts/set-password"},
		"SetPassword ends every device":           {endsAllDevices{empty()}, "accounts/set-password"},
		"CreateDevice ignores the hash":           {ignoresPasswordHash{empty()}, "devices/create"},
		"DeleteAccount leaves devices":            {leavesDevices{empty()}, "accounts/delete"},
		"DeleteAccount stores no erasure":         {storesNoErasure{empty()}, "accounts/erasures"},
		"DeleteAccount leaves tokens":             {leavesTokens{empty()}, "tokens/delete"},
		"SetEmail ignores letter case":            {keepsEmailSpelling{empty()}, "accounts/set-email"},
		"Purge removes a token at the limit":      {purgesAtLimit{empty()}, "tokens/purge"},
		"RecordFailure never resets":              {neverResetsCount{empty()}, "failures/count"},
		"RecordFailure loses failures":            {losesFailures{empty()}, "failures/count-concurrently"},
		"SetSigningKeyStage ignores the stage":    {ignoresKeyStage{empty()}, "keys/create-concurrently"},
		"Purge removes a device at the limit":     {purgesAtLimit{empty()}, "devices/purge"},
		"CreateDevice loses the salt":             {losesSalt{empty()}, "devices/create"},
		"Accounts is unsorted":                    {listsUnsorted{empty()}, "accounts/list"},
		"CreateSigningKey hides a conflict":       {ignoresKeyConflict{empty()}, "keys/create"},
		"RehashPassword ignores the hash":         {overwritesHash{empty()}, "accounts/rehash"},
		"Accounts continues after an error":       {yieldsAfterError{empty()}, "accounts/list"},
	} {
		t.Run(name, func(t *testing.T) {
			all := checks()
			i := slices.IndexFunc(all, func(c check) bool { return c.id == broken.caught })
			if i < 0 {
				t.Fatalf("there is no check %s", broken.caught)
			}
			failures := all[i].failures(t.Context(), broken.store, time.Minute)
			if len(failures) == 0 {
				t.Errorf("the check %s detects no failure", broken.caught)
			}
			for _, failure := range failures {
				if !strings.HasPrefix(failure, "checks.go:") {
					t.Errorf("the failure does not begin with the line of the check: %s", failure)
				}
			}
		})
	}
}
