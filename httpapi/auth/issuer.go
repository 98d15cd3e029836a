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
	// issuerKeysPause is how long after a reading of the provider's keys an unknown key id does not make them be read again.
	issuerKeysPause = time.Minute
	// issuerKeysLife is how long the keys are gone by before they are read again, so that one the provider took back is
	// refused; while the provider does not answer, longer.
	issuerKeysLife = time.Hour
	// issuerRetry is how long after a failure the provider is asked again for what was never to be had yet.
	issuerRetry = 5 * time.Second
	// issuerFresh is how long a token that was verified is not verified again.
	issuerFresh = 5 * time.Minute

	// issuerPatience is how long the one request that has the keys read again waits for them, before it goes by those there are.
	issuerPatience = 2 * time.Second

	issuerTimeout  = 10 * time.Second
	issuerMaxBytes = 1 << 20 // of a provider's document
)

// OIDCConfig says whose access tokens an OIDCAuthenticator accepts.
type OIDCConfig struct {
	Issuer     string           // its URL, as its tokens and its discovery document have it; https, or http on this machine
	Audience   string           // what the tokens must be meant for
	Algorithms []string         // what they may be signed with; none: RS256, PS256, ES256 and EdDSA
	Client     *http.Client     // for discovery and keys; nil: one with a timeout of ten seconds
	Now        func() time.Time // nil: time.Now
}

// An OIDCAuthenticator is the Authenticator of another party's access tokens: those of an OpenID Connect provider, found by discovery. The
// provider is asked when the first token comes and seldom later; while it is away, tokens signed by keys that are known are
// accepted all the same. A subject of the issuer is an owner, from its first request on.
type OIDCAuthenticator struct {
	config   OIDCConfig
	parser   *jwt.Parser
	keys     *issuerKeys
	verified *cache[[sha256.Size]byte, issued]

	mu       sync.Mutex // one discovery at a time
	verifier *oidc.IDTokenVerifier
	tried    time.Time
}

// issued is what a verified token of another party gives.
type issued struct {
	owner   expense.OwnerID
	expires time.Time // clock skew included
	checked time.Time
}

var _ Authenticator = (*OIDCAuthenticator)(nil)

// NewOIDCAuthenticator returns an OIDCAuthenticator. It asks the provider nothing yet: a provider that is away does not keep the server from starting.
func NewOIDCAuthenticator(config OIDCConfig) (*OIDCAuthenticator, error) {
	if !isPrivate(config.Issuer) {
		return nil, fmt.Errorf("an issuer is an https URL, such as https://login.example.org, not %q", config.Issuer)
	}
	if config.Audience == "" {
		return nil, errors.New("an issuer's tokens are accepted for an audience only: name the one that stands for this API")
	}
	if len(config.Algorithms) == 0 {
		config.Algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}
	}
	for _, algorithm := range config.Algorithms {
		if algorithm == "none" || strings.HasPrefix(algorithm, "HS") {
			return nil, fmt.Errorf("tokens of another party are signed by a private key, which %q does without", algorithm)
		}
	}
	client := &http.Client{Timeout: issuerTimeout}
	if config.Client != nil {
		*client = *config.Client
	}
	client.Transport = bounded{client.Transport}
	config.Client = client
	if config.Now == nil {
		config.Now = time.Now
	}
	return &OIDCAuthenticator{
		config: config, parser: jwt.NewParser(jwt.WithValidMethods(config.Algorithms)),
		keys:     newIssuerKeys(config),
		verified: newCache[[sha256.Size]byte, issued](tokenCache),
	}, nil
}

// isPrivate reports whether text is a URL whose answers nobody on the way can change: https, or http on this machine.
func isPrivate(text string) bool {
	address, err := url.Parse(text)
	if err != nil || address.Host == "" {
		return false
	}
	host := address.Hostname()
	ip := net.ParseIP(host)
	return address.Scheme == "https" || address.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// Authenticate implements Authenticator: one Bearer token in the Authorization header, for the audience. It gives the scopes
// of a ledger, not those of a local account. ErrUnavailable if the provider could not be asked yet.
func (i *OIDCAuthenticator) Authenticate(r *http.Request) (Identity, error) {
	text := bearer(r)
	if text == "" {
		return Identity{}, ErrUnauthenticated
	}
	sum, now := sha256.Sum256([]byte(text)), i.config.Now()
	known, ok := i.verified.get(sum)
	if !ok || !now.Before(known.expires) || now.Sub(known.checked) >= issuerFresh {
		var err error
		if known, err = i.verify(r.Context(), text, now); err != nil {
			i.verified.remove(sum)
			return Identity{}, err
		}
		i.verified.update(sum, func(issued, bool) issued { return known })
	}
	return Identity{Owner: known.owner, Scopes: LedgerScopes}, nil
}

// acceptedTypes are what the header of an access token may say it is. RFC 9068 has at+jwt; many providers are older.
var acceptedTypes = []any{nil, "JWT", "at+jwt", "application/at+jwt"}

func (i *OIDCAuthenticator) verify(ctx context.Context, text string, now time.Time) (issued, error) {
	// What is not the issuer's by its own words is refused before anybody is asked about it.
	var words jwt.RegisteredClaims
	token, _, err := i.parser.ParseUnverified(text, &words)
	if err != nil || words.Issuer != i.config.Issuer || !slices.Contains(acceptedTypes, token.Header["typ"]) ||
		!slices.Contains(i.config.Algorithms, token.Method.Alg()) {
		return issued{}, ErrUnauthenticated
	}
	for _, name := range []string{"jku", "jwk", "x5u"} {
		if _, ok := token.Header[name]; ok {
			return issued{}, ErrUnauthenticated // keys are where discovery says, and nowhere else
		}
	}
	verifier, err := i.discover(ctx)
	if err != nil {
		return issued{}, err
	}
	said, err := verifier.Verify(ctx, text)
	switch {
	case err != nil && ctx.Err() != nil:
		return issued{}, ctx.Err()
	case err != nil && !i.keys.known():
		return issued{}, fmt.Errorf("%w: the keys of %s cannot be read", expense.ErrUnavailable, i.config.Issuer)
	case err != nil || said.Subject == "" || said.IssuedAt.After(now.Add(clockSkew)) ||
		words.NotBefore != nil && words.NotBefore.After(now.Add(clockSkew)):
		return issued{}, ErrUnauthenticated
	}
	return issued{owner: i.owner(said.Subject), expires: said.Expiry.Add(clockSkew), checked: now}, nil
}

// owner returns whose ledger a subject's is. It follows from issuer and subject alone, so every instance has the same at
// first sight, and no other issuer's subject can have it.
func (i *OIDCAuthenticator) owner(subject string) expense.OwnerID {
	sum := sha256.Sum256([]byte(i.config.Issuer + "\x00" + subject))
	return expense.OwnerID("oidc:" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// discover returns what verifies tokens, once the provider has told where its keys are.
func (i *OIDCAuthenticator) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	now := i.config.Now()
	if !i.tried.IsZero() && now.Sub(i.tried) < issuerRetry {
		return nil, fmt.Errorf("%w: %s was not to be reached a moment ago", expense.ErrUnavailable, i.config.Issuer)
	}
	i.tried = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), issuerTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.config.Client), i.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: discovery at %s: %w", expense.ErrUnavailable, i.config.Issuer, err)
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return nil, fmt.Errorf("%w: discovery at %s: %w", expense.ErrUnavailable, i.config.Issuer, err)
	}
	if !isPrivate(document.Keys) {
		return nil, fmt.Errorf("%w: discovery at %s: jwks_uri is no https URL, but %q", expense.ErrUnavailable, i.config.Issuer, document.Keys)
	}
	i.keys.begin(document.Keys)
	i.verifier = oidc.NewVerifier(i.config.Issuer, i.keys, &oidc.Config{
		ClientID: i.config.Audience, SupportedSigningAlgs: i.config.Algorithms,
		Now: func() time.Time { return i.config.Now().Add(-clockSkew) },
	})
	return i.verifier, nil
}

// issuerKeys are a provider's keys. The key set of go-oidc reads them again for each key id that it does not know; this one does so
// once in issuerKeysPause, however many ask, and sees to it that no key is taken for the provider's for ever.
type issuerKeys struct {
	client     *http.Client
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time

	mu          sync.Mutex
	url         string
	keys        []jose.JSONWebKey
	read, tried time.Time     // when they were read, and when that was last begun; zero: never
	reading     chan struct{} // closed when the reading that goes on ends; nil: none does
}

func newIssuerKeys(config OIDCConfig) *issuerKeys {
	keys := &issuerKeys{client: config.Client, now: config.Now}
	for _, algorithm := range config.Algorithms {
		keys.algorithms = append(keys.algorithms, jose.SignatureAlgorithm(algorithm))
	}
	return keys
}

func (k *issuerKeys) begin(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.url = url
}

// known reports whether the keys were ever read.
func (k *issuerKeys) known() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.read.IsZero()
}

var (
	errNoKeys    = errors.New("what the issuer publishes as its keys is no set of keys")
	errSignature = errors.New("no key of the issuer's verifies the signature")
)

// VerifySignature implements [oidc.KeySet].
func (k *issuerKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, k.algorithms)
	if err != nil {
		return nil, err
	}
	payload, old := k.verify(signed)
	switch {
	case payload == nil:
		k.renew(ctx, issuerTimeout, true)
	case old:
		k.renew(ctx, issuerPatience, false)
	default:
		return payload, nil
	}
	if payload, _ = k.verify(signed); payload == nil {
		return nil, errSignature
	}
	return payload, nil
}

// verify returns what was signed by one of the keys there are, nil if it was by none; old says that they should be read again.
func (k *issuerKeys) verify(signed *jose.JSONWebSignature) (payload []byte, old bool) {
	k.mu.Lock()
	keys, old := k.keys, k.now().Sub(k.read) >= issuerKeysLife
	k.mu.Unlock()
	id := signed.Signatures[0].Header.KeyID
	for i := range keys {
		if id != "" && keys[i].KeyID != id {
			continue
		}
		if payload, err := signed.Verify(&keys[i]); err == nil {
			return payload, old
		}
	}
	return nil, old
}

// renew has the keys read again, unless that was tried within the pause, and waits for it as long as patience lasts; where another
// request has them read already, only if join says so. The reading goes on if nobody waits any more.
func (k *issuerKeys) renew(ctx context.Context, patience time.Duration, join bool) {
	k.mu.Lock()
	reading := k.reading
	if reading == nil {
		pause, now := issuerKeysPause, k.now()
		if k.read.IsZero() {
			pause = issuerRetry
		}
		if !k.tried.IsZero() && now.Sub(k.tried) < pause {
			k.mu.Unlock()
			return
		}
		reading = make(chan struct{})
		k.tried, k.reading, join = now, reading, true
		go func(ctx context.Context, url string) {
			keys, err := k.fetch(ctx, url)
			k.mu.Lock()
			defer k.mu.Unlock()
			if err == nil {
				k.keys, k.read = keys, now
			}
			k.reading = nil
			close(reading)
		}(context.WithoutCancel(ctx), k.url)
	}
	k.mu.Unlock()
	if !join {
		return
	}
	enough := time.NewTimer(patience)
	defer enough.Stop()
	select {
	case <-reading:
	case <-enough.C:
	case <-ctx.Done():
	}
}

// fetch reads the provider's keys. Those of kinds that are not known here are left out; a page that says that the provider is being
// repaired, or anything else that is no set of keys, is a failure and takes no key back.
func (k *issuerKeys) fetch(ctx context.Context, url string) (keys []jose.JSONWebKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, issuerTimeout)
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
		return nil, errors.Join(errNoKeys, err)
	}
	for _, text := range *set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(text, &key) == nil && key.Valid() && key.IsPublic() && key.Use != "enc" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 && len(*set.Keys) > 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

// bounded reads no more of a provider's documents than they can have.
type bounded struct{ base http.RoundTripper } // nil: http.DefaultTransport

// RoundTrip implements [http.RoundTripper].
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	base := b.base
	if base == nil {
		base = http.DefaultTransport
	}
	response, err := base.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, issuerMaxBytes), response.Body}
	}
	return response, err
}

// AnyOf returns an Authenticator that asks several in turn and takes the first answer that says who it is. Trouble of one is
// told only if no other knows.
func AnyOf(authenticators ...Authenticator) Authenticator {
	return AuthenticatorFunc(func(r *http.Request) (Identity, error) {
		trouble := ErrUnauthenticated
		for _, authenticator := range authenticators {
			who, err := authenticator.Authenticate(r)
			if err == nil {
				return who, nil
			}
			if !errors.Is(err, ErrUnauthenticated) {
				trouble = err
			}
		}
		return Identity{}, trouble
	})
}
