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
	"github.com/spendwise/spendwise/store"
)

var _ store.Accounts = (*Accounts)(nil)

// Accounts keeps accounts, devices, tokens, failures and signing keys in memory; see [store.Accounts]. What it holds ends with the process.
type Accounts struct {
	mu       sync.RWMutex
	accounts map[uuid.UUID]store.Account
	emails   map[string]uuid.UUID // by store.EmailKey
	devices  map[uuid.UUID]map[uuid.UUID]store.Device
	tokens   map[uuid.UUID]map[uuid.UUID]store.Token
	erasures map[uuid.UUID]store.Erasure
	failures map[store.SecretHash]store.Failures
	keys     map[uuid.UUID]store.SigningKey
}

// NewAccounts returns a store without accounts.
func NewAccounts() *Accounts {
	return &Accounts{
		accounts: make(map[uuid.UUID]store.Account),
		emails:   make(map[string]uuid.UUID),
		devices:  make(map[uuid.UUID]map[uuid.UUID]store.Device),
		tokens:   make(map[uuid.UUID]map[uuid.UUID]store.Token),
		erasures: make(map[uuid.UUID]store.Erasure),
		failures: make(map[store.SecretHash]store.Failures),
		keys:     make(map[uuid.UUID]store.SigningKey),
	}
}

// CreateAccount implements [store.Accounts].
func (a *Accounts) CreateAccount(_ context.Context, account store.Account) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := store.EmailKey(account.Email)
	if _, taken := a.emails[key]; taken {
		return fmt.Errorf("an account of this e-mail address: %w", expense.ErrExists)
	}
	if _, taken := a.accounts[account.ID]; taken {
		return fmt.Errorf("account %s: %w", account.ID, expense.ErrExists)
	}
	a.accounts[account.ID] = account
	a.emails[key] = account.ID
	a.devices[account.ID] = make(map[uuid.UUID]store.Device)
	a.tokens[account.ID] = make(map[uuid.UUID]store.Token)
	return nil
}

// Account implements [store.Accounts].
func (a *Accounts) Account(_ context.Context, id uuid.UUID) (store.Account, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.account(id)
}

// AccountByEmail implements [store.Accounts].
func (a *Accounts) AccountByEmail(_ context.Context, email string) (store.Account, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	id, ok := a.emails[store.EmailKey(email)]
	if !ok {
		return store.Account{}, fmt.Errorf("an account of this e-mail address: %w", expense.ErrNotFound)
	}
	return a.account(id)
}

// Accounts implements [store.Accounts].
func (a *Accounts) Accounts(context.Context) iter.Seq2[store.Account, error] {
	return func(yield func(store.Account, error) bool) {
		for _, account := range a.sorted() {
			if !yield(account, nil) {
				return
			}
		}
	}
}

// Rehash implements [store.Accounts].
func (a *Accounts) RehashPassword(_ context.Context, account uuid.UUID, from, to string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.replaceHash(account, from, to)
}

// SetPassword implements [store.Accounts].
func (a *Accounts) SetPassword(_ context.Context, account uuid.UUID, from, to string, keep uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.replaceHash(account, from, to); err != nil {
		return err
	}
	for id, device := range a.devices[account] {
		if id != keep && !device.Ended() {
			device.EndedAt = at
			a.devices[account][id] = device
		}
	}
	return nil
}

// SetEmail implements [store.Accounts].
func (a *Accounts) SetEmail(_ context.Context, id uuid.UUID, passwordHash, email string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.account(id)
	if err != nil {
		return err
	}
	if account.PasswordHash != passwordHash {
		return fmt.Errorf("password of account %s: %w", id, expense.ErrStale)
	}
	key := store.EmailKey(email)
	if holder, taken := a.emails[key]; taken && holder != id {
		return fmt.Errorf("an account of this e-mail address: %w", expense.ErrExists)
	}
	delete(a.emails, store.EmailKey(account.Email))
	account.Email = email
	a.emails[key], a.accounts[id] = id, account
	return nil
}

// DeleteAccount implements [store.Accounts].
func (a *Accounts) DeleteAccount(_ context.Context, id uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.account(id)
	if err != nil {
		return err
	}
	delete(a.emails, store.EmailKey(account.Email))
	delete(a.accounts, id)
	delete(a.devices, id)
	delete(a.tokens, id)
	a.erasures[id] = store.Erasure{Account: id, At: at}
	return nil
}

// Erasures implements [store.Accounts].
func (a *Accounts) Erasures(context.Context) ([]store.Erasure, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.SortedFunc(maps.Values(a.erasures), func(x, y store.Erasure) int {
		return slices.Compare(x.Account[:], y.Account[:])
	}), nil
}

// EndErasure implements [store.Accounts].
func (a *Accounts) EndErasure(_ context.Context, account uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.erasures, account)
	return nil
}

// CreateDevice implements [store.Accounts].
func (a *Accounts) CreateDevice(_ context.Context, device store.Device, passwordHash string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.account(device.Account)
	if err != nil {
		return err
	}
	if account.PasswordHash != passwordHash {
		return fmt.Errorf("password of account %s: %w", account.ID, expense.ErrStale)
	}
	if _, taken := a.devices[account.ID][device.ID]; taken {
		return fmt.Errorf("device %s: %w", device.ID, expense.ErrExists)
	}
	a.devices[account.ID][device.ID] = device
	return nil
}

// Device implements [store.Accounts].
func (a *Accounts) Device(_ context.Context, account, id uuid.UUID) (store.Device, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.device(account, id)
}

// Devices implements [store.Accounts].
func (a *Accounts) Devices(_ context.Context, account uuid.UUID) ([]store.Device, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.SortedFunc(maps.Values(a.devices[account]), func(x, y store.Device) int {
		return slices.Compare(x.ID[:], y.ID[:])
	}), nil
}

// RotateRefresh implements [store.Accounts].
func (a *Accounts) RotateRefresh(
	_ context.Context, account, device uuid.UUID, from store.SecretHash, to store.RefreshTokens, seen time.Time,
) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, err := a.device(account, device)
	if err != nil {
		return err
	}
	if kept.Ended() {
		return fmt.Errorf("device %s: %w", device, expense.ErrGone)
	}
	if kept.Refresh.Current != from {
		return fmt.Errorf("refresh token of device %s: %w", device, expense.ErrStale)
	}
	kept.Refresh, kept.SeenAt = to, seen
	a.devices[account][device] = kept
	return nil
}

// EndDevice implements [store.Accounts].
func (a *Accounts) EndDevice(_ context.Context, account, device uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, err := a.device(account, device)
	if err != nil {
		return err
	}
	if !kept.Ended() {
		kept.EndedAt = at
		a.devices[account][device] = kept
	}
	return nil
}

// CreateToken implements [store.Accounts].
func (a *Accounts) CreateToken(_ context.Context, token store.Token) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.account(token.Account); err != nil {
		return err
	}
	if _, taken := a.tokens[token.Account][token.ID]; taken {
		return fmt.Errorf("token %s: %w", token.ID, expense.ErrExists)
	}
	a.tokens[token.Account][token.ID] = token
	return nil
}

// Token implements [store.Accounts].
func (a *Accounts) Token(_ context.Context, account, id uuid.UUID) (store.Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.token(account, id)
}

// Tokens implements [store.Accounts].
func (a *Accounts) Tokens(_ context.Context, account uuid.UUID) ([]store.Token, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.SortedFunc(maps.Values(a.tokens[account]), func(x, y store.Token) int {
		return slices.Compare(x.ID[:], y.ID[:])
	}), nil
}

// UseToken implements [store.Accounts].
func (a *Accounts) RecordTokenUse(_ context.Context, account, id uuid.UUID, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	kept, err := a.token(account, id)
	if err != nil {
		return err
	}
	kept.UsedAt = at
	a.tokens[account][id] = kept
	return nil
}

// DeleteToken implements [store.Accounts].
func (a *Accounts) DeleteToken(_ context.Context, account, id uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.token(account, id); err != nil {
		return err
	}
	delete(a.tokens[account], id)
	return nil
}

// Failures implements [store.Accounts].
func (a *Accounts) Failures(_ context.Context, keys ...store.SecretHash) (map[store.SecretHash]store.Failures, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	found := make(map[store.SecretHash]store.Failures)
	for _, key := range keys {
		if counted, ok := a.failures[key]; ok {
			found[key] = counted
		}
	}
	return found, nil
}

// CountFailure implements [store.Accounts].
func (a *Accounts) RecordFailure(_ context.Context, at, quiet time.Time, keys ...store.SecretHash) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		counted := a.failures[key]
		if counted.Last.Before(quiet) {
			counted.Count = 0
		}
		a.failures[key] = store.Failures{Count: counted.Count + 1, Last: at}
	}
	return nil
}

// ForgetFailures implements [store.Accounts].
func (a *Accounts) ClearFailures(_ context.Context, key store.SecretHash) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.failures, key)
	return nil
}

// Purge implements [store.Accounts].
func (a *Accounts) Purge(_ context.Context, before, quiet time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, devices := range a.devices {
		maps.DeleteFunc(devices, func(_ uuid.UUID, device store.Device) bool {
			return device.Ended() && device.EndedAt.Before(before) || device.Refresh.ExpiresAt.Before(before)
		})
	}
	for _, tokens := range a.tokens {
		maps.DeleteFunc(tokens, func(_ uuid.UUID, token store.Token) bool { return token.ExpiresAt.Before(before) })
	}
	maps.DeleteFunc(a.failures, func(_ store.SecretHash, counted store.Failures) bool { return counted.Last.Before(quiet) })
	return nil
}

// Keys implements [store.Accounts].
func (a *Accounts) SigningKeys(context.Context) ([]store.SigningKey, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	keys := make([]store.SigningKey, 0, len(a.keys))
	for _, key := range a.keys {
		keys = append(keys, cloneKey(key))
	}
	slices.SortFunc(keys, func(x, y store.SigningKey) int { return cmp.Compare(x.Serial, y.Serial) })
	return keys, nil
}

// PutKey implements [store.Accounts].
func (a *Accounts) CreateSigningKey(_ context.Context, key store.SigningKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, kept := range a.keys {
		if id == key.ID || kept.Serial == key.Serial {
			return fmt.Errorf("signing key %s, number %d: %w", key.ID, key.Serial, expense.ErrExists)
		}
	}
	a.keys[key.ID] = cloneKey(key)
	return nil
}

// MoveKey implements [store.Accounts].
func (a *Accounts) SetSigningKeyStage(_ context.Context, id uuid.UUID, from, to store.KeyStage, at time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, ok := a.keys[id]
	if !ok {
		return fmt.Errorf("signing key %s: %w", id, expense.ErrNotFound)
	}
	if key.Stage != from {
		return fmt.Errorf("signing key %s is %s: %w", id, key.Stage, expense.ErrStale)
	}
	key.Stage, key.StagedAt = to, at
	a.keys[id] = key
	return nil
}

// DeleteKey implements [store.Accounts].
func (a *Accounts) DeleteSigningKey(_ context.Context, id uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.keys[id]; !ok {
		return fmt.Errorf("signing key %s: %w", id, expense.ErrNotFound)
	}
	delete(a.keys, id)
	return nil
}

// account, device, token, replaceHash and sorted are called with the lock held, sorted without.

func (a *Accounts) account(id uuid.UUID) (store.Account, error) {
	account, ok := a.accounts[id]
	if !ok {
		return store.Account{}, fmt.Errorf("account %s: %w", id, expense.ErrNotFound)
	}
	return account, nil
}

func (a *Accounts) device(account, id uuid.UUID) (store.Device, error) {
	device, ok := a.devices[account][id]
	if !ok {
		return store.Device{}, fmt.Errorf("device %s: %w", id, expense.ErrNotFound)
	}
	return device, nil
}

func (a *Accounts) token(account, id uuid.UUID) (store.Token, error) {
	token, ok := a.tokens[account][id]
	if !ok {
		return store.Token{}, fmt.Errorf("token %s: %w", id, expense.ErrNotFound)
	}
	return token, nil
}

func (a *Accounts) replaceHash(id uuid.UUID, from, to string) error {
	account, err := a.account(id)
	if err != nil {
		return err
	}
	if account.PasswordHash != from {
		return fmt.Errorf("password of account %s: %w", id, expense.ErrStale)
	}
	account.PasswordHash = to
	a.accounts[id] = account
	return nil
}

func (a *Accounts) sorted() []store.Account {
	a.mu.RLock()
	defer a.mu.RUnlock()
	accounts := make([]store.Account, 0, len(a.emails))
	for _, key := range slices.Sorted(maps.Keys(a.emails)) {
		accounts = append(accounts, a.accounts[a.emails[key]])
	}
	return accounts
}

func cloneKey(key store.SigningKey) store.SigningKey {
	key.Public, key.EncryptedPrivate = slices.Clone(key.Public), slices.Clone(key.EncryptedPrivate)
	return key
}
