package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store/accounts"
)

// runMaintenance calls Run of services until the test ends or stop is called.
func runMaintenance(t *testing.T, services ...*auth.Service) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, service := range services {
		running.Go(func() { service.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// publishedKeyIDs returns the ids in the service's key set.
func publishedKeyIDs(t *testing.T, s *auth.Service) []string {
	t.Helper()
	var set struct {
		Keys []struct {
			Kty, Crv, X, Y, Kid, Use, Alg, D string
		}
	}
	if err := json.Unmarshal(s.JWKS(t.Context()), &set); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, key := range set.Keys {
		if key.D != "" || key.Use != "sig" || key.X == "" {
			t.Errorf("a published key is %+v", key)
		}
		ids = append(ids, key.Kid)
	}
	return ids
}

func keyID(t *testing.T, token string) string {
	t.Helper()
	parsed, _, err := jwt.NewParser().ParseUnverified(token, jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Header["kid"].(string)
}

// TestKeyRotation_RejectsNoToken runs four instances with rotation for a day and a half. One of them signs a token
// every two minutes.
func TestKeyRotation_RejectsNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rotating := func(c *auth.Config) { c.KeyRotationInterval = 6 * time.Hour }
		h := newFixture(t, rotating)
		services := []*auth.Service{h.Service, h.instance(t, rotating), h.instance(t, rotating), h.instance(t, rotating)}
		defer runMaintenance(t, services...)()

		type issued struct {
			token string
			at    time.Time
		}
		session := h.register(t)
		seen, used := map[string]time.Time{}, map[string]time.Time{}
		var alive []issued
		for i := range 36 * 30 {
			now := time.Now()
			for _, service := range services {
				for _, id := range publishedKeyIDs(t, service) {
					if _, ok := seen[id]; !ok {
						seen[id] = now
					}
				}
			}
			var err error
			if session, err = services[i%4].Refresh(t.Context(), session.RefreshToken); err != nil {
				t.Fatal(err)
			}
			if id := keyID(t, session.AccessToken); used[id].IsZero() {
				used[id] = now
			}
			alive = append(slices.DeleteFunc(alive, func(i issued) bool { return now.Sub(i.at) >= auth.AccessTokenLifetime }),
				issued{session.AccessToken, now})
			for _, given := range alive {
				for _, service := range services {
					if !accepts(t, service, given.token) {
						t.Fatalf("after %d minutes a token of %s is refused, %s old", 2*i, keyID(t, given.token), now.Sub(given.at))
					}
				}
			}
			keys, err := h.accounts.SigningKeys(t.Context())
			if err != nil || len(keys) > 3 {
				t.Fatalf("%d keys are stored, %v", len(keys), err)
			}
			time.Sleep(2 * time.Minute)
		}
		if len(used) < 6 || len(used) > 7 {
			t.Errorf("%d keys signed in 36 hours, want one each 6 hours", len(used))
		}
		for id, first := range used {
			if lead := first.Sub(seen[id]); lead < auth.DefaultKeyActivationDelay-2*time.Minute && !first.Equal(seen[id]) {
				t.Errorf("key %s signed %s after it was published", id, lead)
			}
		}
	})
}

func TestRotateKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		defer runMaintenance(t, h.Service)()
		session := h.register(t)
		keys := make([]accounts.SigningKey, 4)
		var group sync.WaitGroup
		made := make(chan bool, len(keys))
		for i := range keys {
			group.Go(func() {
				key, fresh, err := auth.RotateSigningKey(t.Context(), h.accounts, h.kek, time.Now())
				if err != nil {
					t.Error(err)
				}
				keys[i] = key
				made <- fresh
			})
		}
		group.Wait()
		close(made)
		count := 0
		for fresh := range made {
			if fresh {
				count++
			}
		}
		if count != 1 || keys[0].ID != keys[3].ID {
			t.Errorf("%d of four commands at once made a key, want one", count)
		}
		time.Sleep(auth.DefaultKeyActivationDelay + time.Minute)
		again, err := h.Refresh(t.Context(), session.RefreshToken)
		if err != nil || keyID(t, again.AccessToken) != keys[0].ID.String() {
			t.Errorf("the new key does not sign ten minutes later: %v", err)
		}
		if _, _, err := auth.RotateSigningKey(t.Context(), h.accounts, nil, time.Now()); err == nil {
			t.Error("a key is made without a key-encryption key")
		}
	})
}

func TestRevokeKey_TokensAreRejectedWithin30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		other := h.instance(t)
		session := h.register(t)
		revoked := uuid.MustParse(keyID(t, session.AccessToken))
		for _, service := range []*auth.Service{h.Service, other} {
			if !accepts(t, service, session.AccessToken) {
				t.Fatal("the token is refused before its key is revoked")
			}
		}
		if err := h.accounts.DeleteSigningKey(t.Context(), revoked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		for _, service := range []*auth.Service{h.Service, other} {
			if accepts(t, service, session.AccessToken) {
				t.Error("the token is accepted half a minute after its key was revoked")
			}
		}
		// The session survives: a refresh returns a token signed with the replacement key.
		again, err := h.Refresh(t.Context(), session.RefreshToken)
		if err != nil || !accepts(t, h, again.AccessToken) || !accepts(t, other, again.AccessToken) {
			t.Errorf("the session has no token after a refresh: %v", err)
		}
		if keys, err := h.accounts.SigningKeys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("%d keys, %v: the two instances made one in its place", len(keys), err)
		}
	})
}

func TestKeyring_FindsNewKeyDespiteUnknownIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		session := h.register(t)
		stranger := h.instance(t, func(c *auth.Config) { c.KEK = make([]byte, auth.KEKSize) })
		madeUp := func() {
			token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "spendwise"})
			token.Header["typ"], token.Header["kid"] = "at+jwt", uuid.NewString()
			_, private, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				t.Error(err)
			}
			text, err := token.SignedString(private)
			if err != nil || accepts(t, h, text) {
				t.Errorf("a made-up token is accepted, or %v", err)
			}
		}
		madeUp()
		fresh, err := stranger.Refresh(t.Context(), session.RefreshToken)
		if err != nil {
			t.Fatal(err)
		}
		h.accounts.keyReads.Store(0)
		start := time.Now()
		var group sync.WaitGroup
		for range 50 {
			group.Go(madeUp)
		}
		if !accepts(t, h, fresh.AccessToken) {
			t.Error("a token of a key that is new is refused while unknown ids come in")
		}
		group.Wait()
		if waited := time.Since(start); waited > 3*time.Second {
			t.Errorf("the requests waited for %s", waited)
		}
		if n := h.accounts.keyReads.Load(); n > 3 {
			t.Errorf("the keys were read %d times for 51 requests", n)
		}
	})
}

func TestAuthenticate_AlgorithmMustMatchKey(t *testing.T) {
	h := newFixture(t)
	session := h.register(t)
	edID, edKey := insertKey(t, h)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	put := func(serial int, public any) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		key := accounts.SigningKey{ID: uuid.New(), Serial: serial, Public: der, Stage: accounts.KeyRetired,
			CreatedAt: time.Now(), StagedAt: time.Now()}
		if err := h.accounts.CreateSigningKey(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		return key.ID.String()
	}
	ecID, wideID := put(1001, &ecKey.PublicKey), put(1002, &p384.PublicKey)
	sign := func(method jwt.SigningMethod, id string, key any) string {
		now := time.Now()
		token := jwt.NewWithClaims(method, jwt.MapClaims{
			"iss": "spendwise", "aud": "spendwise", "sub": session.User.ID, "sid": session.Device, "iat": now.Unix(),
			"exp": now.Add(time.Minute).Unix(),
		})
		token.Header["typ"], token.Header["kid"] = "at+jwt", id
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	service := h.instance(t) // has loaded all keys
	for name, c := range map[string]struct {
		token string
		want  bool
	}{
		"Ed25519":                       {sign(jwt.SigningMethodEdDSA, edID, edKey), true},
		"ES256":                         {sign(jwt.SigningMethodES256, ecID, ecKey), true},
		"ES256 under an Ed25519 key":    {sign(jwt.SigningMethodES256, edID, ecKey), false},
		"Ed25519 under an ES256 key":    {sign(jwt.SigningMethodEdDSA, ecID, edKey), false},
		"ES384, which is on no list":    {sign(jwt.SigningMethodES384, wideID, p384), false},
		"HS256 with the ES256 key's id": {sign(jwt.SigningMethodHS256, ecID, []byte(ecID)), false},
	} {
		if accepts(t, service, c.token) != c.want {
			t.Errorf("%s: accepted %v, want %v", name, !c.want, c.want)
		}
	}
	ids := publishedKeyIDs(t, service)
	if !slices.Contains(ids, ecID) || !slices.Contains(ids, edID) || slices.Contains(ids, wideID) {
		t.Errorf("published are %v", ids)
	}
}

// The token is verified with the raw key bytes of the published set, as another library would do by RFC 8037.
func TestJWKS_VerifiesTokens(t *testing.T) {
	h := newFixture(t)
	token := h.register(t).AccessToken
	var set struct{ Keys []struct{ Kid, X string } }
	if err := json.Unmarshal(h.JWKS(t.Context()), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%d keys, %v", len(set.Keys), err)
	}
	_, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
		x, err := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
		if token.Header["kid"] != set.Keys[0].Kid {
			err = errors.New("another key")
		}
		return ed25519.PublicKey(x), err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNew_VerifyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		session := h.register(t)
		verifier := h.instance(t, func(c *auth.Config) { c.KEK, c.VerifyOnly = nil, true })
		defer runMaintenance(t, verifier)()
		if !accepts(t, verifier, session.AccessToken) {
			t.Error("it refuses a token")
		}
		_, err := verifier.Login(t.Context(), auth.Login{Email: "ada@example.org", Password: goodPassword})
		wantErr(t, "Login", err, expense.ErrUnavailable)
		if keys, err := h.accounts.SigningKeys(t.Context()); err != nil || len(keys) != 1 {
			t.Errorf("%d keys, %v; want no new key", len(keys), err)
		}
		_, err = auth.New(t.Context(), h.users, auth.Config{KEK: h.kek, VerifyOnly: true})
		if err == nil {
			t.Error("an instance that only verifies takes a key-encryption key")
		}
	})
}

// A key whose KEK is lost must not stay published for good.
func TestMaintenance_RemovesAbandonedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := func(c *auth.Config) { c.KeyRotationInterval = 24 * time.Hour }
		h := newFixture(t, day)
		lost := publishedKeyIDs(t, h.Service)[0]
		h.kek = make([]byte, auth.KEKSize)
		next := h.instance(t, day)
		defer runMaintenance(t, next)()
		time.Sleep(50 * time.Hour)
		if slices.Contains(publishedKeyIDs(t, next), lost) {
			t.Error("the key is still published after two rotations")
		}
	})
}

func TestMaintenance_ContinuesWhenStoreRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t, func(c *auth.Config) { c.KeyRotationInterval = time.Hour })
		defer runMaintenance(t, h.Service)()
		first := h.register(t)
		h.accounts.setDown(true)
		time.Sleep(3 * time.Hour)
		h.accounts.setDown(false)
		time.Sleep(time.Hour)
		again, err := h.Refresh(t.Context(), first.RefreshToken)
		if err != nil || keyID(t, again.AccessToken) == keyID(t, first.AccessToken) {
			t.Errorf("no new key signs an hour after the store is back: %v", err)
		}
	})
}
