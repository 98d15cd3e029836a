package accountstest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

// epoch is the earliest instant in the checks.
var epoch = time.Date(2025, time.March, 1, 8, 30, 0, 123456000, time.UTC)

func checks() []check {
	return []check{
		{"account-create", "CreateAccount ErrExists, Account ErrNotFound", checkAccountCreate},
		{"account-create-at-once", "CreateAccount ErrExists", checkAccountCreateAtOnce},
		{"account-by-email", "AccountByEmail ErrNotFound", checkAccountByEmail},
		{"account-list", "Accounts", checkAccountList},
		{"account-list-long", "Accounts", checkAccountListLong},
		{"account-rehash", "RehashPassword ErrStale ErrNotFound", checkAccountRehash},
		{"account-password", "SetPassword ErrStale ErrNotFound", checkAccountPassword},
		{"account-email", "SetEmail ErrStale ErrExists ErrNotFound", checkAccountEmail},
		{"account-email-at-once", "SetEmail ErrExists", checkAccountEmailAtOnce},
		{"account-delete", "DeleteAccount ErrNotFound", checkAccountDelete},
		{"account-erasure", "DeleteAccount, Erasures, EndErasure", checkAccountErasure},
		{"device-create", "CreateDevice ErrExists ErrNotFound ErrStale, Device ErrNotFound", checkDeviceCreate},
		{"device-create-while-password-changes", "CreateDevice ErrStale, SetPassword", checkDeviceCreateDuringChange},
		{"device-list", "Devices", checkDeviceList},
		{"device-rotate", "RotateRefresh ErrStale ErrNotFound ErrGone", checkDeviceRotate},
		{"device-rotate-at-once", "RotateRefresh ErrStale", checkDeviceRotateAtOnce},
		{"device-end", "EndDevice ErrNotFound, Device", checkDeviceEnd},
		{"device-purge", "Purge", checkDevicePurge},
		{"token", "CreateToken ErrExists ErrNotFound, Token ErrNotFound, Tokens", checkToken},
		{"token-use", "RecordTokenUse ErrNotFound", checkTokenUse},
		{"token-delete", "DeleteToken ErrNotFound, DeleteAccount", checkTokenDelete},
		{"token-purge", "Purge", checkTokenPurge},
		{"failure", "Failures, RecordFailure, ClearFailures, Purge", checkFailures},
		{"failure-at-once", "RecordFailure", checkFailuresAtOnce},
		{"key", "SigningKeys, CreateSigningKey ErrExists, DeleteSigningKey ErrNotFound", checkKeyring},
		{"key-at-once", "CreateSigningKey ErrExists, SetSigningKeyStage ErrStale", checkKeyAtOnce},
		{"key-move", "SetSigningKeyStage ErrStale ErrNotFound", checkKeyMove},
	}
}

// moment returns an instant that is later than those before.
func (p *probe) moment() time.Time {
	p.count++
	return epoch.Add(time.Duration(p.count) * 1001 * time.Microsecond)
}

func (p *probe) hash() (sum accounts.SecretHash) {
	p.count++
	copy(sum[:], fmt.Sprintf("%032d", p.count))
	return sum
}

func (p *probe) account(email string) accounts.Account {
	account := accounts.Account{ID: uuid.New(), Email: email, PasswordHash: "hash of " + email, CreatedAt: p.moment()}
	p.must(p.accounts.CreateAccount(p.ctx, account), "CreateAccount(%q)", email)
	return account
}

func (p *probe) newDevice(account accounts.Account) accounts.Device {
	made := p.moment()
	return accounts.Device{
		ID: uuid.New(), Account: account.ID, Name: "Téléphone\nd'" + account.Email, CreatedAt: made,
		SeenAt: made.Add(time.Microsecond),
		Refresh: accounts.RefreshTokens{
			Family: p.hash(), Current: p.hash(), Previous: p.hash(), Salt: p.hash(),
			RotatedAt: made, ExpiresAt: made.Add(30 * 24 * time.Hour),
		},
	}
}

func (p *probe) device(account accounts.Account) accounts.Device {
	device := p.newDevice(account)
	p.must(p.accounts.CreateDevice(p.ctx, device, account.PasswordHash), "CreateDevice(%s)", device.ID)
	return device
}

// end ends a device and returns the ended device.
func (p *probe) end(device accounts.Device) accounts.Device {
	device.EndedAt = p.moment()
	p.must(p.accounts.EndDevice(p.ctx, device.Account, device.ID, device.EndedAt), "EndDevice(%s)", device.ID)
	return device
}

// hasAccount checks that the store has exactly this account.
func (p *probe) hasAccount(want accounts.Account) {
	got, err := p.accounts.Account(p.ctx, want.ID)
	p.must(err, "Account(%s)", want.ID)
	same(p, got, want, "Account(%s)", want.ID)
}

// hasDevices checks that the account has exactly these devices.
func (p *probe) hasDevices(account accounts.Account, want ...accounts.Device) {
	slices.SortFunc(want, func(x, y accounts.Device) int { return slices.Compare(x.ID[:], y.ID[:]) })
	got, err := p.accounts.Devices(p.ctx, account.ID)
	p.must(err, "Devices(%s)", account.ID)
	sameList(p, got, want, "Devices(%s)", account.ID)
	for _, device := range want {
		got, err := p.accounts.Device(p.ctx, account.ID, device.ID)
		p.must(err, "Device(%s)", device.ID)
		same(p, got, device, "Device(%s)", device.ID)
	}
}

func checkAccountCreate(p *probe) {
	ada := p.account("Ada@Example.org")
	p.hasAccount(ada)
	_, err := p.accounts.Account(p.ctx, uuid.New())
	p.fails(err, expense.ErrNotFound, "Account of an unknown id")

	for _, email := range []string{"Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG"} {
		twin := accounts.Account{ID: uuid.New(), Email: email, PasswordHash: "x", CreatedAt: epoch}
		p.fails(p.accounts.CreateAccount(p.ctx, twin), expense.ErrExists, "CreateAccount(%q) beside %q", email, ada.Email)
		_, err := p.accounts.Account(p.ctx, twin.ID)
		p.fails(err, expense.ErrNotFound, "Account that could not be created")
	}
	zoe := p.account("zoe\u0308@example.org") // decomposed
	twin := accounts.Account{ID: uuid.New(), Email: "ZO\u00cb@example.org", PasswordHash: "x", CreatedAt: epoch}
	p.fails(p.accounts.CreateAccount(p.ctx, twin), expense.ErrExists, "CreateAccount(%q) beside %q", twin.Email, zoe.Email)

	again := accounts.Account{ID: ada.ID, Email: "new@example.org", PasswordHash: "x", CreatedAt: epoch}
	p.fails(p.accounts.CreateAccount(p.ctx, again), expense.ErrExists, "CreateAccount of an id that is taken")
	p.hasAccount(ada)
	p.account(again.Email) // the rejected account did not reserve its address
}

func checkAccountCreateAtOnce(p *probe) {
	errs := make([]error, 8)
	p.together(len(errs), func(i int) {
		errs[i] = p.accounts.CreateAccount(p.ctx, accounts.Account{
			ID: uuid.New(), Email: "ada@example.org", PasswordHash: fmt.Sprint(i), CreatedAt: epoch,
		})
	})
	p.oneOf(errs, expense.ErrExists, "CreateAccount of one e-mail address")
}

// oneOf checks that one of several concurrent calls succeeded and the others failed with want.
func (p *probe) oneOf(errs []error, want error, doing string) {
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		p.fails(err, want, "%s, %d times at once", doing, len(errs))
	}
	same(p, succeeded, 1, "%s, %d times at once: how many succeeded", doing, len(errs))
}

func checkAccountByEmail(p *probe) {
	ada, zoe := p.account("Ada@Example.org"), p.account("zo\u00eb@example.org")
	for email, want := range map[string]accounts.Account{
		"Ada@Example.org": ada, "ada@example.org": ada, "ADA@EXAMPLE.ORG": ada,
		"zo\u00eb@example.org": zoe, "zoe\u0308@example.org": zoe, "ZO\u00cb@EXAMPLE.ORG": zoe,
	} {
		got, err := p.accounts.AccountByEmail(p.ctx, email)
		p.must(err, "AccountByEmail(%q)", email)
		same(p, got, want, "AccountByEmail(%q)", email)
	}
	for _, email := range []string{"", "bob@example.org", "ada", "ada_@example.org", "%", "ada@example.org\x00", "\xff"} {
		_, err := p.accounts.AccountByEmail(p.ctx, email)
		p.fails(err, expense.ErrNotFound, "AccountByEmail(%q)", email)
	}
}

func checkAccountList(p *probe) {
	var want []accounts.Account
	for i := range 20 {
		// Collations order upper case, digits, '-', '_' and non-ASCII letters differently.
		want = append(want, p.account(fmt.Sprintf("%c%d@example.org", []rune("B-a_é0Z")[i%7], i)))
	}
	slices.SortFunc(want, func(x, y accounts.Account) int {
		return strings.Compare(accounts.EmailKey(x.Email), accounts.EmailKey(y.Email))
	})
	sameList(p, all(p, p.accounts.Accounts(p.ctx), "Accounts"), want, "Accounts")

	for account, err := range p.accounts.Accounts(p.ctx) {
		p.must(err, "Accounts")
		p.hasAccount(account)
		p.must(p.accounts.RehashPassword(p.ctx, account.ID, account.PasswordHash, account.PasswordHash+"'"),
			"RehashPassword within Accounts")
		break
	}
	cancelled, cancel := context.WithCancel(p.ctx)
	cancel()
	p.errorLast(p.accounts.Accounts(cancelled))
}

// checkAccountListLong lists more accounts than a store reads in one chunk.
func checkAccountListLong(p *probe) {
	const makers, each = 10, 105
	p.together(makers, func(maker int) {
		for i := range each {
			email := fmt.Sprintf("%d-%d@example.org", i, maker)
			if err := p.accounts.CreateAccount(p.ctx, accounts.Account{ID: uuid.New(), Email: email, PasswordHash: "x",
				CreatedAt: epoch}); err != nil {
				p.note("CreateAccount(%q): %v", email, err)
				return
			}
		}
	})
	list := all(p, p.accounts.Accounts(p.ctx), "Accounts")
	same(p, len(list), makers*each, "how many Accounts yields")
	for i := 1; i < len(list); i++ {
		if before, after := accounts.EmailKey(list[i-1].Email), accounts.EmailKey(list[i].Email); before >= after {
			p.stop("Accounts yields %q before %q", before, after)
		}
	}
}

func (p *probe) errorLast(rows iter.Seq2[accounts.Account, error]) {
	var failed error
	for _, err := range rows {
		if failed != nil {
			p.stop("Accounts yields on after the error %v", failed)
		}
		failed = err
	}
}

func checkAccountRehash(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	phone := p.device(ada)
	old := ada.PasswordHash
	ada.PasswordHash = "another hash"
	p.must(p.accounts.RehashPassword(p.ctx, ada.ID, old, ada.PasswordHash), "RehashPassword")
	p.hasAccount(ada)
	p.fails(p.accounts.RehashPassword(p.ctx, ada.ID, old, "third"), expense.ErrStale,
		"RehashPassword from a hash that was replaced")
	p.fails(p.accounts.RehashPassword(p.ctx, uuid.New(), old, "third"), expense.ErrNotFound,
		"RehashPassword where there is no account")
	p.hasAccount(ada)
	p.hasAccount(bob)
	p.hasDevices(ada, phone)
}

func checkAccountPassword(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	phone, laptop, ended, other := p.device(ada), p.device(ada), p.end(p.device(ada)), p.device(bob)

	p.fails(p.accounts.SetPassword(p.ctx, ada.ID, "no", "new", uuid.Nil, p.moment()), expense.ErrStale,
		"SetPassword from another hash")
	p.fails(p.accounts.SetPassword(p.ctx, uuid.New(), "no", "new", uuid.Nil, p.moment()), expense.ErrNotFound,
		"SetPassword of nobody")
	p.hasAccount(ada)
	p.hasDevices(ada, phone, laptop, ended)

	old := ada.PasswordHash
	ada.PasswordHash, phone.EndedAt = "new", p.moment()
	p.must(p.accounts.SetPassword(p.ctx, ada.ID, old, "new", laptop.ID, phone.EndedAt), "SetPassword that keeps a device")
	p.hasAccount(ada)
	p.hasDevices(ada, phone, laptop, ended)

	ada.PasswordHash, laptop.EndedAt = "newer", p.moment()
	p.must(p.accounts.SetPassword(p.ctx, ada.ID, "new", "newer", uuid.Nil, laptop.EndedAt), "SetPassword that keeps none")
	p.hasAccount(ada)
	p.hasDevices(ada, phone, laptop, ended)
	p.hasAccount(bob)
	p.hasDevices(bob, other)
}

func checkAccountDelete(p *probe) {
	ada, bob := p.account("Ada@example.org"), p.account("bob@example.org")
	phone, other := p.device(ada), p.device(bob)
	p.must(p.accounts.DeleteAccount(p.ctx, ada.ID, p.moment()), "DeleteAccount")
	_, err := p.accounts.Account(p.ctx, ada.ID)
	p.fails(err, expense.ErrNotFound, "Account after DeleteAccount")
	_, err = p.accounts.AccountByEmail(p.ctx, ada.Email)
	p.fails(err, expense.ErrNotFound, "AccountByEmail after DeleteAccount")
	_, err = p.accounts.Device(p.ctx, ada.ID, phone.ID)
	p.fails(err, expense.ErrNotFound, "Device after DeleteAccount")
	p.hasDevices(ada)
	sameList(p, all(p, p.accounts.Accounts(p.ctx), "Accounts"), []accounts.Account{bob}, "Accounts after DeleteAccount")
	p.hasDevices(bob, other)
	p.fails(p.accounts.DeleteAccount(p.ctx, ada.ID, p.moment()), expense.ErrNotFound, "DeleteAccount again")

	again := p.account("ada@example.org")
	p.hasAccount(again)
	p.hasDevices(again)
}

func checkAccountEmail(p *probe) {
	ada, bob := p.account("Ada@example.org"), p.account("bob@example.org")
	phone := p.device(ada)
	p.fails(p.accounts.SetEmail(p.ctx, ada.ID, "old hash", "new@example.org"), expense.ErrStale,
		"SetEmail with a password that changed")
	p.fails(p.accounts.SetEmail(p.ctx, uuid.New(), "x", "new@example.org"), expense.ErrNotFound, "SetEmail of nobody")
	p.fails(p.accounts.SetEmail(p.ctx, ada.ID, ada.PasswordHash, "BOB@example.org"), expense.ErrExists,
		"SetEmail to a taken address")
	p.hasAccount(ada)
	p.hasAccount(bob)

	for _, email := range []string{"new@Example.org", "NEW@example.org", "zo\u00eb@example.org"} {
		ada.Email = email
		p.must(p.accounts.SetEmail(p.ctx, ada.ID, ada.PasswordHash, email), "SetEmail(%q)", email)
		p.hasAccount(ada)
		got, err := p.accounts.AccountByEmail(p.ctx, email)
		p.must(err, "AccountByEmail(%q)", email)
		same(p, got, ada, "AccountByEmail(%q)", email)
	}
	p.hasDevices(ada, phone)
	_, err := p.accounts.AccountByEmail(p.ctx, "new@example.org")
	p.fails(err, expense.ErrNotFound, "AccountByEmail of the former address")
	p.account("ada@example.org") // both former addresses are free
	p.account("new@example.org")
	p.must(p.accounts.DeleteAccount(p.ctx, ada.ID, p.moment()), "DeleteAccount")
	p.account(ada.Email)
}

func checkAccountEmailAtOnce(p *probe) {
	people := make([]accounts.Account, 8)
	for i := range people {
		people[i] = p.account(fmt.Sprintf("%d@example.org", i))
	}
	errs := make([]error, len(people))
	p.together(len(errs), func(i int) {
		errs[i] = p.accounts.SetEmail(p.ctx, people[i].ID, people[i].PasswordHash, "best@example.org")
	})
	p.oneOf(errs, expense.ErrExists, "SetEmail to one address")
}

func checkAccountErasure(p *probe) {
	p.hasErasures()
	ada, bob, zoe := p.account("ada@example.org"), p.account("bob@example.org"), p.account("zoe@example.org")
	var want []accounts.Erasure
	for _, gone := range []accounts.Account{zoe, ada} {
		erasure := accounts.Erasure{Account: gone.ID, At: p.moment()}
		p.must(p.accounts.DeleteAccount(p.ctx, gone.ID, erasure.At), "DeleteAccount")
		want = append(want, erasure)
	}
	slices.SortFunc(want, func(x, y accounts.Erasure) int { return slices.Compare(x.Account[:], y.Account[:]) })
	p.hasErasures(want...)
	p.must(p.accounts.EndErasure(p.ctx, want[0].Account), "EndErasure")
	p.hasErasures(want[1])
	p.must(p.accounts.EndErasure(p.ctx, want[0].Account), "EndErasure again")
	p.must(p.accounts.EndErasure(p.ctx, bob.ID), "EndErasure of an account that was not deleted")
	p.hasErasures(want[1])
	p.hasAccount(bob)
}

func (p *probe) hasErasures(want ...accounts.Erasure) {
	erasures, err := p.accounts.Erasures(p.ctx)
	p.must(err, "Erasures")
	sameList(p, erasures, want, "Erasures")
}

func checkDeviceCreate(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	phone := p.device(ada)
	p.hasDevices(ada, phone)

	p.fails(p.accounts.CreateDevice(p.ctx, phone, ada.PasswordHash), expense.ErrExists, "CreateDevice again")
	changed := phone
	changed.Name, changed.Refresh.Current = "changed", p.hash()
	p.fails(p.accounts.CreateDevice(p.ctx, changed, ada.PasswordHash), expense.ErrExists, "CreateDevice of a taken id")
	stranger := p.newDevice(accounts.Account{ID: uuid.New()})
	p.fails(p.accounts.CreateDevice(p.ctx, stranger, ada.PasswordHash), expense.ErrNotFound,
		"CreateDevice of an unknown account")
	p.fails(p.accounts.CreateDevice(p.ctx, p.newDevice(ada), "old hash"), expense.ErrStale,
		"CreateDevice with a password that changed")
	p.hasDevices(ada, phone)

	twin := phone
	twin.Account = bob.ID
	p.must(p.accounts.CreateDevice(p.ctx, twin, bob.PasswordHash), "CreateDevice with the id of another account's")
	p.hasDevices(bob, twin)
	p.hasDevices(ada, phone)
	_, err := p.accounts.Device(p.ctx, bob.ID, p.device(ada).ID)
	p.fails(err, expense.ErrNotFound, "Device of another account")
	_, err = p.accounts.Device(p.ctx, ada.ID, uuid.New())
	p.fails(err, expense.ErrNotFound, "Device of an unknown id")
}

// checkDeviceCreateDuringChange signs in with the old password while the password changes. Afterwards no such device is
// signed in.
func checkDeviceCreateDuringChange(p *probe) {
	for round := range 10 {
		ada := p.account(fmt.Sprintf("ada%d@example.org", round))
		device, at := p.newDevice(ada), p.moment()
		p.together(2, func(i int) {
			if i == 0 {
				if err := p.accounts.SetPassword(p.ctx, ada.ID, ada.PasswordHash, "new", uuid.Nil, at); err != nil {
					p.note("SetPassword: %v", err)
				}
				return
			}
			if err := p.accounts.CreateDevice(p.ctx, device, ada.PasswordHash); err != nil {
				p.fails(err, expense.ErrStale, "CreateDevice while the password changes")
			}
		})
		devices, err := p.accounts.Devices(p.ctx, ada.ID)
		p.must(err, "Devices")
		for _, device := range devices {
			if !device.Ended() {
				p.stop("a device created with the old password is still signed in after SetPassword")
			}
		}
	}
}

func checkDeviceList(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	var want []accounts.Device
	for i := range 12 {
		device := p.device(ada)
		if i%3 == 0 {
			device = p.end(device)
		}
		want = append(want, device)
	}
	p.hasDevices(ada, want...)
	p.hasDevices(bob)
	p.hasDevices(accounts.Account{ID: uuid.New()})
}

func checkDeviceRotate(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	phone, laptop, other := p.device(ada), p.device(ada), p.device(bob)
	first := phone.Refresh.Current
	next := p.newDevice(ada)
	phone.Refresh, phone.SeenAt = next.Refresh, next.SeenAt
	p.must(p.accounts.RotateRefresh(p.ctx, ada.ID, phone.ID, first, next.Refresh, next.SeenAt), "RotateRefresh")
	p.hasDevices(ada, phone, laptop)

	third := p.newDevice(ada)
	rotate := func(account, device uuid.UUID, from accounts.SecretHash) error {
		return p.accounts.RotateRefresh(p.ctx, account, device, from, third.Refresh, third.SeenAt)
	}
	p.fails(rotate(ada.ID, phone.ID, first), expense.ErrStale, "RotateRefresh from the token before the current one")
	p.fails(rotate(ada.ID, phone.ID, phone.Refresh.Previous), expense.ErrStale, "RotateRefresh from the previous token")
	p.fails(rotate(ada.ID, phone.ID, accounts.SecretHash{}), expense.ErrStale, "RotateRefresh from no token")
	p.fails(rotate(ada.ID, phone.ID, laptop.Refresh.Current), expense.ErrStale,
		"RotateRefresh from another device's token")
	p.fails(rotate(bob.ID, phone.ID, phone.Refresh.Current), expense.ErrNotFound,
		"RotateRefresh of another account's device")
	p.fails(rotate(ada.ID, uuid.New(), phone.Refresh.Current), expense.ErrNotFound, "RotateRefresh of no device")
	p.hasDevices(ada, phone, laptop)
	p.hasDevices(bob, other)

	phone = p.end(phone)
	p.fails(rotate(ada.ID, phone.ID, phone.Refresh.Current), expense.ErrGone, "RotateRefresh of a device that has ended")
	p.hasDevices(ada, phone, laptop)
}

func checkDeviceRotateAtOnce(p *probe) {
	ada := p.account("ada@example.org")
	phone := p.device(ada)
	states := make([]accounts.Device, 8)
	for i := range states {
		states[i] = p.newDevice(ada)
	}
	errs := make([]error, len(states))
	p.together(len(errs), func(i int) {
		errs[i] = p.accounts.RotateRefresh(p.ctx, ada.ID, phone.ID, phone.Refresh.Current, states[i].Refresh,
			states[i].SeenAt)
	})
	p.oneOf(errs, expense.ErrStale, "RotateRefresh from one token")
	for i, err := range errs {
		if err == nil {
			phone.Refresh, phone.SeenAt = states[i].Refresh, states[i].SeenAt
			p.hasDevices(ada, phone)
		}
	}
}

func checkDeviceEnd(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	phone, laptop, other := p.device(ada), p.device(ada), p.device(bob)
	phone = p.end(phone)
	p.hasDevices(ada, phone, laptop)
	p.must(p.accounts.EndDevice(p.ctx, ada.ID, phone.ID, p.moment()), "EndDevice again")
	p.hasDevices(ada, phone, laptop)
	p.fails(p.accounts.EndDevice(p.ctx, bob.ID, laptop.ID, p.moment()), expense.ErrNotFound,
		"EndDevice of another account's device")
	p.fails(p.accounts.EndDevice(p.ctx, ada.ID, uuid.New(), p.moment()), expense.ErrNotFound, "EndDevice of no device")
	p.hasDevices(ada, phone, laptop)
	p.hasDevices(bob, other)
}

func checkDevicePurge(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	limit := epoch.Add(24 * time.Hour)
	// around creates a device that ended before the limit, one that ended at the limit, and one that is signed in. It
	// returns the last two.
	around := func(account accounts.Account) (at, live accounts.Device) {
		before, at, live := p.device(account), p.device(account), p.device(account)
		at.EndedAt = limit
		p.must(p.accounts.EndDevice(p.ctx, account.ID, before.ID, limit.Add(-time.Microsecond)), "EndDevice")
		p.must(p.accounts.EndDevice(p.ctx, account.ID, at.ID, at.EndedAt), "EndDevice")
		return at, live
	}
	expired, expiring := p.newDevice(ada), p.newDevice(ada)
	expired.Refresh.ExpiresAt, expiring.Refresh.ExpiresAt = limit.Add(-time.Microsecond), limit
	for _, device := range []accounts.Device{expired, expiring} {
		p.must(p.accounts.CreateDevice(p.ctx, device, ada.PasswordHash), "CreateDevice")
	}
	adaAt, adaLive := around(ada)
	bobAt, bobLive := around(bob)
	p.must(p.accounts.Purge(p.ctx, limit, epoch), "Purge")
	p.hasDevices(ada, expiring, adaAt, adaLive)
	p.hasDevices(bob, bobAt, bobLive)
	p.hasAccount(ada)
}

func (p *probe) newToken(account accounts.Account) accounts.Token {
	made := p.moment()
	return accounts.Token{
		ID: uuid.New(), Account: account.ID, Name: "Script d'" + account.Email, Scopes: uint8(1 + p.count%7),
		Secret:    p.hash(),
		CreatedAt: made, ExpiresAt: made.Add(90 * 24 * time.Hour),
	}
}

func (p *probe) token(account accounts.Account) accounts.Token {
	token := p.newToken(account)
	p.must(p.accounts.CreateToken(p.ctx, token), "CreateToken(%s)", token.ID)
	return token
}

func (p *probe) hasTokens(account accounts.Account, want ...accounts.Token) {
	slices.SortFunc(want, func(x, y accounts.Token) int { return slices.Compare(x.ID[:], y.ID[:]) })
	tokens, err := p.accounts.Tokens(p.ctx, account.ID)
	p.must(err, "Tokens")
	sameList(p, tokens, want, "Tokens")
	for _, token := range want {
		got, err := p.accounts.Token(p.ctx, account.ID, token.ID)
		p.must(err, "Token(%s)", token.ID)
		same(p, got, token, "Token(%s)", token.ID)
	}
}

func checkToken(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	p.hasTokens(ada)
	p.hasTokens(accounts.Account{ID: uuid.New()})
	first, second := p.token(ada), p.token(ada)
	used := p.newToken(ada)
	used.UsedAt, used.Scopes = p.moment(), 255
	p.must(p.accounts.CreateToken(p.ctx, used), "CreateToken of one that was used")
	p.hasTokens(ada, first, second, used)

	changed := first
	changed.Name, changed.Secret = "changed", p.hash()
	p.fails(p.accounts.CreateToken(p.ctx, changed), expense.ErrExists, "CreateToken of a taken id")
	p.fails(p.accounts.CreateToken(p.ctx, p.newToken(accounts.Account{ID: uuid.New()})), expense.ErrNotFound,
		"CreateToken of nobody")
	_, err := p.accounts.Token(p.ctx, bob.ID, first.ID)
	p.fails(err, expense.ErrNotFound, "Token of another account")
	_, err = p.accounts.Token(p.ctx, ada.ID, uuid.New())
	p.fails(err, expense.ErrNotFound, "Token of an unknown id")
	twin := first
	twin.Account = bob.ID
	p.must(p.accounts.CreateToken(p.ctx, twin), "CreateToken with the id of another account's")
	p.hasTokens(bob, twin)
	p.hasTokens(ada, first, second, used)
}

func checkTokenUse(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	token, other := p.token(ada), p.token(ada)
	for range 2 {
		token.UsedAt = p.moment()
		p.must(p.accounts.RecordTokenUse(p.ctx, ada.ID, token.ID, token.UsedAt), "RecordTokenUse")
		p.hasTokens(ada, token, other)
	}
	p.fails(p.accounts.RecordTokenUse(p.ctx, bob.ID, token.ID, p.moment()), expense.ErrNotFound,
		"RecordTokenUse of another account's")
	p.fails(p.accounts.RecordTokenUse(p.ctx, ada.ID, uuid.New(), p.moment()), expense.ErrNotFound,
		"RecordTokenUse of an unknown token")
	p.hasTokens(ada, token, other)
}

func checkTokenDelete(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	token, other, bobs := p.token(ada), p.token(ada), p.token(bob)
	p.fails(p.accounts.DeleteToken(p.ctx, bob.ID, token.ID), expense.ErrNotFound, "DeleteToken of another account's")
	p.must(p.accounts.DeleteToken(p.ctx, ada.ID, token.ID), "DeleteToken")
	p.hasTokens(ada, other)
	p.fails(p.accounts.DeleteToken(p.ctx, ada.ID, token.ID), expense.ErrNotFound, "DeleteToken again")
	p.must(p.accounts.DeleteAccount(p.ctx, ada.ID, p.moment()), "DeleteAccount")
	p.hasTokens(ada)
	p.hasTokens(bob, bobs)
}

func checkTokenPurge(p *probe) {
	ada, bob := p.account("ada@example.org"), p.account("bob@example.org")
	limit := epoch.Add(24 * time.Hour)
	expiring := func(account accounts.Account, at time.Time) accounts.Token {
		token := p.newToken(account)
		token.ExpiresAt = at
		p.must(p.accounts.CreateToken(p.ctx, token), "CreateToken")
		return token
	}
	for _, account := range []accounts.Account{ada, bob} {
		expiring(account, limit.Add(-time.Microsecond))
	}
	adas, bobs := expiring(ada, limit), expiring(bob, limit.Add(time.Hour))
	p.must(p.accounts.Purge(p.ctx, limit, epoch), "Purge")
	p.hasTokens(ada, adas)
	p.hasTokens(bob, bobs)
}

func checkFailures(p *probe) {
	ada, bob, zoe := p.hash(), p.hash(), p.hash()
	start, minute := p.moment(), time.Minute
	failed := func(count int, last time.Time) accounts.Failures { return accounts.Failures{Count: count, Last: last} }
	has := func(want map[accounts.SecretHash]accounts.Failures) {
		got, err := p.accounts.Failures(p.ctx, ada, bob, zoe)
		p.must(err, "Failures")
		same(p, len(got), len(want), "how many keys Failures returns")
		for key, failures := range want {
			same(p, got[key], failures, "Failures of one key")
		}
	}
	count := func(at, resetBefore time.Time, keys ...accounts.SecretHash) {
		p.must(p.accounts.RecordFailure(p.ctx, at, resetBefore, keys...), "RecordFailure")
	}
	has(nil)
	count(start, epoch, ada, bob)
	count(start.Add(minute), epoch, bob)
	has(map[accounts.SecretHash]accounts.Failures{ada: failed(1, start), bob: failed(2, start.Add(minute))})

	later := start.Add(2 * minute)
	count(later, start.Add(minute), bob, ada) // bob's last failure is at resetBefore, ada's is earlier
	has(map[accounts.SecretHash]accounts.Failures{ada: failed(1, later), bob: failed(3, later)})
	p.must(p.accounts.ClearFailures(p.ctx, bob), "ClearFailures")
	p.must(p.accounts.ClearFailures(p.ctx, bob), "ClearFailures again")
	has(map[accounts.SecretHash]accounts.Failures{ada: failed(1, later)})

	count(later.Add(minute), epoch, zoe)
	p.must(p.accounts.Purge(p.ctx, epoch, later), "Purge")
	has(map[accounts.SecretHash]accounts.Failures{ada: failed(1, later), zoe: failed(1, later.Add(minute))})
	p.must(p.accounts.Purge(p.ctx, epoch, later.Add(time.Microsecond)), "Purge")
	has(map[accounts.SecretHash]accounts.Failures{zoe: failed(1, later.Add(minute))})
}

func checkFailuresAtOnce(p *probe) {
	ada, bob, at := p.hash(), p.hash(), p.moment()
	p.together(8, func(i int) {
		keys := []accounts.SecretHash{ada, bob}
		if i%2 == 0 {
			slices.Reverse(keys)
		}
		if err := p.accounts.RecordFailure(p.ctx, at, epoch, keys...); err != nil {
			p.note("RecordFailure: %v", err)
		}
	})
	got, err := p.accounts.Failures(p.ctx, ada, bob)
	p.must(err, "Failures")
	same(p, got[ada], accounts.Failures{Count: 8, Last: at}, "Failures after 8 at once")
	same(p, got[bob], accounts.Failures{Count: 8, Last: at}, "Failures after 8 at once")
}

func (p *probe) key(serial int, stage accounts.KeyStage) accounts.SigningKey {
	made := p.moment()
	key := accounts.SigningKey{
		ID: uuid.New(), Serial: serial, Public: []byte{0, byte(serial)}, EncryptedPrivate: []byte{byte(serial), 0, 255},
		Stage:     stage,
		CreatedAt: made, StagedAt: made.Add(time.Second),
	}
	p.must(p.accounts.CreateSigningKey(p.ctx, key), "CreateSigningKey")
	return key
}

func checkKeyring(p *probe) {
	p.hasKeys()
	stages := []accounts.KeyStage{accounts.KeyPending, accounts.KeyActive, accounts.KeyRetired}
	var want []accounts.SigningKey
	for _, serial := range []int{5, 1, 12, 2, 3} {
		want = append(want, p.key(serial, stages[serial%3]))
	}
	slices.SortFunc(want, func(x, y accounts.SigningKey) int { return x.Serial - y.Serial })
	p.hasKeys(want...)
	twin := want[0]
	twin.Serial, twin.Public, twin.Stage = 100, []byte("another"), accounts.KeyRetired
	p.fails(p.accounts.CreateSigningKey(p.ctx, twin), expense.ErrExists, "CreateSigningKey of a taken id")
	twin = want[0]
	twin.ID = uuid.New()
	p.fails(p.accounts.CreateSigningKey(p.ctx, twin), expense.ErrExists, "CreateSigningKey of a taken serial")
	p.hasKeys(want...)

	p.fails(p.accounts.DeleteSigningKey(p.ctx, twin.ID), expense.ErrNotFound, "DeleteSigningKey of an unknown key")
	p.must(p.accounts.DeleteSigningKey(p.ctx, want[2].ID), "DeleteSigningKey")
	p.fails(p.accounts.DeleteSigningKey(p.ctx, want[2].ID), expense.ErrNotFound, "DeleteSigningKey again")
	p.hasKeys(slices.Delete(want, 2, 3)...)
}

func checkKeyAtOnce(p *probe) {
	errs := make([]error, 8)
	made := p.moment()
	p.together(len(errs), func(i int) {
		errs[i] = p.accounts.CreateSigningKey(p.ctx, accounts.SigningKey{
			ID: uuid.New(), Serial: 7, Public: []byte{byte(i)}, EncryptedPrivate: []byte{1}, Stage: accounts.KeyPending,
			CreatedAt: made, StagedAt: made,
		})
	})
	p.oneOf(errs, expense.ErrExists, "CreateSigningKey of one serial")
	keys, err := p.accounts.SigningKeys(p.ctx)
	p.must(err, "SigningKeys")
	if same(p, len(keys), 1, "how many keys there are"); len(keys) != 1 {
		return
	}
	at := p.moment()
	p.together(len(errs), func(i int) {
		errs[i] = p.accounts.SetSigningKeyStage(p.ctx, keys[0].ID, accounts.KeyPending, accounts.KeyActive,
			at.Add(time.Duration(i)*time.Second))
	})
	p.oneOf(errs, expense.ErrStale, "SetSigningKeyStage from one stage")
}

func checkKeyMove(p *probe) {
	first, second := p.key(1, accounts.KeyPending), p.key(2, accounts.KeyPending)
	for _, stage := range []accounts.KeyStage{accounts.KeyActive, accounts.KeyRetired} {
		from := first.Stage
		first.Stage, first.StagedAt = stage, p.moment()
		p.must(p.accounts.SetSigningKeyStage(p.ctx, first.ID, from, stage, first.StagedAt), "SetSigningKeyStage to %s", stage)
		p.hasKeys(first, second)
		p.fails(p.accounts.SetSigningKeyStage(p.ctx, first.ID, from, stage, p.moment()), expense.ErrStale,
			"SetSigningKeyStage again")
		p.hasKeys(first, second)
	}
	p.fails(p.accounts.SetSigningKeyStage(p.ctx, uuid.New(), accounts.KeyPending, accounts.KeyActive, p.moment()),
		expense.ErrNotFound, "SetSigningKeyStage of an unknown key")
}

func (p *probe) hasKeys(want ...accounts.SigningKey) {
	keys, err := p.accounts.SigningKeys(p.ctx)
	p.must(err, "SigningKeys")
	texts := func(keys []accounts.SigningKey) []string {
		list := make([]string, len(keys))
		for i, key := range keys {
			list[i] = fmt.Sprintf("%+v", key)
		}
		return list
	}
	sameList(p, texts(keys), texts(want), "SigningKeys")
}
