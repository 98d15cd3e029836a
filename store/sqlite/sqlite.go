// Package sqlite stores ledgers in an SQLite file. It needs no server and no C compiler. One connection writes while a
// pool of connections reads (write-ahead logging).
//
// Only one server process should use the file, because [Store.Watch] does not report the commits of other processes.
// Short commands, such as a backup, may open it at the same time.
//
// Call [Open], then [Store.Migrate] to create or upgrade the tables.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqldb"
	"github.com/spendwise/spendwise/store/internal/sqlstore"
)

// A Store stores ledgers in an SQLite database. It implements [store.Store] and [store.Watcher] and is safe for
// concurrent use. Migrate creates its tables.
type Store struct {
	db     *sqlstore.Store
	writer *sql.DB
	reader *sql.DB
}

var (
	_ store.Store   = (*Store)(nil)
	_ store.Watcher = (*Store)(nil)
)

// An Option configures [Open].
type Option func(*options)

type options struct {
	synchronous string
	readers     int
}

// SynchronousNormal sets synchronous=NORMAL: Update may return before the commit is on the disk. Commits survive a
// crash of the process, but a power failure may undo the last ones. The default is FULL: every commit is on the disk.
func SynchronousNormal() Option { return func(o *options) { o.synchronous = "NORMAL" } }

// Readers sets the number of reading connections: at least 1, by default 4.
func Readers(n int) Option { return func(o *options) { o.readers = max(1, n) } }

// Open opens the database file at path, and creates it, readable by its owner only, if it does not exist. It does not
// create tables; call [Store.Migrate]. It returns an error for an in-memory database, because the store uses several
// connections.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	o := options{synchronous: "FULL", readers: 4}
	for _, opt := range opts {
		opt(&o)
	}
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("database file %q: this store needs several connections, which an in-memory database "+
			"does not allow; name a file, for example in a temporary directory", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	// SQLite would create the file readable by everybody. The files beside it (-wal, -shm) get the mode of this one.
	file, err := os.OpenFile(absolute, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) { // without the permission to write, SQLite may still open the file
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	// In memory, the writer keeps the old pages of a statement that may fail. SQLite would write them, and so rows of
	// users, to a file in the system's temporary directory. Readers may use such files to sort many rows.
	writer, err := sql.Open("sqlite", dsn(absolute, o, url.Values{
		"_txlock": {"immediate"}, "_pragma": {"temp_store(MEMORY)"},
	}))
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", dsn(absolute, o, url.Values{"_pragma": {"query_only(1)"}}))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database file %s: %w", path, err), writer.Close())
	}
	reader.SetMaxOpenConns(o.readers)
	reader.SetMaxIdleConns(o.readers)
	// Connect the writer first: it creates the database and enables WAL, which a reader cannot do.
	if err := errors.Join(writer.PingContext(ctx), reader.PingContext(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("database file %s: %w", path, err), writer.Close(), reader.Close())
	}
	return OpenDB(writer, reader), nil
}

// OpenDB returns a store that uses databases which the host has opened with the driver modernc.org/sqlite. The DSN of
// both must set foreign_keys and a busy_timeout. The DSN of writer must set _txlock=immediate, and writer must have at
// most one connection. [Store.Close] closes both.
func OpenDB(writer, reader *sql.DB) *Store {
	return &Store{db: sqlstore.New(sqldb.New(dialect(), writer, reader)), writer: writer, reader: reader}
}

// dsn returns a DSN with all pragmas: a pragma sent by Exec would reach only one connection of the pool.
func dsn(path string, o options, more url.Values) string {
	query := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(" + o.synchronous + ")", "foreign_keys(1)",
		"cache_size(-16000)",           // KiB
		"wal_autocheckpoint(4000)",     // pages: a page that changes often is copied into the database less often
		"journal_size_limit(67108864)", // bytes: a long read transaction lets the WAL grow; it shrinks to this size
		"secure_delete(1)",             // overwrites deleted rows
	}}
	for key, values := range more {
		query[key] = append(query[key], values...)
	}
	path = filepath.ToSlash(path)
	if path[0] != '/' { // starts with a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// A bunDialect is bun's dialect of SQLite. It also writes ids, which are stored as 16 bytes.
type bunDialect struct{ *sqlitedialect.Dialect }

// AppendUUID implements [sqldb.SchemaDialect].
func (bunDialect) AppendUUID(b []byte, id uuid.UUID) []byte { return fmt.Appendf(b, "X'%x'", id[:]) }

// dialect describes the SQL of SQLite.
func dialect() sqldb.Dialect {
	return sqldb.Dialect{
		Bun:       bunDialect{sqlitedialect.New()},
		System:    "sqlite",
		Folder:    "sqlite",
		HasTable:  `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'spendwise_migrations'`,
		Prepare:   true,
		Update:    &sql.TxOptions{},
		Snapshot:  &sql.TxOptions{ReadOnly: true},
		Contains:  "instr",
		IDTable:   "(SELECT unhex(value) AS value FROM json_each(?)) AS e",
		IDs:       ids,
		IDLookup:  "CROSS JOIN %[1]s AS x WHERE %[2]s",
		SpanTable: spanTable,
		Source:    sqldb.Values,
		BatchRows: 50,
		Classify:  classify,
	}
}

// ids returns the JSON array of the hexadecimal digits of ids.
func ids(ids []uuid.UUID) any {
	list := make([]string, len(ids))
	for i := range ids {
		list[i] = hex.EncodeToString(ids[i][:])
	}
	text, err := json.Marshal(list)
	if err != nil {
		panic(err) // a slice of strings always marshals
	}
	return string(text)
}

// spanTable returns a table of values. It adds empty spans until their number is a power of two, so that there are few
// texts to prepare.
func spanTable(spans []sqldb.Span) (table string, args []any) {
	for _, span := range spans {
		args = append(args, span.N, span.Low, span.High)
	}
	n := 1
	for n < len(spans) {
		n *= 2
	}
	for range n - len(spans) {
		args = append(args, 0, 1, 0)
	}
	return "(SELECT column1 AS n, column2 AS low, column3 AS high FROM (VALUES (?, ?, ?)" +
		strings.Repeat(", (?, ?, ?)", n-1) + ")) AS q", args
}

func classify(err error) sqldb.ErrorClass {
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return sqldb.Fatal
	}
	switch failure.Code() & 0xff { // the primary result code
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return sqldb.Conflict
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_PROTOCOL:
		return sqldb.Unavailable
	default:
		return sqldb.Fatal
	}
}
