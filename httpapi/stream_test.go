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
	_ "github.com/jackc/pgx/v5/stdlib" // to look at the databases from beside

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var streamRows = flag.Int("stream-rows", 1500, "how many expenses the streams have that are taken slowly, cut or left")

// soon is how long something may take that has to happen, on however slow a day.
const soon = time.Minute

// A beheld store is one whose database a test looks at from beside.
type beheld struct {
	store.Store
	db *sql.DB
	// free reports whether nobody reads any more: on SQLite a checkpoint empties the log, on PostgreSQL no transaction is
	// open.
	free func(t *testing.T) bool
}

func onEachDatabase(t *testing.T, test func(t *testing.T, b beheld)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "ledger.db")
		st, err := sqlite.Open(context.Background(), path, sqlite.Normal())
		if err != nil {
			t.Fatal(err)
		}
		dsn := "file:" + path + "?_pragma=busy_timeout(100)"
		test(t, behold(t, st, st.Migrate, "sqlite", dsn, func(t *testing.T, db *sql.DB) bool {
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
		test(t, behold(t, st, st.Migrate, "pgx", dsn, func(t *testing.T, db *sql.DB) bool {
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

func behold(
	t *testing.T, st store.Store, migrate func(context.Context) error, driver, dsn string,
	free func(*testing.T, *sql.DB) bool,
) beheld {
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
	return beheld{Store: st, db: db, free: func(t *testing.T) bool { t.Helper(); return free(t, db) }}
}

// overTheWire serves b's ledgers to fetch, over connections that take little of what nobody reads.
func overTheWire(t *testing.T, b store.Store) (url string) {
	t.Helper()
	web := httptest.NewUnstartedServer(serve(t, b).handler)
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

// fill gives anna so many expenses with notes as long as notes may be.
func (b beheld) fill(t *testing.T, n int) {
	t.Helper()
	s := serve(t, b)
	s.must(200, "GET", "/v1/settings", "")
	food := uuid.MustParse(categoryID(s, "Food"))
	first := expense.MustDate("2024-01-01")
	for at := 0; at < n; at += 1000 {
		rows := make([]expense.Expense, min(1000, n-at))
		for i := range rows {
			date := first.AddDays((at + i) / 10)
			rows[i] = expense.Expense{
				ID: uuid.New(), Amount: expense.MustMoney("1", "EUR"), Home: expense.MustMoney("1", "EUR"), Date: date,
				CategoryID: food,
				Rate:       expense.Rate{Value: expense.MustFactor("1"), Date: date, Source: expense.SourceIdentity},
				Notes:      strings.Repeat("long ", 399) + "end", CreatedAt: noon, UpdatedAt: noon,
			}
		}
		err := b.Update(t.Context(), "anna", func(tx store.Tx) error {
			_, err := tx.PutExpenses(t.Context(), rows...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// await waits until something has happened.
func await(t *testing.T, what string, happened func(*testing.T) bool) {
	t.Helper()
	for end := time.Now().Add(soon); !happened(t); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s has not happened", what)
		}
	}
}

func TestASlowClientHoldsNoSnapshot(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, b beheld) {
		b.fill(t, *streamRows)
		s := serve(t, b)
		url := overTheWire(t, b)
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
			// More slow clients than SQLite has connections that read, and PostgreSQL any at all.
			for range []int{20, 1, 1}[i] {
				other := fetch(t.Context(), t, url+path)
				defer func() { _ = other.Body.Close() }()
			}
			// They have read next to nothing, and others write and read.
			for range 20 {
				s.must(201, "POST", "/v1/expenses", `{"amount":"1"}`)
				s.must(200, "GET", "/v1/expenses?limit=1", "")
			}
			await(t, "the end of the snapshots", b.free)
			rest, err := io.Copy(io.Discard, body)
			if err != nil || response.Body.Close() != nil || len(line)+int(rest) != want {
				t.Errorf("%s: %d bytes, %v; want the %d of the time when it began", path, len(line)+int(rest), err, want)
			}
		}
	})
}

func TestAClientThatHasGoneLeavesNoTransaction(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, b beheld) {
		b.fill(t, *streamRows)
		url := overTheWire(t, b)
		for _, path := range exports {
			ctx, leave := context.WithCancel(t.Context())
			response := fetch(ctx, t, url+path)
			if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
				t.Error(err)
			}
			leave()
			_ = response.Body.Close()
			await(t, "the end of the transaction of "+path, b.free)
		}
	})
}

// TestAClientThatGoesAwayCancelsTheStatement is of one that would go on for ever: a lock is in its way, which is held
// until it has ended.
func TestAClientThatGoesAwayCancelsTheStatement(t *testing.T) {
	dsn := pgtest.New(t)
	st, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	b := behold(t, st, st.Migrate, "pgx", dsn, nil)
	b.fill(t, 10)
	lock, err := b.db.BeginTx(t.Context(), nil)
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
			err := b.db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			return n == want
		}
	}
	url := overTheWire(t, b)
	for _, path := range exports {
		ctx, leave := context.WithCancel(t.Context())
		response := fetch(ctx, t, url+path) // the answer begins though no row can be read
		equal(t, path, response.StatusCode, 200)
		await(t, "the wait for the lock", waiting(1))
		leave()
		_ = response.Body.Close()
		await(t, "the end of the statement", waiting(0))
	}
}

func TestARowThatCannotBeReadCutsTheConnection(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, b beheld) {
		b.fill(t, *streamRows)
		// The last row that an export comes to.
		_, err := b.db.ExecContext(t.Context(), `UPDATE spendwise_expenses SET currency = '???' WHERE id = (
			SELECT id FROM spendwise_expenses ORDER BY date DESC, id DESC LIMIT 1)`)
		if err != nil {
			t.Fatal(err)
		}
		url := overTheWire(t, b)
		for _, path := range exports {
			response := fetch(t.Context(), t, url+path)
			n, err := io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s ends like a whole file of %d bytes: %d, %v", path, n, response.StatusCode, err)
			}
			await(t, "the end of the transaction", b.free)
		}
	})
}
