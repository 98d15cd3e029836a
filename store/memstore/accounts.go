package memstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

var _ accounts.Store = (*Accounts)(nil)

// Accounts stores local accounts in memory. It implements [accounts.Store]. All data is lost when the process ends.
type Accounts struct {
	mu       sync.RWMutex
	accounts map[uuid.UUID]accounts.Account
	emails   map[string]uuid.UUID // by accounts.EmailKey
	devices  map[uuid.UUID]map[uuid.UUID]accounts.Device
	tokens   map[uuid.UUID]map[uuid.UUID]accounts.Token
	erasures map[uuid.UUID]accounts.Erasure
	failures map[accounts.SecretHash]accounts.Failures
	keys     map[uuid.UUID]accounts.SigningKey
}

// NewAccounts returns a store without accounts.
func NewAccounts() *Accounts {
	return &Accounts{
		accounts: make(map[uuid.UUID]accounts.Account),
		emails:   make(map[string]uuid.UUID),
		devices:  make(map[uuid.UUID]map[uuid.UUID]accounts.Device),
		tokens:   make(map[uuid.UUID]map[uuid.UUID]accounts.Token),
		erasures: make(map[uuid.UUID]accounts.Erasure),
		failures: make(map[accounts.SecretHash]accounts.Failures),
		keys:     make(map[uuid.UUID]accounts.SigningKey),
	}
}

// CreateAccount implements [accounts.Store].
func (a *Accounts) CreateAccount(_ context.Context, account accounts.Account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := accounts.EmailKey(account.Email)
	if _, taken := a.emails[key]; taken {
		return fmt.Errorf("account with this e-mail address: %w", expense.ErrExists)
	}
	if _, taken := a.accounts[account.ID]; taken {
		return fmt.Errorf("account %s: %w", account.ID, expense.ErrExists)
	}
	a.accounts[account.ID] = account
	a.emails[key] = account.ID
	a.devices[account.ID] = make(map[uuid.UUID]accounts.Device)
	a.tokens[account.ID] = make(map[uuid.UUID]accounts.Token)
	return nil
}

// Account implements [accounts.Store].
func (a *Accounts) Account(_ context.Context, id uuid.UUID) (accounts.Account, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return find(a.accounts, "account", id)
}

// AccountByEmail implements [accounts.Store].
func (a *Accounts) AccountByEmail(_ context.Context, email string) (accounts.Account, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	id, ok := a.emails[accounts.EmailKey(email)]
	if !ok {
		return accounts.Account{}, fmt.Errorf("account with this e-mail address: %w", expense.ErrNotFound)
	}
	return find(a.accounts, "account", id)
}

// Accounts implements [accounts.Store].
func (a *Accounts) Accounts(context.Context) iter.Seq2[accounts.Account, error] {
	return func(yield func(accounts.Account, error) bool) {
		for _, account := range a.sorted() {
			if !yield(account, nil) {
				return
			}
		}
	}
}

// RehashPassword implements [accounts.Store].
func (a *Accounts) RehashPassword(_ context.Context, account uuid.UUID, oldHash, newHash string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.replaceHash(account, oldHash, newHash)
}

// SetPassword implements [accounts.Store].
func (a *Accounts) SetPassword(
	_ context.Context, account uuid.UUID, oldHash, newHash string, keepDevice uuid.UUID, at time.Time,
) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.replaceHash(account, oldHash, newHash); err != nil {
		return err
	}
	for id, device := range a.devices[account] {
		if id != keepDevice && !device.Ended() {
			device.EndedAt = at
			a.devices[account][id] = device
		}
	}
	return nil
}

// SetEmail implements [accounts.Store].
func (a *Accounts) SetEmail(_ context.Context, id uuid.UUID, passwordHash, email string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.checkedAccount(id, passwordHash)
	if err != nil {
		return err
	}
	key := accounts.EmailKey(email)
	if holder, taken := a.emails[key]; taken && holder != id {
		return fmt.Errorf("account with this e-mail address: %w", expense.ErrExists)
	}
	delete(a.emails, accounts.EmailKey(account.Email))
	account.Email = email
	a.emails[key], a.accounts[id] = id, account
	return nil
}

// DeleteAccount implements [accounts.Store].
func (a *Accounts) DeleteAccount(_ context.Context, id uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := find(a.accounts, "account", id)
	if err != nil {
		return err
	}
	delete(a.emails, accounts.EmailKey(account.Email))
	delete(a.accounts, id)
	delete(a.devices, id)
	delete(a.tokens, id)
	a.erasures[id] = accounts.Erasure{Account: id, At: at}
	return nil
}

// Erasures implements [accounts.Store].
func (a *Accounts) Erasures(context.Context) ([]accounts.Erasure, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return sortedByID(a.erasures), nil
}

// EndErasure implements [accounts.Store].
func (a *Accounts) EndErasure(_ context.Context, account uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.erasures, account)
	return nil
}

// CreateDevice implements [accounts.Store].
func (a *Accounts) CreateDevice(_ context.Context, device accounts.Device, passwordHash string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.checkedAccount(device.Account, passwordHash)
	if err != nil {
		return err
	}
	if _, taken := a.devices[account.ID][device.ID]; taken {
		return fmt.Errorf("device %s: %w", device.ID, expense.ErrExists)
	}
	a.devices[account.ID][device.ID] = device
	return nil
}

// Device implements [accounts.Store].
func (a *Accounts) Device(_ context.Context, account, id uuid.UUID) (accounts.Device, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return find(a.devices[account], "device", id)
}

// Devices implements [accounts.Store].
func (a *Accounts) Devices(_ context.Context, account uuid.UUID) ([]accounts.Device, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return sortedByID(a.devices[account]), nil
}

// RotateRefresh implements [accounts.Store].
func (a *Accounts) RotateRefresh(
	_ context.Context, account, device uuid.UUID, oldHash accounts.SecretHash, tokens accounts.RefreshTokens,
	seen time.Time,
) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := find(a.devices[account], "device", device)
	if err != nil {
		return err
	}
	if d.Ended() {
		return fmt.Errorf("device %s: %w", device, expense.ErrGone)
	}
	if d.Refresh.Current != oldHash {
		return fmt.Errorf("refresh token of device %s: %w", device, expense.ErrStale)
	}
	d.Refresh, d.SeenAt = tokens, seen
	a.devices[account][device] = d
	return nil
}

// EndDevice implements [accounts.Store].
func (a *Accounts) EndDevice(_ context.Context, account, device uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := find(a.devices[account], "device", device)
	if err != nil {
		return err
	}
	if !d.Ended() {
		d.EndedAt = at
		a.devices[account][device] = d
	}
	return nil
}

// CreateToken implements [accounts.Store].
func (a *Accounts) CreateToken(_ context.Context, token accounts.Token) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := find(a.accounts, "account", token.Account); err != nil {
		return err
	}
	if _, taken := a.tokens[token.Account][token.ID]; taken {
		return fmt.Errorf("token %s: %w", token.ID, expense.ErrExists)
	}
	a.tokens[token.Account][token.ID] = token
	return nil
}

// Token implements [accounts.Store].
func (a *Accounts) Token(_ context.Context, account, id uuid.UUID) (accounts.Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return find(a.tokens[account], "token", id)
}

// Tokens implements [accounts.Store].
func (a *Accounts) Tokens(_ context.Context, account uuid.UUID) ([]accounts.Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return sortedByID(a.tokens[account]), nil
}

// RecordTokenUse implements [accounts.Store].
func (a *Accounts) RecordTokenUse(_ context.Context, account, id uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	token, err := find(a.tokens[account], "token", id)
	if err != nil {
		return err
	}
	token.UsedAt = at
	a.tokens[account][id] = token
	return nil
}

// DeleteToken implements [accounts.Store].
func (a *Accounts) DeleteToken(_ context.Context, account, id uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := find(a.tokens[account], "token", id)
	delete(a.tokens[account], id)
	return err
}

// Failures implements [accounts.Store].
func (a *Accounts) Failures(
	_ context.Context, keys ...accounts.SecretHash,
) (map[accounts.SecretHash]accounts.Failures, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	counts := make(map[accounts.SecretHash]accounts.Failures)
	for _, key := range keys {
		if counted, ok := a.failures[key]; ok {
			counts[key] = counted
		}
	}
	return counts, nil
}

// RecordFailure implements [accounts.Store].
func (a *Accounts) RecordFailure(_ context.Context, at, resetBefore time.Time, keys ...accounts.SecretHash) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		counted := a.failures[key]
		if counted.Last.Before(resetBefore) {
			counted.Count = 0
		}
		a.failures[key] = accounts.Failures{Count: counted.Count + 1, Last: at}
	}
	return nil
}

// ClearFailures implements [accounts.Store].
func (a *Accounts) ClearFailures(_ context.Context, key accounts.SecretHash) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failures, key)
	return nil
}

// Purge implements [accounts.Store].
func (a *Accounts) Purge(_ context.Context, expiredBefore, failedBefore time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, devices := range a.devices {
		maps.DeleteFunc(devices, func(_ uuid.UUID, device accounts.Device) bool {
			return device.Ended() && device.EndedAt.Before(expiredBefore) || device.Refresh.ExpiresAt.Before(expiredBefore)
		})
	}
	for _, tokens := range a.tokens {
		maps.DeleteFunc(tokens, func(_ uuid.UUID, token accounts.Token) bool { return token.ExpiresAt.Before(expiredBefore) })
	}
	maps.DeleteFunc(a.failures, func(_ accounts.SecretHash, counted accounts.Failures) bool {
		return counted.Last.Before(failedBefore)
	})
	return nil
}

// SigningKeys implements [accounts.Store].
func (a *Accounts) SigningKeys(context.Context) ([]accounts.SigningKey, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	keys := make([]accounts.SigningKey, 0, len(a.keys))
	for _, key := range a.keys {
		keys = append(keys, cloneKey(key))
	}
	slices.SortFunc(keys, func(x, y accounts.SigningKey) int { return cmp.Compare(x.Serial, y.Serial) })
	return keys, nil
}

// CreateSigningKey implements [accounts.Store].
func (a *Accounts) CreateSigningKey(_ context.Context, key accounts.SigningKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, stored := range a.keys {
		if id == key.ID || stored.Serial == key.Serial {
			return fmt.Errorf("signing key %s, serial %d: %w", key.ID, key.Serial, expense.ErrExists)
		}
	}
	a.keys[key.ID] = cloneKey(key)
	return nil
}

// SetSigningKeyStage implements [accounts.Store].
func (a *Accounts) SetSigningKeyStage(_ context.Context, id uuid.UUID, from, to accounts.KeyStage, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, err := find(a.keys, "signing key", id)
	if err != nil {
		return err
	}
	if key.Stage != from {
		return fmt.Errorf("signing key %s is %s: %w", id, key.Stage, expense.ErrStale)
	}
	key.Stage, key.StagedAt = to, at
	a.keys[id] = key
	return nil
}

// DeleteSigningKey implements [accounts.Store].
func (a *Accounts) DeleteSigningKey(_ context.Context, id uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, err := find(a.keys, "signing key", id)
	delete(a.keys, id)
	return err
}

// find returns a row. kind names the row in the error.
func find[V any](rows map[uuid.UUID]V, kind string, id uuid.UUID) (V, error) {
	row, ok := rows[id]
	if !ok {
		return row, fmt.Errorf("%s %s: %w", kind, id, expense.ErrNotFound)
	}
	return row, nil
}

// sortedByID returns the rows ordered by their keys.
func sortedByID[V any](rows map[uuid.UUID]V) []V {
	var list []V
	for _, id := range slices.SortedFunc(maps.Keys(rows), compareIDs) {
		list = append(list, rows[id])
	}
	return list
}

// checkedAccount returns an account. It returns ErrStale if passwordHash is not the stored hash. The caller holds a.mu.
func (a *Accounts) checkedAccount(id uuid.UUID, passwordHash string) (accounts.Account, error) {
	account, err := find(a.accounts, "account", id)
	if err == nil && account.PasswordHash != passwordHash {
		err = fmt.Errorf("password of account %s: %w", id, expense.ErrStale)
	}
	return account, err
}

// replaceHash replaces the password hash of an account. The caller holds a.mu.
func (a *Accounts) replaceHash(id uuid.UUID, oldHash, newHash string) error {
	account, err := a.checkedAccount(id, oldHash)
	if err != nil {
		return err
	}
	account.PasswordHash = newHash
	a.accounts[id] = account
	return nil
}

// sorted returns the accounts ordered by their EmailKey.
func (a *Accounts) sorted() []accounts.Account {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := make([]accounts.Account, 0, len(a.emails))
	for _, key := range slices.Sorted(maps.Keys(a.emails)) {
		list = append(list, a.accounts[a.emails[key]])
	}
	return list
}

func cloneKey(key accounts.SigningKey) accounts.SigningKey {
	key.Public, key.EncryptedPrivate = slices.Clone(key.Public), slices.Clone(key.EncryptedPrivate)
	return key
}
