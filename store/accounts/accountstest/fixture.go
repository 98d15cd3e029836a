package accountstest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/store/accounts"
)

var (
	epoch = time.Date(2025, time.March, 1, 8, 30, 0, 123456000, time.UTC) // the earliest time in the checks

	purgeLimit  = epoch.Add(24 * time.Hour)
	beforeLimit = purgeLimit.Add(-time.Microsecond)
)

// moment returns a time that is later than all times that it has returned before.
func (t *checkT) moment() time.Time {
	t.count++
	return epoch.Add(time.Duration(t.count) * 1001 * time.Microsecond)
}

// hash returns an unused hash.
func (t *checkT) hash() (sum accounts.SecretHash) {
	t.count++
	copy(sum[:], fmt.Sprintf("%032d", t.count))
	return sum
}

// newAccount returns an account with a new id.
func newAccount(email string) accounts.Account {
	return accounts.Account{ID: uuid.New(), Email: email, PasswordHash: "hash of " + email, CreatedAt: epoch}
}

// account creates an account.
func (t *checkT) account(email string) accounts.Account {
	account := newAccount(email)
	account.CreatedAt = t.moment()
	t.noError(t.CreateAccount(t.ctx, account), "CreateAccount")
	return account
}

// twoAccounts creates two accounts.
func (t *checkT) twoAccounts() (ada, bob accounts.Account) {
	return t.account("Ada@Example.org"), t.account("bob@example.org")
}

// deleteAccount deletes an account and returns its erasure.
func (t *checkT) deleteAccount(account accounts.Account) accounts.Erasure {
	erasure := accounts.Erasure{Account: account.ID, At: t.moment()}
	t.noError(t.DeleteAccount(t.ctx, account.ID, erasure.At), "DeleteAccount")
	return erasure
}

// newDevice returns a device of the account with a new id and new tokens.
func (t *checkT) newDevice(account accounts.Account) accounts.Device {
	created := t.moment()
	return accounts.Device{
		ID: uuid.New(), Account: account.ID, Name: "Téléphone\nd'" + account.Email, CreatedAt: created,
		SeenAt: created.Add(time.Microsecond),
		Refresh: accounts.RefreshTokens{
			Family: t.hash(), Current: t.hash(), Previous: t.hash(), Salt: t.hash(),
			RotatedAt: created, ExpiresAt: created.Add(30 * 24 * time.Hour),
		},
	}
}

// putDevice creates the device in the account, and returns it as the store must return it.
func (t *checkT) putDevice(account accounts.Account, device accounts.Device) accounts.Device {
	device.Account = account.ID
	t.noError(t.CreateDevice(t.ctx, device, account.PasswordHash), "CreateDevice")
	return device
}

// device creates a new device of the account.
func (t *checkT) device(account accounts.Account) accounts.Device {
	return t.putDevice(account, t.newDevice(account))
}

// end ends a device and returns the ended device.
func (t *checkT) end(device accounts.Device, at time.Time) accounts.Device {
	device.EndedAt = at
	t.noError(t.EndDevice(t.ctx, device.Account, device.ID, at), "EndDevice")
	return device
}

// newToken returns a personal token of the account with a new id.
func (t *checkT) newToken(account accounts.Account) accounts.Token {
	created := t.moment()
	return accounts.Token{
		ID: uuid.New(), Account: account.ID, Name: "Script d'" + account.Email, Scopes: uint8(1 + t.count%7),
		Secret: t.hash(), CreatedAt: created, ExpiresAt: created.Add(90 * 24 * time.Hour),
	}
}

// putToken creates the personal token in the account, and returns it as the store must return it.
func (t *checkT) putToken(account accounts.Account, token accounts.Token) accounts.Token {
	token.Account = account.ID
	t.noError(t.CreateToken(t.ctx, token), "CreateToken")
	return token
}

// token creates a new personal token of the account.
func (t *checkT) token(account accounts.Account) accounts.Token {
	return t.putToken(account, t.newToken(account))
}

// purge purges devices and tokens that expired before the first time, and counts of failures before the second.
func (t *checkT) purge(expiredBefore, failedBefore time.Time) {
	t.noError(t.Purge(t.ctx, expiredBefore, failedBefore), "Purge")
}

// newKey returns a signing key with a new id.
func (t *checkT) newKey(serial int, stage accounts.KeyStage) accounts.SigningKey {
	created := t.moment()
	return accounts.SigningKey{
		ID: uuid.New(), Serial: serial, Public: []byte{0, byte(serial)}, EncryptedPrivate: []byte{byte(serial), 0, 255},
		Stage: stage, CreatedAt: created, StagedAt: created.Add(time.Second),
	}
}

// key creates a signing key.
func (t *checkT) key(serial int, stage accounts.KeyStage) accounts.SigningKey {
	key := t.newKey(serial, stage)
	t.noError(t.CreateSigningKey(t.ctx, key), "CreateSigningKey")
	return key
}

// wantAccounts checks that the store has exactly these accounts under their ids.
func (t *checkT) wantAccounts(want ...accounts.Account) {
	for _, account := range want {
		equal(t, getBy(t, t.Account, account.ID), account, "Account")
	}
}

// wantAccountList checks that the store yields exactly these accounts, ordered by address.
func (t *checkT) wantAccountList(want ...accounts.Account) {
	slices.SortFunc(want, func(x, y accounts.Account) int {
		return strings.Compare(accounts.EmailKey(x.Email), accounts.EmailKey(y.Email))
	})
	var got []accounts.Account
	for account, err := range t.Accounts(t.ctx) {
		t.noError(err, "Accounts")
		got = append(got, account)
	}
	equalLists(t, got, want, "Accounts")
}

// wantByEmail checks that the store returns this account for each address.
func (t *checkT) wantByEmail(want accounts.Account, emails ...string) {
	for _, email := range emails {
		equal(t, getBy(t, t.AccountByEmail, email), want, callText(t.AccountByEmail, email))
	}
}

// wantDevices checks that the account has exactly these devices.
func (t *checkT) wantDevices(account accounts.Account, want ...accounts.Device) {
	wantRows(t, t.Devices, t.Device, func(d accounts.Device) uuid.UUID { return d.ID }, account.ID, want)
}

// wantTokens checks that the account has exactly these personal tokens.
func (t *checkT) wantTokens(account accounts.Account, want ...accounts.Token) {
	wantRows(t, t.Tokens, t.Token, func(token accounts.Token) uuid.UUID { return token.ID }, account.ID, want)
}

// wantErasures checks that the store has exactly these erasures.
func (t *checkT) wantErasures(want ...accounts.Erasure) {
	equalLists(t, get(t, t.Erasures), want, "Erasures")
}

type counts = map[accounts.SecretHash]accounts.Failures

// wantFailures checks that the store has exactly these counts for the keys.
func (t *checkT) wantFailures(keys []accounts.SecretHash, want counts) {
	got, err := t.Failures(t.ctx, keys...)
	t.noError(err, "Failures")
	equal(t, len(got), len(want), "Failures: number of keys")
	for key, failures := range want {
		equal(t, got[key], failures, "Failures")
	}
}

// wantKeys checks that the store has exactly these signing keys.
func (t *checkT) wantKeys(want ...accounts.SigningKey) {
	equal(t, fmt.Sprintf("%+v", get(t, t.SigningKeys)), fmt.Sprintf("%+v", want), "SigningKeys")
}
