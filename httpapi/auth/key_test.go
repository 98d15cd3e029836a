package auth_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/memstore"
)

func TestLoadOrCreateKEK(t *testing.T) {
	t.Run("makes one that only its owner reads, and finds it again", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "kek")
		first, err := auth.LoadOrCreateKEK(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
		}
		again, err := auth.LoadOrCreateKEK(path)
		if err != nil || !bytes.Equal(first, again) || len(first) != auth.KEKSize {
			t.Errorf("another key the second time, or %v", err)
		}
		if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
			t.Errorf("%d files are left, %v, want the key's only", len(files), err)
		}
	})
	t.Run("gives many that start at once the same", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "kek")
		keys := make([][]byte, 20)
		var group sync.WaitGroup
		for i := range keys {
			group.Go(func() {
				key, err := auth.LoadOrCreateKEK(path)
				if err != nil {
					t.Error(err)
				}
				keys[i] = key
			})
		}
		group.Wait()
		for _, key := range keys {
			if !bytes.Equal(key, keys[0]) {
				t.Fatal("two of them got different keys")
			}
		}
	})
	t.Run("leaves a damaged one alone, and does not tell what is in it", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "kek")
		damaged := base64.StdEncoding.EncodeToString(make([]byte, 31))
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := auth.LoadOrCreateKEK(path)
		if err == nil || strings.Contains(err.Error(), damaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadOrCreateKEK of 31 bytes: %v", err)
		}
		if accountStore, err := os.ReadFile(path); err != nil || string(accountStore) != damaged {
			t.Errorf("the file was changed, or %v", err)
		}
	})
	t.Run("says so when there is no such folder", func(t *testing.T) {
		if _, err := auth.LoadOrCreateKEK(filepath.Join(t.TempDir(), "none", "kek")); err == nil {
			t.Error("no error")
		}
	})
}

func TestNew_RejectsKEKOfWrongLength(t *testing.T) {
	h := newFixture(t)
	for _, size := range []int{0, 16, 31, 33} {
		if _, err := auth.New(t.Context(), h.users, auth.Config{KEK: make([]byte, size)}); err == nil {
			t.Errorf("a key-encryption key of %d bytes is accepted", size)
		}
	}
}

func TestSigningKey_IsBoundToItsID(t *testing.T) {
	h := newFixture(t)
	keys, err := h.accounts.SigningKeys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	if bytes.Contains(keys[0].EncryptedPrivate, keys[0].Public[len(keys[0].Public)-32:]) ||
		len(keys[0].EncryptedPrivate) < 12+16+32 {
		t.Error("the private half is not sealed")
	}
	// An encrypted key under another id does not decrypt, so the instance creates a new one.
	moved := keys[0]
	moved.ID[0] ^= 1
	h.accounts.accountStore = memstore.NewAccounts()
	if err := h.accounts.CreateSigningKey(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	h.instance(t)
	if keys, err := h.accounts.SigningKeys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v, want a second one", len(keys), err)
	}
}

func FuzzParseKEK(f *testing.F) {
	for _, seed := range []string{"", "AA==", base64.StdEncoding.EncodeToString(make([]byte, 32)),
		strings.Repeat("A", 44)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := auth.ParseKEK(text); err == nil && len(key) != auth.KEKSize {
			t.Errorf("ParseKEK(%q) has %d bytes", text, len(key))
		}
	})
}
