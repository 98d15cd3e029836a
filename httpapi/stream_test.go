package httpapi_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // to query the databases without the store

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var streamRows = flag.Int("stream-rows", 1500, "number of expenses in the exports that are read slowly or end early")

// awaitTimeout is the longest time that await waits. It allows for slow machines.
const awaitTimeout = time.Minute

// An inspectedStore is a store whose database the test can query over a connection of its own.
type inspectedStore struct {
	store.Store
	db *sql.DB
	// idle reports whether no transaction reads any more. On SQLite, a checkpoint then empties the write-ahead log. On
	// PostgreSQL, no other connection has an open transaction.
	idle func(t *testing.T) bool
}

func onEachDatabase(t *testing.T, test func(t *testing.T, st inspectedStore)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		st, err := sqlite.Open(context.Background(), path, sqlite.SynchronousNormal())
		if err != nil {
			t.Fatal(err)
		}
		dsn := "file:" + path + "?_pragma=busy_timeout(100)"
		test(t, inspect(t, st, st.Migrate, "sqlite", dsn, func(t *testing.T, db *sql.DB) bool {
			var busy, log, moved int
			if err := db.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &log, &moved); err != nil {
				t.Fatal(err)
			}
			return busy == 0
		}))
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.New(t)
		st, err := postgres.Open(context.Background(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		test(t, inspect(t, st, st.Migrate, "pgx", dsn, func(t *testing.T, db *sql.DB) bool {
			n := 0
			err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n == 0
		}))
	})
}

func inspect(
	t *testing.T, st store.Store, migrate func(context.Context) error, driver, dsn string,
	idle func(*testing.T, *sql.DB) bool,
) inspectedStore {
	t.Helper()
	t.Cleanup(func() { _ = st.Close() })
	if err := migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return inspectedStore{Store: st, db: db, idle: func(t *testing.T) bool { t.Helper(); return idle(t, db) }}
}

// serveTCP serves the API over st on a local TCP port. Its connections have small write buffers, so a write blocks soon
// if the client does not read.
func serveTCP(t *testing.T, st store.Store) (url string) {
	t.Helper()
	web := httptest.NewUnstartedServer(serve(t, st).handler)
	web.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetWriteBuffer(128 << 10)
		}
		return ctx
	}
	web.Start()
	t.Cleanup(web.Close)
	return web.URL
}

// addExpenses adds n expenses with long notes to the ledger of anna.
func (st inspectedStore) fill(t *testing.T, n int) {
	t.Helper()
	s := serve(t, st)
	s.must(200, "GET", "/v1/settings", "")
	food := uuid.MustParse(categoryID(s, "Food"))
	first := expense.MustDate("2024-01-01")
	for start := 0; start < n; start += 1000 {
		rows := make([]expense.Expense, min(1000, n-start))
		for i := range rows {
			date := first.AddDays((start + i) / 10)
			rows[i] = expense.Expense{
				ID: uuid.New(), Amount: expense.MustMoney("1", "EUR"), Home: expense.MustMoney("1", "EUR"), Date: date,
				CategoryID: food,
				Rate:       expense.Rate{Value: expense.MustFactor("1"), Date: date, Source: expense.SourceIdentity},
				Notes:      strings.Repeat("long ", 399) + "end", CreatedAt: noon, UpdatedAt: noon,
			}
		}
		err := st.Update(t.Context(), "anna", func(tx store.Tx) error {
			_, err := tx.PutExpenses(t.Context(), rows...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until condition returns true. It fails the test after awaitTimeout.
func await(t *testing.T, what string, condition func(*testing.T) bool) {
	t.Helper()
	for end := time.Now().Add(awaitTimeout); !condition(t); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within %s", what, awaitTimeout)
		}
	}
}

func TestExport_SlowClientHoldsNoSnapshot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st inspectedStore) {
		st.fill(t, *streamRows)
		s := serve(t, st)
		url := serveTCP(t, st)
		for i, path := range exports {
			want := s.must(200, "GET", path, "").Body.Len()
			start := time.Now()
			response := fetch(t.Context(), t, url+path)
			body := bufio.NewReaderSize(response.Body, 16)
			line, err := body.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: the first line after %v", path, time.Since(start))
			// Open more slow clients than SQLite has read connections and PostgreSQL has connections.
			for range []int{20, 1, 1}[i] {
				other := fetch(t.Context(), t, url+path)
				defer func() { _ = other.Body.Close() }()
			}
			// The slow clients have read almost nothing. Other requests must be able to write and read.
			for range 20 {
				s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)
				s.must(200, "GET", "/v1/expenses?limit=1", "")
			}
			await(t, "the end of the snapshots", st.idle)
			rest, err := io.Copy(io.Discard, body)
			if err != nil || response.Body.Close() != nil || len(line)+int(rest) != want {
				t.Errorf("%s: got %d bytes and error %v, want the %d bytes of the ledger at the start", path, len(line)+int(rest),
					err, want)
			}
		}
	})
}

func TestExport_DisconnectLeavesNoTransaction(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st inspectedStore) {
		st.fill(t, *streamRows)
		url := serveTCP(t, st)
		for _, path := range exports {
			ctx, disconnect := context.WithCancel(t.Context())
			response := fetch(ctx, t, url+path)
			if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
				t.Error(err)
			}
			disconnect()
			_ = response.Body.Close()
			await(t, "the end of the transaction of "+path, st.idle)
		}
	})
}

// TestRequest_DisconnectCancelsStatement tests statements that wait for a lock. The lock is held during the whole
// test, so that only a disconnection of the client can end them.
func TestRequest_DisconnectCancelsStatement(t *testing.T) {
	dsn := pgtest.New(t)
	st, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	inspected := inspect(t, st, st.Migrate, "pgx", dsn, nil)
	inspected.fill(t, 10)
	lock, err := inspected.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(t.Context(), `LOCK TABLE spendwise_expenses IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	waiting := func(want int) func(*testing.T) bool {
		return func(t *testing.T) bool {
			n := 0
			err := inspected.db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n == want
		}
	}
	url := serveTCP(t, inspected)
	for _, path := range exports {
		ctx, disconnect := context.WithCancel(t.Context())
		response := fetch(ctx, t, url+path) // the response starts although no row can be read
		equal(t, path, response.StatusCode, 200)
		await(t, "the wait for the lock", waiting(1))
		disconnect()
		_ = response.Body.Close()
		await(t, "the end of the statement", waiting(0))
	}
}

func TestExport_UnreadableRowCutsConnection(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, st inspectedStore) {
		st.fill(t, *streamRows)
		// An export reads this row last.
		_, err := st.db.ExecContext(t.Context(), `UPDATE spendwise_expenses SET currency = '???' WHERE id = (
			SELECT id FROM spendwise_expenses ORDER BY date DESC, id DESC LIMIT 1)`)
		if err != nil {
			t.Fatal(err)
		}
		url := serveTCP(t, st)
		for _, path := range exports {
			response := fetch(t.Context(), t, url+path)
			n, err := io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s: got status %d and error %v after %d bytes, want 200 and an unexpected EOF", path,
					response.StatusCode, err, n)
			}
			await(t, "the end of the transaction", st.idle)
		}
	})
}
