package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// download returns the body of a response. It checks its Content-Type and file name.
func (s server) download(target, media, name string) []byte {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, s.request("GET", target, nil))
	if w.Code != 200 {
		s.t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	equal(s.t, "Content-Type", w.Header().Get("Content-Type"), media)
	equal(s.t, "Content-Disposition", w.Header().Get("Content-Disposition"), `attachment; filename="`+name+`"`)
	return w.Body.Bytes()
}

func TestExportLedger_RestoresIntoEmptyLedger(t *testing.T) {
	onEachEngine(t, func(t *testing.T, st store.Store) {
		s := serve(t, st)
		s.must(201, "POST", "/v1/expenses", `{"amount":"12.50","currency":"USD","notes":"=1\n\"x\" <b>&",`+
			`"date":"2026-03-07","rate":"0.75"}`)
		s.must(201, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","category":"Food"}`)
		s.must(201, "POST", "/v1/budgets", `{"category_id":"`+categoryID(s, "Food")+`","amount":"100"}`)
		file := s.download("/v1/exports/ledger.ndjson", "application/x-ndjson", "ledger.ndjson")

		other := s.as("boris")
		other.must(200, "GET", "/v1/settings", "")
		restored, err := backup.Restore(t.Context(), st, "boris", expense.Env{Now: noon}, bytes.NewReader(file),
			backup.RestoreOptions{})
		if err != nil || restored.Expenses != 2 || restored.Budgets != 1 {
			t.Fatalf("%+v, %v", restored, err)
		}
		again := other.download("/v1/exports/ledger.ndjson", "application/x-ndjson", "ledger.ndjson")
		equal(t, "backup of the restored ledger", string(again), string(file))
		equal(t, "CSV of the restored ledger", other.must(200, "GET", "/v1/exports/expenses.csv", "").Body.String(),
			s.must(200, "GET", "/v1/exports/expenses.csv", "").Body.String())
	})
}

func TestExportNDJSON_LineEqualsListedExpense(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "POST", "/v1/expenses", `{"amount":"12.50","currency":"USD","notes":"<tea> & \"milk\"",`+
		`"date":"2026-03-07"}`)
	s.must(201, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","category":"Food"}`)
	list := s.must(200, "GET", "/v1/expenses?sort=date", "").list()
	lines := strings.Split(
		strings.TrimSuffix(string(s.download("/v1/exports/expenses.ndjson", "application/x-ndjson", "expenses.ndjson")),
			"\n"), "\n")
	equal(t, "lines", len(lines), len(list))
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		equal(t, "line", fmt.Sprint(got), fmt.Sprint(list[i]))
	}
	filtered := string(s.download("/v1/exports/expenses.ndjson?currency=KWD", "application/x-ndjson", "expenses.ndjson"))
	if strings.Count(filtered, "\n") != 1 || !strings.Contains(filtered, "KWD") {
		t.Errorf("filtered: %s", filtered)
	}
	s.refused(400, "unknown_parameter", []string{"bom unknown_parameter"}, "GET", "/v1/exports/expenses.ndjson?bom=true",
		"")
	equal(t, "size of an empty ledger's export",
		len(s.as("boris").download("/v1/exports/expenses.ndjson", "application/x-ndjson", "expenses.ndjson")), 0)
}

func TestExportPDF_OfYearOrRange(t *testing.T) {
	s := serve(t, memstore.New())
	s.must(201, "POST", "/v1/expenses", `{"amount":"12.50","currency":"USD","notes":"tea","date":"2026-03-07"}`)
	for target, name := range map[string]string{
		"/v1/exports/report.pdf?year=2026":                               "expenses-2026-01-01-2026-12-31.pdf",
		"/v1/exports/report.pdf?date_from=2026-03-01&date_to=2026-03-15": "expenses-2026-03-01-2026-03-15.pdf",
		"/v1/exports/report.pdf?date_from=2026-03-07&date_to=2026-03-07": "expenses-2026-03-07-2026-03-07.pdf",
	} {
		if file := s.download(target, "application/pdf", name); !bytes.HasPrefix(file, []byte("%PDF-")) ||
			!bytes.HasSuffix(file, []byte("%%EOF\n")) {
			t.Errorf("%s: the response is not a PDF (%d bytes)", target, len(file))
		}
	}
	s.must(200, "PATCH", "/v1/settings", `{"fiscal_year_start":4}`)
	s.download("/v1/exports/report.pdf?year=2025", "application/pdf", "expenses-2025-04-01-2026-03-31.pdf")

	for query, fieldErrors := range map[string][]string{
		"":           {"year required"},
		"?year=26":   {"year malformed_year"},
		"?year=1899": {"year out_of_range"},
		"?year=2026&date_from=2026-01-01&date_to=2026-02-01": {"year ambiguous"},
		"?date_from=2026-01-01":                              {"date_to required"},
		"?date_from=2026-02-01&date_to=2026-01-01":           {"date_to ends_before_start"},
	} {
		s.refused(422, "validation_error", fieldErrors, "GET", "/v1/exports/report.pdf"+query, "")
	}
}

func TestExportPDF_RejectsTooManyExpenses(t *testing.T) {
	st := memstore.New()
	s := serve(t, st)
	s.must(200, "GET", "/v1/settings", "")
	rows := make([]expense.Expense, export.MaxReportExpenses+1)
	food := uuid.MustParse(categoryID(s, "Food"))
	for i := range rows {
		rows[i] = expense.Expense{
			ID: uuid.New(), Amount: expense.MustMoney("1", "EUR"), Date: expense.MustDate("2026-03-01"), CategoryID: food,
			Rate: expense.Rate{Value: expense.MustFactor("1"), Date: expense.MustDate("2026-03-01"),
				Source: expense.SourceIdentity},
			Home: expense.MustMoney("1", "EUR"), CreatedAt: noon, UpdatedAt: noon,
		}
	}
	err := st.Update(t.Context(), "anna",
		func(tx store.Tx) error { _, err := tx.PutExpenses(t.Context(), rows...); return err })
	if err != nil {
		t.Fatal(err)
	}
	s.refused(422, "validation_error", []string{"year too_many_expenses"}, "GET", "/v1/exports/report.pdf?year=2026", "")
	s.refused(422, "validation_error", []string{"date_from too_many_expenses"}, "GET",
		"/v1/exports/report.pdf?date_from=2026-03-01&date_to=2026-03-01", "")
}

// A hookedStore passes the expenses that its snapshots return through a function.
type hookedStore struct {
	store.Store
	expenses func(ctx context.Context, rows iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error]
}

type hookedReader struct {
	store.Reader
	hookedStore
}

func (w hookedStore) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	return w.Store.View(ctx, owner, func(r store.Reader) error { return fn(hookedReader{r, w}) })
}

func (r hookedReader) Expenses(ctx context.Context, query expense.Query) iter.Seq2[expense.Expense, error] {
	return r.expenses(ctx, r.Reader.Expenses(ctx, query))
}

func TestExportPDF_LimitsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, release := 0, make(chan struct{})
		st := hookedStore{memstore.New(),
			func(_ context.Context, rows iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error] {
				started++
				<-release
				return rows
			}}
		s := serve(t, st)
		s.must(200, "GET", "/v1/settings", "")
		get := func(code *int) {
			go func() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, s.request("GET", "/v1/exports/report.pdf?year=2026", nil))
				*code = w.Code
			}()
			synctest.Wait()
		}
		var codes [3]int
		get(&codes[0])
		get(&codes[1])
		get(&codes[2])
		equal(t, "PDFs created concurrently", started, 2)
		close(release)
		synctest.Wait()
		equal(t, "status codes", codes, [3]int{200, 200, 200})
		equal(t, "PDFs created in total", started, 3)

		release = make(chan struct{})
		get(&codes[0])
		get(&codes[1])
		got := s.refused(503, "unavailable", nil, "GET", "/v1/exports/report.pdf?year=2026", "")
		if got.Header().Get("Retry-After") == "" {
			t.Error("the response has no Retry-After header")
		}
		close(release)
		synctest.Wait()
	})
}

func TestExport_ConcurrentFirstRequestsOfOwner(t *testing.T) {
	for range 50 {
		s := serve(t, memstore.New())
		var codes [4]int
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, s.request("GET", "/v1/exports/expenses.csv", nil))
				codes[i] = w.Code
			})
		}
		wg.Wait()
		equal(t, "status codes", codes, [4]int{200, 200, 200, 200})
	}
}

// exports are the exports that the server sends while it reads the ledger.
var exports = []string{"/v1/exports/expenses.csv", "/v1/exports/expenses.ndjson", "/v1/exports/ledger.ndjson"}

func TestExport_SendsHeaderBeforeFirstRow(t *testing.T) {
	for _, path := range exports[:2] {
		release := make(chan struct{})
		st := hookedStore{memstore.New(),
			func(_ context.Context, rows iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error] {
				<-release
				return rows
			}}
		web := httptest.NewServer(serve(t, st).handler)
		response := fetch(t.Context(), t, web.URL+path)
		equal(t, "status", response.StatusCode, 200)
		close(release)
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Error(err)
		}
		_ = response.Body.Close()
		web.Close()
	}
}

// smallBufferClient has a small receive buffer, so that the server blocks soon after the client stops reading.
var smallBufferClient = &http.Client{Transport: &http.Transport{
	DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.SetReadBuffer(128<<10))
		}
		return conn, err
	},
}}

func fetch(ctx context.Context, t *testing.T, url string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Owner", "anna")
	response, err := smallBufferClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// endless yields e until the caller stops or ctx ends. Then it calls ended.
func endless(ctx context.Context, e expense.Expense, ended func()) iter.Seq2[expense.Expense, error] {
	return func(yield func(expense.Expense, error) bool) {
		defer ended()
		for ctx.Err() == nil {
			if !yield(e, nil) {
				return
			}
		}
		yield(expense.Expense{}, ctx.Err())
	}
}

// addExpense adds an expense to anna's ledger and returns the stored expense.
func addExpense(t *testing.T, st store.Store) expense.Expense {
	t.Helper()
	s := serve(t, st)
	id := fmt.Sprint(s.must(201, "POST", "/v1/expenses", `{"amount":"12.50","date":"2026-03-07"}`).json["id"])
	e, err := st.Reader("anna").Expense(t.Context(), uuid.MustParse(id))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExport_DisconnectEndsQuery(t *testing.T) {
	for _, path := range exports {
		inner := memstore.New()
		e := addExpense(t, inner)
		ended := make(chan struct{})
		st := hookedStore{inner,
			func(ctx context.Context, _ iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error] {
				return endless(ctx, e, func() { close(ended) })
			}}
		web := httptest.NewServer(serve(t, st).handler)
		ctx, cancel := context.WithCancel(t.Context())
		response := fetch(ctx, t, web.URL+path)
		if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
			t.Error(err)
		}
		cancel()
		_ = response.Body.Close()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("%s: the query continues after the client has disconnected", path)
		}
		web.Close()
	}
}

func TestExport_StoreErrorCutsConnection(t *testing.T) {
	for _, path := range exports {
		inner := memstore.New()
		e := addExpense(t, inner)
		st := hookedStore{inner, func(context.Context, iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error] {
			return func(yield func(expense.Expense, error) bool) {
				for range 1000 {
					if !yield(e, nil) {
						return
					}
				}
				yield(expense.Expense{}, errors.New("disk failure"))
			}
		}}
		web := httptest.NewServer(serve(t, st).handler)
		response := fetch(t.Context(), t, web.URL+path)
		if _, err := io.Copy(io.Discard, response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the download ends with %v, want io.ErrUnexpectedEOF", path, err)
		}
		_ = response.Body.Close()
		web.Close()
	}
}

func TestExport_DoesNotBlockWriters(t *testing.T) {
	onEachEngine(t, func(t *testing.T, inner store.Store) {
		wrote := false
		st := hookedStore{inner,
			func(ctx context.Context, rows iter.Seq2[expense.Expense, error]) iter.Seq2[expense.Expense, error] {
				return func(yield func(expense.Expense, error) bool) {
					for e, err := range rows {
						if !wrote && err == nil {
							// Write to the ledger while the export reads its snapshot.
							wrote = true
							serve(t, inner).must(201, "POST", "/v1/expenses", `{"amount":"1","date":"2026-03-01"}`)
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}}
		addExpense(t, inner)
		s := serve(t, st)
		file := s.must(200, "GET", "/v1/exports/expenses.csv", "").Body.String()
		if !wrote || strings.Count(file, "\r\n") != 2 {
			t.Errorf("wrote = %v, want true and a file of two lines:\n%s", wrote, file)
		}
	})
}
