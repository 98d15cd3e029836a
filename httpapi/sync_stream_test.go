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

// A streamRecorder is a response writer that records the time of each write.
type streamRecorder struct {
	header http.Header
	status int
	start  time.Time
	mu     sync.Mutex // guards writes, because the test reads them while the handler writes
	writes []timedWrite
}

// A timedWrite is a text and the time since the start of the recording.
type timedWrite struct {
	after time.Duration
	text  string
}

func (r *streamRecorder) Header() http.Header             { return r.header }
func (r *streamRecorder) WriteHeader(status int)          { r.status = status }
func (r *streamRecorder) FlushError() error               { return nil }
func (r *streamRecorder) SetReadDeadline(time.Time) error { return nil }
func (r *streamRecorder) SetWriteDeadline(time.Time) error {
	return nil
}

func (r *streamRecorder) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, timedWrite{time.Since(r.start), string(text)})
	return len(text), nil
}

// recordStream opens an event stream with the request header name. It closes ended when the stream has ended. In a
// synctest bubble, the recorded times are those of the fake clock.
func recordStream(
	ctx context.Context, handler http.Handler, name, value string,
) (recorder *streamRecorder, ended <-chan struct{}) {
	recorder = &streamRecorder{header: http.Header{}, start: time.Now()}
	done := make(chan struct{})
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/sync/events", http.NoBody)
	r.Header.Set(name, value)
	go func() {
		defer close(done)
		handler.ServeHTTP(recorder, r)
	}()
	return recorder, done
}

// events returns the times of the events that report a change.
func (r *streamRecorder) events() (at []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, write := range r.writes {
		if strings.HasPrefix(write.text, "event: changed\n") {
			at = append(at, write.after)
		}
	}
	return at
}

// A noWatchStore reports no changes to its watchers, as if it had lost the connection to the other instances.
type noWatchStore struct{ store.Store }

func (noWatchStore) Watch(func(expense.OwnerID)) (stop func()) { return func() {} }

// TestEvents_PollFindsChangeWithoutNotification makes changes through one instance. The stream is open on another
// instance with the same data, whose store reports no changes.
func TestEvents_PollFindsChangeWithoutNotification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		s := serve(t, st)
		other, err := httpapi.New(noWatchStore{st}, httpapi.Config{Authenticator: auth.AuthenticatorFunc(ownerFromHeader)})
		if err != nil {
			t.Fatal(err)
		}
		s.must(200, "GET", "/v1/settings", "")
		ctx, disconnect := context.WithCancel(t.Context())
		stream, ended := recordStream(ctx, other, "X-Owner", "anna")
		for n := 1; n <= 3; n++ {
			time.Sleep(47 * time.Second)
			changed := time.Since(stream.start)
			s.must(201, "POST", "/v1/expenses", `{"amount":"5"}`)
			time.Sleep(30 * time.Second)
			synctest.Wait()
			if events := stream.events(); len(events) != n || events[n-1] < changed {
				t.Fatalf("30 s after change %d at %s: got events at %v, want one after each change", n, changed, events)
			}
		}
		disconnect()
		<-ended
	})
}

// TestEvents_EndWhenTokenExpires tests that a stream ends when its token expires, although the ledger does not
// change and no request arrives.
func TestEvents_EndWhenTokenExpires(t *testing.T) {
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
		stream, ended := recordStream(ctx, handler, "Authorization", "Bearer "+account["access_token"].(string))
		<-ended
		const skew, checkInterval = time.Minute, 15 * time.Second
		duration := time.Since(stream.start)
		if stream.status != http.StatusOK || duration < lifetime || duration > lifetime+skew+checkInterval {
			t.Errorf("the token is valid for %s: got status %d and a stream of %s", lifetime, stream.status, duration)
		}
		last := stream.writes[len(stream.writes)-1]
		if last.text != ": still here\n\n" || duration-last.after > checkInterval {
			t.Errorf("the stream ended %s after its last write %q", duration-last.after, last.text)
		}
	})
}
