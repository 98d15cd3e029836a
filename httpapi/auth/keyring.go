package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// KeyActivationDelay is how long a signing key is published before it signs: whoever keeps the published keys for a while has it by then.
	KeyActivationDelay = 10 * time.Minute

	// keysFresh is how long an instance goes by the keys it read: a key that was revoked elsewhere is refused within it.
	keysFresh = 30 * time.Second
	// keyRetired is how long a key is published after it signed last: longer than its last token lives, the skew of the clocks
	// and the time in which every instance notices included.
	keyRetired = 20 * time.Minute
	// reloadPause is how long after a reading of the keys an unknown key id, or trouble, does not make the keyring read again.
	reloadPause   = time.Second
	reloadTimeout = 5 * time.Second
)

// A keyring holds the public keys of all instances, and the private one that this instance signs with.
type keyring struct {
	accounts store.Accounts
	kek      []byte        // nil: this instance verifies only, and makes no key
	period   time.Duration // between two keys; 0: only the command makes new ones
	lead     time.Duration // for which a key is published before it signs
	logger   *slog.Logger
	now      func() time.Time
	state    atomic.Pointer[ringState] // replaced whole

	turn    chan struct{} // held by the one that reads the keys
	tried   time.Time     // when the last reading began
	failure error         // of the last reading
}

// A ringState is what the keys were when they were read.
type ringState struct {
	read    time.Time
	public  map[string]any // ed25519.PublicKey or *ecdsa.PublicKey, by key id
	jwks    []byte
	signer  string // the id of the key that signs; "": none
	private ed25519.PrivateKey
}

// newKeyring reads the keys kept and signs with the newest active one that it can open; where there is none, it makes one.
func newKeyring(ctx context.Context, accounts store.Accounts, config Config) (*keyring, error) {
	ring := &keyring{
		accounts: accounts, kek: config.KEK, period: config.KeyRotationInterval, lead: config.KeyActivationDelay, logger: config.Logger, now: config.Now,
		turn: make(chan struct{}, 1),
	}
	ring.state.Store(&ringState{})
	return ring, ring.load(ctx)
}

// newKey makes a pair that follows the keys there are.
func newKey(kek []byte, keys []store.SigningKey, stage store.KeyStage, now time.Time) (store.SigningKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return store.SigningKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return store.SigningKey{}, err
	}
	key := store.SigningKey{ID: uuid.New(), Serial: 1, Public: der, Stage: stage, CreatedAt: expense.Timestamp(now), StagedAt: expense.Timestamp(now)}
	for _, other := range keys {
		key.Serial = max(key.Serial, other.Serial+1)
	}
	key.EncryptedPrivate, err = seal(kek, key.ID, private)
	return key, err
}

// RotateSigningKey publishes a new signing key, sealed by kek, which the instances sign with after [KeyActivationDelay]. Where one that kek opens
// is published already and waits for its turn, it returns that one and fresh is false.
func RotateSigningKey(ctx context.Context, accounts store.Accounts, kek []byte, now time.Time) (key store.SigningKey, fresh bool, err error) {
	if len(kek) != KEKSize {
		return store.SigningKey{}, false, fmt.Errorf("a key-encryption key has %d bytes, this one has %d", KEKSize, len(kek))
	}
	for {
		keys, err := accounts.SigningKeys(ctx)
		if err != nil {
			return store.SigningKey{}, false, fmt.Errorf("read the signing keys: %w", err)
		}
		if pending := newest(keys, kek, store.KeyPending); pending != nil {
			return *pending, false, nil
		}
		key, err := newKey(kek, keys, store.KeyPending, now)
		if err != nil {
			return store.SigningKey{}, false, fmt.Errorf("make a signing key: %w", err)
		}
		if err := accounts.CreateSigningKey(ctx, key); !errors.Is(err, expense.ErrExists) {
			return key, err == nil, err
		}
	}
}

// newest returns the newest key at a stage that kek opens; nil if there is none.
func newest(keys []store.SigningKey, kek []byte, stage store.KeyStage) *store.SigningKey {
	for _, key := range slices.Backward(keys) {
		if _, err := open(kek, key.ID, key.EncryptedPrivate); err == nil && key.Stage == stage {
			return &key
		}
	}
	return nil
}

// load reads the keys. An instance that signs and finds no key to sign with takes the next one, or makes it.
func (k *keyring) load(ctx context.Context) error {
	for {
		began := k.now()
		keys, err := k.accounts.SigningKeys(ctx)
		if err != nil {
			return fmt.Errorf("read the signing keys: %w", err)
		}
		if k.kek == nil {
			return k.adopt(keys, nil, began)
		}
		active := newest(keys, k.kek, store.KeyActive)
		if active != nil {
			return k.adopt(keys, active, began)
		}
		if err := k.succeed(ctx, keys); err != nil {
			return fmt.Errorf("get a key to sign with: %w", err)
		}
	}
}

// succeed makes a key active where no key of this instance's is.
func (k *keyring) succeed(ctx context.Context, keys []store.SigningKey) error {
	now := k.now()
	if next := newest(keys, k.kek, store.KeyPending); next != nil {
		return ignoreLost(k.accounts.SetSigningKeyStage(ctx, next.ID, store.KeyPending, store.KeyActive, expense.Timestamp(now)))
	}
	key, err := newKey(k.kek, keys, store.KeyActive, now)
	if err != nil {
		return err
	}
	if err := ignoreLost(k.accounts.CreateSigningKey(ctx, key)); err != nil {
		return err
	}
	why := "none of those kept is active and opens with the key-encryption key given"
	if len(keys) == 0 {
		why = "it is the first one"
	}
	k.logger.InfoContext(ctx, "made a signing key", "why", why, "key", key.ID)
	return nil
}

// ignoreLost drops the errors that say that another instance was faster.
func ignoreLost(err error) error {
	if errors.Is(err, expense.ErrExists) || errors.Is(err, expense.ErrStale) || errors.Is(err, expense.ErrNotFound) {
		return nil
	}
	return err
}

// adopt goes by these keys from now on.
func (k *keyring) adopt(keys []store.SigningKey, active *store.SigningKey, read time.Time) error {
	state := &ringState{read: read, public: make(map[string]any, len(keys))}
	set := jwkSet{Keys: []jwk{}}
	for _, key := range keys {
		parsed, err := x509.ParsePKIXPublicKey(key.Public)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", key.ID, err)
		}
		published, ok := newJWK(key.ID.String(), parsed)
		if !ok {
			continue // of no algorithm that is accepted
		}
		state.public[key.ID.String()] = parsed
		set.Keys = append(set.Keys, published)
	}
	var err error
	if state.jwks, err = json.Marshal(set); err != nil {
		return err
	}
	if active != nil {
		state.signer = active.ID.String()
		if state.private, err = open(k.kek, active.ID, active.EncryptedPrivate); err != nil {
			return err
		}
	}
	k.state.Store(state)
	return nil
}

// current returns the keys as they were within keysFresh, and while the store does not answer as they were last.
func (k *keyring) current(ctx context.Context) *ringState {
	if state := k.state.Load(); k.now().Sub(state.read) < keysFresh {
		return state
	}
	if leave, err := k.enter(ctx); err == nil {
		defer leave()
		now := k.now()
		if now.Sub(k.state.Load().read) >= keysFresh && now.Sub(k.tried) >= reloadPause {
			k.reload(ctx)
		}
	}
	return k.state.Load()
}

// lookup returns a public key. One that is unknown may be new, of another instance: the keys are read again. However many
// ids are made up, that happens once in reloadPause, for all who wait. ErrNotFound if there is none.
func (k *keyring) lookup(ctx context.Context, id string) (any, error) {
	if key, ok := k.state.Load().public[id]; ok {
		return key, nil
	}
	if _, err := uuid.Parse(id); err != nil {
		return nil, fmt.Errorf("signing key: %w", expense.ErrNotFound)
	}
	asked := k.now()
	leave, err := k.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if !k.tried.After(asked) {
		pause := time.NewTimer(reloadPause - k.now().Sub(k.tried))
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
	if k.failure != nil {
		return nil, k.failure
	}
	return nil, fmt.Errorf("signing key: %w", expense.ErrNotFound)
}

// enter waits for the turn to read the keys.
func (k *keyring) enter(ctx context.Context) (leave func(), err error) {
	select {
	case k.turn <- struct{}{}:
		return func() { <-k.turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// reload reads the keys for all requests that wait: the one that happens to be first going away is no reason to fail them. It
// is called in turn.
func (k *keyring) reload(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	k.tried = k.now()
	k.failure = k.load(ctx)
	if ctx.Err() != nil {
		k.failure = fmt.Errorf("%w: the signing keys were not to be had within %s", expense.ErrUnavailable, reloadTimeout)
	}
}

// rotate does what is due: it publishes the next key, lets one that was published long enough sign, retires what it replaces,
// and removes what no valid token needs. Any number of instances do so at once: each step happens once, and none needs
// another to be quick.
func (k *keyring) rotate(ctx context.Context) error {
	keys, err := k.accounts.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	now := expense.Timestamp(k.now())
	since := func(key store.SigningKey) time.Duration { return now.Sub(key.StagedAt) }
	move := func(key store.SigningKey, to store.KeyStage) {
		moved := k.accounts.SetSigningKeyStage(ctx, key.ID, key.Stage, to, now)
		if moved == nil {
			k.logger.InfoContext(ctx, "moved a signing key", "key", key.ID, "from", string(key.Stage), "to", string(to))
		}
		err = errors.Join(err, ignoreLost(moved))
	}
	active, pending := newest(keys, k.kek, store.KeyActive), newest(keys, k.kek, store.KeyPending)
	if k.period > 0 && active != nil && pending == nil && since(*active) >= k.period-k.lead {
		key, fresh, failed := RotateSigningKey(ctx, k.accounts, k.kek, now)
		if fresh {
			k.logger.InfoContext(ctx, "published the next signing key", "key", key.ID)
		}
		err = errors.Join(err, failed)
	}
	for _, key := range keys {
		_, failed := open(k.kek, key.ID, key.EncryptedPrivate)
		abandoned := failed != nil && k.period > 0 && since(key) > 2*k.period // by an instance whose key-encryption key is lost
		switch key.Stage {
		case store.KeyPending:
			if abandoned {
				move(key, store.KeyRetired)
			} else if failed == nil && since(key) >= k.lead {
				move(key, store.KeyActive)
			}
		case store.KeyActive:
			if abandoned || failed == nil && key.Serial < active.Serial {
				move(key, store.KeyRetired)
			}
		case store.KeyRetired:
			if since(key) >= keyRetired {
				err = errors.Join(err, ignoreLost(k.accounts.DeleteSigningKey(ctx, key.ID)))
			}
		}
	}
	return err
}

// maintain does what is due and reads the keys.
func (k *keyring) maintain(ctx context.Context) error {
	var err error
	if k.kek != nil {
		err = k.rotate(ctx)
	}
	leave, waited := k.enter(ctx)
	if waited != nil {
		return waited
	}
	defer leave()
	k.reload(ctx)
	return errors.Join(err, k.failure)
}

// A jwk is a public key as RFC 7517 and RFC 8037 write it.
type jwk struct {
	Type      string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y,omitempty"`
	ID        string `json:"kid"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
}

type jwkSet struct {
	Keys []jwk `json:"keys"`
}

// newJWK reports false for a key of an algorithm that is not accepted: those are Ed25519 and ES256.
func newJWK(id string, key any) (jwk, bool) {
	b64 := base64.RawURLEncoding
	switch key := key.(type) {
	case ed25519.PublicKey:
		return jwk{Type: "OKP", Curve: "Ed25519", X: b64.EncodeToString(key), ID: id, Use: "sig", Algorithm: "EdDSA"}, true
	case *ecdsa.PublicKey:
		point, err := key.Bytes() // 4, X, Y
		if err != nil || key.Curve != elliptic.P256() {
			return jwk{}, false
		}
		half := 1 + len(point)/2
		return jwk{
			Type: "EC", Curve: "P-256", X: b64.EncodeToString(point[1:half]), Y: b64.EncodeToString(point[half:]),
			ID: id, Use: "sig", Algorithm: "ES256",
		}, true
	default:
		return jwk{}, false
	}
}
