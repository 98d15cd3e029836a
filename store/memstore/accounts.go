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

// Accounts keeps accounts, devices and signing keys in memory; see [store.Accounts]. What it holds ends with the process.
type Accounts struct {
	mu       sync.RWMutex
	accounts map[uuid.UUID]store.Account
	emails   map[string]uuid.UUID // by store.EmailKey
	devices  map[uuid.UUID]map[uuid.UUID]store.Device
	keys     map[uuid.UUID]store.Key
}

// NewAccounts returns a store without accounts.
func NewAccounts() *Accounts {
	return &Accounts{
		accounts: make(map[uuid.UUID]store.Account),
		emails:   make(map[string]uuid.UUID),
		devices:  make(map[uuid.UUID]map[uuid.UUID]store.Device),
		keys:     make(map[uuid.UUID]store.Key),
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
func (a *Accounts) Rehash(_ context.Context, account uuid.UUID, from, to string) error {
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

// DeleteAccount implements [store.Accounts].
func (a *Accounts) DeleteAccount(_ context.Context, id uuid.UUID) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, err := a.account(id)
	if err != nil {
		return err
	}
	delete(a.emails, store.EmailKey(account.Email))
	delete(a.accounts, id)
	delete(a.devices, id)
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
	_ context.Context, account, device uuid.UUID, from store.Digest, to store.Refresh, seen time.Time,
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

// PurgeDevices implements [store.Accounts].
func (a *Accounts) PurgeDevices(_ context.Context, before time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, devices := range a.devices {
		maps.DeleteFunc(devices, func(_ uuid.UUID, device store.Device) bool {
			return device.Ended() && device.EndedAt.Before(before) || device.Refresh.ExpiresAt.Before(before)
		})
	}
	return nil
}

// Keys implements [store.Accounts].
func (a *Accounts) Keys(context.Context) ([]store.Key, error) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	keys := make([]store.Key, 0, len(a.keys))
	for _, key := range a.keys {
		keys = append(keys, cloneKey(key))
	}
	slices.SortFunc(keys, func(x, y store.Key) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), slices.Compare(x.ID[:], y.ID[:]))
	})
	return keys, nil
}

// PutKey implements [store.Accounts].
func (a *Accounts) PutKey(_ context.Context, key store.Key) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, taken := a.keys[key.ID]; taken {
		return fmt.Errorf("signing key %s: %w", key.ID, expense.ErrExists)
	}
	a.keys[key.ID] = cloneKey(key)
	return nil
}

// account, device, replaceHash and sorted are called with the lock held, sorted without.

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

func cloneKey(key store.Key) store.Key {
	key.Public, key.Sealed = slices.Clone(key.Public), slices.Clone(key.Sealed)
	return key
}
