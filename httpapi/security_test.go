package httpapi_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/httpapi/auth"
)

// TestSecurityPage_NamesExistingTests fails if a test that SECURITY.md names is renamed or removed.
func TestSecurityPage_NamesExistingTests(t *testing.T) {
	page, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		tests.Write(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllStringSubmatch(string(page), -1)
	if len(names) < 50 {
		t.Errorf("SECURITY.md names %d tests, want at least 50", len(names))
	}
	for _, name := range names {
		if !strings.Contains(tests.String(), "func "+name[1]+"(") {
			t.Errorf("SECURITY.md names %s, which does not exist", name[1])
		}
	}
}

func TestResponse_HasSecurityHeaders(t *testing.T) {
	s := serveAccounts(t, auth.Config{})
	for _, path := range []string{"/healthz", "/.well-known/jwks.json", "/v1/expenses", "/v1/me", "/nowhere",
		"/problems/conflict", "/docs", "/"} {
		header := s.do("GET", path, "").Header()
		equal(t, path+": Cross-Origin-Opener-Policy", header.Get("Cross-Origin-Opener-Policy") != "",
			strings.HasPrefix(header.Get("Content-Type"), "text/html"))
		equal(t, path+": X-Content-Type-Options", header.Get("X-Content-Type-Options"), "nosniff")
		equal(t, path+": Referrer-Policy", header.Get("Referrer-Policy"), "no-referrer")
		if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") ||
			!strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: Content-Security-Policy is %q", path, policy)
		}
		if cache := header.Get("Cache-Control"); cache != "no-store" && !strings.HasPrefix(cache, "public, ") {
			t.Errorf("%s: Cache-Control is %q, want no-store or public", path, cache)
		}
	}
}
