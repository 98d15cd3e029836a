package auth_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

func TestPersonalToken_CreateUseRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		other := h.instance(t)
		session := h.register(t)
		identity := h.identity(t, session)
		made, secret, err := h.CreatePersonalToken(t.Context(), identity,
			auth.PersonalTokenDraft{Name: "backup", Scopes: auth.ScopeRead | auth.ScopeExport})
		if err != nil || !strings.HasPrefix(secret, "swp_") ||
			time.Until(made.ExpiresAt).Round(time.Second) != auth.PersonalTokenLifetime {
			t.Fatalf("CreatePersonalToken = %+v, %v", made, err)
		}
		got, err := h.Authenticate(request(t, "Bearer "+secret))
		want := auth.Identity{Owner: identity.Owner, Scopes: auth.ScopeRead | auth.ScopeExport}
		if err != nil || got != want {
			t.Errorf("Authenticate = %+v, %v, want %+v", got, err, want)
		}
		accountStore, err := h.accounts.Token(t.Context(), session.User.ID, made.ID)
		if err != nil || strings.Contains(secret, base64.RawURLEncoding.EncodeToString(accountStore.Secret[:])) {
			t.Errorf("the store keeps the secret itself, or %v", err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(secret[4:])
		if err != nil {
			t.Fatal(err)
		}
		spoil := func(at int) string {
			spoiled := append([]byte{}, raw...)
			spoiled[at] ^= 1
			return "swp_" + base64.RawURLEncoding.EncodeToString(spoiled)
		}
		for name, text := range map[string]string{
			"another secret": spoil(63), "another account": spoil(0), "another token": spoil(31),
			"another prefix": "swr_" + secret[4:], "a truncated one": secret[:len(secret)-1], "a longer one": secret + "A",
			"a line break": secret[:20] + "\n" + secret[20:], "padding": secret + "=",
		} {
			if accepts(t, h, text) || accepts(t, other, text) {
				t.Errorf("%s is accepted", name)
			}
		}
		if !accepts(t, other, secret) {
			t.Error("another instance refuses the token")
		}
		tokens, err := h.PersonalTokens(t.Context(), identity)
		if err != nil || len(tokens) != 1 || tokens[0].UsedAt.IsZero() || tokens[0].Name != "backup" {
			t.Errorf("PersonalTokens = %+v, %v", tokens, err)
		}
		wantErr(t, "RevokePersonalToken of an unknown token", h.RevokePersonalToken(t.Context(), identity, uuid.New()),
			expense.ErrNotFound)
		stranger := auth.Identity{Owner: expense.OwnerID(uuid.NewString())}
		wantErr(t, "DeleteToken of another's", h.RevokePersonalToken(t.Context(), stranger, made.ID), expense.ErrNotFound)
		if err := h.RevokePersonalToken(t.Context(), identity, made.ID); err != nil {
			t.Fatal(err)
		}
		if accepts(t, h, secret) {
			t.Error("the token is accepted after it was deleted here")
		}
		time.Sleep(30 * time.Second)
		if accepts(t, other, secret) {
			t.Error("another instance accepts the token 30 seconds after it was deleted")
		}
	})
}

func TestPersonalToken_Expires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		identity := h.identity(t, h.register(t))
		_, secret, err := h.CreatePersonalToken(t.Context(), identity, auth.PersonalTokenDraft{
			Name: "short", Scopes: auth.ScopeRead, ExpiresAt: time.Now().Add(10 * time.Second),
		})
		if err != nil || !accepts(t, h, secret) {
			t.Fatalf("the token is refused before it expires, %v", err)
		}
		time.Sleep(10 * time.Second) // within sessionCacheTTL
		if accepts(t, h, secret) {
			t.Error("the token is accepted after it expired")
		}
	})
}

func TestPersonalToken_RejectsInvalidDrafts(t *testing.T) {
	h := newFixture(t)
	identity := h.identity(t, h.register(t))
	for name, draft := range map[string]auth.PersonalTokenDraft{
		"no name":             {Scopes: auth.ScopeRead},
		"a long name":         {Name: strings.Repeat("x", 101), Scopes: auth.ScopeRead},
		"a name that is none": {Name: "a\x00b", Scopes: auth.ScopeRead},
		"no scope":            {Name: "x"},
		"the account's scope": {Name: "x", Scopes: auth.ScopeRead | auth.ScopeAccount},
		"all scopes":          {Name: "x", Scopes: auth.AllScopes},
		"expired":             {Name: "x", Scopes: auth.ScopeRead, ExpiresAt: time.Now().Add(-time.Second)},
		"for ever":            {Name: "x", Scopes: auth.ScopeRead, ExpiresAt: time.Now().Add(367 * 24 * time.Hour)},
	} {
		_, secret, err := h.CreatePersonalToken(t.Context(), identity, draft)
		wantErr(t, name, err, expense.ErrInvalid)
		if secret != "" {
			t.Errorf("%s: a secret", name)
		}
	}
	draft := auth.PersonalTokenDraft{Name: "x", Scopes: auth.LedgerScopes}
	for range 100 {
		if _, _, err := h.CreatePersonalToken(t.Context(), identity, draft); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := h.CreatePersonalToken(t.Context(), identity, draft)
	wantErr(t, "one token more than an account has", err, expense.ErrInvalid)
}

func FuzzPersonalToken(f *testing.F) {
	h := newFixture(f)
	for _, seed := range []string{"swp_", "swp_" + strings.Repeat("A", 86), "swp_" + strings.Repeat("\n", 86),
		strings.Repeat("A", 90)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if accepts(t, h, text) {
			t.Errorf("%q is accepted", text)
		}
	})
}
