package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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

	issuerTimeout  = 10 * time.Second
	issuerMaxBytes = 1 << 20 // of a provider's document
)

// IssuerConfig says whose access tokens an Issuer accepts.
type IssuerConfig struct {
	Issuer     string           // its URL, as its tokens and its discovery document have it; https, or http on this machine
	Audience   string           // what the tokens must be meant for
	Algorithms []string         // what they may be signed with; none: RS256, PS256, ES256 and EdDSA
	Client     *http.Client     // for discovery and keys; nil: one with a timeout of ten seconds
	Now        func() time.Time // nil: time.Now
}

// An Issuer is the Authenticator of another party's access tokens: those of an OpenID Connect provider, found by discovery. The
// provider is asked when the first token comes and seldom later; while it is away, tokens signed by keys that are known are
// accepted all the same. A subject of the issuer is an owner, from its first request on.
type Issuer struct {
	config   IssuerConfig
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

var _ Authenticator = (*Issuer)(nil)

// NewIssuer returns an Issuer. It asks the provider nothing yet: a provider that is away does not keep the server from starting.
func NewIssuer(config IssuerConfig) (*Issuer, error) {
	address, err := url.Parse(config.Issuer)
	if err != nil || address.Host == "" || address.Scheme != "https" && (address.Scheme != "http" || !isLoopback(address.Hostname())) {
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
	if config.Client == nil {
		config.Client = &http.Client{Timeout: issuerTimeout}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Issuer{
		config: config, parser: jwt.NewParser(jwt.WithValidMethods(config.Algorithms)),
		keys:     newIssuerKeys(config),
		verified: newCache[[sha256.Size]byte, issued](tokenCache),
	}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Authenticate implements Authenticator: one Bearer token in the Authorization header, for the audience. It gives the scopes
// of a ledger, not those of a local account. ErrUnavailable if the provider could not be asked yet.
func (i *Issuer) Authenticate(r *http.Request) (Identity, error) {
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

func (i *Issuer) verify(ctx context.Context, text string, now time.Time) (issued, error) {
	// What is not the issuer's by its own words is refused before anybody is asked about it.
	var words jwt.RegisteredClaims
	token, _, err := i.parser.ParseUnverified(text, &words)
	if err != nil || words.Issuer != i.config.Issuer || !slices.Contains(acceptedTypes, token.Header["typ"]) ||
		!slices.Contains(i.config.Algorithms, token.Method.Alg()) {
		return issued{}, ErrUnauthenticated
	}
	verifier, err := i.discover(ctx)
	if err != nil {
		return issued{}, err
	}
	said, err := verifier.Verify(ctx, text)
	switch {
	case err != nil && ctx.Err() != nil:
		return issued{}, ctx.Err()
	case err != nil && !i.keys.read():
		return issued{}, fmt.Errorf("%w: the keys of %s cannot be read", expense.ErrUnavailable, i.config.Issuer)
	case err != nil || said.Subject == "" || said.IssuedAt.After(now.Add(clockSkew)) ||
		words.NotBefore != nil && words.NotBefore.After(now.Add(clockSkew)):
		return issued{}, ErrUnauthenticated
	}
	return issued{owner: i.owner(said.Subject), expires: said.Expiry.Add(clockSkew), checked: now}, nil
}

// owner returns whose ledger a subject's is. It follows from issuer and subject alone, so every instance has the same at
// first sight, and no other issuer's subject can have it.
func (i *Issuer) owner(subject string) expense.OwnerID {
	sum := sha256.Sum256([]byte(i.config.Issuer + "\x00" + subject))
	return expense.OwnerID("oidc:" + base64.RawURLEncoding.EncodeToString(sum[:]))
}

// discover returns what verifies tokens, once the provider has told where its keys are.
func (i *Issuer) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
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
	i.keys.begin(document.Keys)
	i.verifier = oidc.NewVerifier(i.config.Issuer, i.keys, &oidc.Config{
		ClientID: i.config.Audience, SupportedSigningAlgs: i.config.Algorithms,
		Now: func() time.Time { return i.config.Now().Add(-clockSkew) },
	})
	return i.verifier, nil
}

// issuerKeys are a provider's keys. The key set of go-oidc reads them again for each key id that it does not know; this one
// sees to it that it does so once in issuerKeysPause, and that no key is taken for the provider's for ever.
type issuerKeys struct {
	client *http.Client
	gate   *issuerGate
	now    func() time.Time

	mu    sync.Mutex
	url   string
	set   *oidc.RemoteKeySet
	since time.Time // when set, or what it was replaced by, was begun
}

func newIssuerKeys(config IssuerConfig) *issuerKeys {
	base := config.Client.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	gate := &issuerGate{base: base, now: config.Now}
	client := *config.Client
	client.Transport = gate
	return &issuerKeys{client: &client, gate: gate, now: config.Now}
}

func (k *issuerKeys) fresh() *oidc.RemoteKeySet {
	return oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), k.client), k.url)
}

func (k *issuerKeys) begin(url string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.url = url
	k.set, k.since = k.fresh(), k.now()
}

// read reports whether the keys were ever read.
func (k *issuerKeys) read() bool { return !k.gate.lastRead().IsZero() }

// VerifySignature implements [oidc.KeySet].
func (k *issuerKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	k.mu.Lock()
	set, old := k.set, k.now().Sub(k.since) >= issuerKeysLife
	var next *oidc.RemoteKeySet
	if old {
		next, k.since = k.fresh(), k.now() // one request tries; the others go by the keys there are
	}
	k.mu.Unlock()
	if next == nil {
		return set.VerifySignature(ctx, token)
	}
	before := k.gate.lastRead()
	payload, err := next.VerifySignature(ctx, token)
	if k.gate.lastRead().Equal(before) {
		return set.VerifySignature(ctx, token) // the provider is away
	}
	k.mu.Lock()
	k.set = next
	k.mu.Unlock()
	return payload, err
}

// An issuerGate lets a request for keys through once in issuerKeysPause.
type issuerGate struct {
	base http.RoundTripper
	now  func() time.Time

	mu    sync.Mutex
	tried time.Time
	read  time.Time // the last that succeeded
}

var errPaused = errors.New("the keys were read a moment ago")

func (g *issuerGate) lastRead() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.read
}

// RoundTrip implements [http.RoundTripper].
func (g *issuerGate) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.pass() {
		return nil, errPaused
	}
	response, err := g.base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		g.mu.Lock()
		g.read = g.now()
		g.mu.Unlock()
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, issuerMaxBytes), response.Body}
	return response, nil
}

func (g *issuerGate) pass() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	pause, now := issuerKeysPause, g.now()
	if g.read.IsZero() {
		pause = issuerRetry
	}
	if !g.tried.IsZero() && now.Sub(g.tried) < pause {
		return false
	}
	g.tried = now
	return true
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
