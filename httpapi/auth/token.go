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
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/accounts"
)

const (
	// AccessTokenLifetime is how long an access token is valid.
	AccessTokenLifetime = 10 * time.Minute

	clockSkew      = time.Minute // tolerated difference between the clocks of two instances
	tokenType      = "at+jwt"    // RFC 9068, section 2.1; prevents the use of other JWTs as access tokens
	maxTokenBytes  = 2048        // a token of this package has about 450
	maxBearerBytes = 8192        // tokens of other issuers may be larger
	tokenCacheSize = 1 << 14
)

// bearerToken returns the Bearer token of the request (RFC 6750, section 2.1). It returns "" if the Authorization
// header is missing, repeated or too long.
func bearerToken(r *http.Request) string {
	values := r.Header["Authorization"]
	if len(values) != 1 || len(values[0]) > maxBearerBytes {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// claims are the claims of an access token.
type claims struct {
	jwt.RegisteredClaims
	Session uuid.UUID `json:"sid"`
}

// accessClaims is the part of a verified access token that is cached.
type accessClaims struct {
	account, device uuid.UUID
	key             string    // id of the signing key
	expires         time.Time // exp claim plus clock skew
}

// accessTokens signs and verifies access tokens. It caches verified tokens by their SHA-256 hash until they expire.
// Expiry and signing key are checked again at each use, so the cache is as strict as a full verification.
type accessTokens struct {
	ring             *keyring
	issuer, audience string
	now              func() time.Time
	parser           *jwt.Parser
	verified         *cache[[sha256.Size]byte, accessClaims]
}

func newAccessTokens(ring *keyring, issuer, audience string, now func() time.Time) *accessTokens {
	return &accessTokens{
		ring: ring, issuer: issuer, audience: audience, now: now,
		parser: jwt.NewParser(
			jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg(), jwt.SigningMethodES256.Alg()}), jwt.WithStrictDecoding(),
			jwt.WithIssuer(issuer), jwt.WithAudience(audience),
			jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(clockSkew), jwt.WithTimeFunc(now),
		),
		verified: newCache[[sha256.Size]byte, accessClaims](tokenCacheSize),
	}
}

// errNoSigner is returned by an instance that only verifies.
var errNoSigner = fmt.Errorf(
	"%w: this instance has no signing key; send the request to one that has", expense.ErrUnavailable)

// sign returns an access token for a session of an account.
func (t *accessTokens) sign(ctx context.Context, account, device uuid.UUID) (string, error) {
	ring := t.ring.current(ctx)
	if ring.signingKey == nil {
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
	token.Header["kid"] = ring.signingKeyID
	return token.SignedString(ring.signingKey)
}

// verify returns the claims of an access token. It returns ErrUnauthenticated if the token is invalid or expired.
func (t *accessTokens) verify(ctx context.Context, text string) (accessClaims, error) {
	if text == "" || len(text) > maxTokenBytes {
		return accessClaims{}, ErrUnauthenticated
	}
	ring := t.ring.current(ctx)
	sum := sha256.Sum256([]byte(text))
	if known, ok := t.verified.get(sum); ok {
		if _, published := ring.public[known.key]; published && t.now().Before(known.expires) {
			return known, nil
		}
		t.verified.remove(sum)
	}
	parsed, err := t.parse(ctx, text)
	if err != nil {
		return accessClaims{}, err
	}
	t.verified.update(sum, func(accessClaims, bool) accessClaims { return parsed })
	return parsed, nil
}

func (t *accessTokens) parse(ctx context.Context, text string) (accessClaims, error) {
	var body claims
	var kid string
	var storeErr error // error of the store, which says nothing about the token
	_, err := t.parser.ParseWithClaims(text, &body, func(token *jwt.Token) (any, error) {
		kid, _ = token.Header["kid"].(string)
		if token.Header["typ"] != tokenType || len(token.Header) != 3 || body.Issuer != t.issuer {
			return nil, ErrUnauthenticated // tokens of this package have exactly alg, typ and kid
		}
		key, err := t.ring.lookup(ctx, kid)
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			storeErr = err
		}
		return key, err
	})
	if storeErr != nil {
		return accessClaims{}, storeErr
	}
	if err != nil {
		return accessClaims{}, ErrUnauthenticated
	}
	account, err := uuid.Parse(body.Subject)
	if err != nil {
		return accessClaims{}, ErrUnauthenticated
	}
	return accessClaims{account: account, device: body.Session, key: kid, expires: body.ExpiresAt.Add(clockSkew)}, nil
}

// decodeOpaque decodes a token that consists of prefix and exactly size bytes in base64. The length is checked before
// and after, because base64 decoders skip line breaks.
func decodeOpaque(text, prefix string, size int) ([]byte, bool) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok || len(encoded) != base64.RawURLEncoding.EncodedLen(size) {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	return raw, err == nil && len(raw) == size
}

func encodeOpaque(prefix string, parts ...[]byte) string {
	return prefix + base64.RawURLEncoding.EncodeToString(slices.Concat(parts...))
}

// refreshPrefix starts every refresh token, so that users and secret scanners recognise it.
const refreshPrefix = "swr_"

// A refreshToken is a decoded refresh token. It contains the primary key of its session and two secrets: family stays
// the same for the whole session and proves that this package issued the token; secret changes with each rotation.
type refreshToken struct {
	account, device uuid.UUID
	family          [16]byte
	secret          [32]byte
}

const refreshTokenSize = 16 + 16 + 16 + 32

func newRefreshToken(account, device uuid.UUID) refreshToken {
	token := refreshToken{account: account, device: device}
	rand.Read(token.family[:])
	rand.Read(token.secret[:])
	return token
}

func parseRefreshToken(text string) (refreshToken, bool) {
	raw, ok := decodeOpaque(text, refreshPrefix, refreshTokenSize)
	if !ok {
		return refreshToken{}, false
	}
	return refreshToken{
		account: uuid.UUID(raw[:16]), device: uuid.UUID(raw[16:32]), family: [16]byte(raw[32:48]), secret: [32]byte(raw[48:]),
	}, true
}

func (t refreshToken) String() string {
	return encodeOpaque(refreshPrefix, t.account[:], t.device[:], t.family[:], t.secret[:])
}

// hash and familyHash are the values that the store saves instead of the secrets.
func (t refreshToken) hash() accounts.SecretHash       { return sha256.Sum256(t.secret[:]) }
func (t refreshToken) familyHash() accounts.SecretHash { return sha256.Sum256(t.family[:]) }

// successor returns the token that replaces t. It is computed from t and the salt alone, so the holder of t gets the
// same successor again while the store keeps the salt. Every rotation has a new salt, and the salt alone reveals
// nothing. So a copy of the store contains no usable token. With the copy and one token, an attacker can compute only
// the successor of that token.
func (t refreshToken) successor(salt accounts.SecretHash) refreshToken {
	mac := hmac.New(sha256.New, salt[:])
	mac.Write(t.secret[:])
	t.secret = [32]byte(mac.Sum(nil))
	return t
}
