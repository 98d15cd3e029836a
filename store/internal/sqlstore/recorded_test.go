package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// A recorded is a store whose statements a test can read.
type recorded struct {
	database
	engine string
	db     *sql.DB // the same database, without the store

	tracer   statementTracer // of PostgreSQL
	spans    *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
}

// onEachRecorded runs a test on each engine with a migrated store.
func onEachRecorded(t *testing.T, test func(*testing.T, *recorded)) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) { test(t, newRecorded(t, engine)) })
	}
}

func newRecorded(t *testing.T, engine string) *recorded {
	t.Helper()
	r := &recorded{engine: engine, spans: tracetest.NewInMemoryExporter()}
	r.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(r.spans))
	t.Cleanup(func() { _ = r.provider.Shutdown(context.Background()) })
	if engine == "sqlite" {
		path := filepath.Join(t.TempDir(), "ledger.db")
		r.database = opened(t, func() (database, error) { return sqlite.Open(context.Background(), path) })
		r.db = openMigrated(t, r.database, "sqlite", "file:"+path)
	} else {
		dsn := pgtest.New(t)
		r.database = opened(t, func() (database, error) {
			return postgres.Open(context.Background(), dsn, postgres.Tracer(&r.tracer))
		})
		r.db = openMigrated(t, r.database, "pgx", dsn)
	}
	r.db.SetMaxOpenConns(1) // SET applies to one session
	return r
}

// analyze collects statistics. PostgreSQL would scan a small table, so it also disables scans: the tests are about
// large tables.
func (r *recorded) analyze(t *testing.T, tables ...string) {
	t.Helper()
	execute(t, r.db, "ANALYZE")
	if r.engine == "postgres" {
		execute(t, r.db, "SET enable_seqscan = off")
		execute(t, r.db, "SET enable_bitmapscan = off")
		for _, table := range tables {
			vacuum(t, r.db, table)
		}
	}
}

// statements returns the statements that run sends, in their order.
func (r *recorded) statements(t *testing.T, run func(context.Context) error) []string {
	t.Helper()
	ctx := t.Context()
	if r.engine == "sqlite" {
		parent, span := r.provider.Tracer("test").Start(ctx, "run")
		defer span.End()
		ctx = parent
	}
	r.spans.Reset()
	r.tracer.reset()
	if err := run(ctx); err != nil {
		t.Fatal(err)
	}
	if r.engine == "postgres" {
		return r.tracer.statements()
	}
	var statements []string
	for _, span := range r.spans.GetSpans() {
		for _, attribute := range span.Attributes {
			if attribute.Key == "db.query.text" {
				statements = append(statements, attribute.Value.AsString())
			}
		}
	}
	return statements
}

// plans returns the query plans of the statements that run sends, except those that begin and end transactions.
func (r *recorded) plans(t *testing.T, run func(context.Context) error) []string {
	t.Helper()
	var plans []string
	for _, statement := range r.statements(t, run) {
		verb, _, _ := strings.Cut(strings.ToUpper(statement), " ")
		switch {
		case verb != "SELECT" && verb != "WITH" && verb != "INSERT":
		case r.engine == "sqlite":
			args := make([]any, strings.Count(statement, "?"))
			plans = append(plans, explain(t, r.db, "EXPLAIN QUERY PLAN "+statement, 4, args...))
		default:
			plans = append(plans, r.genericPlan(t, statement))
		}
	}
	return plans
}

// genericPlan returns PostgreSQL's plan of a statement for any arguments, as the store's connections use it.
func (r *recorded) genericPlan(t *testing.T, text string) string {
	t.Helper()
	execute(t, r.db, "SET plan_cache_mode = force_generic_plan")
	execute(t, r.db, "PREPARE explained AS "+text)
	defer execute(t, r.db, "DEALLOCATE explained")
	arguments := ""
	if n := len(slices.Compact(slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))))); n > 0 {
		arguments = " (NULL" + strings.Repeat(", NULL", n-1) + ")"
	}
	return explain(t, r.db, "EXPLAIN (COSTS OFF) EXECUTE explained"+arguments, 1)
}

var placeholder = regexp.MustCompile(`\$[0-9]+`)

// A statementTracer records the statements of a PostgreSQL store.
type statementTracer struct {
	mu   sync.Mutex
	sent []string
}

// TraceQueryStart implements [pgx.QueryTracer].
func (s *statementTracer) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData,
) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, data.SQL)
	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (*statementTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statementTracer) statements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *statementTracer) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = nil
}
