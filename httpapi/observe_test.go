package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// An observer records the events that it receives. It is safe for concurrent use.
type observer struct {
	mu     sync.Mutex
	events []httpapi.Event
}

func (o *observer) observe(event httpapi.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := event.(httpapi.RequestCompleted); ok && e.Duration >= 0 {
		e.Duration = 0
		event = e
	}
	o.events = append(o.events, event)
}

func (o *observer) config(cfg *httpapi.Config) { cfg.Observe = o.observe }

// drain returns the events recorded since its last call, formatted as text.
func (o *observer) drain() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	texts := make([]string, len(o.events))
	for i, event := range o.events {
		texts[i] = strings.TrimPrefix(fmt.Sprintf("%T%+v", event, event), "httpapi.")
	}
	o.events = nil
	return texts
}

func completionOf(method, route string, status int, code string) string {
	return fmt.Sprintf("RequestCompleted{Method:%s Route:%s Status:%d Code:%s Duration:0s Aborted:false ClientGone:false}",
		method, route, status, code)
}

// TestObserver_RequestsAndCommittedChanges tests that each request is reported with the template of its route instead
// of its path, and each change once it is committed.
func TestObserver_RequestsAndCommittedChanges(t *testing.T) {
	var o observer
	s := serve(t, memstore.New(), o.config)
	id, other := uuid.NewString(), uuid.NewString()
	expenseOf := func(id string) string { return `{"id":"` + id + `","amount":"12.50","notes":"secret"}` }
	put := func(mutation, id, amount string) string {
		return `{"mutation_id":"` + mutation + `","type":"expense","op":"put","id":"` + id + `","data":{"amount":"` + amount +
			`"}}`
	}
	for _, test := range []struct {
		name, method, target, body string
		header, want               []string
	}{
		{"an expense", "POST", "/v1/expenses", expenseOf(id), []string{"Idempotency-Key", "k"},
			[]string{"ExpensesAdded{Source:request Count:1}", completionOf("POST", "/v1/expenses", 201, "")}},
		{"the same request with the same key", "POST", "/v1/expenses", expenseOf(id), []string{"Idempotency-Key", "k"},
			[]string{completionOf("POST", "/v1/expenses", 201, "")}},
		{"the same request without a key", "POST", "/v1/expenses", expenseOf(id), nil,
			[]string{completionOf("POST", "/v1/expenses", 200, "")}},
		{"an invalid expense", "POST", "/v1/expenses", `{"amount":"0.001"}`, nil,
			[]string{completionOf("POST", "/v1/expenses", 422, "validation_error")}},
		{"a read", "GET", "/v1/expenses/" + id, "", nil, []string{completionOf("GET", "/v1/expenses/{id}", 200, "")}},
		{"an unknown path", "GET", "/anna@example.com", "", nil, []string{completionOf("GET", "", 404, "not_found")}},
		{"an unknown method", "ANNA", "/v1/expenses", "", nil,
			[]string{completionOf("OTHER", "", 405, "method_not_allowed")}},
		{"a push", "POST", "/v1/sync", `{"mutations":[` + put("a", other, "3") + `,` + put("b", id, "99") +
			`,{"mutation_id":"c","type":"anna"}]}`, nil,
			[]string{
				"ChangePushed{Type:expense Status:applied}", "ExpensesAdded{Source:sync Count:1}",
				"ChangePushed{Type:expense Status:conflict}",
				"ChangePushed{Type:other Status:rejected}", completionOf("POST", "/v1/sync", 200, ""),
			}},
		{"a mutation sent again", "POST", "/v1/sync", `{"mutations":[` + put("a", other, "3") + `]}`, nil,
			[]string{"ChangePushed{Type:expense Status:repeated}", completionOf("POST", "/v1/sync", 200, "")}},
		{"a pull", "GET", "/v1/sync", "", nil, []string{completionOf("GET", "/v1/sync", 200, "")}},
		{"a pull with an invalid cursor", "GET", "/v1/sync?cursor=x", "", nil,
			[]string{completionOf("GET", "/v1/sync", 400, "cursor_invalid")}},
		{"a HEAD request for an event stream", "HEAD", "/v1/sync/events", "", nil,
			[]string{"StreamOpened{}", "StreamClosed{}", completionOf("HEAD", "/v1/sync/events", 200, "")}},
	} {
		s.do(test.method, test.target, test.body, test.header...)
		if got := o.drain(); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %s\nwant %s", test.name, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
}

func TestObserver_Import(t *testing.T) {
	var o observer
	s := serve(t, memstore.New(), o.config)
	send := func(query string) []string {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for name, text := range map[string]string{"mapping": `{"date":{"column":"d"},"amount":{"column":"a"},` +
			`"currency":{"value":"EUR"},"sign":{"expense":"positive"}}`} {
			if err := form.WriteField(name, text); err != nil {
				t.Fatal(err)
			}
		}
		file, err := form.CreateFormFile("file", "x.csv")
		if err == nil {
			_, err = file.Write([]byte("d,a\n2026-03-01,1\n2026-03-02,2\n2026-03-03,much\n"))
		}
		if err := errors.Join(err, form.Close()); err != nil {
			t.Fatal(err)
		}
		if res := s.do("POST", "/v1/imports"+query, body.String(), "Content-Type",
			form.FormDataContentType()); res.Code >= 300 {
			t.Fatalf("%d %s", res.Code, res.Body)
		}
		return o.drain()
	}
	created := completionOf("POST", "/v1/imports", 201, "")
	for _, test := range []struct {
		name, query string
		want        []string
	}{
		{"a dry run", "?dry_run=true",
			[]string{"ImportCompleted{Added:2 Known:0 Ignored:0 Failed:1 DryRun:true}", completionOf("POST", "/v1/imports", 200,
				"")}},
		{"an import", "", []string{"ImportCompleted{Added:2 Known:0 Ignored:0 Failed:1 DryRun:false}",
			"ExpensesAdded{Source:import Count:2}", created}},
		{"a repeated import", "", []string{"ImportCompleted{Added:0 Known:2 Ignored:0 Failed:1 DryRun:false}", created}},
	} {
		if got := send(test.query); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A broken store cannot read settings. The read panics if panics is set; otherwise it blocks until its context ends.
type broken struct {
	store.Store
	panics bool
}

func (b broken) Reader(owner expense.OwnerID) store.Reader {
	return brokenReader{b.Store.Reader(owner), b.panics}
}

type brokenReader struct {
	store.Reader
	panics bool
}

func (b brokenReader) Settings(ctx context.Context) (expense.Settings, error) {
	if b.panics {
		panic("broken")
	}
	<-ctx.Done()
	return expense.Settings{}, ctx.Err()
}

// TestObserver_DistinguishesServerAndClientErrors tests that a panic is reported as an internal error, and a client
// that disconnects with ClientGone.
func TestObserver_DistinguishesServerAndClientErrors(t *testing.T) {
	var o observer
	serve(t, broken{memstore.New(), true}, o.config).do("GET", "/v1/settings", "")
	if got, want := o.drain(), []string{completionOf("GET", "/v1/settings", 500, "internal")}; !slices.Equal(got, want) {
		t.Errorf("a panic: %q, want %q", got, want)
	}
	s := serve(t, broken{memstore.New(), false}, o.config)
	ctx, disconnect := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, disconnect)
	s.handler.ServeHTTP(httptest.NewRecorder(), s.request("GET", "/v1/settings", nil).WithContext(ctx))
	want := "RequestCompleted{Method:GET Route:/v1/settings Status:503 Code:unavailable Duration:0s Aborted:false " +
		"ClientGone:true}"
	if got := o.drain(); len(got) != 1 || got[0] != want {
		t.Errorf("a client that disconnected: %q, want %s", got, want)
	}
}

func TestObserver_TickerRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC).AddDays(-2))
		var o observer
		ticker, err := httpapi.NewTicker(st, httpapi.TickerConfig{Interval: time.Minute, Observe: o.observe})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { ticker.Run(ctx); close(done) }()
		time.Sleep(90 * time.Second)
		cancel()
		<-done
		want := []string{
			"ExpensesAdded{Source:rule Count:3}", "PostingCompleted{Duration:0s Posted:3 Ledgers:1 Failed:0 Err:<nil>}",
			"PostingCompleted{Duration:0s Posted:0 Ledgers:0 Failed:0 Err:<nil>}",
		}
		var got []string
		alertingRounds := 0
		for _, event := range o.drain() {
			if event == "AlertingCompleted{Duration:0s Raised:0 Err:<nil>}" {
				alertingRounds++
			} else {
				got = append(got, event)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("events of posting: %q, want %q", got, want)
		}
		// An alerting round runs at the start and a minute later. Another one may follow the posting.
		if alertingRounds < 2 || alertingRounds > 3 {
			t.Errorf("%d alerting rounds were reported, want 2 or 3", alertingRounds)
		}
	})
}
