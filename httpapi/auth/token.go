package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	// AccessTokenLifetime is how long an access token is good for.
	AccessTokenLifetime = 10 * time.Minute

	clockSkew     = time.Minute // between this instance's clock and the one of the instance that signed
	tokenType     = "at+jwt"    // RFC 9068: no other JWT passes for an access token
	maxTokenBytes = 2048        // ours have about 450
	maxBearer     = 8192        // those of other issuers may be larger
	tokenCache    = 1 << 14
)

// bearer returns the token in the request's Authorization header; "" if there is none, or more than one.
func bearer(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 || len(values[0]) > maxBearer {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// claims are what an access token says.
type claims struct {
	jwt.RegisteredClaims
	Session uuid.UUID `json:"sid"`
}

// A grant is what a verified access token gives.
type grant struct {
	account, device uuid.UUID
	key             string    // the id of the key that signed it
	expires         time.Time // clock skew included
}

// tokens makes and verifies access tokens. What was verified once is kept until it expires, by the SHA-256 of the token: that
// is as sound as verifying it again, for the time and the key are looked at each time.
type tokens struct {
	ring             *keyring
	issuer, audience string
	now              func() time.Time
	parser           *jwt.Parser
	verified         *cache[[sha256.Size]byte, grant]
}

func newTokens(ring *keyring, issuer, audience string, now func() time.Time) *tokens {
	return &tokens{
		ring: ring, issuer: issuer, audience: audience, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg(), jwt.SigningMethodES256.Alg()}), jwt.WithStrictDecoding(),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(now),
		),
		verified: newCache[[sha256.Size]byte, grant](tokenCache),
	}
}

// errNoSigner says that this instance verifies tokens and makes none.
var errNoSigner = fmt.Errorf("%w: this instance has no key to sign with", expense.ErrUnavailable)

// sign returns an access token for a device of an account.
func (t *tokens) sign(ctx context.Context, account, device uuid.UUID) (string, error) {
	ring := t.ring.current(ctx)
	if ring.private == nil {
		return "", errNoSigner
	}
	now := t.now()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: t.issuer, Audience: jwt.ClaimStrings{t.audience}, Subject: account.String(), ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(AccessTokenLifetime)),
		},
		Session: device,
	})
	token.Header["typ"] = tokenType
	token.Header["kid"] = ring.signer
	return token.SignedString(ring.private)
}

// verify returns what an access token gives; ErrUnauthenticated if it is not one of ours, or not for now.
func (t *tokens) verify(ctx context.Context, text string) (grant, error) {
	if text == "" || len(text) > maxTokenBytes {
		return grant{}, ErrUnauthenticated
	}
	ring := t.ring.current(ctx)
	sum := sha256.Sum256([]byte(text))
	if known, ok := t.verified.get(sum); ok {
		if _, published := ring.public[known.key]; published && t.now().Before(known.expires) {
			return known, nil
		}
		t.verified.remove(sum)
	}
	given, err := t.parse(ctx, text)
	if err != nil {
		return grant{}, err
	}
	t.verified.update(sum, func(grant, bool) grant { return given })
	return given, nil
}

func (t *tokens) parse(ctx context.Context, text string) (grant, error) {
	var body claims
	var kid string
	var trouble error // with the store, and not with the token
	_, err := t.parser.ParseWithClaims(text, &body, func(token *jwt.Token) (any, error) {
		kid, _ = token.Header["kid"].(string)
		if token.Header["typ"] != tokenType || len(token.Header) != 3 || body.Issuer != t.issuer {
			return nil, ErrUnauthenticated // alg, typ and kid are all that we write, and no key of ours is another issuer's
		}
		key, err := t.ring.lookup(ctx, kid)
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			trouble = err
		}
		return key, err
	})
	if trouble != nil {
		return grant{}, trouble
	}
	if err != nil {
		return grant{}, ErrUnauthenticated
	}
	account, err := uuid.Parse(body.Subject)
	if err != nil {
		return grant{}, ErrUnauthenticated
	}
	return grant{account: account, device: body.Session, key: kid, expires: body.ExpiresAt.Add(clockSkew)}, nil
}

// opaque returns the size bytes that text gives in base64 after the prefix, or false if text is not exactly that. Decoders of
// base64 skip line breaks, so what they return may be shorter than the length of the text promised.
func opaque(text, prefix string, size int) ([]byte, bool) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(size) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	return raw, err == nil && len(raw) == size
}

// refreshPrefix lets people and secret scanners recognise a refresh token.
const refreshPrefix = "swr_"

// A refreshToken names its device, so that it is found by the keys of its row, and carries two secrets: that of its family,
// which proves that we made it, and its own, which is another one after each use.
type refreshToken struct {
	account, device uuid.UUID
	family          [16]byte
	secret          [32]byte
}

const refreshBytes = 16 + 16 + 16 + 32

func newRefreshToken(account, device uuid.UUID) refreshToken {
	token := refreshToken{account: account, device: device}
	rand.Read(token.family[:])
	rand.Read(token.secret[:])
	return token
}

func parseRefreshToken(text string) (refreshToken, bool) {
	raw, ok := opaque(text, refreshPrefix, refreshBytes)
	if !ok {
		return refreshToken{}, false
	}
	return refreshToken{
		account: uuid.UUID(raw[:16]), device: uuid.UUID(raw[16:32]), family: [16]byte(raw[32:48]), secret: [32]byte(raw[48:]),
	}, true
}

func (t refreshToken) String() string {
	raw := make([]byte, 0, refreshBytes)
	raw = append(raw, t.account[:]...)
	raw = append(raw, t.device[:]...)
	raw = append(raw, t.family[:]...)
	raw = append(raw, t.secret[:]...)
	return refreshPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

// digest is what the store keeps of the token; familyDigest of its family.
func (t refreshToken) digest() store.SecretHash       { return sha256.Sum256(t.secret[:]) }
func (t refreshToken) familyDigest() store.SecretHash { return sha256.Sum256(t.family[:]) }

// successor returns the token that follows t. It depends on t and the salt alone: with the salt that is kept, whoever has t
// gets the same successor again. Without t the salt tells nothing, and each rotation has a salt of its own: what the store
// holds leads from one token to the next, never further.
func (t refreshToken) successor(salt store.SecretHash) refreshToken {
	mac := hmac.New(sha256.New, salt[:])
	mac.Write(t.secret[:])
	t.secret = [32]byte(mac.Sum(nil))
	return t
}
