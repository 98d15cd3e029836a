package accountstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

func checks() []check {
	return []check{
		{"accounts/create", "CreateAccount stores an account whose id and address are not in use",
			"CreateAccount ErrExists, Account ErrNotFound", checkAccountCreate},
		{"accounts/create-concurrently", "of several concurrent CreateAccount calls with one address, exactly one succeeds",
			"CreateAccount ErrExists", checkAccountCreateConcurrently},
		{"accounts/by-email", "AccountByEmail compares addresses by their EmailKey",
			"AccountByEmail ErrNotFound", checkAccountByEmail},
		{"accounts/list", "Accounts yields all accounts ordered by EmailKey, and the body of the loop can call the store",
			"Accounts", checkAccountList},
		{"accounts/list-many", "Accounts yields each account once, also if there are many",
			"Accounts", checkAccountListLong},
		{"accounts/rehash", "RehashPassword replaces only the hash that the caller has read",
			"RehashPassword ErrStale ErrNotFound", checkAccountRehash},
		{"accounts/set-password", "SetPassword replaces the hash and ends the other devices",
			"SetPassword ErrStale ErrNotFound", checkAccountPassword},
		{"accounts/set-email", "SetEmail changes the address if the hash is current and the address is not in use",
			"SetEmail ErrStale ErrExists ErrNotFound", checkAccountEmail},
		{"accounts/set-email-concurrently", "of several concurrent SetEmail calls with one address, exactly one succeeds",
			"SetEmail ErrExists", checkAccountEmailConcurrently},
		{"accounts/delete", "DeleteAccount removes the account with its devices",
			"DeleteAccount ErrNotFound", checkAccountDelete},
		{"accounts/erasures", "DeleteAccount stores an Erasure, which EndErasure removes",
			"DeleteAccount, Erasures, EndErasure", checkAccountErasure},
		{"devices/create", "CreateDevice stores a device with all fields if the hash of the password is current",
			"CreateDevice ErrExists ErrNotFound ErrStale, Device ErrNotFound", checkDeviceCreate},
		{"devices/create-while-password-changes", "no device stays signed in with the old password after SetPassword",
			"CreateDevice ErrStale, SetPassword", checkDeviceCreateDuringChange},
		{"devices/list", "Devices returns all devices of one account, also ended ones, ordered by id",
			"Devices", checkDeviceList},
		{"devices/rotate", "RotateRefresh replaces the tokens only if the current one is given",
			"RotateRefresh ErrStale ErrNotFound ErrGone", checkDeviceRotate},
		{"devices/rotate-concurrently", "of several concurrent RotateRefresh calls, exactly one succeeds",
			"RotateRefresh ErrStale", checkDeviceRotateConcurrently},
		{"devices/end", "EndDevice ends a device permanently and keeps its first EndedAt",
			"EndDevice ErrNotFound, Device", checkDeviceEnd},
		{"devices/purge", "Purge removes devices that ended or expired before its limit",
			"Purge", checkDevicePurge},
		{"tokens/create", "CreateToken stores a token with all fields in its account",
			"CreateToken ErrExists ErrNotFound, Token ErrNotFound, Tokens", checkToken},
		{"tokens/record-use", "RecordTokenUse sets the UsedAt of one token",
			"RecordTokenUse ErrNotFound", checkTokenUse},
		{"tokens/delete", "DeleteToken removes one token, and DeleteAccount those of the account",
			"DeleteToken ErrNotFound, DeleteAccount", checkTokenDelete},
		{"tokens/purge", "Purge removes tokens that expired before its limit",
			"Purge", checkTokenPurge},
		{"failures/count", "RecordFailure counts failures of each key, and starts again after a reset",
			"Failures, RecordFailure, ClearFailures, Purge", checkFailures},
		{"failures/count-concurrently", "RecordFailure loses no failure of concurrent calls",
			"RecordFailure", checkFailuresConcurrently},
		{"keys/create", "CreateSigningKey stores a key whose id and serial are not in use",
			"SigningKeys, CreateSigningKey ErrExists, DeleteSigningKey ErrNotFound", checkKey},
		{"keys/create-concurrently", "of several concurrent successors and moves of a key, exactly one succeeds",
			"CreateSigningKey ErrExists, SetSigningKeyStage ErrStale", checkKeyConcurrently},
		{"keys/set-stage", "SetSigningKeyStage moves a key only from the stage that the caller has read",
			"SetSigningKeyStage ErrStale ErrNotFound", checkKeyMove},
	}
}

func checkAccountCreate(t *checkT) {
	ada := t.account("Ada@Example.org")
	t.wantAccounts(ada)
	wantNotFoundBy(t, t.Account, uuid.New())

	t.account("zoe\u0308@example.org") // decomposed
	for _, email := range []string{"Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG", "ZO\u00cb@example.org"} {
		twin := newAccount(email)
		t.wantExists(t.CreateAccount(t.ctx, twin), "CreateAccount with the existing address "+email)
		wantNotFoundBy(t, t.Account, twin.ID)
	}

	again := newAccount("new@example.org")
	again.ID = ada.ID
	t.wantExists(t.CreateAccount(t.ctx, again), "CreateAccount with an existing id")
	t.wantAccounts(ada)
	t.account(again.Email) // the rejected account did not reserve its address
}

func checkAccountCreateConcurrently(t *checkT) {
	t.wantOneSuccess(expense.ErrExists, "CreateAccount", func(int) error {
		return t.CreateAccount(t.ctx, newAccount("ada@example.org"))
	})
}

func checkAccountByEmail(t *checkT) {
	ada, zoe := t.account("Ada@Example.org"), t.account("zo\u00eb@example.org")
	t.wantByEmail(ada, "Ada@Example.org", "ada@example.org", "ADA@EXAMPLE.ORG")
	t.wantByEmail(zoe, "zo\u00eb@example.org", "zoe\u0308@example.org", "ZO\u00cb@EXAMPLE.ORG")
	wantNotFoundBy(t, t.AccountByEmail,
		"", "bob@example.org", "ada", "ada_@example.org", "%", "ada@example.org\x00", "\xff")
}

func checkAccountList(t *checkT) {
	var want []accounts.Account
	for i := range 20 {
		// Collations order upper case, digits, '-', '_' and non-ASCII letters differently.
		want = append(want, t.account(fmt.Sprintf("%c%d@example.org", []rune("B-a_é0Z")[i%7], i)))
	}
	t.wantAccountList(want...)

	for account, err := range t.Accounts(t.ctx) {
		t.noError(err, "Accounts")
		t.wantAccounts(account)
		t.noError(t.RehashPassword(t.ctx, account.ID, account.PasswordHash, account.PasswordHash+"'"),
			"RehashPassword in a loop over Accounts")
		break
	}
	cancelled, cancel := context.WithCancel(t.ctx)
	cancel()
	var last error
	for _, err := range t.Accounts(cancelled) {
		if last != nil {
			t.fatalf("Accounts yields after the error %v", last)
		}
		last = err
	}
}

// checkAccountListLong lists more accounts than a store reads in one chunk.
func checkAccountListLong(t *checkT) {
	const writers = 10
	want := make([]accounts.Account, 105*writers)
	for i := range want {
		want[i] = newAccount(fmt.Sprintf("%d@example.org", i))
	}
	t.noError(errors.Join(t.concurrently(writers, func(writer int) error {
		for i := writer; i < len(want); i += writers {
			if err := t.CreateAccount(t.ctx, want[i]); err != nil {
				return err
			}
		}
		return nil
	})...), "CreateAccount")
	t.wantAccountList(want...)
}

func checkAccountRehash(t *checkT) {
	ada, bob := t.twoAccounts()
	phone, old := t.device(ada), ada.PasswordHash
	ada.PasswordHash = "another hash"
	t.noError(t.RehashPassword(t.ctx, ada.ID, old, ada.PasswordHash), "RehashPassword")
	t.wantAccounts(ada)
	t.wantStale(t.RehashPassword(t.ctx, ada.ID, old, "third"), "RehashPassword from a replaced hash")
	t.wantNotFound(t.RehashPassword(t.ctx, uuid.New(), old, "third"), "RehashPassword of an unknown account")
	t.wantAccounts(ada, bob)
	t.wantDevices(ada, phone)
}

func checkAccountPassword(t *checkT) {
	ada, bob := t.twoAccounts()
	phone, laptop, ended, other := t.device(ada), t.device(ada), t.end(t.device(ada), t.moment()), t.device(bob)

	t.wantStale(t.SetPassword(t.ctx, ada.ID, "no", "new", uuid.Nil, epoch), "SetPassword from a wrong hash")
	t.wantNotFound(t.SetPassword(t.ctx, uuid.New(), "no", "new", uuid.Nil, epoch), "SetPassword of an unknown account")
	t.wantAccounts(ada, bob)
	t.wantDevices(ada, phone, laptop, ended)

	for _, step := range []struct {
		keep uuid.UUID
		ends *accounts.Device
	}{{laptop.ID, &phone}, {uuid.Nil, &laptop}} {
		old := ada.PasswordHash
		ada.PasswordHash, step.ends.EndedAt = old+"'", t.moment()
		t.noError(t.SetPassword(t.ctx, ada.ID, old, ada.PasswordHash, step.keep, step.ends.EndedAt), "SetPassword")
		t.wantAccounts(ada, bob)
		t.wantDevices(ada, phone, laptop, ended)
		t.wantDevices(bob, other)
	}
}

func checkAccountDelete(t *checkT) {
	ada, bob := t.twoAccounts()
	phone, other := t.device(ada), t.device(bob)
	t.deleteAccount(ada)
	wantNotFoundBy(t, t.Account, ada.ID)
	wantNotFoundBy(t, t.AccountByEmail, ada.Email)
	_, err := t.Device(t.ctx, ada.ID, phone.ID)
	t.wantNotFound(err, "Device after DeleteAccount")
	t.wantDevices(ada)
	t.wantAccountList(bob)
	t.wantDevices(bob, other)
	t.wantNotFound(t.DeleteAccount(t.ctx, ada.ID, t.moment()), "DeleteAccount of a deleted account")

	again := t.account("ada@example.org")
	t.wantAccounts(again)
	t.wantDevices(again)
}

func checkAccountEmail(t *checkT) {
	ada, bob := t.twoAccounts()
	phone := t.device(ada)
	t.wantStale(t.SetEmail(t.ctx, ada.ID, "old hash", "new@example.org"), "SetEmail with a wrong hash")
	t.wantNotFound(t.SetEmail(t.ctx, uuid.New(), "x", "new@example.org"), "SetEmail of an unknown account")
	t.wantExists(t.SetEmail(t.ctx, ada.ID, ada.PasswordHash, "BOB@example.org"), "SetEmail to an existing address")
	t.wantAccounts(ada, bob)

	for _, email := range []string{"new@Example.org", "NEW@example.org", "zo\u00eb@example.org"} {
		ada.Email = email
		t.noError(t.SetEmail(t.ctx, ada.ID, ada.PasswordHash, email), "SetEmail")
		t.wantAccounts(ada)
		t.wantByEmail(ada, email)
	}
	t.wantDevices(ada, phone)
	wantNotFoundBy(t, t.AccountByEmail, "new@example.org")
	t.account("ada@example.org") // both former addresses are free
	t.account("new@example.org")
	t.deleteAccount(ada)
	t.account(ada.Email)
}

func checkAccountEmailConcurrently(t *checkT) {
	var list []accounts.Account
	for i := range 8 {
		list = append(list, t.account(fmt.Sprintf("%d@example.org", i)))
	}
	t.wantOneSuccess(expense.ErrExists, "SetEmail", func(i int) error {
		return t.SetEmail(t.ctx, list[i].ID, list[i].PasswordHash, "best@example.org")
	})
}

func checkAccountErasure(t *checkT) {
	t.wantErasures()
	ada, bob := t.twoAccounts()
	want := []accounts.Erasure{t.deleteAccount(t.account("zoe@example.org")), t.deleteAccount(ada)}
	slices.SortFunc(want, func(x, y accounts.Erasure) int { return compareIDs(x.Account, y.Account) })
	t.wantErasures(want...)
	// The second call removes nothing, nor does the call for an account that exists.
	for _, account := range []uuid.UUID{want[0].Account, want[0].Account, bob.ID} {
		t.noError(t.EndErasure(t.ctx, account), "EndErasure")
		t.wantErasures(want[1])
	}
	t.wantAccounts(bob)
}

func checkDeviceCreate(t *checkT) {
	ada, bob := t.twoAccounts()
	phone := t.device(ada)
	t.wantDevices(ada, phone)

	t.wantExists(t.CreateDevice(t.ctx, phone, ada.PasswordHash), "CreateDevice of an existing device")
	changed := phone
	changed.Name, changed.Refresh.Current = "changed", t.hash()
	t.wantExists(t.CreateDevice(t.ctx, changed, ada.PasswordHash), "CreateDevice with an existing id")
	t.wantNotFound(t.CreateDevice(t.ctx, t.newDevice(newAccount("")), ada.PasswordHash),
		"CreateDevice of an unknown account")
	t.wantStale(t.CreateDevice(t.ctx, t.newDevice(ada), "old hash"), "CreateDevice with a wrong hash")
	t.wantDevices(ada, phone)

	t.wantDevices(bob, t.putDevice(bob, phone)) // two accounts may use one id
	t.wantDevices(ada, phone)
	_, err := t.Device(t.ctx, bob.ID, t.device(ada).ID)
	t.wantNotFound(err, "Device of another account")
}

// checkDeviceCreateDuringChange signs in with the old password while the password changes. Afterwards no device that
// was created with the old password may be signed in.
func checkDeviceCreateDuringChange(t *checkT) {
	for round := range 10 {
		ada := t.account(fmt.Sprintf("ada%d@example.org", round))
		device, at := t.newDevice(ada), t.moment()
		errs := t.concurrently(2, func(i int) error {
			if i == 0 {
				return t.SetPassword(t.ctx, ada.ID, ada.PasswordHash, "new", uuid.Nil, at)
			}
			return t.CreateDevice(t.ctx, device, ada.PasswordHash)
		})
		t.noError(errs[0], "SetPassword")
		if errs[1] != nil {
			t.wantStale(errs[1], "CreateDevice while the password changes")
		}
		for _, device := range getBy(t, t.Devices, ada.ID) {
			if !device.Ended() {
				t.fatalf("SetPassword: a device with the old password is still signed in")
			}
		}
	}
}

func checkDeviceList(t *checkT) {
	ada, bob := t.twoAccounts()
	var want []accounts.Device
	for range 4 {
		want = append(want, t.end(t.device(ada), t.moment()), t.device(ada), t.device(ada))
	}
	t.wantDevices(ada, want...)
	t.wantDevices(bob)
	t.wantDevices(newAccount(""))
}

func checkDeviceRotate(t *checkT) {
	ada, bob := t.twoAccounts()
	phone, laptop, other := t.device(ada), t.device(ada), t.device(bob)
	first, second, third := phone.Refresh.Current, t.newDevice(ada), t.newDevice(ada)
	phone.Refresh, phone.SeenAt = second.Refresh, second.SeenAt
	t.noError(t.RotateRefresh(t.ctx, ada.ID, phone.ID, first, phone.Refresh, phone.SeenAt), "RotateRefresh")
	t.wantDevices(ada, phone, laptop)

	rotate := func(account, device uuid.UUID, from accounts.SecretHash) error {
		return t.RotateRefresh(t.ctx, account, device, from, third.Refresh, third.SeenAt)
	}
	for name, from := range map[string]accounts.SecretHash{
		"a replaced token": first, "the previous token": phone.Refresh.Previous, "no token": {},
		"another device's token": laptop.Refresh.Current,
	} {
		t.wantStale(rotate(ada.ID, phone.ID, from), "RotateRefresh from "+name)
	}
	t.wantNotFoundIn(bob, phone.ID, "RotateRefresh", func(account, id uuid.UUID) error {
		return rotate(account, id, phone.Refresh.Current)
	})
	t.wantDevices(ada, phone, laptop)
	t.wantDevices(bob, other)

	phone = t.end(phone, t.moment())
	t.wantError(rotate(ada.ID, phone.ID, phone.Refresh.Current), expense.ErrGone, "RotateRefresh of an ended device")
	t.wantDevices(ada, phone, laptop)
}

func checkDeviceRotateConcurrently(t *checkT) {
	ada := t.account("ada@example.org")
	phone := t.device(ada)
	var next []accounts.Device
	for range 8 {
		next = append(next, t.newDevice(ada))
	}
	winner := next[t.wantOneSuccess(expense.ErrStale, "RotateRefresh", func(i int) error {
		return t.RotateRefresh(t.ctx, ada.ID, phone.ID, phone.Refresh.Current, next[i].Refresh, next[i].SeenAt)
	})]
	phone.Refresh, phone.SeenAt = winner.Refresh, winner.SeenAt
	t.wantDevices(ada, phone)
}

func checkDeviceEnd(t *checkT) {
	ada, bob := t.twoAccounts()
	phone, laptop, other := t.end(t.device(ada), t.moment()), t.device(ada), t.device(bob)
	t.wantDevices(ada, phone, laptop)
	t.end(phone, t.moment())
	t.wantDevices(ada, phone, laptop)
	t.wantNotFoundIn(bob, laptop.ID, "EndDevice", func(account, id uuid.UUID) error {
		return t.EndDevice(t.ctx, account, id, t.moment())
	})
	t.wantDevices(ada, phone, laptop)
	t.wantDevices(bob, other)
}

func checkDevicePurge(t *checkT) {
	ada, bob := t.twoAccounts()
	expiring := func(at time.Time) accounts.Device {
		device := t.newDevice(ada)
		device.Refresh.ExpiresAt = at
		return t.putDevice(ada, device)
	}
	expiring(beforeLimit)
	t.end(t.device(ada), beforeLimit)
	t.end(t.device(bob), beforeLimit)
	adas := []accounts.Device{expiring(purgeLimit), t.end(t.device(ada), purgeLimit), t.device(ada)}
	bobs := []accounts.Device{t.end(t.device(bob), purgeLimit), t.device(bob)}
	t.purge(purgeLimit, epoch)
	t.wantDevices(ada, adas...)
	t.wantDevices(bob, bobs...)
	t.wantAccounts(ada)
}

func checkToken(t *checkT) {
	ada, bob := t.twoAccounts()
	t.wantTokens(ada)
	t.wantTokens(newAccount(""))
	first, second, used := t.token(ada), t.token(ada), t.newToken(ada)
	used.UsedAt, used.Scopes = t.moment(), 255
	t.wantTokens(ada, first, second, t.putToken(ada, used))

	changed := first
	changed.Name, changed.Secret = "changed", t.hash()
	t.wantExists(t.CreateToken(t.ctx, changed), "CreateToken with an existing id")
	t.wantNotFound(t.CreateToken(t.ctx, t.newToken(newAccount(""))), "CreateToken of an unknown account")
	_, err := t.Token(t.ctx, bob.ID, first.ID)
	t.wantNotFound(err, "Token of another account")
	t.wantTokens(bob, t.putToken(bob, first)) // two accounts may use one id
	t.wantTokens(ada, first, second, used)
}

func checkTokenUse(t *checkT) {
	ada, bob := t.twoAccounts()
	token, other := t.token(ada), t.token(ada)
	for range 2 {
		token.UsedAt = t.moment()
		t.noError(t.RecordTokenUse(t.ctx, ada.ID, token.ID, token.UsedAt), "RecordTokenUse")
		t.wantTokens(ada, token, other)
	}
	t.wantNotFoundIn(bob, token.ID, "RecordTokenUse", func(account, id uuid.UUID) error {
		return t.RecordTokenUse(t.ctx, account, id, t.moment())
	})
	t.wantTokens(ada, token, other)
}

func checkTokenDelete(t *checkT) {
	ada, bob := t.twoAccounts()
	token, other, bobs := t.token(ada), t.token(ada), t.token(bob)
	t.wantNotFoundIn(bob, token.ID, "DeleteToken", func(account, id uuid.UUID) error {
		return t.DeleteToken(t.ctx, account, id)
	})
	t.noError(t.DeleteToken(t.ctx, ada.ID, token.ID), "DeleteToken")
	t.wantTokens(ada, other)
	t.wantNotFound(t.DeleteToken(t.ctx, ada.ID, token.ID), "DeleteToken of a deleted token")
	t.deleteAccount(ada)
	t.wantTokens(ada)
	t.wantTokens(bob, bobs)
}

func checkTokenPurge(t *checkT) {
	ada, bob := t.twoAccounts()
	expiring := func(account accounts.Account, at time.Time) accounts.Token {
		token := t.newToken(account)
		token.ExpiresAt = at
		return t.putToken(account, token)
	}
	expiring(ada, beforeLimit)
	expiring(bob, beforeLimit)
	adas, bobs := expiring(ada, purgeLimit), expiring(bob, purgeLimit)
	t.purge(purgeLimit, epoch)
	t.wantTokens(ada, adas)
	t.wantTokens(bob, bobs)
}

func checkFailures(t *checkT) {
	ada, bob, zoe := t.hash(), t.hash(), t.hash()
	start := t.moment()
	middle, end, last := start.Add(time.Minute), start.Add(2*time.Minute), start.Add(3*time.Minute)
	want := func(stored counts) { t.wantFailures([]accounts.SecretHash{ada, bob, zoe}, stored) }
	fail := func(at, resetBefore time.Time, keys ...accounts.SecretHash) {
		t.noError(t.RecordFailure(t.ctx, at, resetBefore, keys...), "RecordFailure")
	}
	want(nil)
	fail(start, epoch, ada, bob)
	fail(middle, epoch, bob)
	want(counts{ada: {Count: 1, Last: start}, bob: {Count: 2, Last: middle}})

	fail(end, middle, bob, ada) // bob's last failure is at resetBefore, ada's is earlier
	want(counts{ada: {Count: 1, Last: end}, bob: {Count: 3, Last: end}})
	for range 2 {
		t.noError(t.ClearFailures(t.ctx, bob), "ClearFailures")
		want(counts{ada: {Count: 1, Last: end}})
	}

	fail(last, epoch, zoe)
	t.purge(epoch, end)
	want(counts{ada: {Count: 1, Last: end}, zoe: {Count: 1, Last: last}})
	t.purge(epoch, end.Add(time.Microsecond))
	want(counts{zoe: {Count: 1, Last: last}})
}

func checkFailuresConcurrently(t *checkT) {
	ada, bob, at := t.hash(), t.hash(), t.moment()
	t.noError(errors.Join(t.concurrently(8, func(i int) error {
		keys := []accounts.SecretHash{ada, bob}
		if i%2 == 0 {
			slices.Reverse(keys)
		}
		return t.RecordFailure(t.ctx, at, epoch, keys...)
	})...), "RecordFailure")
	want := accounts.Failures{Count: 8, Last: at}
	t.wantFailures([]accounts.SecretHash{ada, bob}, counts{ada: want, bob: want})
}

func checkKey(t *checkT) {
	t.wantKeys()
	stages := []accounts.KeyStage{accounts.KeyPending, accounts.KeyActive, accounts.KeyRetired}
	var want []accounts.SigningKey
	for _, serial := range []int{5, 1, 12, 2, 3} {
		want = append(want, t.key(serial, stages[serial%3]))
	}
	slices.SortFunc(want, func(x, y accounts.SigningKey) int { return x.Serial - y.Serial })
	t.wantKeys(want...)
	twin := t.newKey(100, accounts.KeyRetired)
	twin.ID = want[0].ID
	t.wantExists(t.CreateSigningKey(t.ctx, twin), "CreateSigningKey with an existing id")
	twin = want[0]
	twin.ID = uuid.New()
	t.wantExists(t.CreateSigningKey(t.ctx, twin), "CreateSigningKey with an existing serial")
	t.wantKeys(want...)

	t.wantNotFound(t.DeleteSigningKey(t.ctx, twin.ID), "DeleteSigningKey of an unknown key")
	t.noError(t.DeleteSigningKey(t.ctx, want[2].ID), "DeleteSigningKey")
	t.wantNotFound(t.DeleteSigningKey(t.ctx, want[2].ID), "DeleteSigningKey of a deleted key")
	t.wantKeys(slices.Delete(want, 2, 3)...)
}

func checkKeyConcurrently(t *checkT) {
	stored := t.newKey(7, accounts.KeyPending)
	stored.ID[0] = byte(t.wantOneSuccess(expense.ErrExists, "CreateSigningKey", func(i int) error {
		key := stored
		key.ID[0] = byte(i)
		return t.CreateSigningKey(t.ctx, key)
	}))
	t.wantKeys(stored)
	at := t.moment()
	t.wantOneSuccess(expense.ErrStale, "SetSigningKeyStage", func(i int) error {
		return t.SetSigningKeyStage(t.ctx, stored.ID, accounts.KeyPending, accounts.KeyActive,
			at.Add(time.Duration(i)*time.Second))
	})
}

func checkKeyMove(t *checkT) {
	first := t.key(1, accounts.KeyPending)
	second := t.key(2, accounts.KeyPending)
	for _, stage := range []accounts.KeyStage{accounts.KeyActive, accounts.KeyRetired} {
		from := first.Stage
		first.Stage, first.StagedAt = stage, t.moment()
		t.noError(t.SetSigningKeyStage(t.ctx, first.ID, from, stage, first.StagedAt), "SetSigningKeyStage")
		t.wantKeys(first, second)
		t.wantStale(t.SetSigningKeyStage(t.ctx, first.ID, from, stage, t.moment()),
			"SetSigningKeyStage from an earlier stage")
		t.wantKeys(first, second)
	}
	t.wantNotFound(t.SetSigningKeyStage(t.ctx, uuid.New(), accounts.KeyPending, accounts.KeyActive, t.moment()),
		"SetSigningKeyStage of an unknown key")
}
