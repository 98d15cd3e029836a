package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/memstore"
)

// insertKey adds a signing key to the store, so that the test can sign tokens that the service would not.
func insertKey(t *testing.T, h *fixture) (kid string, private ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := accounts.SigningKey{ID: uuid.New(), Serial: 1000, Public: der, Stage: accounts.KeyRetired,
		CreatedAt: time.Now(), StagedAt: time.Now()}
	if err := h.accounts.CreateSigningKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	return key.ID.String(), private
}

func TestAuthenticate_InvalidTokensGetSameError(t *testing.T) {
	h := newFixture(t)
	kid, private := insertKey(t, h)
	session := h.register(t)
	now := time.Now()

	type parts struct {
		header map[string]any
		claims map[string]any
	}
	sign := func(change func(*parts)) string {
		p := parts{
			header: map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": kid},
			claims: map[string]any{
				"iss": "spendwise", "aud": "spendwise", "sub": session.User.ID, "sid": session.Device, "jti": "1",
				"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
			},
		}
		change(&p)
		var method jwt.SigningMethod = jwt.SigningMethodEdDSA
		var key any = private
		switch p.header["alg"] {
		case "none":
			method, key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
		case "HS256":
			method, key = jwt.SigningMethodHS256, []byte(private.Public().(ed25519.PublicKey))
		}
		token := jwt.NewWithClaims(method, jwt.MapClaims(p.claims))
		token.Header = p.header
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	header := func(name string, value any) string {
		return sign(func(p *parts) { p.header[name] = value })
	}
	claim := func(name string, value any) string {
		return sign(func(p *parts) {
			p.claims[name] = value
			if value == nil {
				delete(p.claims, name)
			}
		})
	}
	good := sign(func(*parts) {})
	if !accepts(t, h, good) {
		t.Fatal("the token that all others differ from is refused")
	}
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}

	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	cases := map[string][]string{
		"no header":                     nil,
		"an empty header":               {""},
		"another scheme":                {"Basic " + good},
		"no scheme":                     {good},
		"two headers":                   {"Bearer " + good, "Bearer " + good},
		"two tokens":                    {"Bearer " + good + " " + good},
		"a token truncated":             {"Bearer " + good[:len(good)-2]},
		"a token without its signature": {"Bearer " + head + "." + body + "."},
		"two parts":                     {"Bearer " + head + "." + body},
		"four parts":                    {"Bearer " + good + "." + signature},
		"padding":                       {"Bearer " + good + "=="},
		"a token of 100 KB":             {"Bearer " + strings.Repeat("A", 100<<10)},
		"a token with claims of 100 KB": {"Bearer " + claim("pad", strings.Repeat("A", 100<<10))},
		"bits set that mean nothing": {"Bearer " + good[:len(good)-1] +
			string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])|1])},
		"algorithm none":            {"Bearer " + header("alg", "none")},
		"HS256 with the public key": {"Bearer " + header("alg", "HS256")},
		"algorithm none, signature left": {"Bearer " +
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt","kid":"`+kid+`"}`)) +
			"." + body + "." + signature},
		"another type":             {"Bearer " + header("typ", "JWT")},
		"no type":                  {"Bearer " + header("typ", nil)},
		"an unknown key":           {"Bearer " + header("kid", uuid.NewString())},
		"a key id that is none":    {"Bearer " + header("kid", "../../dev/null")},
		"a key id that is no text": {"Bearer " + header("kid", 1)},
		"a jku header":             {"Bearer " + header("jku", "https://example.org/jwks.json")},
		"an x5u header":            {"Bearer " + header("x5u", "https://example.org/key.pem")},
		"a jwk header": {"Bearer " + header("jwk",
			map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AA"})},
		"a crit header":                {"Bearer " + header("crit", []string{"exp"})},
		"another issuer":               {"Bearer " + claim("iss", "spendwise.example.org")},
		"no issuer":                    {"Bearer " + claim("iss", nil)},
		"another audience":             {"Bearer " + claim("aud", "someone-else")},
		"no audience":                  {"Bearer " + claim("aud", nil)},
		"expired beyond the skew":      {"Bearer " + claim("exp", now.Add(-61*time.Second).Unix())},
		"no expiry":                    {"Bearer " + claim("exp", nil)},
		"issued in the future":         {"Bearer " + claim("iat", now.Add(2*time.Minute).Unix())},
		"not valid before the future":  {"Bearer " + claim("nbf", now.Add(2*time.Minute).Unix())},
		"no subject":                   {"Bearer " + claim("sub", nil)},
		"a subject that is no account": {"Bearer " + claim("sub", "ada")},
		"another subject":              {"Bearer " + claim("sub", uuid.New())},
		"no session":                   {"Bearer " + claim("sid", nil)},
		"another session":              {"Bearer " + claim("sid", uuid.New())},
		"a refresh token":              {"Bearer " + session.RefreshToken},
		"a stranger's signature": {"Bearer " + head + "." + body + "." +
			base64.RawURLEncoding.EncodeToString(ed25519.Sign(stranger, []byte(head+"."+body)))},
		"a claim changed after signing":   {"Bearer " + head + "." + tamper(t, body) + "." + signature},
		"a line break within":             {"Bearer " + head + ".\n" + body + "." + signature},
		"a token of the service, spoiled": {"Bearer " + session.AccessToken + "x"},
	}
	for name, authorization := range cases {
		t.Run(name, func(t *testing.T) {
			identity, err := h.Authenticate(request(t, authorization...))
			if identity != (auth.Identity{}) || err == nil || err.Error() != auth.ErrUnauthenticated.Error() {
				t.Errorf("Authenticate = %v, %v, want ErrUnauthenticated as it is", identity, err)
			}
			wantErr(t, "Authenticate", err, auth.ErrUnauthenticated)
		})
	}
	if !accepts(t, h, claim("exp", now.Add(-30*time.Second).Unix())) {
		t.Error("a token that expired within the skew is refused")
	}
}

func tamper(t *testing.T, body string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	claims["jti"] = "2"
	if raw, err = json.Marshal(claims); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestAuthenticate(t *testing.T) {
	t.Run("stops a token that has been seen when it expires", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			token := h.register(t).AccessToken
			for range 10 {
				if !accepts(t, h, token) {
					t.Fatal("the token is refused before its time is over")
				}
				time.Sleep(time.Minute)
			}
			time.Sleep(time.Minute) // clock skew
			if accepts(t, h, token) {
				t.Error("the token is accepted after its time was over")
			}
		})
	})
	t.Run("notices within 30 seconds that another instance ended the session", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			other := h.instance(t)
			token := h.register(t).AccessToken
			if !accepts(t, other, token) {
				t.Fatal("another instance does not accept the token")
			}
			identity, err := h.Authenticate(request(t, "Bearer "+token))
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Logout(t.Context(), identity); err != nil {
				t.Fatal(err)
			}
			if accepts(t, h, token) {
				t.Error("this instance still accepts the token")
			}
			time.Sleep(30 * time.Second)
			if accepts(t, other, token) {
				t.Error("the other instance still accepts the token after 30 seconds")
			}
		})
	})
	t.Run("is not misled by a look-up that a sign-out overtook", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			session := h.register(t)
			h.accounts.afterRead = func() {
				identity := auth.Identity{Owner: expense.OwnerID(session.User.ID.String()), Device: session.Device}
				if err := h.Logout(t.Context(), identity); err != nil {
					t.Error(err)
				}
			}
			accepts(t, h, session.AccessToken) // accepted or not, because both happen at the same time
			if accepts(t, h, session.AccessToken) {
				t.Error("the token is accepted after the sign-out")
			}
		})
	})
	t.Run("stops a token that has been seen when its key is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			token := h.register(t).AccessToken
			if !accepts(t, h, token) {
				t.Fatal("the token is refused")
			}
			h.accounts.accountStore = memstore.NewAccounts()
			insertKey(t, h)
			time.Sleep(time.Second)
			header, rest, _ := strings.Cut(token, ".")
			raw, err := base64.RawURLEncoding.DecodeString(header)
			if err != nil {
				t.Fatal(err)
			}
			key := strings.Split(string(raw), `"kid":"`)[1][:36]
			other := strings.Replace(string(raw), key, uuid.NewString(), 1)
			accepts(t, h, base64.RawURLEncoding.EncodeToString([]byte(other))+"."+rest) // causes a read of the keys
			if accepts(t, h, token) {
				t.Error("the token is accepted after its key was removed")
			}
		})
	})
	t.Run("asks the store once in 30 seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			token := h.register(t).AccessToken
			for range 60 {
				accepts(t, h, token)
				time.Sleep(time.Second)
			}
			if h.accounts.lookups != 2 {
				t.Errorf("%d look-ups in a minute, want 2", h.accounts.lookups)
			}
		})
	})
	t.Run("asks the store nothing about a session that is known", func(t *testing.T) {
		h := newFixture(t)
		session := h.register(t)
		_, personal, err := h.CreatePersonalToken(t.Context(), h.identity(t, session),
			auth.PersonalTokenDraft{Name: "x", Scopes: auth.ScopeRead})
		if err != nil || !accepts(t, h, session.AccessToken) || !accepts(t, h, personal) {
			t.Fatalf("a token is refused, %v", err)
		}
		h.accounts.setDown(true)
		h.accounts.reads.Store(0)
		for range 1000 {
			if !accepts(t, h, session.AccessToken) || !accepts(t, h, personal) {
				t.Fatal("a token is refused")
			}
		}
		if n := h.accounts.reads.Load(); n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
	})
	t.Run("accepts what a new instance signs with a key of its own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			token := h.register(t).AccessToken
			other := h.instance(t, func(c *auth.Config) { c.KEK = make([]byte, auth.KEKSize) })
			session, err := other.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
			if err != nil {
				t.Fatal(err)
			}
			if !accepts(t, h, session.AccessToken) || !accepts(t, other, token) {
				t.Error("the instances do not accept each other's tokens")
			}
			h.instance(t)
			if keys, err := h.accounts.SigningKeys(t.Context()); err != nil || len(keys) != 2 {
				t.Errorf("%d keys, %v; an instance that opens a key must not create one", len(keys), err)
			}
		})
	})
	t.Run("says so when the store is down, and recovers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			token := h.register(t).AccessToken
			accepts(t, h, token)
			h.accounts.setDown(true)
			if !accepts(t, h, token) {
				t.Error("a session that is known is refused while the store is down")
			}
			time.Sleep(30 * time.Second)
			for range 2 {
				_, err := h.Authenticate(request(t, "Bearer "+token))
				wantErr(t, "Authenticate", err, expense.ErrUnavailable)
			}
			h.accounts.setDown(false)
			if !accepts(t, h, token) {
				t.Error("the token is refused after the store is back")
			}
		})
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	h := newFixture(b)
	token := h.register(b).AccessToken
	b.Run("seen", func(b *testing.B) {
		r := request(b, "Bearer "+token)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("personal", func(b *testing.B) {
		identity, err := h.Authenticate(request(b, "Bearer "+token))
		if err != nil {
			b.Fatal(err)
		}
		_, secret, err := h.CreatePersonalToken(b.Context(), identity,
			auth.PersonalTokenDraft{Name: "x", Scopes: auth.ScopeRead})
		if err != nil {
			b.Fatal(err)
		}
		r := request(b, "Bearer "+secret)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Authenticate(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unseen", func(b *testing.B) {
		r := request(b, "Bearer "+token[:len(token)-8]+"AAAAAAAA") // a wrong signature costs the same work as a right one
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Authenticate(r); err == nil {
				b.Fatal("a spoiled token is accepted")
			}
		}
	})
}

func FuzzAuthenticate(f *testing.F) {
	h := newFixture(f)
	session := h.register(f)
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer ..", "bearer a.b.c", "Basic YTpi", "Bearer " + session.AccessToken[:40],
		"Bearer " + session.RefreshToken,
		"Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.e30.AA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		identity, err := h.Authenticate(request(t, authorization))
		if err == nil || identity != (auth.Identity{}) || err.Error() != auth.ErrUnauthenticated.Error() {
			t.Errorf("Authenticate(%q) = %v, %v", authorization, identity, err)
		}
	})
}

func FuzzRefresh(f *testing.F) {
	h := newFixture(f)
	session := h.register(f)
	for _, seed := range []string{"", "swr_", session.AccessToken, session.RefreshToken[:30],
		"swr_" + strings.Repeat("A", 107), "swr_" + strings.Repeat("A", 106) + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := h.Refresh(t.Context(), text); err == nil || err.Error() != auth.ErrSessionEnded.Error() {
			t.Errorf("Refresh(%q): %v", text, err)
		}
	})
}
