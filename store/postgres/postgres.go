// Package postgres stores ledgers in PostgreSQL. Several instances of a server can share a database. No row refers to a
// row of another owner, so the schema can also be distributed by owner, for example with Citus.
//
// Call [Open], then [Store.Migrate] to create or upgrade the tables.
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

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun/dialect/pgdialect"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
	"github.com/spendwise/spendwise/store/internal/sqlstore"
)

// A Store stores ledgers in a PostgreSQL database. It implements [store.Store] and [store.Watcher] and is safe for
// concurrent use. Migrate creates its tables.
type Store struct {
	db       *sqlstore.Store
	notifier *notifier
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Watcher = (*Store)(nil)
)

// An Option configures [Open].
type Option func(*options)

type options struct {
	conns  int
	tracer pgx.QueryTracer
}

// MaxConns sets the maximum number of connections: at least 1, by default 16. One more connection listens for changes;
// see Store.Watch.
func MaxConns(n int) Option { return func(o *options) { o.conns = max(1, n) } }

// Tracer sets a tracer that sees every statement with its arguments, including BEGIN and COMMIT.
func Tracer(tracer pgx.QueryTracer) Option { return func(o *options) { o.tracer = tracer } }

// Open connects to the database that dsn names, a URL or the keywords and values of libpq. With several hosts and
// target_session_attrs=read-write, the store follows a failover. Open does not create tables; call [Store.Migrate]. It
// returns [expense.ErrUnavailable] if the database cannot be reached.
//
// Open sets plan_cache_mode=force_generic_plan, unless dsn sets it or a connection pooler refuses it.
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
	// sqlstore asks for the cached mode in its own statements. Statements of bun differ each time and must not fill the
	// cache.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	for name, value := range requiredSettings() {
		config.RuntimeParams[name] = value
	}
	if _, ok := config.RuntimeParams[planCacheMode]; !ok {
		// The statements are written for one plan each. PostgreSQL would plan some of them for each call.
		config.RuntimeParams[planCacheMode] = "force_generic_plan"
	}
	db, err := connect(ctx, config, o.conns)
	if refusesPlanCacheMode(err) {
		delete(config.RuntimeParams, planCacheMode)
		err = db.Close()
		if err == nil {
			db, err = connect(ctx, config, o.conns)
		}
	}
	if err != nil {
		if classify(err) == sqldb.Unavailable {
			err = fmt.Errorf("%w: %w", expense.ErrUnavailable, err)
		}
		return nil, errors.Join(fmt.Errorf("database: %w", err), db.Close())
	}
	st := &Store{db: sqlstore.New(sqldb.New(dialect(), db, db)), notifier: newNotifier(config)}
	st.db.Watch(st.notifier.announce)
	return st, nil
}

// planCacheMode is the name of a session setting.
const planCacheMode = "plan_cache_mode"

// refusesPlanCacheMode reports whether err is that of a connection pooler which accepts no such parameter, or of a
// PostgreSQL before version 12, which does not have it.
func refusesPlanCacheMode(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "08P01" || pgErr.Code == "42704") && strings.Contains(pgErr.Message, planCacheMode)
}

// connect returns a pool, and an error if it cannot connect.
func connect(ctx context.Context, config *pgx.ConnConfig, conns int) (*sql.DB, error) {
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(checkSettings))
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(10 * time.Minute)
	return db, db.PingContext(ctx)
}

// requiredSettings returns session settings that must not have other values, because the quoting of string literals
// depends on them. Open requests these values, and checkSettings checks them on each new connection.
func requiredSettings() map[string]string {
	return map[string]string{"standard_conforming_strings": "on", "client_encoding": "UTF8"}
}

func checkSettings(_ context.Context, conn *pgx.Conn) error {
	for name, want := range requiredSettings() {
		if got := conn.PgConn().ParameterStatus(name); got != want {
			return fmt.Errorf("the connection has %s = %q, but needs %q; let the connection pooler pass this setting on", name,
				got, want)
		}
	}
	return nil
}

// A bunDialect is bun's dialect of PostgreSQL. It also writes ids.
type bunDialect struct{ *pgdialect.Dialect }

// AppendUUID implements [sqldb.SchemaDialect].
func (bunDialect) AppendUUID(b []byte, id uuid.UUID) []byte { return fmt.Appendf(b, "'%s'", id) }

// dialect describes the SQL of PostgreSQL.
func dialect() sqldb.Dialect {
	return sqldb.Dialect{
		Bun:       bunDialect{pgdialect.New()},
		System:    "postgresql",
		Folder:    "postgres",
		HasTable:  `SELECT CASE WHEN to_regclass('spendwise_migrations') IS NULL THEN 0 ELSE 1 END`,
		Exclusive: `SELECT pg_advisory_xact_lock(7236284610735416693)`, // an arbitrary constant
		Numbered:  true,
		Leading:   []any{pgx.QueryExecModeCacheStatement},
		Script:    []any{pgx.QueryExecModeSimpleProtocol},
		Update:    &sql.TxOptions{Isolation: sql.LevelReadCommitted},
		Snapshot:  &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
		Lock:      "UPDATE",
		Contains:  "strpos",
		IDTable:   "unnest(?::uuid[]) AS e(value)",
		IDs:       func(ids []uuid.UUID) any { return ids },
		IDLookup:  "CROSS JOIN LATERAL (SELECT * FROM %[1]s x WHERE %[2]s OFFSET 0) AS x",
		SpanTable: spanTable,
		Source:    sqldb.Unnest,
		BatchRows: 1000,
		Combine:   true,
		Classify:  classify,
	}
}

// spanTable returns a table of an array for each column.
func spanTable(spans []sqldb.Span) (table string, args []any) {
	columns := make([][]int, 3)
	for _, span := range spans {
		columns[0] = append(columns[0], span.N)
		columns[1] = append(columns[1], span.Low)
		columns[2] = append(columns[2], span.High)
	}
	return "unnest(?::integer[], ?::integer[], ?::integer[]) AS q(n, low, high)", []any{columns[0], columns[1], columns[2]}
}

// classify uses the SQLSTATE if the server sent one, and otherwise the error of the connection.
func classify(err error) sqldb.ErrorClass {
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch code := pgErr.Code; {
		case code == "40001", code == "40P01", code == "55P03": // serialization failure, deadlock, lock not available
			return sqldb.Conflict
		// Connection exceptions, shutdown or start of the server, no connection or disk space left, I/O errors, a standby.
		case strings.HasPrefix(code, "08"), strings.HasPrefix(code, "57P"), strings.HasPrefix(code, "53"),
			strings.HasPrefix(code, "58"),
			code == "25006":
			return sqldb.Unavailable
		default:
			return sqldb.Fatal
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return sqldb.Unavailable
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return sqldb.Unavailable
	}
	for _, lost := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, driver.ErrBadConn,
		sql.ErrConnDone} {
		if errors.Is(err, lost) {
			return sqldb.Unavailable
		}
	}
	return sqldb.Fatal
}
