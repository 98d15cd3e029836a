package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spendwise/spendwise/httpapi/client"
)

const refresh = "POST /v1/auth/refresh"

func count(requests []string, which string) (n int) {
	for _, r := range requests {
		if r == which {
			n++
		}
	}
	return n
}

func TestSession_RefreshesOnceBeforeExpiry(t *testing.T) {
	s := newSite(t)
	c := s.registered(t, client.NewMemoryStorage())
	s.requests()
	s.advance(8 * time.Minute)
	must(t, c.Pull(t.Context()))
	equal(t, "refreshes while there is time", count(s.requests(), refresh), 0)
	s.advance(90 * time.Second)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { must(t, c.Do(t.Context(), http.MethodGet, "/v1/settings", nil, nil)) })
	}
	all.Wait()
	equal(t, "refreshes of eight requests", count(s.requests(), refresh), 1)
}

func TestSession_RefreshesOnceAfterRejection(t *testing.T) {
	s := newSite(t)
	slow := s.now() // a device whose clock has stopped
	storage := client.NewMemoryStorage()
	s.registered(t, storage)
	c := s.device(t, storage, client.WithClock(func() time.Time { return slow }))
	s.advance(20 * time.Minute)
	s.requests()
	must(t, c.Pull(t.Context()))
	if got := s.requests(); !slices.Equal(got, []string{"GET /v1/sync", refresh, "GET /v1/sync"}) {
		t.Errorf("the requests were %v", got)
	}
	s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Path, "/v1/sync") {
			r.Header.Del("Authorization")
		}
		return serve(), nil
	})
	var p *client.Problem
	if err := c.Pull(t.Context()); !errors.As(err, &p) || p.Status != 401 {
		t.Errorf("a server that takes no token: %v", err)
	}
	if got := s.requests(); !slices.Equal(got, []string{"GET /v1/sync", refresh, "GET /v1/sync"}) {
		t.Errorf("the requests were %v", got)
	}
}

func TestSession_SurvivesLostRefreshResponse(t *testing.T) {
	onEachStorage(t, func(t *testing.T, open func() client.Storage) {
		s := newSite(t)
		c := s.registered(t, open())
		must(t, errors.Join(second(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "1"}))))
		for range 3 {
			s.advance(20 * time.Minute)
			s.intercept(func(r *http.Request, serve func() *http.Response) (*http.Response, error) {
				serve().Body.Close()
				return nil, errLost
			})
			if err := c.Sync(t.Context()); !errors.Is(err, errLost) {
				t.Fatalf("a refresh with a lost response: %v", err)
			}
			s.intercept(nil)
			s.advance(25 * time.Second)
			c = s.device(t, open()) // and the process has ended
			must(t, c.Sync(t.Context()))
		}
		wantInSync(t, c)
	})
}

func second[A, B any](_ A, b B) B { return b }

func TestSession_SurvivesCrashDuringRefresh(t *testing.T) {
	for _, after := range []bool{false, true} {
		s := newSite(t)
		memory := client.NewMemoryStorage()
		s.registered(t, memory)
		s.advance(20 * time.Minute)
		dying := &crashingStorage{Storage: memory, writesLeft: 1, after: after}
		// The session could not be stored. It is used anyway, because the process may go on.
		must(t, second(s.device(t, dying).Account(t.Context())))
		_ = s.device(t, dying).Do(t.Context(), http.MethodGet, "/v1/settings", nil, nil)
		if !dying.dead {
			t.Fatal("nothing was stored")
		}
		s.advance(20 * time.Second)
		must(t, s.device(t, memory).Sync(t.Context()))
	}
}

func TestSession_EndKeepsRowsAndQueue(t *testing.T) {
	s := newSite(t)
	storage := client.NewMemoryStorage()
	c := s.registered(t, storage)
	lunch := get(c.Expenses().Put(t.Context(), client.ExpenseDraft{Amount: "5"}))(t)
	s.advance(31 * 24 * time.Hour)
	if err := c.Sync(t.Context()); !errors.Is(err, client.ErrSignedOut) {
		t.Fatalf("a session of a month ago: %v", err)
	}
	s.requests()
	if err := c.Sync(t.Context()); !errors.Is(err, client.ErrSignedOut) || len(s.requests()) > 0 {
		t.Errorf("and once more: %v", err)
	}
	if err := c.Run(t.Context()); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("Run without a session: %v", err)
	}
	other := client.Registration{Credentials: client.Credentials{Email: "bert@example.com", Password: anna.Password}}
	if err := c.Register(t.Context(), other); !errors.Is(err, client.ErrOtherAccount) {
		t.Errorf("another account over this one's ledger: %v", err)
	}
	must(t, s.device(t, client.NewMemoryStorage()).Register(t.Context(), other))
	if err := c.Login(t.Context(), other.Credentials); !errors.Is(err, client.ErrOtherAccount) {
		t.Errorf("a sign-in of another account over this one's ledger: %v", err)
	}
	must(t, c.Login(t.Context(), anna))
	must(t, c.Sync(t.Context()))
	equal(t, "amount", get(c.Expenses().Get(t.Context(), lunch.ID))(t).Amount, "5.00")
	wantInSync(t, c)

	must(t, c.Logout(t.Context()))
	must(t, c.Logout(t.Context()))
	if err := c.Pull(t.Context()); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("after a sign-out: %v", err)
	}
	must(t, c.ClearStorage(t.Context()))
	equal(t, "rows that are left", len(get(c.Expenses().List(t.Context()))(t)), 0)
	must(t, c.Login(t.Context(), other.Credentials))
	must(t, c.Sync(t.Context()))
}

func TestRequest_IgnoresCaptivePortal(t *testing.T) {
	s := newSite(t)
	c := s.registered(t, client.NewMemoryStorage())
	s.advance(time.Hour)
	for _, status := range []int{200, 302, 401, 403, 511} {
		s.intercept(func(*http.Request, func() *http.Response) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Header: http.Header{"Content-Type": {"text/html"}, "Location": {"https://portal.example"}},
				Body: io.NopCloser(strings.NewReader("<html>Pay for the network</html>")),
			}, nil
		})
		if err := c.Sync(t.Context()); err == nil || errors.Is(err, client.ErrSignedOut) {
			t.Errorf("a portal that answers with %d: %v", status, err)
		}
	}
	s.intercept(nil)
	must(t, c.Sync(t.Context()))
}

func TestNew_RejectsInvalidBaseURL(t *testing.T) {
	for _, text := range []string{"", "ledger.example.com", "http://ledger.example.com", "ftp://x", "https://",
		"https://a:b@x", "https://x?y=1", "https://x#y", "://"} {
		if _, err := client.New(text); err == nil {
			t.Errorf("%q is taken for a base URL", text)
		}
	}
	for _, text := range []string{"http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "https://x/ledger/"} {
		must(t, second(client.New(text)))
	}
	must(t, second(client.New("http://ledger.example.com", client.WithPlainHTTP())))
}

func TestWithTokens_AsksAgainAfterRejection(t *testing.T) {
	s := newSite(t)
	c := s.device(t, client.NewMemoryStorage(), client.WithTokens(client.StaticToken("nonsense")))
	if err := c.Sync(t.Context()); !errors.Is(err, client.ErrSignedOut) {
		t.Errorf("a personal access token that is of no use: %v", err)
	}
	if err := c.Login(t.Context(), anna); err == nil {
		t.Error("a client with tokens of the host's own signs in")
	}
	var rejectedTokens []string
	source := tokens(func(rejected string) (string, error) {
		rejectedTokens = append(rejectedTokens, rejected)
		return "another " + rejected, nil
	})
	_ = s.device(t, client.NewMemoryStorage(), client.WithTokens(source)).Sync(t.Context())
	if !slices.Equal(rejectedTokens, []string{"", "another "}) {
		t.Errorf("the token source was asked to replace %q", rejectedTokens)
	}
}

type tokens func(rejected string) (string, error)

func (f tokens) Token(_ context.Context, rejected string) (string, error) { return f(rejected) }
