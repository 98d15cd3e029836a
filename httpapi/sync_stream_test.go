package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// A tape is an answer that is written for as long as it takes, with the time at which each part came.
type tape struct {
	header http.Header
	status int
	began  time.Time
	mu     sync.Mutex // the stream goes on while it is read
	parts  []taped
}

type taped struct {
	after time.Duration
	text  string
}

func (p *tape) Header() http.Header             { return p.header }
func (p *tape) WriteHeader(status int)          { p.status = status }
func (p *tape) FlushError() error               { return nil }
func (p *tape) SetReadDeadline(time.Time) error { return nil }
func (p *tape) SetWriteDeadline(time.Time) error {
	return nil
}

func (p *tape) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts = append(p.parts, taped{time.Since(p.began), string(text)})
	return len(text), nil
}

// record opens a stream in the bubble of a test; ended is closed with it.
func record(ctx context.Context, handler http.Handler, name, value string) (p *tape, ended <-chan struct{}) {
	p = &tape{header: http.Header{}, began: time.Now()}
	done := make(chan struct{})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/sync/events", http.NoBody)
	r.Header.Set(name, value)
	go func() {
		defer close(done)
		handler.ServeHTTP(p, r)
	}()
	return p, done
}

// events are when the stream told of a change.
func (p *tape) events() (at []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, part := range p.parts {
		if strings.HasPrefix(part.text, "event: changed\n") {
			at = append(at, part.after)
		}
	}
	return at
}

// deaf is a store whose line to the other instances is cut: nobody is told of anything.
type deaf struct{ store.Store }

func (deaf) Watch(func(expense.OwnerID)) (stop func()) { return func() {} }

// TestAChangeThatNoHintTellsOfReachesAStream makes a change through one instance while another one, on the same store,
// hears of none.
func TestAChangeThatNoHintTellsOfReachesAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		here := serve(t, st)
		there, err := httpapi.New(deaf{st}, httpapi.Config{Authenticator: auth.AuthenticatorFunc(byHeader)})
		if err != nil {
			t.Fatal(err)
		}
		here.must(200, "GET", "/v1/settings", "")
		ctx, leave := context.WithCancel(t.Context())
		heard, ended := record(ctx, there, "X-Owner", "anna")
		for minute := 1; minute <= 3; minute++ {
			time.Sleep(47 * time.Second)
			made := time.Since(heard.began)
			here.must(201, "POST", "/v1/expenses", `{"amount":"5"}`)
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if events := heard.events(); len(events) != minute || events[minute-1] < made {
				t.Fatalf("30 s after the change at %s the stream has told of changes at %v", made, events)
			}
		}
		leave()
		<-ended
	})
}

// TestAStreamEndsByItselfWhenItsTokenDoes: nothing changes and nobody asks, and still no stream outlives the token it
// was opened with.
func TestAStreamEndsByItselfWhenItsTokenDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		st := memstore.New()
		defaults, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR"), TimeZone: new("Europe/Berlin")})
		if err != nil {
			t.Fatal(err)
		}
		users := auth.NewUsers(memstore.NewAccounts(), st, defaults, time.Now)
		service, err := auth.New(ctx, users, auth.Config{KEK: make([]byte, auth.KEKSize), DisableThrottling: true})
		if err != nil {
			t.Fatal(err)
		}
		handler, err := httpapi.New(st, httpapi.Config{Accounts: service})
		if err != nil {
			t.Fatal(err)
		}
		s := server{t: t, handler: handler}
		account := s.must(
			201, "POST", "/v1/auth/register", `{"email":"anna@example.com","password":"a long pass phrase"}`,
		).json
		lifetime := time.Duration(account["expires_in"].(float64) * float64(time.Second))
		heard, ended := record(ctx, handler, "Authorization", "Bearer "+account["access_token"].(string))
		<-ended
		const skew, look = time.Minute, 15 * time.Second
		lasted := time.Since(heard.began)
		if heard.status != http.StatusOK || lasted < lifetime || lasted > lifetime+skew+look {
			t.Errorf("a stream with a token of %s is answered %d and ends after %s", lifetime, heard.status, lasted)
		}
		if last := heard.parts[len(heard.parts)-1]; last.text != ": still here\n\n" || lasted-last.after > look {
			t.Errorf("the stream ends %s after %q", lasted-last.after, last.text)
		}
	})
}
