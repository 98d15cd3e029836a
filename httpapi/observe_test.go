package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
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

// An observer keeps what it is told.
type observer struct {
	mu   sync.Mutex
	told []httpapi.Event
}

func (o *observer) observe(event httpapi.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e, ok := event.(httpapi.RequestCompleted); ok && e.Duration >= 0 {
		e.Duration = 0
		event = e
	}
	o.told = append(o.told, event)
}

func (o *observer) config(cfg *httpapi.Config) { cfg.Observe = o.observe }

// all returns what was told since it was last asked, as text.
func (o *observer) all() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	texts := make([]string, len(o.told))
	for i, event := range o.told {
		texts[i] = strings.TrimPrefix(fmt.Sprintf("%T%+v", event, event), "httpapi.")
	}
	o.told = nil
	return texts
}

func completionOf(method, route string, status int, code string) string {
	return fmt.Sprintf("RequestCompleted{Method:%s Route:%s Status:%d Code:%s Duration:0s Aborted:false ClientGone:false}",
		method, route, status, code)
}

// TestWhatObserversAreTold: each request by its template, and what it brought about once that is committed.
func TestWhatObserversAreTold(t *testing.T) {
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
		{"the same once more", "POST", "/v1/expenses", expenseOf(id), []string{"Idempotency-Key", "k"},
			[]string{completionOf("POST", "/v1/expenses", 201, "")}},
		{"the same without a key", "POST", "/v1/expenses", expenseOf(id), nil,
			[]string{completionOf("POST", "/v1/expenses", 200, "")}},
		{"one that breaks a rule", "POST", "/v1/expenses", `{"amount":"0.001"}`, nil,
			[]string{completionOf("POST", "/v1/expenses", 422, "validation_error")}},
		{"one to read", "GET", "/v1/expenses/" + id, "", nil, []string{completionOf("GET", "/v1/expenses/{id}", 200, "")}},
		{"a path that is nobody's", "GET", "/anna@example.com", "", nil, []string{completionOf("GET", "", 404, "not_found")}},
		{"a method that somebody made up", "ANNA", "/v1/expenses", "", nil,
			[]string{completionOf("OTHER", "", 405, "method_not_allowed")}},
		{"a push", "POST", "/v1/sync", `{"mutations":[` + put("a", other, "3") + `,` + put("b", id, "99") +
			`,{"mutation_id":"c","type":"anna"}]}`, nil,
			[]string{
				"ChangePushed{Type:expense Status:applied}", "ExpensesAdded{Source:sync Count:1}",
				"ChangePushed{Type:expense Status:conflict}",
				"ChangePushed{Type:other Status:rejected}", completionOf("POST", "/v1/sync", 200, ""),
			}},
		{"a push whose answer was lost", "POST", "/v1/sync", `{"mutations":[` + put("a", other, "3") + `]}`, nil,
			[]string{"ChangePushed{Type:expense Status:repeated}", completionOf("POST", "/v1/sync", 200, "")}},
		{"a pull", "GET", "/v1/sync", "", nil, []string{completionOf("GET", "/v1/sync", 200, "")}},
		{"a pull from nowhere", "GET", "/v1/sync?cursor=x", "", nil,
			[]string{completionOf("GET", "/v1/sync", 400, "cursor_invalid")}},
		{"an event stream's head", "HEAD", "/v1/sync/events", "", nil,
			[]string{"StreamOpened{}", "StreamClosed{}", completionOf("HEAD", "/v1/sync/events", 200, "")}},
	} {
		s.do(test.method, test.target, test.body, test.header...)
		if got := o.all(); !slices.Equal(got, test.want) {
			t.Errorf("%s:\n got %s\nwant %s", test.name, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
	}
}

func TestObserversAreToldOfAnImport(t *testing.T) {
	var o observer
	s := serve(t, memstore.New(), o.config)
	send := func(query string) []string {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		for name, text := range map[string]string{"mapping": `{"date":{"column":"d"},"amount":{"column":"a"},` +
			`"currency":{"value":"EUR"}}`} {
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
		if res := s.do("POST", "/v1/imports/expenses"+query, body.String(), "Content-Type",
			form.FormDataContentType()); res.Code != http.StatusOK {
			t.Fatalf("%d %s", res.Code, res.Body)
		}
		return o.all()
	}
	request := completionOf("POST", "/v1/imports/expenses", 200, "")
	for _, test := range []struct {
		name, query string
		want        []string
	}{
		{"a dry run", "?dry_run=true",
			[]string{"ImportCompleted{Added:2 Existing:0 Skipped:0 Failed:1 DryRun:true}", request}},
		{"an import", "", []string{"ImportCompleted{Added:2 Existing:0 Skipped:0 Failed:1 DryRun:false}",
			"ExpensesAdded{Source:import Count:2}", request}},
		{"the same again", "", []string{"ImportCompleted{Added:0 Existing:2 Skipped:0 Failed:1 DryRun:false}", request}},
	} {
		if got := send(test.query); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A broken store panics, or holds a reading until its context ends.
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

// TestObserversTellOurFaultsFromTheClients: a panic is ours, a client that hangs up is nobody's.
func TestObserversTellOurFaultsFromTheClients(t *testing.T) {
	var o observer
	serve(t, broken{memstore.New(), true}, o.config).do("GET", "/v1/settings", "")
	if got, want := o.all(), []string{completionOf("GET", "/v1/settings", 500, "internal")}; !slices.Equal(got, want) {
		t.Errorf("a panic: %q, want %q", got, want)
	}
	s := serve(t, broken{memstore.New(), false}, o.config)
	ctx, hangUp := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, hangUp)
	s.handler.ServeHTTP(httptest.NewRecorder(), s.request("GET", "/v1/settings", nil).WithContext(ctx))
	want := "RequestCompleted{Method:GET Route:/v1/settings Status:503 Code:unavailable Duration:0s Aborted:false " +
		"ClientGone:true}"
	if got := o.all(); len(got) != 1 || got[0] != want {
		t.Errorf("a client that hung up: %q, want %s", got, want)
	}
}

func TestObserversAreToldOfEachRound(t *testing.T) {
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
		posting := []string{
			"ExpensesAdded{Source:rule Count:3}", "PostingCompleted{Duration:0s Posted:3 Ledgers:1 Failed:0 Err:<nil>}",
			"PostingCompleted{Duration:0s Posted:0 Ledgers:0 Failed:0 Err:<nil>}",
		}
		var told []string
		looks := 0
		for _, event := range o.all() {
			if event == "AlertingCompleted{Duration:0s Raised:0 Err:<nil>}" {
				looks++
			} else {
				told = append(told, event)
			}
		}
		if !slices.Equal(told, posting) {
			t.Errorf("told %q, want %q", told, posting)
		}
		if looks < 2 || looks > 3 { // at once, after what was posted unless that came before, and a minute later
			t.Errorf("told of %d looks for alerts, want 2 or 3", looks)
		}
	})
}
