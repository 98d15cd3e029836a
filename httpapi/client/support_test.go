package client_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/sqlitestorage"
	"github.com/spendwise/spendwise/httpapi/internal/contracttest"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// TestMain silences gin's route listing. The gin mode is a process global, so the API itself does not set it. Property
// tests run 30 times unless -rapid.checks is set, because each run registers an account, which hashes a password. The
// collector runs less often than by default, because the parsed contract stays in memory.
func TestMain(m *testing.M) {
	gin.SetMode(gin.ReleaseMode)
	debug.SetGCPercent(400)
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	m.Run()
}

// A site is a server with a clock that the test controls, and a transport to it.
type site struct {
	handler http.Handler
	store   store.Store

	mu       sync.Mutex
	clock    time.Time
	override func(*http.Request, func() *http.Response) (*http.Response, error)
	seen     []string // method and path of each request
}

// start is the initial time of a site's clock.
var start = time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{store: memstore.New(), clock: start}
	defaults, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR"), TimeZone: new("Europe/Berlin")})
	if err != nil {
		t.Fatal(err)
	}
	service, err := auth.New(t.Context(), auth.NewUsers(memstore.NewAccounts(), s.store, defaults, s.now), auth.Config{
		KEK: make([]byte, auth.KEKSize), Now: s.now, DisableThrottling: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.handler, err = httpapi.New(s.store, httpapi.Config{Accounts: service, Now: s.now})
	if err != nil {
		t.Fatal(err)
	}
	if _, measured := t.(*testing.B); !measured {
		s.handler = checkContract(t, s.handler)
	}
	return s
}

// checkContract returns a handler that checks every response of handler, and every request that succeeds, against the
// contract that handler serves.
func checkContract(t testing.TB, handler http.Handler) http.Handler {
	t.Helper()
	contract.once.Do(func() {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", http.NoBody))
		contract.checker, contract.err = contracttest.New(w.Body.Bytes())
	})
	must(t, contract.err)
	return contract.checker.Handler(handler, t.Errorf, nil)
}

// contract is the contract that all tests share, because it takes long to parse.
var contract struct {
	once    sync.Once
	checker *contracttest.Checker
	err     error
}

func (s *site) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock
}

func (s *site) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

// intercept sets how requests are handled. handler receives the request and a function that returns the server's
// response.
func (s *site) intercept(handler func(*http.Request, func() *http.Response) (*http.Response, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.override = handler
}

func (s *site) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

// RoundTrip calls the server in the same process.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	override := s.override
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	s.mu.Unlock()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	serve := func() *http.Response {
		again := r.Clone(r.Context())
		again.Body, again.RemoteAddr = io.NopCloser(bytes.NewReader(body)), "192.0.2.1:1234"
		again.RequestURI = r.URL.RequestURI()
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, again)
		return w.Result()
	}
	if override != nil {
		return override(r, serve)
	}
	return serve(), nil
}

var errLost = errors.New("the network is gone")

// device returns a client of the site that uses storage.
func (s *site) device(t testing.TB, storage client.Storage, opts ...client.Option) *client.Client {
	t.Helper()
	opts = append([]client.Option{
		client.WithHTTPClient(&http.Client{Transport: s}), client.WithStorage(storage), client.WithClock(s.now),
		client.WithMaxAttempts(1),
	}, opts...)
	c, err := client.New("https://ledger.example.com", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var anna = client.Credentials{Email: "anna@example.com", Password: "nine purple otters knitting", DeviceName: "phone"}

// registered returns a device of a new account.
func (s *site) registered(t testing.TB, storage client.Storage, opts ...client.Option) *client.Client {
	t.Helper()
	c := s.device(t, storage, opts...)
	if err := c.Register(t.Context(), client.Registration{Credentials: anna}); err != nil {
		t.Fatal(err)
	}
	must(t, c.Sync(t.Context()))
	return c
}

// secondDevice returns another device of the same account.
func (s *site) secondDevice(t testing.TB, opts ...client.Option) *client.Client {
	t.Helper()
	c := s.device(t, client.NewMemoryStorage(), opts...)
	must(t, c.Login(t.Context(), anna))
	must(t, c.Sync(t.Context()))
	return c
}

// onEachStorage runs a test for each Storage implementation of this module.
func onEachStorage(t *testing.T, test func(t *testing.T, open func() client.Storage)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		memory := client.NewMemoryStorage()
		test(t, func() client.Storage { return memory })
	})
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "device.db")
		var open *sqlitestorage.Storage
		closed := func() {
			if open != nil {
				must(t, open.Close())
			}
		}
		t.Cleanup(closed)
		test(t, func() client.Storage {
			closed()
			var err error
			open, err = sqlitestorage.Open(t.Context(), path)
			must(t, err)
			return open
		})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get returns a value and fails the test if there is an error.
func get[V any](value V, err error) func(t testing.TB) V {
	return func(t testing.TB) V {
		t.Helper()
		must(t, err)
		return value
	}
}

func equal[V comparable](t testing.TB, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantInSync fails the test if the rows of the device differ from the server's.
func wantInSync(t testing.TB, c *client.Client) {
	t.Helper()
	different, err := c.Verify(t.Context())
	must(t, err)
	if len(different) > 0 {
		t.Errorf("the device differs from the server in %v", different)
	}
}
