package httpapi_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/store/accounts"
)

// A tokenSigner signs arbitrary tokens with a key that is stored with the service's signing keys.
type tokenSigner struct {
	t       *testing.T
	kid     string
	private ed25519.PrivateKey
}

func (h *accountServer) newSigner(serial int) tokenSigner {
	h.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		h.t.Fatal(err)
	}
	key := accounts.SigningKey{ID: uuid.New(), Serial: serial, Public: der, Stage: accounts.KeyRetired,
		CreatedAt: time.Now(), StagedAt: time.Now()}
	if err := h.accounts.CreateSigningKey(h.t.Context(), key); err != nil {
		h.t.Fatal(err)
	}
	return tokenSigner{h.t.(*testing.T), key.ID.String(), private}
}

// sign returns a token with header and claims. It uses the algorithm in header; HS256 uses secret.
func (f tokenSigner) sign(header, claims map[string]any, secret []byte) string {
	f.t.Helper()
	var method jwt.SigningMethod = jwt.SigningMethodEdDSA
	var key any = f.private
	switch header["alg"] {
	case "none":
		method, key = jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType
	case "HS256":
		method, key = jwt.SigningMethodHS256, secret
	}
	token := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	token.Header = header
	text, err := token.SignedString(key)
	if err != nil {
		f.t.Fatal(err)
	}
	return text
}

// TestAuthentication_InvalidTokensGetSameResponse sends invalid tokens to routes of several kinds. Each response equals
// the response without a token, including all headers, so a client does not learn why its token is invalid.
func TestAuthentication_InvalidTokensGetSameResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newAccountServer(t)
		ada, bob := h.addUser().withTokens(), h.addUser()
		signer, revoked := h.newSigner(1000), h.newSigner(1001)
		now := time.Now()
		with := func(f tokenSigner, header, claims map[string]any) string {
			head := map[string]any{"alg": "EdDSA", "typ": "at+jwt", "kid": f.kid}
			body := map[string]any{
				"iss": "spendwise", "aud": "spendwise", "sub": ada.session.User.ID, "sid": ada.session.Device, "jti": "1",
				"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
			}
			maps.Copy(head, header)
			maps.Copy(body, claims)
			der, err := x509.MarshalPKIXPublicKey(f.private.Public())
			if err != nil {
				t.Fatal(err)
			}
			return f.sign(head, body, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}
		header := func(name string, value any) string { return with(signer, map[string]any{name: value}, nil) }
		claim := func(name string, value any) string { return with(signer, nil, map[string]any{name: value}) }
		valid, byRevokedKey := with(signer, nil, nil), with(revoked, nil, nil)
		for _, token := range []string{valid, byRevokedKey, ada.token, bob.token} {
			h.must(200, "GET", "/v1/me", "", "Authorization", "Bearer "+token)
		}
		if err := h.accounts.DeleteSigningKey(t.Context(), uuid.MustParse(revoked.kid)); err != nil {
			t.Fatal(err)
		}
		deleted := ada.must(201, "POST", "/v1/tokens", `{"name":"gone","scopes":["read"]}`)
		ada.must(204, "DELETE", "/v1/tokens/"+deleted.id(), "")
		time.Sleep(30 * time.Second) // the service rejects a revoked key after 30 seconds at the latest
		head, rest, _ := strings.Cut(valid, ".")
		body, signature, _ := strings.Cut(rest, ".")

		cases := map[string]string{
			"empty":                          "",
			"expired":                        claim("exp", now.Add(-2*time.Minute).Unix()),
			"issued by the service, expired": ada.expired,
			"issued in the future":           claim("iat", now.Add(5*time.Minute).Unix()),
			"not valid yet":                  claim("nbf", now.Add(5*time.Minute).Unix()),
			"another audience":               claim("aud", "someone-else"),
			"another issuer":                 claim("iss", "https://login.example.org"),
			"another type":                   header("typ", "JWT"),
			"no type":                        header("typ", nil),
			"algorithm none":                 header("alg", "none"),
			"algorithm none with a signature": base64.RawURLEncoding.EncodeToString(
				[]byte(`{"alg":"none","typ":"at+jwt","kid":"`+signer.kid+`"}`)) + "." + rest,
			"HS256 with the public key":                    header("alg", "HS256"),
			"an unknown key ID":                            header("kid", uuid.NewString()),
			"a path as the key ID":                         header("kid", "../../dev/null"),
			"signed with a revoked key":                    byRevokedKey,
			"a jku header":                                 header("jku", "https://example.org/jwks.json"),
			"truncated":                                    valid[:len(valid)-2],
			"without its signature":                        head + "." + body + ".",
			"a signature alone":                            ".." + signature,
			"100 KB without a separator":                   strings.Repeat("A", 100<<10),
			"100 KB of claims":                             claim("pad", strings.Repeat("A", 75<<10)),
			"9 KB of claims":                               claim("pad", strings.Repeat("A", 6<<10)),
			"another user's device":                        claim("sid", bob.session.Device),
			"a device that signed out":                     ada.signedOut,
			"an unknown user":                              claim("sub", uuid.NewString()),
			"a refresh token":                              ada.session.RefreshToken,
			"a deleted personal token":                     deleted.json["token"].(string),
			"a personal token with another last character": ada.withoutExport[:len(ada.withoutExport)-1] + "_",
			"a personal token of 100 KB":                   ada.withoutExport + strings.Repeat("A", 100<<10),
			"two tokens":                                   valid + " " + valid,
			"a trailing NUL character":                     valid + "\x00",
		}
		for _, route := range [][3]string{
			{"GET", "/v1/me", ""}, {"POST", "/v1/expenses", `{"amount":"1"}`}, {"PUT", "/v1/expenses/x", `not JSON`},
			{"DELETE", "/v1/devices/x", ""},
			{"GET", "/v1/exports/ledger.ndjson", ""}, {"GET", "/v1/sync/events", ""},
			{"GET", "/v1/expenses?unknown=parameter", ""},
		} {
			want := responseText(h.must(401, route[0], route[1], route[2], "X-Request-Id", "alike"))
			for _, name := range slices.Sorted(maps.Keys(cases)) {
				got := h.do(route[0], route[1], route[2], "X-Request-Id", "alike", "Authorization", "Bearer "+cases[name])
				if responseText(got) != want {
					t.Errorf("%s %s with the token %q:\n%s\nwithout a token:\n%s", route[0], route[1], name, responseText(got),
						want)
				}
			}
		}
		t.Logf("%d invalid tokens get the same response as no token at 7 routes", len(cases))
	})
}

// responseText returns the status, headers and body of a response.
func responseText(got reply) string { return fmt.Sprintln(got.Code, got.Header(), got.Body) }
