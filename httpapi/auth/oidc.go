package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/spendwise/spendwise/expense"
)

const (
	// minKeyFetchInterval is the shortest time between two fetches of the provider's keys. Without it, every token
	// with an unknown key id would cause a fetch.
	minKeyFetchInterval = time.Minute
	// maxKeyAge is the age at which the keys are fetched again, so that keys that the provider has removed become invalid.
	// While the provider does not respond, older keys stay in use.
	maxKeyAge = time.Hour
	// discoveryRetryInterval is the shortest time between two attempts to reach a provider that has never responded.
	discoveryRetryInterval = 5 * time.Second
	// verifiedTokenTTL is how long a verified token is accepted without verifying it again.
	verifiedTokenTTL = 5 * time.Minute

	// keyRefreshWait is how long a request that starts a refresh of old keys waits for the new keys. After that, it uses
	// the old keys.
	keyRefreshWait = 2 * time.Second

	providerTimeout     = 10 * time.Second
	maxProviderResponse = 1 << 20 // bytes
)

// OIDCConfig configures an OIDCAuthenticator.
type OIDCConfig struct {
	Issuer     string           // URL exactly as in the tokens; https, or http for a loopback address
	Audience   string           // required value of the aud claim
	Algorithms []string         // accepted signature algorithms; empty: RS256, PS256, ES256 and EdDSA
	Client     *http.Client     // for discovery and keys; nil: a client with a timeout of 10 seconds
	Now        func() time.Time // nil: time.Now
}

// An OIDCAuthenticator authenticates requests by the access tokens of one OpenID Connect provider. It reads the
// discovery document when the first token arrives, and the keys at most once a minute. While the provider does not
// respond, tokens signed with known keys are still accepted. Every subject of the provider owns a ledger from its first
// request on. An OIDCAuthenticator is safe for concurrent use.
type OIDCAuthenticator struct {
	config   OIDCConfig
	parser   *jwt.Parser
	keys     *providerKeys
	verified *cache[[sha256.Size]byte, oidcClaims]

	mu        sync.Mutex // serialises discovery
	verifier  *oidc.IDTokenVerifier
	attempted time.Time
}

// oidcClaims is the part of a verified token that is cached.
type oidcClaims struct {
	owner   expense.OwnerID
	expires time.Time // exp claim plus clock skew
	checked time.Time
}

var _ Authenticator = (*OIDCAuthenticator)(nil)

// NewOIDCAuthenticator returns an OIDCAuthenticator. It returns an error if the configuration is invalid. It does not
// contact the provider, so a server can start although its provider does not respond.
func NewOIDCAuthenticator(config OIDCConfig) (*OIDCAuthenticator, error) {
	if !isSecureURL(config.Issuer) {
		return nil, fmt.Errorf("issuer %q is not an https URL; use the form https://login.example.org", config.Issuer)
	}
	if config.Audience == "" {
		return nil, errors.New("audience is empty; set the aud value that the provider issues for this API")
	}
	if len(config.Algorithms) == 0 {
		config.Algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}
	}
	for _, algorithm := range config.Algorithms {
		if algorithm == "none" || strings.HasPrefix(algorithm, "HS") {
			return nil, fmt.Errorf("signature algorithm %q is not asymmetric; use one such as RS256, ES256 or EdDSA", algorithm)
		}
	}
	client := &http.Client{Timeout: providerTimeout}
	if config.Client != nil {
		*client = *config.Client
	}
	client.Transport = limitedTransport{client.Transport}
	config.Client = client
	if config.Now == nil {
		config.Now = time.Now
	}
	return &OIDCAuthenticator{
		config: config, parser: jwt.NewParser(jwt.WithValidMethods(config.Algorithms)),
		keys:     newProviderKeys(config),
		verified: newCache[[sha256.Size]byte, oidcClaims](tokenCacheSize),
	}, nil
}

// isSecureURL reports whether responses from the URL cannot be changed in transit: the URL uses https, or http to a
// loopback address.
func isSecureURL(text string) bool {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" {
		return false
	}
	host := address.Hostname()
	ip := net.ParseIP(host)
	return address.Scheme == "https" || address.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Authenticate implements [Authenticator] for one Bearer token in the Authorization header. The identity has
// [LedgerScopes]. Authenticate returns ErrUnavailable if the provider's keys could never be read.
func (a *OIDCAuthenticator) Authenticate(r *http.Request) (Identity, error) {
	text := bearerToken(r)
	if text == "" {
		return Identity{}, ErrUnauthenticated
	}
	sum, now := sha256.Sum256([]byte(text)), a.config.Now()
	claims, ok := a.verified.get(sum)
	if !ok || !now.Before(claims.expires) || now.Sub(claims.checked) >= verifiedTokenTTL {
		var err error
		if claims, err = a.verify(r.Context(), text, now); err != nil {
			a.verified.remove(sum)
			return Identity{}, err
		}
		a.verified.update(sum, func(oidcClaims, bool) oidcClaims { return claims })
	}
	return Identity{Owner: claims.owner, Scopes: LedgerScopes}, nil
}

// acceptedTypes are the accepted values of the typ header. RFC 9068 requires at+jwt, but many providers predate it.
var acceptedTypes = []any{nil, "JWT", "at+jwt", "application/at+jwt"}

func (a *OIDCAuthenticator) verify(ctx context.Context, text string, now time.Time) (oidcClaims, error) {
	// Tokens that claim another issuer, type or algorithm are refused without contacting the provider.
	var unverified jwt.RegisteredClaims
	token, _, err := a.parser.ParseUnverified(text, &unverified)
	if err != nil || unverified.Issuer != a.config.Issuer || !slices.Contains(acceptedTypes, token.Header["typ"]) ||
		!slices.Contains(a.config.Algorithms, token.Method.Alg()) {
		return oidcClaims{}, ErrUnauthenticated
	}
	for _, name := range []string{"jku", "jwk", "x5u"} {
		if _, ok := token.Header[name]; ok {
			return oidcClaims{}, ErrUnauthenticated // RFC 8725, section 3.10: only keys from discovery count
		}
	}
	verifier, err := a.discover(ctx)
	if err != nil {
		return oidcClaims{}, err
	}
	idToken, err := verifier.Verify(ctx, text)
	switch {
	case err != nil && ctx.Err() != nil:
		return oidcClaims{}, ctx.Err()
	case err != nil && !a.keys.loaded():
		return oidcClaims{}, fmt.Errorf("%w: the keys of issuer %s cannot be read", expense.ErrUnavailable, a.config.Issuer)
	case err != nil || idToken.Subject == "" || idToken.IssuedAt.After(now.Add(clockSkew)) ||
		unverified.NotBefore != nil && unverified.NotBefore.After(now.Add(clockSkew)):
		return oidcClaims{}, ErrUnauthenticated
	}
	return oidcClaims{owner: a.owner(idToken.Subject), expires: idToken.Expiry.Add(clockSkew), checked: now}, nil
}

// owner returns the owner of a subject's ledger. It depends only on issuer and subject, so all instances agree and
// subjects of different issuers never share a ledger.
func (a *OIDCAuthenticator) owner(subject string) expense.OwnerID {
	sum := sha256.Sum256([]byte(a.config.Issuer + "\x00" + subject))
	return expense.OwnerID("oidc:" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// discover returns the token verifier. The first successful call reads the provider's discovery document.
func (a *OIDCAuthenticator) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.verifier != nil {
		return a.verifier, nil
	}
	now := a.config.Now()
	if !a.attempted.IsZero() && now.Sub(a.attempted) < discoveryRetryInterval {
		return nil, fmt.Errorf("%w: the last attempt to reach issuer %s failed less than %s ago",
			expense.ErrUnavailable, a.config.Issuer, discoveryRetryInterval)
	}
	a.attempted = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), providerTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, a.config.Client), a.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: discovery at %s: %w", expense.ErrUnavailable, a.config.Issuer, err)
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("%w: discovery at %s: %w", expense.ErrUnavailable, a.config.Issuer, err)
	}
	if !isSecureURL(document.Keys) {
		return nil, fmt.Errorf("%w: discovery at %s: jwks_uri %q is not an https URL",
			expense.ErrUnavailable, a.config.Issuer, document.Keys)
	}
	a.keys.setURL(document.Keys)
	a.verifier = oidc.NewVerifier(a.config.Issuer, a.keys, &oidc.Config{
		ClientID: a.config.Audience, SupportedSigningAlgs: a.config.Algorithms,
		Now: func() time.Time { return a.config.Now().Add(-clockSkew) },
	})
	return a.verifier, nil
}

// providerKeys caches a provider's public keys. Unlike the remote key set of go-oidc, which fetches the keys for every
// unknown key id, it fetches them at most once in minKeyFetchInterval, and again when they reach maxKeyAge.
type providerKeys struct {
	client     *http.Client
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time

	mu                 sync.Mutex
	url                string
	keys               []jose.JSONWebKey
	fetched, attempted time.Time     // start of the last successful fetch and of the last attempt; zero: never
	fetching           chan struct{} // closed when the current fetch ends; nil: no fetch is running
}

func newProviderKeys(config OIDCConfig) *providerKeys {
	keys := &providerKeys{client: config.Client, now: config.Now}
	for _, algorithm := range config.Algorithms {
		keys.algorithms = append(keys.algorithms, jose.SignatureAlgorithm(algorithm))
	}
	return keys
}

func (k *providerKeys) setURL(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.url = url
}

// loaded reports whether a fetch has ever succeeded.
func (k *providerKeys) loaded() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.fetched.IsZero()
}

var (
	errKeySet    = errors.New("the issuer's key set is malformed or has no usable key")
	errSignature = errors.New("no key of the issuer matches the signature")
)

// VerifySignature implements [oidc.KeySet].
func (k *providerKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil {
		return nil, err
	}
	payload, stale := k.verify(signed)
	switch {
	case payload == nil:
		k.refresh(ctx, providerTimeout, true)
	case stale:
		k.refresh(ctx, keyRefreshWait, false)
	default:
		return payload, nil
	}
	if payload, _ = k.verify(signed); payload == nil {
		return nil, errSignature
	}
	return payload, nil
}

// verify returns the payload if one of the cached keys matches the signature, and nil otherwise. stale reports that the
// keys have reached maxKeyAge.
func (k *providerKeys) verify(signed *jose.JSONWebSignature) (payload []byte, stale bool) {
	k.mu.Lock()
	keys, stale := k.keys, k.now().Sub(k.fetched) >= maxKeyAge
	k.mu.Unlock()
	id := signed.Signatures[0].Header.KeyID
	for i := range keys {
		if id != "" && keys[i].KeyID != id {
			continue
		}
		if payload, err := signed.Verify(&keys[i]); err == nil {
			return payload, stale
		}
	}
	return nil, stale
}

// refresh starts a fetch of the keys, unless the last attempt was made less than the minimum interval ago. It waits
// until the fetch ends, but at most for the duration wait. If another request has started a fetch, refresh waits for it
// only if join is true. A fetch continues even if every waiting request is cancelled.
func (k *providerKeys) refresh(ctx context.Context, wait time.Duration, join bool) {
	k.mu.Lock()
	fetching := k.fetching
	if fetching == nil {
		interval, now := minKeyFetchInterval, k.now()
		if k.fetched.IsZero() {
			interval = discoveryRetryInterval
		}
		if !k.attempted.IsZero() && now.Sub(k.attempted) < interval {
			k.mu.Unlock()
			return
		}
		fetching = make(chan struct{})
		k.attempted, k.fetching, join = now, fetching, true
		go func(ctx context.Context, url string) {
			keys, err := k.fetch(ctx, url)
			k.mu.Lock()
			defer k.mu.Unlock()
			if err == nil {
				k.keys, k.fetched = keys, now
			}
			k.fetching = nil
			close(fetching)
		}(context.WithoutCancel(ctx), k.url)
	}
	k.mu.Unlock()
	if !join {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-fetching:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fetch reads the provider's keys. It skips keys of unknown types. A response that is not a key set, such as a
// maintenance page, is an error and leaves the cached keys in place.
func (k *providerKeys) fetch(ctx context.Context, url string) (keys []jose.JSONWebKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var set struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &set); err != nil || set.Keys == nil || response.StatusCode != http.StatusOK {
		return nil, errors.Join(errKeySet, err)
	}
	for _, text := range *set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && len(*set.Keys) > 0 {
		return nil, errKeySet
	}
	return keys, nil
}

// limitedTransport truncates response bodies to maxProviderResponse bytes.
type limitedTransport struct{ base http.RoundTripper } // nil: http.DefaultTransport

// RoundTrip implements [http.RoundTripper].
func (t limitedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxProviderResponse), response.Body}
	}
	return response, err
}

// AnyOf returns an Authenticator that tries each of authenticators in order and returns the first identity. If none
// succeeds, it returns the last error other than ErrUnauthenticated, and otherwise ErrUnauthenticated.
func AnyOf(authenticators ...Authenticator) Authenticator {
	return AuthenticatorFunc(func(r *http.Request) (Identity, error) {
		failure := ErrUnauthenticated
		for _, authenticator := range authenticators {
			identity, err := authenticator.Authenticate(r)
			if err == nil {
				return identity, nil
			}
			if !errors.Is(err, ErrUnauthenticated) {
				failure = err
			}
		}
		return Identity{}, failure
	})
}
