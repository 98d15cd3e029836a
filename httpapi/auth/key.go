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

// KEKSize is the length of a key-encryption key: it seals the signing keys with AES-256-GCM.
const KEKSize = 32

// ParseKEK reads a key-encryption key: 32 bytes in base64, as LoadOrCreateKEK writes them.
func ParseKEK(text string) ([]byte, error) {
	kek, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(kek) != KEKSize {
		return nil, fmt.Errorf("a key-encryption key is %d bytes in base64, such as `openssl rand -base64 %d` prints", KEKSize, KEKSize)
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
	if len(kek) != KEKSize {
		return nil, fmt.Errorf("a key-encryption key has %d bytes, this one has %d", KEKSize, len(kek))
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
