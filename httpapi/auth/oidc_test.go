package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
)

const audience = "https://spendwise.example"

// verifiedTokenTTL is how long a verified token is accepted without verifying it again.
const verifiedTokenTTL = 5 * time.Minute

// A provider runs zitadel's OpenID provider with its own discovery, key and token endpoints. Its storage lets a test
// change the keys, and it counts the requests.
type provider struct {
	*storage.Storage
	url       string
	server    *httptest.Server
	discovery atomic.Int32
	keysRead  atomic.Int32
	away      atomic.Bool
	override  atomic.Pointer[http.HandlerFunc] // handles all requests except those for tokens; nil: the provider does

	mu   sync.Mutex
	keys []providerKey // the first one signs
}

type providerKey struct {
	id        string
	algorithm jose.SignatureAlgorithm
	key       any
}

func (k providerKey) ID() string                                  { return k.id }
func (k providerKey) SignatureAlgorithm() jose.SignatureAlgorithm { return k.algorithm }
func (k providerKey) Algorithm() jose.SignatureAlgorithm          { return k.algorithm }
func (k providerKey) Use() string                                 { return "sig" }
func (k providerKey) Key() any                                    { return k.key }

// publicProviderKey is the public half of a providerKey.
type publicProviderKey struct{ providerKey }

func (k publicProviderKey) Key() any {
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		return &key.PublicKey
	case *ecdsa.PrivateKey:
		return &key.PublicKey
	default:
		return nil
	}
}

func (p *provider) SigningKey(context.Context) (op.SigningKey, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.keys[0], nil
}

func (p *provider) KeySet(context.Context) ([]op.Key, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	set := []op.Key{}
	for _, key := range p.keys {
		set = append(set, publicProviderKey{key})
	}
	return set, nil
}

// jwtClient is a client whose access tokens are JWTs instead of opaque strings.
type jwtClient struct{ op.Client }

func (jwtClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (p *provider) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	client, err := p.Storage.ClientCredentials(ctx, id, secret)
	return jwtClient{client}, err
}

// ClientCredentialsTokenRequest takes subject and audience from the scopes.
func (p *provider) ClientCredentialsTokenRequest(
	_ context.Context, _ string, scopes []string,
) (op.TokenRequest, error) {
	request := &oidc.JWTTokenRequest{}
	for _, scope := range scopes {
		if subject, ok := strings.CutPrefix(scope, "sub:"); ok {
			request.Subject = subject
		}
		if name, ok := strings.CutPrefix(scope, "aud:"); ok {
			request.Audience = append(request.Audience, name)
		}
	}
	return request, nil
}

// newSigningKey makes the provider sign with a new key. If keep is set, the old keys stay published.
func (p *provider) newSigningKey(t *testing.T, algorithm jose.SignatureAlgorithm, keep bool) {
	t.Helper()
	var key any
	var err error
	if algorithm == jose.ES256 {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !keep {
		p.keys = nil
	}
	p.keys = append([]providerKey{{uuid.NewString(), algorithm, key}}, p.keys...)
}

// All providers share one storage and sign with the same first key, because generating RSA keys takes most of the time
// of these tests.
var (
	providerStorage = sync.OnceValue(func() *storage.Storage {
		return storage.NewStorage(storage.NewUserStore("http://localhost"))
	})
	firstProviderKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
)

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := firstProviderKey()
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{Storage: providerStorage(), keys: []providerKey{{uuid.NewString(), jose.RS256, key}}}
	p.server = httptest.NewUnstartedServer(nil)
	// The provider is at localhost instead of an IP address, because zitadel's library permits plain HTTP only there.
	p.url = fmt.Sprintf("http://localhost:%d", p.server.Listener.Addr().(*net.TCPAddr).Port)
	handler, err := op.NewProvider(&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CodeMethodS256: true,
		AuthMethodPost: true},
		p, op.StaticIssuer(p.url), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	p.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost: // token requests of the test
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			p.discovery.Add(1)
		case strings.HasSuffix(r.URL.Path, "/keys"):
			p.keysRead.Add(1)
		}
		if p.away.Load() && r.Method == http.MethodGet {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		if override := p.override.Load(); override != nil && r.Method == http.MethodGet {
			override.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
	p.server.Start()
	t.Cleanup(p.server.Close)
	return p
}

// token requests an access token for a subject at the provider's token endpoint.
func (p *provider) token(t *testing.T, subject string, audiences ...string) string {
	t.Helper()
	scopes := "sub:" + subject
	for _, name := range audiences {
		scopes += " aud:" + name
	}
	response, err := http.PostForm(p.url+"/oauth/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"sid1"}, "client_secret": {"verysecret"}, "scope": {scopes},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || strings.Count(answer.AccessToken, ".") != 2 {
		t.Fatalf("the provider answers %d %s", response.StatusCode, raw)
	}
	return answer.AccessToken
}

// sign signs claims with the provider's key that the provider itself would not issue.
func (p *provider) sign(t *testing.T, change func(header map[string]any, claims jwt.MapClaims)) string {
	t.Helper()
	now := time.Now()
	p.mu.Lock()
	key := p.keys[0]
	p.mu.Unlock()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": p.url, "sub": "anna", "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	token.Header["kid"] = key.id
	change(token.Header, token.Claims.(jwt.MapClaims))
	private := key.key
	switch token.Header["alg"] {
	case "none":
		token.Method, private = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(publicProviderKey{key}.Key())
		if err != nil {
			t.Fatal(err)
		}
		token.Method, private = jwt.SigningMethodHS256, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	case "RS384":
		token.Method = jwt.SigningMethodRS384
	}
	text, err := token.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A clock can be moved forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

func newAuthenticator(t *testing.T, p *provider, change ...func(*auth.OIDCConfig)) (*auth.OIDCAuthenticator, *clock) {
	t.Helper()
	c := new(clock)
	config := auth.OIDCConfig{Issuer: p.url, Audience: audience, Now: c.now}
	for _, f := range change {
		f(&config)
	}
	issuer, err := auth.NewOIDCAuthenticator(config)
	if err != nil {
		t.Fatal(err)
	}
	return issuer, c
}

func TestOIDC_AcceptsTokensOfIssuer(t *testing.T) {
	p := newProvider(t)
	issuer, _ := newAuthenticator(t, p)
	owner := func(token string) expense.OwnerID {
		t.Helper()
		identity, err := issuer.Authenticate(request(t, "Bearer "+token))
		if err != nil || identity.Scopes != auth.LedgerScopes || identity.Device != uuid.Nil || len(identity.Owner) > 64 {
			t.Fatalf("Authenticate = %+v, %v", identity, err)
		}
		return identity.Owner
	}
	anna := owner(p.token(t, "anna", audience))
	if again := owner(p.token(t, "anna", "another", audience)); again != anna {
		t.Errorf("anna is %s and %s", anna, again)
	}
	if bob := owner(p.token(t, "bob", audience)); bob == anna {
		t.Error("two subjects are one owner")
	}
	second := newProvider(t)
	other, _ := newAuthenticator(t, second)
	identity, err := other.Authenticate(request(t, "Bearer "+second.token(t, "anna", audience)))
	if err != nil || identity.Owner == anna {
		t.Errorf("anna of another issuer is %s, %v", identity.Owner, err)
	}
	if accepts(t, issuer, second.token(t, "anna", audience)) {
		t.Error("another issuer's token is accepted")
	}
	if n := p.discovery.Load(); n != 1 {
		t.Errorf("the provider was discovered %d times", n)
	}
	if n := p.keysRead.Load(); n != 1 {
		t.Errorf("its keys were read %d times", n)
	}
}

func TestOIDC_InvalidTokensGetSameError(t *testing.T) {
	p := newProvider(t)
	issuer, _ := newAuthenticator(t, p)
	now := time.Now()
	claim := func(name string, value any) string {
		return p.sign(t, func(_ map[string]any, claims jwt.MapClaims) {
			claims[name] = value
			if value == nil {
				delete(claims, name)
			}
		})
	}
	header := func(name string, value any) string {
		return p.sign(t, func(header map[string]any, _ jwt.MapClaims) { header[name] = value })
	}
	good := p.sign(t, func(map[string]any, jwt.MapClaims) {})
	if !accepts(t, issuer, good) || !accepts(t, issuer, header("typ", "at+jwt")) ||
		!accepts(t, issuer, claim("exp", now.Add(-30*time.Second).Unix())) {
		t.Fatal("a good token is refused")
	}
	h := newFixture(t)
	for name, token := range map[string]string{
		"another audience":          p.token(t, "anna", "someone-else"),
		"no audience":               claim("aud", nil),
		"another issuer":            claim("iss", "https://login.example.org"),
		"the issuer with a path":    claim("iss", p.url+"/"),
		"expired":                   claim("exp", now.Add(-61*time.Second).Unix()),
		"no expiry":                 claim("exp", nil),
		"issued in the future":      claim("iat", now.Add(2*time.Minute).Unix()),
		"not valid yet":             claim("nbf", now.Add(2*time.Minute).Unix()),
		"no subject":                claim("sub", nil),
		"an empty subject":          claim("sub", ""),
		"algorithm none":            header("alg", "none"),
		"HS256 with the public key": header("alg", "HS256"),
		"another client's":          p.token(t, "anna", "another", "sid1"),
		"an x5u header":             header("x5u", "https://example.org/key.pem"),
		"a jwk header":              header("jwk", map[string]any{"kty": "RSA"}),
		"a jku header":              header("jku", "https://example.org/jwks.json"),
		"a crit header":             header("crit", []string{"exp"}),
		"a key id that is a path":   header("kid", "../../dev/null"),
		"RS384, on no list":         header("alg", "RS384"),
		"an unknown key":            header("kid", "another"),
		"another type":              header("typ", "logout+jwt"),
		"a local account's":         h.register(t).AccessToken,
		"truncated":                 good[:len(good)-3],
		"100 KB":                    strings.Repeat("A", 100<<10),
		"opaque":                    "opaque",
		"empty":                     "",
	} {
		identity, err := issuer.Authenticate(request(t, "Bearer "+token))
		if identity != (auth.Identity{}) || err == nil || err.Error() != auth.ErrUnauthenticated.Error() {
			t.Errorf("%s: %v, %v", name, identity, err)
		}
	}
}

func TestOIDC_Keys(t *testing.T) {
	t.Run("are read again for an unknown one, once a minute", func(t *testing.T) {
		p := newProvider(t)
		issuer, c := newAuthenticator(t, p)
		old := p.token(t, "anna", audience)
		if !accepts(t, issuer, old) {
			t.Fatal("refused")
		}
		madeUp := p.sign(t, func(header map[string]any, _ jwt.MapClaims) { header["kid"] = uuid.NewString() })
		p.newSigningKey(t, jose.ES256, true)
		c.forward(time.Minute)
		if !accepts(t, issuer, p.token(t, "anna", audience)) || !accepts(t, issuer, old) {
			t.Error("a token of the new key or of the old one is refused")
		}
		for range 20 {
			if accepts(t, issuer, madeUp) {
				t.Error("a made-up key is accepted")
			}
		}
		if n := p.keysRead.Load(); n != 2 {
			t.Errorf("the keys were read %d times, want 2", n)
		}
		c.forward(time.Minute)
		accepts(t, issuer, madeUp)
		accepts(t, issuer, madeUp)
		if n := p.keysRead.Load(); n != 3 {
			t.Errorf("the keys were read %d times, want 3", n)
		}
	})
	t.Run("are gone by while the provider is away", func(t *testing.T) {
		p := newProvider(t)
		issuer, c := newAuthenticator(t, p)
		if !accepts(t, issuer, p.token(t, "anna", audience)) {
			t.Fatal("refused")
		}
		long := p.sign(t,
			func(_ map[string]any, claims jwt.MapClaims) { claims["exp"] = time.Now().Add(24 * time.Hour).Unix() })
		p.away.Store(true)
		for range 10 {
			if !accepts(t, issuer, long) {
				t.Fatal("a token of a known key is refused while the provider is away")
			}
			c.forward(30 * time.Minute)
		}
	})
	t.Run("that the provider took back are refused within two hours", func(t *testing.T) {
		p := newProvider(t)
		issuer, c := newAuthenticator(t, p)
		long := p.sign(t,
			func(_ map[string]any, claims jwt.MapClaims) { claims["exp"] = time.Now().Add(24 * time.Hour).Unix() })
		if !accepts(t, issuer, long) {
			t.Fatal("refused")
		}
		p.newSigningKey(t, jose.RS256, false)
		c.forward(time.Hour)
		if accepts(t, issuer, long) {
			t.Error("accepted an hour after its key was taken back")
		}
	})
	t.Run("stay valid when the issuer returns HTML", func(t *testing.T) {
		for name, page := range map[string]string{
			"for people": "<html>back soon</html>", "an error": `{"error":"maintenance"}`, "cut off": `{"keys":[{"kty":"RSA",`,
			"null":           `{"keys":null}`,
			"keys of no use": `{"keys":[{"kty":"quantum"}]}`,
		} {
			p := newProvider(t)
			issuer, c := newAuthenticator(t, p)
			day := func(_ map[string]any, claims jwt.MapClaims) { claims["exp"] = time.Now().Add(24 * time.Hour).Unix() }
			long := p.sign(t, day)
			if !accepts(t, issuer, long) {
				t.Fatal("refused")
			}
			p.override.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, page)
			})))
			for range 5 {
				c.forward(61 * time.Minute)
				if !accepts(t, issuer, long) {
					t.Errorf("a token of a known key is refused while there is a page %s", name)
				}
			}
			p.override.Store(nil)
			p.newSigningKey(t, jose.RS256, false)
			c.forward(61 * time.Minute)
			if accepts(t, issuer, long) || !accepts(t, issuer, p.sign(t, day)) {
				t.Errorf("the keys are not read again after a page %s", name)
			}
		}
	})
	t.Run("keep nobody waiting who has one of them, while the provider is slow", func(t *testing.T) {
		p := newProvider(t)
		issuer, c := newAuthenticator(t, p)
		long := p.sign(t,
			func(_ map[string]any, claims jwt.MapClaims) { claims["exp"] = time.Now().Add(24 * time.Hour).Unix() })
		if !accepts(t, issuer, long) {
			t.Fatal("refused")
		}
		slow := make(chan struct{})
		lookups := make(chan struct{}, 10)
		p.override.Store(new(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { lookups <- struct{}{}; <-slow })))
		defer close(slow)
		c.forward(time.Hour)
		first := make(chan bool)
		go func() { first <- accepts(t, issuer, long) }()
		<-lookups
		for range 100 { // they use the keys at hand; a waiting one would block until slow is closed
			c.forward(verifiedTokenTTL)
			if !accepts(t, issuer, long) {
				t.Fatal("a token of a known key is refused while the provider is slow")
			}
		}
		if !<-first {
			t.Error("the request that had the keys read again is refused")
		}
		if n := p.keysRead.Load(); n != 2 {
			t.Errorf("the keys were read %d times, want 2", n)
		}
	})
	t.Run("of a document that names another issuer are never asked for", func(t *testing.T) {
		for name, document := range map[string]string{
			"another issuer":       `{"issuer":"https://evil.example","jwks_uri":"%s/keys"}`,
			"keys over plain HTTP": `{"issuer":"%[1]s","jwks_uri":"http://keys.example/keys"}`,
			"no keys":              `{"issuer":"%[1]s"}`,
			"no document":          `<html>`,
		} {
			p := newProvider(t)
			issuer, _ := newAuthenticator(t, p)
			p.override.Store(new(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, strings.ReplaceAll(strings.ReplaceAll(document, "%[1]s", p.url), "%s", p.url))
			})))
			_, err := issuer.Authenticate(request(t, "Bearer "+p.token(t, "anna", audience)))
			wantErr(t, name, err, expense.ErrUnavailable)
			if p.keysRead.Load() != 0 {
				t.Errorf("%s: the keys were asked for", name)
			}
		}
	})
	t.Run("and the document before them are read as long as they can be", func(t *testing.T) {
		p := newProvider(t)
		issuer, _ := newAuthenticator(t, p)
		var sent atomic.Int64
		p.override.Store(new(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil && sent.Load() < 1<<30 {
				n, err := w.Write(make([]byte, 64<<10))
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		})))
		_, err := issuer.Authenticate(request(t, "Bearer "+p.token(t, "anna", audience)))
		wantErr(t, "Authenticate", err, expense.ErrUnavailable)
		if n := sent.Load(); n > 64<<20 { // includes network buffers
			t.Errorf("%d bytes of a document that does not end were taken", n)
		}
	})
	t.Run("that were never to be had are trouble, not a refusal", func(t *testing.T) {
		p := newProvider(t)
		issuer, c := newAuthenticator(t, p)
		token := p.token(t, "anna", audience)
		p.away.Store(true)
		for range 3 {
			_, err := issuer.Authenticate(request(t, "Bearer "+token))
			wantErr(t, "Authenticate", err, expense.ErrUnavailable)
		}
		if n := p.discovery.Load(); n != 1 {
			t.Errorf("the provider that is away was asked %d times", n)
		}
		p.away.Store(false)
		c.forward(5 * time.Second)
		if !accepts(t, issuer, token) {
			t.Error("the token is refused after the provider is back")
		}
	})
}

func TestOIDC_BesideLocalAccounts(t *testing.T) {
	p := newProvider(t)
	issuer, _ := newAuthenticator(t, p)
	h := newFixture(t)
	both := auth.AnyOf(h.Service, issuer)
	session := h.register(t)
	local, err := both.Authenticate(request(t, "Bearer "+session.AccessToken))
	if err != nil || local.Scopes != auth.AllScopes {
		t.Errorf("a local account: %+v, %v", local, err)
	}
	external, err := both.Authenticate(request(t, "Bearer "+p.token(t, "anna", audience)))
	if err != nil || external.Scopes != auth.LedgerScopes || external.Owner == local.Owner {
		t.Errorf("the issuer's: %+v, %v", external, err)
	}
	_, err = both.Authenticate(request(t))
	if err == nil || err.Error() != auth.ErrUnauthenticated.Error() {
		t.Errorf("nobody: %v", err)
	}
	// A subject equal to the id of a local account still belongs to the issuer.
	forged, err := both.Authenticate(request(t, "Bearer "+p.token(t, session.User.ID.String(), audience)))
	if err != nil || forged.Owner == local.Owner {
		t.Errorf("a subject like a local account's id is %v, %v", forged.Owner, err)
	}
}

func TestNewOIDC_RejectsInvalidConfig(t *testing.T) {
	for name, config := range map[string]auth.OIDCConfig{
		"no issuer":      {Audience: audience},
		"plain HTTP":     {Issuer: "http://login.example.org", Audience: audience},
		"no URL":         {Issuer: "login.example.org", Audience: audience},
		"no audience":    {Issuer: "https://login.example.org"},
		"algorithm none": {Issuer: "https://login.example.org", Audience: audience, Algorithms: []string{"none"}},
		"a symmetric one too": {Issuer: "https://login.example.org", Audience: audience,
			Algorithms: []string{"RS256", "HS256"}},
	} {
		if _, err := auth.NewOIDCAuthenticator(config); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
