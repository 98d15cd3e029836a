package httpapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

// A trace records the SQL statements sent to the database. It is safe for concurrent use.
type trace struct {
	mu    sync.Mutex
	texts []string
}

func (c *trace) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, strings.Join(strings.Fields(data.SQL), " "))
	return ctx
}

func (c *trace) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestRoundTrips_PerRequest(t *testing.T) {
	sent := new(trace)
	st, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Tracer(sent))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, closeAtEnd(t, st))
	addExpenses(s, 60)
	food := categoryID(s, "Food")
	const body = `{"amount":"12.50","currency":"USD","date":"2026-03-07"`
	for name, c := range map[string]struct {
		limit  int
		method string
		target string
		body   string
		header []string
	}{
		"an add":                       {6, "POST", "/v1/expenses", body + `}`, nil},
		"an add to a category by id":   {6, "POST", "/v1/expenses", body + `,"category_id":"` + food + `"}`, nil},
		"an add to a category by name": {6, "POST", "/v1/expenses", body + `,"category":"food"}`, nil},
		"an add under an idempotency key": {8, "POST", "/v1/expenses", body + `,"category":"food"}`,
			[]string{"Idempotency-Key", "k"}},
		"an add of an id": {6, "POST", "/v1/expenses", body + `,"category":"food","id":"` + firstID + `"}`,
			nil},
		"an add of an id under a key": {8, "PUT", "/v1/expenses/" + secondID, body + `,"category":"food"}`,
			[]string{"Idempotency-Key", "k"}},
		"a page of 50":     {1, "GET", "/v1/expenses", "", nil},
		"one expense":      {2, "GET", "/v1/expenses/" + firstID, "", nil},
		"a monthly report": {4, "GET", "/v1/reports/monthly?month=2026-03&top=0", "", nil},
		// The largest expenses take one more statement.
		"a monthly report and its largest": {5, "GET", "/v1/reports/monthly?month=2026-03", "", nil},
		"the report of the month at hand":  {5, "GET", "/v1/reports/monthly", "", nil},
		"the progress of the budgets":      {4, "GET", "/v1/budgets/progress", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := s
			s.t = t
			sent.texts = nil
			s.do(c.method, c.target, c.body, c.header...)
			if len(sent.texts) > c.limit {
				t.Errorf("%d statements, want at most %d:\n%s", len(sent.texts), c.limit, strings.Join(sent.texts, "\n"))
			}
		})
	}
}
