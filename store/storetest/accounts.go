package storetest

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// RunAccounts holds the store that open returns to every sentence of [store.Accounts], check by check, each as a subtest. open
// is called for each check, for a fresh and empty store; what is to be closed it leaves to t.Cleanup.
func RunAccounts(t *testing.T, open func(t *testing.T) store.Accounts) {
	t.Helper()
	for _, c := range accountChecks() {
		t.Run(c.name, func(t *testing.T) {
			failures, _ := c.against(t.Context(), open(t), patience)
			for _, failure := range failures {
				t.Error(failure)
			}
			if len(failures) > 0 {
				for _, sentence := range c.guards {
					t.Logf("this guards %s", sentence)
				}
			}
		})
	}
}

// An accountCheck is a check of a store of accounts.
type accountCheck struct {
	name   string
	guards []string
	run    func(d *desk)
}

func (c accountCheck) against(ctx context.Context, accounts store.Accounts, patience time.Duration) ([]string, bool) {
	run := func(p *probe) { c.run(&desk{probe: p, accounts: accounts}) }
	return check{name: c.name, guards: c.guards, run: run}.against(ctx, nil, patience)
}

// What the checks guard, as the interface has it.
const (
	sayCreateAccount  = "store.Accounts.CreateAccount: CreateAccount keeps a new account; ErrExists if its id is taken, or its e-mail address by EmailKey."
	sayAccount        = "store.Accounts.Account: Account returns one account; ErrNotFound if there is none."
	sayAccountByEmail = "store.Accounts.AccountByEmail: AccountByEmail returns the account whose e-mail address is the same by EmailKey; ErrNotFound if there is none."
	sayAccounts       = "store.Accounts.Accounts: Accounts yields every account, ordered by EmailKey byte by byte."
	sayAccountsError  = "store.Accounts.Accounts: An error is the last thing it yields."
	sayAccountsRows   = "store.Accounts.Accounts: No rows are open while it yields: the loop's body may use the store."
	sayRehash         = "store.Accounts.Rehash: Rehash replaces the hash of an account's password by another one of the same password; no device ends."
	sayRehashStale    = "store.Accounts.Rehash: ErrStale if from is not the hash that is kept, ErrNotFound if there is no account."
	saySetPassword    = "store.Accounts.SetPassword: SetPassword replaces the hash of an account's password and ends the account's devices at that time, all but keep (Nil: all of them)."
	saySetStale       = "store.Accounts.SetPassword: ErrStale if from is not the hash that is kept, ErrNotFound if there is no account."
	sayDeleteAccount  = "store.Accounts.DeleteAccount: DeleteAccount removes an account and its devices; its e-mail address is free again."
	sayDeleteNone     = "store.Accounts.DeleteAccount: ErrNotFound if there is none."
	sayCreateDevice   = "store.Accounts.CreateDevice: CreateDevice keeps a new device; ErrExists if the account has one of its id, ErrNotFound if there is no account, ErrStale if passwordHash is not what the account has: a password that changed meanwhile lets nobody in any more."
	sayDevice         = "store.Accounts.Device: Device returns one device of an account, an ended one too; ErrNotFound if the account has none of this id."
	sayDevices        = "store.Accounts.Devices: Devices returns all devices of an account, ended ones too, ordered by id; none where there is no account."
	sayRotate         = "store.Accounts.RotateRefresh: RotateRefresh replaces the refresh tokens of a device, and its SeenAt by seen."
	sayRotateStale    = "store.Accounts.RotateRefresh: ErrStale if from is not its current token: of two rotations from one token, one happens."
	sayRotateGone     = "store.Accounts.RotateRefresh: ErrNotFound if there is no device, ErrGone if it has ended."
	sayEndDevice      = "store.Accounts.EndDevice: EndDevice ends a device for good; one that has ended stays as it is."
	sayEndNone        = "store.Accounts.EndDevice: ErrNotFound if there is none."
	sayPurgeDevices   = "store.Accounts.PurgeDevices: PurgeDevices removes the devices, of all accounts, that ended or whose refresh tokens expired before that time."
	sayKeys           = "store.Accounts.Keys: Keys returns all signing keys, ordered by the time they were made, then by id."
	sayPutKey         = "store.Accounts.PutKey: PutKey keeps a new signing key; ErrExists if its id is taken."
)

func accountChecks() []accountCheck {
	return []accountCheck{
		{name: "account-create", guards: []string{sayCreateAccount, sayAccount}, run: checkAccountCreate},
		{name: "account-create-at-once", guards: []string{sayCreateAccount}, run: checkAccountCreateAtOnce},
		{name: "account-by-email", guards: []string{sayAccountByEmail}, run: checkAccountByEmail},
		{name: "account-list", guards: []string{sayAccounts, sayAccountsError, sayAccountsRows}, run: checkAccountList},
		{name: "account-list-long", guards: []string{sayAccounts}, run: checkAccountListLong},
		{name: "account-rehash", guards: []string{sayRehash, sayRehashStale}, run: checkAccountRehash},
		{name: "account-password", guards: []string{saySetPassword, saySetStale}, run: checkAccountPassword},
		{name: "account-delete", guards: []string{sayDeleteAccount, sayDeleteNone}, run: checkAccountDelete},
		{name: "device-create", guards: []string{sayCreateDevice, sayDevice}, run: checkDeviceCreate},
		{name: "device-create-while-password-changes", guards: []string{sayCreateDevice, saySetPassword}, run: checkDeviceCreateDuringChange},
		{name: "device-list", guards: []string{sayDevices}, run: checkDeviceList},
		{name: "device-rotate", guards: []string{sayRotate, sayRotateStale, sayRotateGone}, run: checkDeviceRotate},
		{name: "device-rotate-at-once", guards: []string{sayRotateStale}, run: checkDeviceRotateAtOnce},
		{name: "device-end", guards: []string{sayEndDevice, sayEndNone, sayDevice}, run: checkDeviceEnd},
		{name: "device-purge", guards: []string{sayPurgeDevices}, run: checkDevicePurge},
		{name: "key", guards: []string{sayKeys, sayPutKey}, run: checkKeyring},
	}
}

// A desk is a check of accounts at work.
type desk struct {
	*probe
	accounts store.Accounts
	count    int
}

// moment returns an instant, later each time.
func (d *desk) moment() time.Time {
	d.count++
	return epoch.Add(time.Duration(d.count) * 1001 * time.Microsecond)
}

func (d *desk) digest() (sum store.Digest) {
	d.count++
	copy(sum[:], fmt.Sprintf("%032d", d.count))
	return sum
}

// account makes an account, with a password whose hash nobody computed.
func (d *desk) account(email string) store.Account {
	account := store.Account{ID: uuid.New(), Email: email, PasswordHash: "hash of " + email, CreatedAt: d.moment()}
	d.must(d.accounts.CreateAccount(d.ctx, account), "CreateAccount(%q)", email)
	return account
}

func (d *desk) newDevice(account store.Account) store.Device {
	made := d.moment()
	return store.Device{
		ID: uuid.New(), Account: account.ID, Name: "Téléphone\nd'" + account.Email, CreatedAt: made, SeenAt: made.Add(time.Microsecond),
		Refresh: store.Refresh{
			Family: d.digest(), Current: d.digest(), Previous: d.digest(), Salt: d.digest(),
			RotatedAt: made, ExpiresAt: made.Add(30 * 24 * time.Hour),
		},
	}
}

// device makes a device of an account.
func (d *desk) device(account store.Account) store.Device {
	device := d.newDevice(account)
	d.must(d.accounts.CreateDevice(d.ctx, device, account.PasswordHash), "CreateDevice(%s)", device.ID)
	return device
}

// end ends a device and returns it as it is then.
func (d *desk) end(device store.Device) store.Device {
	device.EndedAt = d.moment()
	d.must(d.accounts.EndDevice(d.ctx, device.Account, device.ID, device.EndedAt), "EndDevice(%s)", device.ID)
	return device
}

// hasAccount notes unless the store has exactly this account under its id.
func (d *desk) hasAccount(want store.Account) {
	got, err := d.accounts.Account(d.ctx, want.ID)
	d.must(err, "Account(%s)", want.ID)
	same(d.probe, got, want, "Account(%s)", want.ID)
}

// hasDevices notes unless the store has exactly these devices, all of one account.
func (d *desk) hasDevices(account store.Account, want ...store.Device) {
	slices.SortFunc(want, func(x, y store.Device) int { return slices.Compare(x.ID[:], y.ID[:]) })
	got, err := d.accounts.Devices(d.ctx, account.ID)
	d.must(err, "Devices(%s)", account.ID)
	sameList(d.probe, got, want, "Devices(%s)", account.ID)
	for _, device := range want {
		got, err := d.accounts.Device(d.ctx, account.ID, device.ID)
		d.must(err, "Device(%s)", device.ID)
		same(d.probe, got, device, "Device(%s)", device.ID)
	}
}

func checkAccountCreate(d *desk) {
	ada := d.account("Ada@Example.org")
	d.hasAccount(ada)
	_, err := d.accounts.Account(d.ctx, uuid.New())
	d.fails(err, expense.ErrNotFound, "Account of an id that nobody has")

	for _, email := range []string{"Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG"} {
		twin := store.Account{ID: uuid.New(), Email: email, PasswordHash: "x", CreatedAt: epoch}
		d.fails(d.accounts.CreateAccount(d.ctx, twin), expense.ErrExists, "CreateAccount(%q) beside %q", email, ada.Email)
		_, err := d.accounts.Account(d.ctx, twin.ID)
		d.fails(err, expense.ErrNotFound, "Account that could not be created")
	}
	zoe := d.account("zoe\u0308@example.org") // decomposed
	twin := store.Account{ID: uuid.New(), Email: "ZO\u00cb@example.org", PasswordHash: "x", CreatedAt: epoch}
	d.fails(d.accounts.CreateAccount(d.ctx, twin), expense.ErrExists, "CreateAccount(%q) beside %q", twin.Email, zoe.Email)

	again := store.Account{ID: ada.ID, Email: "new@example.org", PasswordHash: "x", CreatedAt: epoch}
	d.fails(d.accounts.CreateAccount(d.ctx, again), expense.ErrExists, "CreateAccount of an id that is taken")
	d.hasAccount(ada)
	d.account(again.Email) // the refused account took no address
}

func checkAccountCreateAtOnce(d *desk) {
	errs := make([]error, 8)
	d.together(len(errs), func(i int) {
		errs[i] = d.accounts.CreateAccount(d.ctx, store.Account{
			ID: uuid.New(), Email: "ada@example.org", PasswordHash: fmt.Sprint(i), CreatedAt: epoch,
		})
	})
	d.oneOf(errs, expense.ErrExists, "CreateAccount of one e-mail address")
}

// oneOf notes unless one of several at once succeeded and the others failed as they should.
func (d *desk) oneOf(errs []error, want error, doing string) {
	succeeded := 0
	for _, err := range errs {
		if err == nil {
			succeeded++
			continue
		}
		d.fails(err, want, "%s, %d times at once", doing, len(errs))
	}
	same(d.probe, succeeded, 1, "%s, %d times at once: how many succeeded", doing, len(errs))
}

func checkAccountByEmail(d *desk) {
	ada, zoe := d.account("Ada@Example.org"), d.account("zo\u00eb@example.org")
	for email, want := range map[string]store.Account{
		"Ada@Example.org": ada, "ada@example.org": ada, "ADA@EXAMPLE.ORG": ada,
		"zo\u00eb@example.org": zoe, "zoe\u0308@example.org": zoe, "ZO\u00cb@EXAMPLE.ORG": zoe,
	} {
		got, err := d.accounts.AccountByEmail(d.ctx, email)
		d.must(err, "AccountByEmail(%q)", email)
		same(d.probe, got, want, "AccountByEmail(%q)", email)
	}
	for _, email := range []string{"", "bob@example.org", "ada", "ada_@example.org", "%", "ada@example.org\x00", "\xff"} {
		_, err := d.accounts.AccountByEmail(d.ctx, email)
		d.fails(err, expense.ErrNotFound, "AccountByEmail(%q)", email)
	}
}

func checkAccountList(d *desk) {
	var want []store.Account
	for i := range 20 {
		// Upper case, digits, '-', '_' and letters beyond ASCII come in an order that depends on who compares.
		want = append(want, d.account(fmt.Sprintf("%c%d@example.org", []rune("B-a_é0Z")[i%7], i)))
	}
	slices.SortFunc(want, func(x, y store.Account) int {
		return strings.Compare(store.EmailKey(x.Email), store.EmailKey(y.Email))
	})
	sameList(d.probe, all(d.probe, d.accounts.Accounts(d.ctx), "Accounts"), want, "Accounts")

	for account, err := range d.accounts.Accounts(d.ctx) {
		d.must(err, "Accounts")
		d.hasAccount(account)
		d.must(d.accounts.Rehash(d.ctx, account.ID, account.PasswordHash, account.PasswordHash+"'"), "Rehash within Accounts")
		break
	}
	cancelled, cancel := context.WithCancel(d.ctx)
	cancel()
	d.errorLast(d.accounts.Accounts(cancelled))
}

// checkAccountListLong lists more accounts than a store reads at once.
func checkAccountListLong(d *desk) {
	const makers, each = 10, 105
	d.together(makers, func(maker int) {
		for i := range each {
			email := fmt.Sprintf("%d-%d@example.org", i, maker)
			if err := d.accounts.CreateAccount(d.ctx, store.Account{ID: uuid.New(), Email: email, PasswordHash: "x", CreatedAt: epoch}); err != nil {
				d.note("CreateAccount(%q): %v", email, err)
				return
			}
		}
	})
	list := all(d.probe, d.accounts.Accounts(d.ctx), "Accounts")
	same(d.probe, len(list), makers*each, "how many Accounts yields")
	for i := 1; i < len(list); i++ {
		if before, after := store.EmailKey(list[i-1].Email), store.EmailKey(list[i].Email); before >= after {
			d.stop("Accounts yields %q before %q", before, after)
		}
	}
}

func (d *desk) errorLast(rows iter.Seq2[store.Account, error]) {
	var failed error
	for _, err := range rows {
		if failed != nil {
			d.stop("Accounts yields on after the error %v", failed)
		}
		failed = err
	}
}

func checkAccountRehash(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	phone := d.device(ada)
	old := ada.PasswordHash
	ada.PasswordHash = "another hash"
	d.must(d.accounts.Rehash(d.ctx, ada.ID, old, ada.PasswordHash), "Rehash")
	d.hasAccount(ada)
	d.fails(d.accounts.Rehash(d.ctx, ada.ID, old, "third"), expense.ErrStale, "Rehash from a hash that was replaced")
	d.fails(d.accounts.Rehash(d.ctx, uuid.New(), old, "third"), expense.ErrNotFound, "Rehash where there is no account")
	d.hasAccount(ada)
	d.hasAccount(bob)
	d.hasDevices(ada, phone)
}

func checkAccountPassword(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	phone, laptop, ended, other := d.device(ada), d.device(ada), d.end(d.device(ada)), d.device(bob)

	d.fails(d.accounts.SetPassword(d.ctx, ada.ID, "no", "new", uuid.Nil, d.moment()), expense.ErrStale, "SetPassword from another hash")
	d.fails(d.accounts.SetPassword(d.ctx, uuid.New(), "no", "new", uuid.Nil, d.moment()), expense.ErrNotFound, "SetPassword of nobody")
	d.hasAccount(ada)
	d.hasDevices(ada, phone, laptop, ended)

	old := ada.PasswordHash
	ada.PasswordHash, phone.EndedAt = "new", d.moment()
	d.must(d.accounts.SetPassword(d.ctx, ada.ID, old, "new", laptop.ID, phone.EndedAt), "SetPassword that keeps a device")
	d.hasAccount(ada)
	d.hasDevices(ada, phone, laptop, ended)

	ada.PasswordHash, laptop.EndedAt = "newer", d.moment()
	d.must(d.accounts.SetPassword(d.ctx, ada.ID, "new", "newer", uuid.Nil, laptop.EndedAt), "SetPassword that keeps none")
	d.hasAccount(ada)
	d.hasDevices(ada, phone, laptop, ended)
	d.hasAccount(bob)
	d.hasDevices(bob, other)
}

func checkAccountDelete(d *desk) {
	ada, bob := d.account("Ada@example.org"), d.account("bob@example.org")
	phone, other := d.device(ada), d.device(bob)
	d.must(d.accounts.DeleteAccount(d.ctx, ada.ID), "DeleteAccount")
	_, err := d.accounts.Account(d.ctx, ada.ID)
	d.fails(err, expense.ErrNotFound, "Account after DeleteAccount")
	_, err = d.accounts.AccountByEmail(d.ctx, ada.Email)
	d.fails(err, expense.ErrNotFound, "AccountByEmail after DeleteAccount")
	_, err = d.accounts.Device(d.ctx, ada.ID, phone.ID)
	d.fails(err, expense.ErrNotFound, "Device after DeleteAccount")
	d.hasDevices(ada)
	sameList(d.probe, all(d.probe, d.accounts.Accounts(d.ctx), "Accounts"), []store.Account{bob}, "Accounts after DeleteAccount")
	d.hasDevices(bob, other)
	d.fails(d.accounts.DeleteAccount(d.ctx, ada.ID), expense.ErrNotFound, "DeleteAccount again")

	again := d.account("ada@example.org")
	d.hasAccount(again)
	d.hasDevices(again)
}

func checkDeviceCreate(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	phone := d.device(ada)
	d.hasDevices(ada, phone)

	d.fails(d.accounts.CreateDevice(d.ctx, phone, ada.PasswordHash), expense.ErrExists, "CreateDevice again")
	changed := phone
	changed.Name, changed.Refresh.Current = "changed", d.digest()
	d.fails(d.accounts.CreateDevice(d.ctx, changed, ada.PasswordHash), expense.ErrExists, "CreateDevice of a taken id")
	stranger := d.newDevice(store.Account{ID: uuid.New()})
	d.fails(d.accounts.CreateDevice(d.ctx, stranger, ada.PasswordHash), expense.ErrNotFound, "CreateDevice of an account that is not there")
	d.fails(d.accounts.CreateDevice(d.ctx, d.newDevice(ada), "old hash"), expense.ErrStale, "CreateDevice with a password that changed")
	d.hasDevices(ada, phone)

	twin := phone
	twin.Account = bob.ID
	d.must(d.accounts.CreateDevice(d.ctx, twin, bob.PasswordHash), "CreateDevice with the id of another account's")
	d.hasDevices(bob, twin)
	d.hasDevices(ada, phone)
	_, err := d.accounts.Device(d.ctx, bob.ID, d.device(ada).ID)
	d.fails(err, expense.ErrNotFound, "Device of another account")
	_, err = d.accounts.Device(d.ctx, ada.ID, uuid.New())
	d.fails(err, expense.ErrNotFound, "Device of an id that there is not")
}

// checkDeviceCreateDuringChange signs in while the password changes: whoever knows the old one only is not in afterwards.
func checkDeviceCreateDuringChange(d *desk) {
	for round := range 10 {
		ada := d.account(fmt.Sprintf("ada%d@example.org", round))
		device, at := d.newDevice(ada), d.moment()
		d.together(2, func(i int) {
			if i == 0 {
				if err := d.accounts.SetPassword(d.ctx, ada.ID, ada.PasswordHash, "new", uuid.Nil, at); err != nil {
					d.note("SetPassword: %v", err)
				}
				return
			}
			if err := d.accounts.CreateDevice(d.ctx, device, ada.PasswordHash); err != nil {
				d.fails(err, expense.ErrStale, "CreateDevice while the password changes")
			}
		})
		devices, err := d.accounts.Devices(d.ctx, ada.ID)
		d.must(err, "Devices")
		for _, device := range devices {
			if !device.Ended() {
				d.stop("a device that was made with the old password lives on after SetPassword")
			}
		}
	}
}

func checkDeviceList(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	var want []store.Device
	for i := range 12 {
		device := d.device(ada)
		if i%3 == 0 {
			device = d.end(device)
		}
		want = append(want, device)
	}
	d.hasDevices(ada, want...)
	d.hasDevices(bob)
	d.hasDevices(store.Account{ID: uuid.New()})
}

func checkDeviceRotate(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	phone, laptop, other := d.device(ada), d.device(ada), d.device(bob)
	first := phone.Refresh.Current
	next := d.newDevice(ada)
	phone.Refresh, phone.SeenAt = next.Refresh, next.SeenAt
	d.must(d.accounts.RotateRefresh(d.ctx, ada.ID, phone.ID, first, next.Refresh, next.SeenAt), "RotateRefresh")
	d.hasDevices(ada, phone, laptop)

	third := d.newDevice(ada)
	rotate := func(account, device uuid.UUID, from store.Digest) error {
		return d.accounts.RotateRefresh(d.ctx, account, device, from, third.Refresh, third.SeenAt)
	}
	d.fails(rotate(ada.ID, phone.ID, first), expense.ErrStale, "RotateRefresh from the token before the current one")
	d.fails(rotate(ada.ID, phone.ID, phone.Refresh.Previous), expense.ErrStale, "RotateRefresh from the previous token")
	d.fails(rotate(ada.ID, phone.ID, store.Digest{}), expense.ErrStale, "RotateRefresh from no token")
	d.fails(rotate(ada.ID, phone.ID, laptop.Refresh.Current), expense.ErrStale, "RotateRefresh from another device's token")
	d.fails(rotate(bob.ID, phone.ID, phone.Refresh.Current), expense.ErrNotFound, "RotateRefresh of another account's device")
	d.fails(rotate(ada.ID, uuid.New(), phone.Refresh.Current), expense.ErrNotFound, "RotateRefresh of no device")
	d.hasDevices(ada, phone, laptop)
	d.hasDevices(bob, other)

	phone = d.end(phone)
	d.fails(rotate(ada.ID, phone.ID, phone.Refresh.Current), expense.ErrGone, "RotateRefresh of a device that has ended")
	d.hasDevices(ada, phone, laptop)
}

func checkDeviceRotateAtOnce(d *desk) {
	ada := d.account("ada@example.org")
	phone := d.device(ada)
	states := make([]store.Device, 8)
	for i := range states {
		states[i] = d.newDevice(ada)
	}
	errs := make([]error, len(states))
	d.together(len(errs), func(i int) {
		errs[i] = d.accounts.RotateRefresh(d.ctx, ada.ID, phone.ID, phone.Refresh.Current, states[i].Refresh, states[i].SeenAt)
	})
	d.oneOf(errs, expense.ErrStale, "RotateRefresh from one token")
	for i, err := range errs {
		if err == nil {
			phone.Refresh, phone.SeenAt = states[i].Refresh, states[i].SeenAt
			d.hasDevices(ada, phone)
		}
	}
}

func checkDeviceEnd(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	phone, laptop, other := d.device(ada), d.device(ada), d.device(bob)
	phone = d.end(phone)
	d.hasDevices(ada, phone, laptop)
	d.must(d.accounts.EndDevice(d.ctx, ada.ID, phone.ID, d.moment()), "EndDevice again")
	d.hasDevices(ada, phone, laptop)
	d.fails(d.accounts.EndDevice(d.ctx, bob.ID, laptop.ID, d.moment()), expense.ErrNotFound, "EndDevice of another account's device")
	d.fails(d.accounts.EndDevice(d.ctx, ada.ID, uuid.New(), d.moment()), expense.ErrNotFound, "EndDevice of no device")
	d.hasDevices(ada, phone, laptop)
	d.hasDevices(bob, other)
}

func checkDevicePurge(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	limit := epoch.Add(24 * time.Hour)
	// around makes a device that ended before the limit, which is to go, one that ended at it, and one that lives.
	around := func(account store.Account) (at, live store.Device) {
		before, at, live := d.device(account), d.device(account), d.device(account)
		at.EndedAt = limit
		d.must(d.accounts.EndDevice(d.ctx, account.ID, before.ID, limit.Add(-time.Microsecond)), "EndDevice")
		d.must(d.accounts.EndDevice(d.ctx, account.ID, at.ID, at.EndedAt), "EndDevice")
		return at, live
	}
	expired, expiring := d.newDevice(ada), d.newDevice(ada)
	expired.Refresh.ExpiresAt, expiring.Refresh.ExpiresAt = limit.Add(-time.Microsecond), limit
	for _, device := range []store.Device{expired, expiring} {
		d.must(d.accounts.CreateDevice(d.ctx, device, ada.PasswordHash), "CreateDevice")
	}
	adaAt, adaLive := around(ada)
	bobAt, bobLive := around(bob)
	d.must(d.accounts.PurgeDevices(d.ctx, limit), "PurgeDevices")
	d.hasDevices(ada, expiring, adaAt, adaLive)
	d.hasDevices(bob, bobAt, bobLive)
	d.hasAccount(ada)
}

func checkKeyring(d *desk) {
	d.hasKeys()
	var want []store.Key
	for i := range 6 {
		key := store.Key{
			ID: uuid.New(), Public: []byte{0, byte(i)}, Sealed: []byte{byte(i), 0, 255},
			Stage: []store.KeyStage{store.KeyPending, store.KeyActive, store.KeyRetired}[i%3], CreatedAt: epoch.Add(-time.Duration(i/2) * time.Hour),
		}
		d.must(d.accounts.PutKey(d.ctx, key), "PutKey")
		want = append(want, key)
	}
	slices.SortFunc(want, func(x, y store.Key) int {
		if order := x.CreatedAt.Compare(y.CreatedAt); order != 0 {
			return order
		}
		return slices.Compare(x.ID[:], y.ID[:])
	})
	d.hasKeys(want...)
	twin := want[0]
	twin.Public, twin.Stage = []byte("another"), store.KeyRetired
	d.fails(d.accounts.PutKey(d.ctx, twin), expense.ErrExists, "PutKey of a taken id")
	d.hasKeys(want...)
}

func (d *desk) hasKeys(want ...store.Key) {
	keys, err := d.accounts.Keys(d.ctx)
	d.must(err, "Keys")
	texts := func(keys []store.Key) []string {
		list := make([]string, len(keys))
		for i, key := range keys {
			list[i] = fmt.Sprintf("%+v", key)
		}
		return list
	}
	sameList(d.probe, texts(keys), texts(want), "Keys")
}
