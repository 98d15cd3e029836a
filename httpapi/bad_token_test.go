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

// A forger has put signing keys of its own among the store's, so that it can sign what the service never would.
type forger struct {
	t       *testing.T
	kid     string
	private ed25519.PrivateKey
}

func (h *tenancy) forger(serial int) forger {
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
	return forger{h.t.(*testing.T), key.ID.String(), private}
}

// sign signs header and claims as the header's algorithm says; HS256 with secret.
func (f forger) sign(header, claims map[string]any, secret []byte) string {
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

// TestEveryBadTokenIsAnsweredAlike sends one bad token after another to routes of several kinds. Each answer is that to
// no token at all, byte for byte and header for header: whoever tries learns nothing of what was wrong.
func TestEveryBadTokenIsAnsweredAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTenancy(t)
		ada, bob := h.join().outsiders(), h.join()
		forge, revoked := h.forger(1000), h.forger(1001)
		now := time.Now()
		with := func(f forger, header, claims map[string]any) string {
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
		header := func(name string, value any) string { return with(forge, map[string]any{name: value}, nil) }
		claim := func(name string, value any) string { return with(forge, nil, map[string]any{name: value}) }
		good, spent := with(forge, nil, nil), with(revoked, nil, nil)
		for _, token := range []string{good, spent, ada.token, bob.token} {
			h.must(200, "GET", "/v1/me", "", "Authorization", "Bearer "+token)
		}
		if err := h.accounts.DeleteSigningKey(t.Context(), uuid.MustParse(revoked.kid)); err != nil {
			t.Fatal(err)
		}
		gone := ada.must(201, "POST", "/v1/tokens", `{"name":"gone","scopes":["read"]}`)
		ada.must(204, "DELETE", "/v1/tokens/"+gone.id(), "")
		time.Sleep(30 * time.Second) // within which a revoked key is refused
		head, rest, _ := strings.Cut(good, ".")
		body, signature, _ := strings.Cut(rest, ".")

		cases := map[string]string{
			"an empty one":                "",
			"expired":                     claim("exp", now.Add(-2*time.Minute).Unix()),
			"one of a service, expired":   ada.expired,
			"issued in the future":        claim("iat", now.Add(5*time.Minute).Unix()),
			"not valid before the future": claim("nbf", now.Add(5*time.Minute).Unix()),
			"another audience":            claim("aud", "someone-else"),
			"another issuer":              claim("iss", "https://login.example.org"),
			"another type":                header("typ", "JWT"),
			"no type":                     header("typ", nil),
			"algorithm none":              header("alg", "none"),
			"algorithm none under a signature": base64.RawURLEncoding.EncodeToString(
				[]byte(`{"alg":"none","typ":"at+jwt","kid":"`+forge.kid+`"}`)) + "." + rest,
			"HS256 with the public key":           header("alg", "HS256"),
			"an unknown key":                      header("kid", uuid.NewString()),
			"a key that is a path":                header("kid", "../../dev/null"),
			"a revoked key":                       spent,
			"a jku header":                        header("jku", "https://example.org/jwks.json"),
			"truncated":                           good[:len(good)-2],
			"without its signature":               head + "." + body + ".",
			"a signature alone":                   ".." + signature,
			"100 KB of nothing":                   strings.Repeat("A", 100<<10),
			"100 KB of claims":                    claim("pad", strings.Repeat("A", 75<<10)),
			"9 KB":                                claim("pad", strings.Repeat("A", 6<<10)),
			"another user's device":               claim("sid", bob.session.Device),
			"a device that signed out":            ada.signedOut,
			"a user without devices":              claim("sub", uuid.NewString()),
			"a refresh token":                     ada.session.RefreshToken,
			"a deleted personal token":            gone.json["token"].(string),
			"a personal token, spoiled":           ada.whole[:len(ada.whole)-1] + "_",
			"a personal token of 100 KB":          ada.whole + strings.Repeat("A", 100<<10),
			"two":                                 good + " " + good,
			"control characters, as HTTP has not": good + "\x00",
		}
		for _, route := range [][3]string{
			{"GET", "/v1/me", ""}, {"POST", "/v1/expenses", `{"amount":"1"}`}, {"PUT", "/v1/expenses/x", `not JSON`},
			{"DELETE", "/v1/devices/x", ""},
			{"GET", "/v1/exports/ledger.ndjson", ""}, {"GET", "/v1/sync/events", ""},
			{"GET", "/v1/expenses?unknown=parameter", ""},
		} {
			want := readValid(h.must(401, route[0], route[1], route[2], "X-Request-Id", "alike"))
			for _, name := range slices.Sorted(maps.Keys(cases)) {
				got := h.do(route[0], route[1], route[2], "X-Request-Id", "alike", "Authorization", "Bearer "+cases[name])
				if readValid(got) != want {
					t.Errorf("%s %s with a token that is %s:\n%s\nwithout a token:\n%s", route[0], route[1], name, readValid(got),
						want)
				}
			}
		}
		t.Logf("%d bad tokens, each at 7 routes, are answered alike", len(cases))
	})
}

// whole returns everything that an answer says.
func readValid(got reply) string { return fmt.Sprintln(got.Code, got.Header(), got.Body) }
