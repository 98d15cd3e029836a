// Package postgres keeps ledgers in PostgreSQL, for many servers at once. The schema holds no row that refers to another
// owner's, so it also runs distributed by owner.
//
//	st, err := postgres.Open(ctx, "postgres://spendwise@db1,db2/spendwise?target_session_attrs=read-write")
//	if err != nil { … }
//	defer st.Close()
//	err = st.Migrate(ctx)
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqlstore"
)

// A Store keeps ledgers in a PostgreSQL database. It implements [store.Store]; Migrate makes its tables.
type Store struct {
	*sqlstore.Store
	line *line
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Watcher = (*Store)(nil)
)

// An Option changes how [Open] opens a database.
type Option func(*options)

type options struct {
	conns  int
	tracer pgx.QueryTracer
}

// MaxConns sets how many connections there are at most; by default 16.
func MaxConns(n int) Option { return func(o *options) { o.conns = max(1, n) } }

// Tracer sees every statement, BEGIN and COMMIT too, with its values.
func Tracer(tracer pgx.QueryTracer) Option { return func(o *options) { o.tracer = tracer } }

// Open connects to the database that dsn names, a URL or keywords and values as libpq reads them; several hosts with
// target_session_attrs=read-write follow a failover. It does not migrate: see Migrate. While the database cannot be reached
// the error is [expense.ErrUnavailable].
func Open(ctx context.Context, dsn string, opts ...Option) (*Store, error) {
	o := options{conns: 16}
	for _, opt := range opts {
		opt(&o)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	config.Tracer = o.tracer
	// Our own statements ask for the cached mode. What bun sends by itself is a new text each time, which no cache should keep.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range pinned() {
		config.RuntimeParams[name] = value
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(checkPinned))
	db.SetMaxOpenConns(o.conns)
	db.SetMaxIdleConns(o.conns)
	db.SetConnMaxIdleTime(10 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		if classify(err) == sqlstore.Unavailable {
			err = fmt.Errorf("%w: %w", expense.ErrUnavailable, err)
		}
		return nil, errors.Join(fmt.Errorf("database: %w", err), db.Close())
	}
	st := &Store{Store: sqlstore.New(dialect(), db, db), line: newLine(config)}
	st.Store.Watch(st.line.tell)
	return st, nil
}

// pinned are the settings without which a text could break out of its literal or change its letters.
func pinned() map[string]string {
	return map[string]string{"standard_conforming_strings": "on", "client_encoding": "UTF8"}
}

func checkPinned(_ context.Context, conn *pgx.Conn) error {
	for name, want := range pinned() {
		if got := conn.PgConn().ParameterStatus(name); got != want {
			return fmt.Errorf("the connection has %s = %q, and needs %q; a pooler between must pass the setting on", name, got, want)
		}
	}
	return nil
}

// dialect is what PostgreSQL does its own way.
func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		Bun:        pgdialect.New(),
		System:     "postgresql",
		Folder:     "postgres",
		HasTable:   `SELECT CASE WHEN to_regclass('spendwise_migrations') IS NULL THEN 0 ELSE 1 END`,
		Exclusive:  `SELECT pg_advisory_xact_lock(7236284610735416693)`, // any number, but always this one
		Leading:    []any{pgx.QueryExecModeCacheStatement},
		Script:     []any{pgx.QueryExecModeSimpleProtocol},
		Update:     &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		Snapshot:   &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		Lock:       " FOR UPDATE",
		Contains:   "strpos",
		Each:       "unnest($%d::uuid[]) AS e(value)",
		List:       func(ids []string) any { return ids },
		EachIn:     "CROSS JOIN LATERAL (SELECT * FROM %[1]s x WHERE %[2]s OFFSET 0) x",
		Source:     sqlstore.Unnest,
		BatchRows:  1000,
		AddExpense: "WITH added AS (%s RETURNING id) %s FROM added%s",
		Classify:   classify,
	}
}

// classify goes by SQLSTATE where the server answered, else by what became of the connection.
func classify(err error) sqlstore.Trouble {
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch code := answer.Code; {
		case code == "40001", code == "40P01", code == "55P03": // serialization failure, deadlock, lock not available
			return sqlstore.Conflict
		// Connection trouble, a server that stops or starts, no room for a connection or a row, an I/O error, a standby.
		case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "53"), strings.HasPrefix(code, "58"),
			code == "25006":
			return sqlstore.Unavailable
		default:
			return sqlstore.Fatal
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return sqlstore.Unavailable
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return sqlstore.Unavailable
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, driver.ErrBadConn, sql.ErrConnDone} {
		if errors.Is(err, lost) {
			return sqlstore.Unavailable
		}
	}
	return sqlstore.Fatal
}
