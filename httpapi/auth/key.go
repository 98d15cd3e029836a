package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// KEKSize is the size of a key-encryption key in bytes. It encrypts the signing keys with AES-256-GCM.
const KEKSize = 32

func checkKEK(kek []byte) error {
	if len(kek) != KEKSize {
		return fmt.Errorf("key-encryption key has %d bytes; it must have %d", len(kek), KEKSize)
	}
	return nil
}

// ParseKEK parses a key-encryption key: [KEKSize] bytes in standard base64, the format of the file that LoadOrCreateKEK
// writes.
func ParseKEK(text string) ([]byte, error) {
	kek, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(kek) != KEKSize {
		return nil, fmt.Errorf("key-encryption key is not %d bytes in base64; create one with `openssl rand -base64 %d`",
			KEKSize, KEKSize)
	}
	return kek, nil
}

// LoadOrCreateKEK reads the key-encryption key from the file at path. If the file does not exist, it creates one with a
// random key and mode 0600. Several processes may call it at the same time; all get the same key.
func LoadOrCreateKEK(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKEK(path); err != nil {
			return nil, fmt.Errorf("create the key-encryption key: %w", err)
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

// createKEK writes a temporary file in the same directory and links it to path. The link fails if another process was
// first, and no process ever reads an incomplete file.
func createKEK(path string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	kek := make([]byte, KEKSize)
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

// seal encrypts a private signing key. The key id is authenticated with it: unseal fails for another id, so a sealed
// key cannot be moved to another row.
func seal(kek []byte, id uuid.UUID, private ed25519.PrivateKey) ([]byte, error) {
	aead, err := newAEAD(kek)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, der, id[:]), nil
}

func unseal(kek []byte, id uuid.UUID, sealed []byte) (ed25519.PrivateKey, error) {
	der, err := decrypt(kek, id, sealed)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("signing key %s is not an Ed25519 key", id)
	}
	return private, nil
}

// decrypt returns the private key in PKCS #8 form.
func decrypt(kek []byte, id uuid.UUID, sealed []byte) (der []byte, err error) {
	aead, err := newAEAD(kek)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, id[:])
}

// newAEAD returns AES-256-GCM that prepends a random nonce to each ciphertext.
func newAEAD(kek []byte) (cipher.AEAD, error) {
	if err := checkKEK(kek); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
