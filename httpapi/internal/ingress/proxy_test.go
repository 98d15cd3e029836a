package ingress_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/httpapi/internal/ingress"
)

// trusted are the networks of the proxies in these tests.
var trusted = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::ffff:172.16.0.0/108"),
}

func clientOf(t testing.TB, r *http.Request) ingress.Client {
	t.Helper()
	proxies, err := ingress.NewProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	return proxies.Client(r)
}

// The names of the forwarding headers.
const (
	xff   = "X-Forwarded-For"
	proto = "X-Forwarded-Proto"
	fwd   = "Forwarded"
)

func TestProxies_Client(t *testing.T) {
	for name, c := range map[string]struct {
		peer   string
		header []string
		want   string
		secure bool
	}{
		"no headers":                           {"192.0.2.1:1234", nil, "192.0.2.1", false},
		"an IPv6 connection, without its zone": {"[fe80::1%eth0]:1234", nil, "fe80::1", false},
		"a socket without an address":          {"@", nil, "invalid IP", false},
		"an untrusted peer with X-Forwarded-For": {
			"192.0.2.1:1", []string{xff, "198.51.100.1", proto, "https"}, "192.0.2.1", false,
		},
		"an untrusted peer with Forwarded": {
			"192.0.2.1:1", []string{fwd, "for=198.51.100.1;proto=https"}, "192.0.2.1", false,
		},
		"a proxy without a header": {"10.0.0.1:1", nil, "10.0.0.1", false},
		"one proxy":                {"10.0.0.1:1", []string{xff, "198.51.100.1", proto, "https"}, "198.51.100.1", true},
		"a forged entry on the left": {
			"10.0.0.1:1", []string{xff, "127.0.0.1, 10.9.9.9,198.51.100.1"}, "198.51.100.1", false,
		},
		"a forged line before": {"10.0.0.1:1", []string{xff, "127.0.0.1", xff, "198.51.100.1"}, "198.51.100.1", false},
		"two proxies":          {"10.0.0.1:1", []string{xff, "1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1", false},
		"a proxy of another network": {
			"[fd00::1]:1", []string{xff, "1.1.1.1, 198.51.100.1, 172.20.0.2"}, "198.51.100.1", false,
		},
		"only trusted proxies": {"10.0.0.1:1", []string{xff, "10.0.0.3, 10.0.0.2"}, "10.0.0.3", false},
		"IPv4 written as IPv6": {
			"[::ffff:10.0.0.1]:1", []string{xff, "::ffff:198.51.100.1"}, "198.51.100.1", false,
		},
		"an address with its port":                {"10.0.0.1:1", []string{xff, "198.51.100.1:4711"}, "198.51.100.1", false},
		"IPv6 in brackets with its port":          {"10.0.0.1:1", []string{xff, "[2001:db8::1]:4711"}, "2001:db8::1", false},
		"an unknown entry":                        {"10.0.0.1:1", []string{xff, "1.1.1.1, unknown"}, "10.0.0.1", false},
		"an empty entry":                          {"10.0.0.1:1", []string{xff, "1.1.1.1,"}, "10.0.0.1", false},
		"an empty header":                         {"10.0.0.1:1", []string{xff, ""}, "10.0.0.1", false},
		"a malformed entry behind a second proxy": {"10.0.0.1:1", []string{xff, "x, 10.0.0.2"}, "10.0.0.2", false},
		"the protocol of the nearest proxy": {
			"10.0.0.1:1", []string{xff, "198.51.100.1", proto, "https, http"}, "198.51.100.1", false,
		},
		"Forwarded": {"10.0.0.1:1", []string{fwd, "for=198.51.100.1;proto=https;by=10.0.0.1"}, "198.51.100.1", true},
		"Forwarded with the whole syntax": {
			"10.0.0.1:1",
			[]string{fwd, `for=1.1.1.1 , For = x`, fwd, `FOR="[2001:db8::17]:4711";host="a\",for=2.2.2.2"; Proto=HTTPS`},
			"2001:db8::17", true,
		},
		"Forwarded through two": {
			"10.0.0.1:1", []string{fwd, "for=1.1.1.1, for=198.51.100.1, for=10.0.0.2"}, "198.51.100.1", false,
		},
		"an obfuscated node":            {"10.0.0.1:1", []string{fwd, "for=1.1.1.1, for=_hidden"}, "10.0.0.1", false},
		"an unclosed quote on the left": {"10.0.0.1:1", []string{fwd, `for="1.1.1.1, for=198.51.100.1`}, "10.0.0.1", false},
		"a quote across two entries": {
			"10.0.0.1:1", []string{fwd, `for=1.1.1.1;x=", for="[2001:db8::1]"`}, "10.0.0.1", false,
		},
		"a repeated parameter": {"10.0.0.1:1", []string{fwd, "for=1.1.1.1;for=198.51.100.1"}, "10.0.0.1", false},
		"both headers, equal": {
			"10.0.0.1:1", []string{fwd, "for=198.51.100.1", xff, "1.1.1.1, 198.51.100.1"}, "198.51.100.1", false,
		},
		"both headers, Forwarded forged": {
			"10.0.0.1:1", []string{fwd, "for=1.1.1.1", xff, "198.51.100.1"}, "10.0.0.1", false,
		},
		"both headers, X-Forwarded-For forged": {
			"10.0.0.1:1", []string{fwd, "for=198.51.100.1", xff, "1.1.1.1"}, "10.0.0.1", false,
		},
		"more entries than are read": {
			"10.0.0.1:1", []string{xff, "1.1.1.1" + strings.Repeat(",10.1.1.1", 5000)}, "10.1.1.1", false,
		},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Add(c.header[i], c.header[i+1])
		}
		client := clientOf(t, r)
		if client.Address.String() != c.want || client.Secure != c.secure {
			t.Errorf("%s: %s over TLS %t, want %s %t", name, client.Address, client.Secure, c.want, c.secure)
		}
	}
}

// FuzzForwarding checks that text to the left of the entry of a trusted proxy does not change the result: Client
// returns the address in that entry, or the proxy if the text makes the line malformed. It never panics.
func FuzzForwarding(f *testing.F) {
	for _, seed := range []string{
		"", "1.1.1.1", "unknown", `for="`, `for=1.1.1.1;x="\`, "for=10.0.0.2,", "10.0.0.2, 10.0.0.3", "for=_a;proto=https",
		",;=", "[::1]:1",
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, prefix string, oneLine bool) {
		for name, saw := range map[string]string{xff: "198.51.100.1", fwd: "for=198.51.100.1"} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = "10.0.0.1:1"
			if oneLine {
				r.Header[name] = []string{prefix + ", " + saw}
			} else {
				r.Header[name] = []string{prefix, saw}
			}
			if got := clientOf(t, r).Address.String(); got != "198.51.100.1" && (got != "10.0.0.1" || name != fwd || !oneLine) {
				t.Errorf("%s: %q is from %s", name, r.Header[name], got)
			}
		}
	})
}
