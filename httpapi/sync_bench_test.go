package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

func TestPull_NothingNewIsOneStatement(t *testing.T) {
	sent := new(trace)
	st, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Tracer(sent))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, closeAtEnd(t, st))
	_, cursor := s.pull("", 1000)
	sent.texts = nil
	s.must(200, "GET", "/v1/sync?cursor="+cursor, "")
	if len(sent.texts) != 1 {
		t.Errorf("the pull sent %d statements, want 1:\n%s", len(sent.texts), strings.Join(sent.texts, "\n"))
	}
}

// syncServer starts an HTTP server over an SQLite file with the default durability. It returns the API, the URL of the
// server and the store.
func syncServer(b *testing.B) (server, string, store.Store) {
	st, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"))
	if err == nil {
		err = st.Migrate(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
	s := serve(b, closeAtEnd(b, st))
	s.must(200, "GET", "/v1/settings", "")
	web := httptest.NewServer(s.handler)
	b.Cleanup(web.Close)
	return s, web.URL, st
}

// fetchBody sends a request of anna over TCP and returns the body of the response. It fails the benchmark unless the
// status is 200.
func fetchBody(b *testing.B, method, url, body string) []byte {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Owner", "anna")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %d %v %s", method, url, resp.StatusCode, err, &content)
	}
	return content.Bytes()
}

// cursorIn returns the cursor at the end of the body of a pull, and whether there are more changes.
func cursorIn(body []byte) (cursor string, more bool) {
	_, rest, _ := strings.Cut(string(body[max(0, len(body)-200):]), `"cursor":"`)
	cursor, rest, _ = strings.Cut(rest, `"`)
	return cursor, strings.Contains(rest, `"has_more":true`)
}

// BenchmarkFirstSync pulls a ledger of 12,000 expenses over HTTP, page by page.
func BenchmarkFirstSync(b *testing.B) {
	_, url, st := syncServer(b)
	for part := range 12 {
		drafts := make([]expense.TypedDraft, 1000)
		for i := range drafts {
			drafts[i] = expense.Draft{
				ID: syncID(part*1000 + i + 1), Amount: "12.50", Date: fmt.Sprintf("2025-%02d-%02d", part+1, i%28+1),
			}.Parse(expense.MustCurrency("EUR"))
		}
		err := st.Update(b.Context(), "anna", func(tx store.Tx) error {
			_, err := expense.AddAll(b.Context(), tx, expense.Env{Now: noon}, drafts...)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		target, pages := url+"/v1/sync?limit=1000", 0
		for more := true; more; pages++ {
			var cursor string
			cursor, more = cursorIn(fetchBody(b, "GET", target, ""))
			target = url + "/v1/sync?limit=1000&cursor=" + cursor
		}
		if pages != 13 {
			b.Fatalf("%d pages, want 13", pages)
		}
	}
}

// BenchmarkPullNothing pulls with the last cursor, so there are no changes.
func BenchmarkPullNothing(b *testing.B) {
	s, url, _ := syncServer(b)
	_, cursor := s.pull("", 1000)
	for b.Loop() {
		fetchBody(b, "GET", url+"/v1/sync?cursor="+cursor, "")
	}
}

// BenchmarkPush pushes 100 new expenses in one request.
func BenchmarkPush(b *testing.B) {
	_, url, _ := syncServer(b)
	n := 0
	for b.Loop() {
		mutations := make([]string, 100)
		for i := range mutations {
			n++
			mutations[i] = mutate(
				fmt.Sprint("m", n), "expense", "put", syncID(n), `,"data":{"amount":"12.50","category":"food"}`,
			)
		}
		fetchBody(b, "POST", url+"/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
	}
}
