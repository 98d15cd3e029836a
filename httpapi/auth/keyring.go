package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

const (
	// DefaultKeyActivationDelay is the default of Config.KeyActivationDelay: how long a signing key is published before
	// it signs. Verifiers that cache the key set for a shorter time receive every key before its first token.
	DefaultKeyActivationDelay = 10 * time.Minute

	// keyCacheTTL is how long an instance uses the keys it has read. A key removed by another instance is refused after
	// that.
	keyCacheTTL = 30 * time.Second
	// retiredKeyRetention is how long a retired key stays published. It exceeds the sum of AccessTokenLifetime, clockSkew
	// and the time until every instance has noticed the retirement.
	retiredKeyRetention = 20 * time.Minute
	// minReloadInterval is the shortest time between two reads of the keys after an unknown key id or a failed read.
	minReloadInterval = time.Second
	reloadTimeout     = 5 * time.Second
)

// A keyring caches the public keys of all instances and the private key with which this instance signs.
type keyring struct {
	accounts         accounts.Store
	kek              []byte        // nil: this instance only verifies and creates no keys
	rotationInterval time.Duration // time between two new keys; 0: only RotateSigningKey creates them
	activationDelay  time.Duration // how long a key is pending before it becomes active
	logger           *slog.Logger
	now              func() time.Time
	state            atomic.Pointer[keySnapshot] // never modified, only replaced

	sem        semaphore // guards the fields below and the reads of the keys
	lastReload time.Time // start of the last reload
	reloadErr  error     // result of the last reload
}

// A keySnapshot is an immutable view of the keys at one read.
type keySnapshot struct {
	loadedAt     time.Time
	public       map[string]any // ed25519.PublicKey or *ecdsa.PublicKey, by key id
	jwks         []byte
	signingKeyID string // id of signingKey; empty: none
	signingKey   ed25519.PrivateKey
}

// newKeyring reads the keys. It creates an active key if the KEK decrypts none of the active keys.
func newKeyring(ctx context.Context, store accounts.Store, config Config) (*keyring, error) {
	ring := &keyring{
		accounts: store, kek: config.KEK, logger: config.Logger, now: config.Now, sem: make(semaphore, 1),
		rotationInterval: config.KeyRotationInterval, activationDelay: config.KeyActivationDelay,
	}
	ring.state.Store(&keySnapshot{})
	return ring, ring.load(ctx)
}

// newKey generates a key pair whose serial follows those of keys.
func newKey(
	kek []byte, keys []accounts.SigningKey, stage accounts.KeyStage, now time.Time,
) (accounts.SigningKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return accounts.SigningKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return accounts.SigningKey{}, err
	}
	now = expense.Timestamp(now)
	key := accounts.SigningKey{ID: uuid.New(), Serial: 1, Public: der, Stage: stage, CreatedAt: now, StagedAt: now}
	for _, other := range keys {
		key.Serial = max(key.Serial, other.Serial+1)
	}
	key.EncryptedPrivate, err = seal(kek, key.ID, private)
	return key, err
}

// RotateSigningKey stores a new pending signing key, encrypted with kek. The instances publish it and sign with it
// after their Config.KeyActivationDelay. If kek decrypts a pending key of the store, RotateSigningKey returns that key,
// and created is false.
func RotateSigningKey(
	ctx context.Context, store accounts.Store, kek []byte, now time.Time,
) (key accounts.SigningKey, created bool, err error) {
	for {
		keys, err := store.SigningKeys(ctx)
		if err != nil {
			return accounts.SigningKey{}, false, fmt.Errorf("read the signing keys: %w", err)
		}
		if pending := newestKey(keys, kek, accounts.KeyPending); pending != nil {
			return *pending, false, nil
		}
		key, err := newKey(kek, keys, accounts.KeyPending, now)
		if err != nil {
			return accounts.SigningKey{}, false, fmt.Errorf("create a signing key: %w", err)
		}
		if err := store.CreateSigningKey(ctx, key); !errors.Is(err, expense.ErrExists) {
			return key, err == nil, err
		}
	}
}

// newestKey returns the newest key at stage that kek decrypts, or nil.
func newestKey(keys []accounts.SigningKey, kek []byte, stage accounts.KeyStage) *accounts.SigningKey {
	for _, key := range slices.Backward(keys) {
		if key.Stage != stage {
			continue
		}
		if _, err := decrypt(kek, key.ID, key.EncryptedPrivate); err == nil {
			return &key
		}
	}
	return nil
}

// load reads the keys and installs them. An instance that signs and has no active key activates a pending one or
// creates one first.
func (k *keyring) load(ctx context.Context) error {
	for {
		started := k.now()
		keys, err := k.accounts.SigningKeys(ctx)
		if err != nil {
			return fmt.Errorf("read the signing keys: %w", err)
		}
		if k.kek == nil {
			return k.install(keys, nil, started)
		}
		active := newestKey(keys, k.kek, accounts.KeyActive)
		if active != nil {
			return k.install(keys, active, started)
		}
		if err := k.ensureActiveKey(ctx, keys); err != nil {
			return fmt.Errorf("activate a signing key: %w", err)
		}
	}
}

// ensureActiveKey activates the newest pending key that the KEK decrypts, or creates an active key.
func (k *keyring) ensureActiveKey(ctx context.Context, keys []accounts.SigningKey) error {
	now := k.now()
	if next := newestKey(keys, k.kek, accounts.KeyPending); next != nil {
		return ignoreConcurrentWrite(
			k.accounts.SetSigningKeyStage(ctx, next.ID, accounts.KeyPending, accounts.KeyActive, expense.Timestamp(now)))
	}
	key, err := newKey(k.kek, keys, accounts.KeyActive, now)
	if err != nil {
		return err
	}
	if err := ignoreConcurrentWrite(k.accounts.CreateSigningKey(ctx, key)); err != nil {
		return err
	}
	reason := "the configured key-encryption key decrypts no active signing key"
	if len(keys) == 0 {
		reason = "the store has no signing key"
	}
	k.logger.InfoContext(ctx, "created a signing key", "why", reason, "key", key.ID)
	return nil
}

// ignoreConcurrentWrite returns nil if err means that another instance has made the same write first: ErrExists,
// ErrStale or ErrNotFound. It returns any other error unchanged.
func ignoreConcurrentWrite(err error) error {
	if errors.Is(err, expense.ErrExists) || errors.Is(err, expense.ErrStale) || errors.Is(err, expense.ErrNotFound) {
		return nil
	}
	return err
}

// install publishes the keys as the current snapshot. signing may be nil.
func (k *keyring) install(keys []accounts.SigningKey, signing *accounts.SigningKey, loadedAt time.Time) error {
	state := &keySnapshot{loadedAt: loadedAt, public: make(map[string]any, len(keys))}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, key := range keys {
		parsed, err := x509.ParsePKIXPublicKey(key.Public)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", key.ID, err)
		}
		published, ok := newJWK(key.ID.String(), parsed)
		if !ok {
			continue // algorithm of a newer release
		}
		state.public[key.ID.String()] = parsed
		set.Keys = append(set.Keys, published)
	}
	var err error
	if state.jwks, err = json.Marshal(set); err != nil {
		return err
	}
	if signing != nil {
		state.signingKeyID = signing.ID.String()
		if state.signingKey, err = unseal(k.kek, signing.ID, signing.EncryptedPrivate); err != nil {
			return err
		}
	}
	k.state.Store(state)
	return nil
}

// current returns the keys of the last successful read. If they are older than keyCacheTTL, it reads them again first.
// While the store does not respond, it returns the old keys.
func (k *keyring) current(ctx context.Context) *keySnapshot {
	if state := k.state.Load(); k.now().Sub(state.loadedAt) < keyCacheTTL {
		return state
	}
	if release, err := k.sem.acquire(ctx); err == nil {
		defer release()
		now := k.now()
		if now.Sub(k.state.Load().loadedAt) >= keyCacheTTL && now.Sub(k.lastReload) >= minReloadInterval {
			k.reload(ctx)
		}
	}
	return k.state.Load()
}

// lookup returns the public key with this id. An unknown id may belong to a new key of another instance, so lookup
// reads the keys again. All waiting requests share one read, and reads are at least minReloadInterval apart. It returns
// ErrNotFound if no such key exists.
func (k *keyring) lookup(ctx context.Context, id string) (any, error) {
	if key, ok := k.state.Load().public[id]; ok {
		return key, nil
	}
	if _, err := uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("signing key: %w", expense.ErrNotFound)
	}
	requested := k.now()
	release, err := k.sem.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if !k.lastReload.After(requested) {
		pause := time.NewTimer(minReloadInterval - k.now().Sub(k.lastReload))
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		k.reload(ctx)
	}
	if key, ok := k.state.Load().public[id]; ok {
		return key, nil
	}
	if k.reloadErr != nil {
		return nil, k.reloadErr
	}
	return nil, fmt.Errorf("signing key: %w", expense.ErrNotFound)
}

// reload reads the keys on behalf of all waiting requests, so it continues when the request that started it is
// cancelled. The caller holds the semaphore.
func (k *keyring) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	k.lastReload = k.now()
	k.reloadErr = k.load(ctx)
	if ctx.Err() != nil {
		k.reloadErr = fmt.Errorf("%w: the signing keys could not be read within %s", expense.ErrUnavailable, reloadTimeout)
	}
}

// rotate stores the next key when it is due, activates pending keys, retires replaced keys and deletes expired ones.
// Instances may run it concurrently. Every step is a compare-and-set, which succeeds on one instance only.
func (k *keyring) rotate(ctx context.Context) error {
	keys, err := k.accounts.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	now := expense.Timestamp(k.now())
	since := func(key accounts.SigningKey) time.Duration { return now.Sub(key.StagedAt) }
	move := func(key accounts.SigningKey, to accounts.KeyStage) {
		moveErr := k.accounts.SetSigningKeyStage(ctx, key.ID, key.Stage, to, now)
		if moveErr == nil {
			k.logger.InfoContext(ctx, "moved a signing key", "key", key.ID, "from", string(key.Stage), "to", string(to))
		}
		err = errors.Join(err, ignoreConcurrentWrite(moveErr))
	}
	active, pending := newestKey(keys, k.kek, accounts.KeyActive), newestKey(keys, k.kek, accounts.KeyPending)
	due := k.rotationInterval > 0 && active != nil && since(*active) >= k.rotationInterval-k.activationDelay
	if due && pending == nil {
		key, created, rotateErr := RotateSigningKey(ctx, k.accounts, k.kek, now)
		if created {
			k.logger.InfoContext(ctx, "published the next signing key", "key", key.ID)
		}
		err = errors.Join(err, rotateErr)
	}
	for _, key := range keys {
		_, decryptErr := decrypt(k.kek, key.ID, key.EncryptedPrivate)
		decryptable := decryptErr == nil
		// If the KEK of a key is lost, no instance rotates the key. Therefore the instances with another KEK retire it after
		// two intervals.
		abandoned := !decryptable && k.rotationInterval > 0 && since(key) > 2*k.rotationInterval
		switch key.Stage {
		case accounts.KeyPending:
			if abandoned {
				move(key, accounts.KeyRetired)
			} else if decryptable && since(key) >= k.activationDelay {
				move(key, accounts.KeyActive)
			}
		case accounts.KeyActive:
			if abandoned || decryptable && key.Serial < active.Serial {
				move(key, accounts.KeyRetired)
			}
		case accounts.KeyRetired:
			if since(key) >= retiredKeyRetention {
				err = errors.Join(err, ignoreConcurrentWrite(k.accounts.DeleteSigningKey(ctx, key.ID)))
			}
		}
	}
	return err
}

// maintain rotates the keys, unless this instance only verifies, and reloads them.
func (k *keyring) maintain(ctx context.Context) error {
	var rotateErr error
	if k.kek != nil {
		rotateErr = k.rotate(ctx)
	}
	release, err := k.sem.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	k.reload(ctx)
	return errors.Join(rotateErr, k.reloadErr)
}

// newJWK returns a public key in the format of RFC 7517, and false if it is neither an Ed25519 nor a P-256 key.
func newJWK(id string, public any) (jose.JSONWebKey, bool) {
	jwk := jose.JSONWebKey{Key: public, KeyID: id, Use: "sig", Algorithm: string(jose.EdDSA)}
	_, ok := public.(ed25519.PublicKey)
	if key, isECDSA := public.(*ecdsa.PublicKey); isECDSA {
		jwk.Algorithm, ok = string(jose.ES256), key.Curve == elliptic.P256()
	}
	return jwk, ok
}
