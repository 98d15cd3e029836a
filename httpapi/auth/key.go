package auth

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// KEKBytes is the length of a key-encryption key: it seals the signing keys with AES-256-GCM.
const KEKBytes = 32

// ParseKEK reads a key-encryption key: 32 bytes in base64, as LoadOrCreateKEK writes them.
func ParseKEK(text string) ([]byte, error) {
	kek, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(kek) != KEKBytes {
		return nil, fmt.Errorf("a key-encryption key is %d bytes in base64, such as `openssl rand -base64 %d` prints", KEKBytes, KEKBytes)
	}
	return kek, nil
}

// LoadOrCreateKEK reads the key-encryption key in the file at path, and makes one there, for the owner's eyes only, if there
// is no such file. Of several processes that start at once, one makes it and all get the same.
func LoadOrCreateKEK(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKEK(path); err != nil {
			return nil, fmt.Errorf("make a key-encryption key: %w", err)
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key-encryption key: %w", err)
	}
	kek, err := ParseKEK(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return kek, nil
}

// createKEK writes a whole file beside path and links it there, which fails if another process was faster: nobody ever reads
// half a key.
func createKEK(path string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	kek := make([]byte, KEKBytes)
	rand.Read(kek)
	_, err = file.WriteString(base64.StdEncoding.EncodeToString(kek) + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// seal encrypts the private half of the signing key id; open undoes it and fails for another id, so that no sealed half can
// be put in another's place.
func seal(kek []byte, id uuid.UUID, private ed25519.PrivateKey) ([]byte, error) {
	aead, err := sealer(kek)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, der, id[:]), nil
}

func open(kek []byte, id uuid.UUID, sealed []byte) (ed25519.PrivateKey, error) {
	aead, err := sealer(kek)
	if err != nil {
		return nil, err
	}
	der, err := aead.Open(nil, nil, sealed, id[:])
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is no Ed25519 key", id)
	}
	return private, nil
}

// sealer returns AES-256-GCM with a random nonce at the head of each sealed text.
func sealer(kek []byte) (cipher.AEAD, error) {
	if len(kek) != KEKBytes {
		return nil, fmt.Errorf("a key-encryption key has %d bytes, this one has %d", KEKBytes, len(kek))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

const (
	// reloadPause is how long after a reading of the keys an unknown key id does not make the keyring read them again.
	reloadPause   = time.Second
	reloadTimeout = 5 * time.Second
)

// A keyring holds the public keys of all instances, and the private one that this instance signs with.
type keyring struct {
	accounts store.Accounts
	kek      []byte
	now      func() time.Time
	signer   string // the id of the key that signs
	private  ed25519.PrivateKey
	public   atomic.Pointer[map[string]ed25519.PublicKey] // by id; replaced whole

	mu      sync.Mutex // one reload at a time
	tried   time.Time  // of the last reload
	failure error      // of the last reload
}

// newKeyring reads the keys kept and signs with the newest active one that it can open; where there is none, it makes one.
func newKeyring(
	ctx context.Context, accounts store.Accounts, kek []byte, logger *slog.Logger, now func() time.Time,
) (*keyring, error) {
	ring := &keyring{accounts: accounts, kek: kek, now: now}
	keys, err := accounts.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	for _, key := range slices.Backward(keys) {
		if private, err := open(kek, key.ID, key.Sealed); err == nil && key.Stage == store.KeyActive {
			ring.signer, ring.private = key.ID.String(), private
			return ring, ring.publish(keys)
		}
	}
	key, private, err := newKey(kek, now())
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	if err := accounts.PutKey(ctx, key); err != nil {
		return nil, fmt.Errorf("keep the signing key made: %w", err)
	}
	logger.InfoContext(ctx, "made a signing key: none of those kept opens with the key-encryption key given",
		"key", key.ID, "kept", len(keys))
	ring.signer, ring.private = key.ID.String(), private
	return ring, ring.publish(append(keys, key))
}

func newKey(kek []byte, now time.Time) (store.Key, ed25519.PrivateKey, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return store.Key{}, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return store.Key{}, nil, err
	}
	key := store.Key{ID: uuid.New(), Public: der, Stage: store.KeyActive, CreatedAt: expense.Instant(now)}
	key.Sealed, err = seal(kek, key.ID, private)
	return key, private, err
}

func (k *keyring) publish(keys []store.Key) error {
	public := make(map[string]ed25519.PublicKey, len(keys))
	for _, key := range keys {
		parsed, err := x509.ParsePKIXPublicKey(key.Public)
		if err != nil {
			return fmt.Errorf("signing key %s: %w", key.ID, err)
		}
		if edwards, ok := parsed.(ed25519.PublicKey); ok {
			public[key.ID.String()] = edwards
		}
	}
	k.public.Store(&public)
	return nil
}

// known reports whether the key is published.
func (k *keyring) known(id string) bool {
	_, ok := (*k.public.Load())[id]
	return ok
}

// lookup returns a public key. One that is unknown may be new, of another instance: the keys are read again, but not for
// every made-up id. ErrNotFound if there is none.
func (k *keyring) lookup(ctx context.Context, id string) (ed25519.PublicKey, error) {
	if key, ok := (*k.public.Load())[id]; ok {
		return key, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := k.now(); now.Sub(k.tried) >= reloadPause {
		k.failure = k.reload(ctx)
		k.tried = now
	}
	if key, ok := (*k.public.Load())[id]; ok {
		return key, nil
	}
	if k.failure != nil {
		return nil, k.failure
	}
	return nil, fmt.Errorf("signing key: %w", expense.ErrNotFound)
}

// reload reads the keys for all requests that wait: the one that happens to be first going away is no reason to fail them.
func (k *keyring) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	keys, err := k.accounts.Keys(ctx)
	if ctx.Err() != nil {
		err = fmt.Errorf("%w: no answer within %s", expense.ErrUnavailable, reloadTimeout)
	}
	if err != nil {
		return fmt.Errorf("read the signing keys: %w", err)
	}
	return k.publish(keys)
}
