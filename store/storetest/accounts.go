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
	sayRehash         = "store.Accounts.RehashPassword: Rehash replaces the hash of an account's password by another one of the same password; no device ends."
	sayRehashStale    = "store.Accounts.RehashPassword: ErrStale if from is not the hash that is kept, ErrNotFound if there is no account."
	saySetPassword    = "store.Accounts.SetPassword: SetPassword replaces the hash of an account's password and ends the account's devices at that time, all but keep (Nil: all of them)."
	saySetStale       = "store.Accounts.SetPassword: ErrStale if from is not the hash that is kept, ErrNotFound if there is no account."
	saySetEmail       = "store.Accounts.SetEmail: SetEmail gives an account another e-mail address; the old one is free again."
	saySetEmailStale  = "store.Accounts.SetEmail: ErrStale if passwordHash is not what the account has, ErrExists if another account has the address by EmailKey, ErrNotFound if there is no account."
	sayDeleteAccount  = "store.Accounts.DeleteAccount: DeleteAccount removes an account with its devices and personal tokens, and keeps an Erasure begun at that time; its e-mail address is free again."
	sayDeleteNone     = "store.Accounts.DeleteAccount: ErrNotFound if there is none."
	sayErasures       = "store.Accounts.Erasures: Erasures returns the erasures that were not ended, ordered by account."
	sayEndErasure     = "store.Accounts.EndErasure: EndErasure forgets an erasure; that there is none is no error."
	sayCreateDevice   = "store.Accounts.CreateDevice: CreateDevice keeps a new device; ErrExists if the account has one of its id, ErrNotFound if there is no account, ErrStale if passwordHash is not what the account has: a password that changed meanwhile lets nobody in any more."
	sayDevice         = "store.Accounts.Device: Device returns one device of an account, an ended one too; ErrNotFound if the account has none of this id."
	sayDevices        = "store.Accounts.Devices: Devices returns all devices of an account, ended ones too, ordered by id; none where there is no account."
	sayRotate         = "store.Accounts.RotateRefresh: RotateRefresh replaces the refresh tokens of a device, and its SeenAt by seen."
	sayRotateStale    = "store.Accounts.RotateRefresh: ErrStale if from is not its current token: of two rotations from one token, one happens."
	sayRotateGone     = "store.Accounts.RotateRefresh: ErrNotFound if there is no device, ErrGone if it has ended."
	sayEndDevice      = "store.Accounts.EndDevice: EndDevice ends a device for good; one that has ended stays as it is."
	sayEndNone        = "store.Accounts.EndDevice: ErrNotFound if there is none."
	sayCreateToken    = "store.Accounts.CreateToken: CreateToken keeps a new personal token; ErrExists if the account has one of its id, ErrNotFound if there is no account."
	sayToken          = "store.Accounts.Token: Token returns one personal token of an account, an expired one too; ErrNotFound if the account has none of this id."
	sayTokens         = "store.Accounts.Tokens: Tokens returns all personal tokens of an account, expired ones too, ordered by id; none where there is no account."
	sayUseToken       = "store.Accounts.RecordTokenUse: UseToken notes when a personal token was used last."
	sayUseTokenNone   = "store.Accounts.RecordTokenUse: ErrNotFound if there is none."
	sayDeleteToken    = "store.Accounts.DeleteToken: DeleteToken removes a personal token."
	sayNoToken        = "store.Accounts.DeleteToken: ErrNotFound if there is none."
	sayFailures       = "store.Accounts.Failures: Failures returns what was counted under each of the keys; one under which nothing was counted is left out."
	sayCountFailure   = "store.Accounts.RecordFailure: CountFailure counts one more failure, at that time, under each of the keys, none of which is given twice."
	sayCountQuiet     = "store.Accounts.RecordFailure: What was counted before is forgotten if the last failure was before quiet."
	sayForgetFailures = "store.Accounts.ClearFailures: ForgetFailures forgets what was counted under a key; that there is nothing is no error."
	sayPurgeAccounts  = "store.Accounts.Purge: Purge removes, of all accounts, the devices that ended or whose refresh tokens expired before that time, and the personal tokens that expired before it."
	sayPurgeFailures  = "store.Accounts.Purge: It forgets the failures whose last was before quiet."
	sayKeys           = "store.Accounts.SigningKeys: Keys returns all signing keys, ordered by serial."
	sayPutKey         = "store.Accounts.CreateSigningKey: PutKey keeps a new signing key; ErrExists if its id or its serial is taken: of two that follow one key, one is kept."
	sayMoveKey        = "store.Accounts.SetSigningKeyStage: MoveKey moves a signing key from one stage to another."
	sayMoveKeyStale   = "store.Accounts.SetSigningKeyStage: ErrStale if it is not at from: of two moves from one stage, one happens."
	sayMoveKeyNone    = "store.Accounts.SetSigningKeyStage: ErrNotFound if there is none."
	sayDeleteKey      = "store.Accounts.DeleteSigningKey: DeleteKey removes a signing key."
	sayDeleteKeyNone  = "store.Accounts.DeleteSigningKey: ErrNotFound if there is none."
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
		{name: "account-email", guards: []string{saySetEmail, saySetEmailStale}, run: checkAccountEmail},
		{name: "account-email-at-once", guards: []string{saySetEmailStale}, run: checkAccountEmailAtOnce},
		{name: "account-delete", guards: []string{sayDeleteAccount, sayDeleteNone}, run: checkAccountDelete},
		{name: "account-erasure", guards: []string{sayDeleteAccount, sayErasures, sayEndErasure}, run: checkAccountErasure},
		{name: "device-create", guards: []string{sayCreateDevice, sayDevice}, run: checkDeviceCreate},
		{name: "device-create-while-password-changes", guards: []string{sayCreateDevice, saySetPassword}, run: checkDeviceCreateDuringChange},
		{name: "device-list", guards: []string{sayDevices}, run: checkDeviceList},
		{name: "device-rotate", guards: []string{sayRotate, sayRotateStale, sayRotateGone}, run: checkDeviceRotate},
		{name: "device-rotate-at-once", guards: []string{sayRotateStale}, run: checkDeviceRotateAtOnce},
		{name: "device-end", guards: []string{sayEndDevice, sayEndNone, sayDevice}, run: checkDeviceEnd},
		{name: "device-purge", guards: []string{sayPurgeAccounts}, run: checkDevicePurge},
		{name: "token", guards: []string{sayCreateToken, sayToken, sayTokens}, run: checkToken},
		{name: "token-use", guards: []string{sayUseToken, sayUseTokenNone}, run: checkTokenUse},
		{name: "token-delete", guards: []string{sayDeleteToken, sayNoToken, sayDeleteAccount}, run: checkTokenDelete},
		{name: "token-purge", guards: []string{sayPurgeAccounts}, run: checkTokenPurge},
		{name: "failure", guards: []string{sayFailures, sayCountFailure, sayCountQuiet, sayForgetFailures, sayPurgeFailures}, run: checkFailures},
		{name: "failure-at-once", guards: []string{sayCountFailure}, run: checkFailuresAtOnce},
		{name: "key", guards: []string{sayKeys, sayPutKey, sayDeleteKey, sayDeleteKeyNone}, run: checkKeyring},
		{name: "key-at-once", guards: []string{sayPutKey, sayMoveKeyStale}, run: checkKeyAtOnce},
		{name: "key-move", guards: []string{sayMoveKey, sayMoveKeyStale, sayMoveKeyNone}, run: checkKeyMove},
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

func (d *desk) digest() (sum store.SecretHash) {
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
		Refresh: store.RefreshTokens{
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
		d.must(d.accounts.RehashPassword(d.ctx, account.ID, account.PasswordHash, account.PasswordHash+"'"), "Rehash within Accounts")
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
	d.must(d.accounts.RehashPassword(d.ctx, ada.ID, old, ada.PasswordHash), "Rehash")
	d.hasAccount(ada)
	d.fails(d.accounts.RehashPassword(d.ctx, ada.ID, old, "third"), expense.ErrStale, "Rehash from a hash that was replaced")
	d.fails(d.accounts.RehashPassword(d.ctx, uuid.New(), old, "third"), expense.ErrNotFound, "Rehash where there is no account")
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
	d.must(d.accounts.DeleteAccount(d.ctx, ada.ID, d.moment()), "DeleteAccount")
	_, err := d.accounts.Account(d.ctx, ada.ID)
	d.fails(err, expense.ErrNotFound, "Account after DeleteAccount")
	_, err = d.accounts.AccountByEmail(d.ctx, ada.Email)
	d.fails(err, expense.ErrNotFound, "AccountByEmail after DeleteAccount")
	_, err = d.accounts.Device(d.ctx, ada.ID, phone.ID)
	d.fails(err, expense.ErrNotFound, "Device after DeleteAccount")
	d.hasDevices(ada)
	sameList(d.probe, all(d.probe, d.accounts.Accounts(d.ctx), "Accounts"), []store.Account{bob}, "Accounts after DeleteAccount")
	d.hasDevices(bob, other)
	d.fails(d.accounts.DeleteAccount(d.ctx, ada.ID, d.moment()), expense.ErrNotFound, "DeleteAccount again")

	again := d.account("ada@example.org")
	d.hasAccount(again)
	d.hasDevices(again)
}

func checkAccountEmail(d *desk) {
	ada, bob := d.account("Ada@example.org"), d.account("bob@example.org")
	phone := d.device(ada)
	d.fails(d.accounts.SetEmail(d.ctx, ada.ID, "old hash", "new@example.org"), expense.ErrStale, "SetEmail with a password that changed")
	d.fails(d.accounts.SetEmail(d.ctx, uuid.New(), "x", "new@example.org"), expense.ErrNotFound, "SetEmail of nobody")
	d.fails(d.accounts.SetEmail(d.ctx, ada.ID, ada.PasswordHash, "BOB@example.org"), expense.ErrExists, "SetEmail to a taken address")
	d.hasAccount(ada)
	d.hasAccount(bob)

	for _, email := range []string{"new@Example.org", "NEW@example.org", "zo\u00eb@example.org"} {
		ada.Email = email
		d.must(d.accounts.SetEmail(d.ctx, ada.ID, ada.PasswordHash, email), "SetEmail(%q)", email)
		d.hasAccount(ada)
		got, err := d.accounts.AccountByEmail(d.ctx, email)
		d.must(err, "AccountByEmail(%q)", email)
		same(d.probe, got, ada, "AccountByEmail(%q)", email)
	}
	d.hasDevices(ada, phone)
	_, err := d.accounts.AccountByEmail(d.ctx, "new@example.org")
	d.fails(err, expense.ErrNotFound, "AccountByEmail of the address that was left")
	d.account("ada@example.org") // both addresses that were left are free
	d.account("new@example.org")
	d.must(d.accounts.DeleteAccount(d.ctx, ada.ID, d.moment()), "DeleteAccount")
	d.account(ada.Email)
}

func checkAccountEmailAtOnce(d *desk) {
	people := make([]store.Account, 8)
	for i := range people {
		people[i] = d.account(fmt.Sprintf("%d@example.org", i))
	}
	errs := make([]error, len(people))
	d.together(len(errs), func(i int) {
		errs[i] = d.accounts.SetEmail(d.ctx, people[i].ID, people[i].PasswordHash, "best@example.org")
	})
	d.oneOf(errs, expense.ErrExists, "SetEmail to one address")
}

func checkAccountErasure(d *desk) {
	d.hasErasures()
	ada, bob, zoe := d.account("ada@example.org"), d.account("bob@example.org"), d.account("zoe@example.org")
	var want []store.Erasure
	for _, gone := range []store.Account{zoe, ada} {
		erasure := store.Erasure{Account: gone.ID, At: d.moment()}
		d.must(d.accounts.DeleteAccount(d.ctx, gone.ID, erasure.At), "DeleteAccount")
		want = append(want, erasure)
	}
	slices.SortFunc(want, func(x, y store.Erasure) int { return slices.Compare(x.Account[:], y.Account[:]) })
	d.hasErasures(want...)
	d.must(d.accounts.EndErasure(d.ctx, want[0].Account), "EndErasure")
	d.hasErasures(want[1])
	d.must(d.accounts.EndErasure(d.ctx, want[0].Account), "EndErasure again")
	d.must(d.accounts.EndErasure(d.ctx, bob.ID), "EndErasure of an account that lives")
	d.hasErasures(want[1])
	d.hasAccount(bob)
}

func (d *desk) hasErasures(want ...store.Erasure) {
	erasures, err := d.accounts.Erasures(d.ctx)
	d.must(err, "Erasures")
	sameList(d.probe, erasures, want, "Erasures")
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
	rotate := func(account, device uuid.UUID, from store.SecretHash) error {
		return d.accounts.RotateRefresh(d.ctx, account, device, from, third.Refresh, third.SeenAt)
	}
	d.fails(rotate(ada.ID, phone.ID, first), expense.ErrStale, "RotateRefresh from the token before the current one")
	d.fails(rotate(ada.ID, phone.ID, phone.Refresh.Previous), expense.ErrStale, "RotateRefresh from the previous token")
	d.fails(rotate(ada.ID, phone.ID, store.SecretHash{}), expense.ErrStale, "RotateRefresh from no token")
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
	d.must(d.accounts.Purge(d.ctx, limit, epoch), "Purge")
	d.hasDevices(ada, expiring, adaAt, adaLive)
	d.hasDevices(bob, bobAt, bobLive)
	d.hasAccount(ada)
}

func (d *desk) newToken(account store.Account) store.Token {
	made := d.moment()
	return store.Token{
		ID: uuid.New(), Account: account.ID, Name: "Script d'" + account.Email, Scopes: uint8(1 + d.count%7), Secret: d.digest(),
		CreatedAt: made, ExpiresAt: made.Add(90 * 24 * time.Hour),
	}
}

// token makes a personal token of an account.
func (d *desk) token(account store.Account) store.Token {
	token := d.newToken(account)
	d.must(d.accounts.CreateToken(d.ctx, token), "CreateToken(%s)", token.ID)
	return token
}

func (d *desk) hasTokens(account store.Account, want ...store.Token) {
	slices.SortFunc(want, func(x, y store.Token) int { return slices.Compare(x.ID[:], y.ID[:]) })
	tokens, err := d.accounts.Tokens(d.ctx, account.ID)
	d.must(err, "Tokens")
	sameList(d.probe, tokens, want, "Tokens")
	for _, token := range want {
		got, err := d.accounts.Token(d.ctx, account.ID, token.ID)
		d.must(err, "Token(%s)", token.ID)
		same(d.probe, got, token, "Token(%s)", token.ID)
	}
}

func checkToken(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	d.hasTokens(ada)
	d.hasTokens(store.Account{ID: uuid.New()})
	first, second := d.token(ada), d.token(ada)
	used := d.newToken(ada)
	used.UsedAt, used.Scopes = d.moment(), 255
	d.must(d.accounts.CreateToken(d.ctx, used), "CreateToken of one that was used")
	d.hasTokens(ada, first, second, used)

	changed := first
	changed.Name, changed.Secret = "changed", d.digest()
	d.fails(d.accounts.CreateToken(d.ctx, changed), expense.ErrExists, "CreateToken of a taken id")
	d.fails(d.accounts.CreateToken(d.ctx, d.newToken(store.Account{ID: uuid.New()})), expense.ErrNotFound, "CreateToken of nobody")
	_, err := d.accounts.Token(d.ctx, bob.ID, first.ID)
	d.fails(err, expense.ErrNotFound, "Token of another account")
	_, err = d.accounts.Token(d.ctx, ada.ID, uuid.New())
	d.fails(err, expense.ErrNotFound, "Token of an id that there is not")
	twin := first
	twin.Account = bob.ID
	d.must(d.accounts.CreateToken(d.ctx, twin), "CreateToken with the id of another account's")
	d.hasTokens(bob, twin)
	d.hasTokens(ada, first, second, used)
}

func checkTokenUse(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	token, other := d.token(ada), d.token(ada)
	for range 2 {
		token.UsedAt = d.moment()
		d.must(d.accounts.RecordTokenUse(d.ctx, ada.ID, token.ID, token.UsedAt), "UseToken")
		d.hasTokens(ada, token, other)
	}
	d.fails(d.accounts.RecordTokenUse(d.ctx, bob.ID, token.ID, d.moment()), expense.ErrNotFound, "UseToken of another account's")
	d.fails(d.accounts.RecordTokenUse(d.ctx, ada.ID, uuid.New(), d.moment()), expense.ErrNotFound, "UseToken of none")
	d.hasTokens(ada, token, other)
}

func checkTokenDelete(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	token, other, bobs := d.token(ada), d.token(ada), d.token(bob)
	d.fails(d.accounts.DeleteToken(d.ctx, bob.ID, token.ID), expense.ErrNotFound, "DeleteToken of another account's")
	d.must(d.accounts.DeleteToken(d.ctx, ada.ID, token.ID), "DeleteToken")
	d.hasTokens(ada, other)
	d.fails(d.accounts.DeleteToken(d.ctx, ada.ID, token.ID), expense.ErrNotFound, "DeleteToken again")
	d.must(d.accounts.DeleteAccount(d.ctx, ada.ID, d.moment()), "DeleteAccount")
	d.hasTokens(ada)
	d.hasTokens(bob, bobs)
}

func checkTokenPurge(d *desk) {
	ada, bob := d.account("ada@example.org"), d.account("bob@example.org")
	limit := epoch.Add(24 * time.Hour)
	expiring := func(account store.Account, at time.Time) store.Token {
		token := d.newToken(account)
		token.ExpiresAt = at
		d.must(d.accounts.CreateToken(d.ctx, token), "CreateToken")
		return token
	}
	for _, account := range []store.Account{ada, bob} {
		expiring(account, limit.Add(-time.Microsecond))
	}
	adas, bobs := expiring(ada, limit), expiring(bob, limit.Add(time.Hour))
	d.must(d.accounts.Purge(d.ctx, limit, epoch), "Purge")
	d.hasTokens(ada, adas)
	d.hasTokens(bob, bobs)
}

func checkFailures(d *desk) {
	ada, bob, zoe := d.digest(), d.digest(), d.digest()
	start, minute := d.moment(), time.Minute
	failed := func(count int, last time.Time) store.Failures { return store.Failures{Count: count, Last: last} }
	has := func(want map[store.SecretHash]store.Failures) {
		got, err := d.accounts.Failures(d.ctx, ada, bob, zoe)
		d.must(err, "Failures")
		same(d.probe, len(got), len(want), "how many keys Failures returns")
		for key, failures := range want {
			same(d.probe, got[key], failures, "Failures of one key")
		}
	}
	count := func(at, quiet time.Time, keys ...store.SecretHash) {
		d.must(d.accounts.RecordFailure(d.ctx, at, quiet, keys...), "CountFailure")
	}
	has(nil)
	count(start, epoch, ada, bob)
	count(start.Add(minute), epoch, bob)
	has(map[store.SecretHash]store.Failures{ada: failed(1, start), bob: failed(2, start.Add(minute))})

	later := start.Add(2 * minute)
	count(later, start.Add(minute), bob, ada) // bob's last failure is at quiet, ada's before it
	has(map[store.SecretHash]store.Failures{ada: failed(1, later), bob: failed(3, later)})
	d.must(d.accounts.ClearFailures(d.ctx, bob), "ForgetFailures")
	d.must(d.accounts.ClearFailures(d.ctx, bob), "ForgetFailures again")
	has(map[store.SecretHash]store.Failures{ada: failed(1, later)})

	count(later.Add(minute), epoch, zoe)
	d.must(d.accounts.Purge(d.ctx, epoch, later), "Purge")
	has(map[store.SecretHash]store.Failures{ada: failed(1, later), zoe: failed(1, later.Add(minute))})
	d.must(d.accounts.Purge(d.ctx, epoch, later.Add(time.Microsecond)), "Purge")
	has(map[store.SecretHash]store.Failures{zoe: failed(1, later.Add(minute))})
}

func checkFailuresAtOnce(d *desk) {
	ada, bob, at := d.digest(), d.digest(), d.moment()
	d.together(8, func(i int) {
		keys := []store.SecretHash{ada, bob}
		if i%2 == 0 {
			slices.Reverse(keys)
		}
		if err := d.accounts.RecordFailure(d.ctx, at, epoch, keys...); err != nil {
			d.note("CountFailure: %v", err)
		}
	})
	got, err := d.accounts.Failures(d.ctx, ada, bob)
	d.must(err, "Failures")
	same(d.probe, got[ada], store.Failures{Count: 8, Last: at}, "Failures after 8 at once")
	same(d.probe, got[bob], store.Failures{Count: 8, Last: at}, "Failures after 8 at once")
}

// key makes a signing key.
func (d *desk) key(serial int, stage store.KeyStage) store.SigningKey {
	made := d.moment()
	key := store.SigningKey{
		ID: uuid.New(), Serial: serial, Public: []byte{0, byte(serial)}, EncryptedPrivate: []byte{byte(serial), 0, 255}, Stage: stage,
		CreatedAt: made, StagedAt: made.Add(time.Second),
	}
	d.must(d.accounts.CreateSigningKey(d.ctx, key), "PutKey")
	return key
}

func checkKeyring(d *desk) {
	d.hasKeys()
	stages := []store.KeyStage{store.KeyPending, store.KeyActive, store.KeyRetired}
	var want []store.SigningKey
	for _, serial := range []int{5, 1, 12, 2, 3} {
		want = append(want, d.key(serial, stages[serial%3]))
	}
	slices.SortFunc(want, func(x, y store.SigningKey) int { return x.Serial - y.Serial })
	d.hasKeys(want...)
	twin := want[0]
	twin.Serial, twin.Public, twin.Stage = 100, []byte("another"), store.KeyRetired
	d.fails(d.accounts.CreateSigningKey(d.ctx, twin), expense.ErrExists, "PutKey of a taken id")
	twin = want[0]
	twin.ID = uuid.New()
	d.fails(d.accounts.CreateSigningKey(d.ctx, twin), expense.ErrExists, "PutKey of a taken serial")
	d.hasKeys(want...)

	d.fails(d.accounts.DeleteSigningKey(d.ctx, twin.ID), expense.ErrNotFound, "DeleteKey of none")
	d.must(d.accounts.DeleteSigningKey(d.ctx, want[2].ID), "DeleteKey")
	d.fails(d.accounts.DeleteSigningKey(d.ctx, want[2].ID), expense.ErrNotFound, "DeleteKey again")
	d.hasKeys(slices.Delete(want, 2, 3)...)
}

func checkKeyAtOnce(d *desk) {
	errs := make([]error, 8)
	made := d.moment()
	d.together(len(errs), func(i int) {
		errs[i] = d.accounts.CreateSigningKey(d.ctx, store.SigningKey{
			ID: uuid.New(), Serial: 7, Public: []byte{byte(i)}, EncryptedPrivate: []byte{1}, Stage: store.KeyPending, CreatedAt: made, StagedAt: made,
		})
	})
	d.oneOf(errs, expense.ErrExists, "PutKey of one serial")
	keys, err := d.accounts.SigningKeys(d.ctx)
	d.must(err, "Keys")
	if same(d.probe, len(keys), 1, "how many keys there are"); len(keys) != 1 {
		return
	}
	at := d.moment()
	d.together(len(errs), func(i int) {
		errs[i] = d.accounts.SetSigningKeyStage(d.ctx, keys[0].ID, store.KeyPending, store.KeyActive, at.Add(time.Duration(i)*time.Second))
	})
	d.oneOf(errs, expense.ErrStale, "MoveKey from one stage")
}

func checkKeyMove(d *desk) {
	first, second := d.key(1, store.KeyPending), d.key(2, store.KeyPending)
	for _, stage := range []store.KeyStage{store.KeyActive, store.KeyRetired} {
		from := first.Stage
		first.Stage, first.StagedAt = stage, d.moment()
		d.must(d.accounts.SetSigningKeyStage(d.ctx, first.ID, from, stage, first.StagedAt), "MoveKey to %s", stage)
		d.hasKeys(first, second)
		d.fails(d.accounts.SetSigningKeyStage(d.ctx, first.ID, from, stage, d.moment()), expense.ErrStale, "MoveKey again")
		d.hasKeys(first, second)
	}
	d.fails(d.accounts.SetSigningKeyStage(d.ctx, uuid.New(), store.KeyPending, store.KeyActive, d.moment()), expense.ErrNotFound, "MoveKey of none")
}

func (d *desk) hasKeys(want ...store.SigningKey) {
	keys, err := d.accounts.SigningKeys(d.ctx)
	d.must(err, "Keys")
	texts := func(keys []store.SigningKey) []string {
		list := make([]string, len(keys))
		for i, key := range keys {
			list[i] = fmt.Sprintf("%+v", key)
		}
		return list
	}
	sameList(d.probe, texts(keys), texts(want), "Keys")
}
