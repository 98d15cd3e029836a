// Package sqlite keeps ledgers in an SQLite file: one process, no server, no C compiler. One connection writes and a pool of
// others reads beside it (WAL).
//
//	st, err := sqlite.Open(ctx, "ledger.db")
//	if err != nil { … }
//	defer st.Close()
//	err = st.Migrate(ctx)
package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/internal/sqlstore"
)

// A Store keeps ledgers in an SQLite database. It implements [store.Store]; Migrate makes its tables.
type Store struct {
	*sqlstore.Store
	reader *sql.DB
}

var _ store.Store = (*Store)(nil)

// An Option changes how [Open] opens a database.
type Option func(*options)

type options struct {
	synchronous string
	readers     int
}

// Normal lets a commit return before it is on the disk: what was answered survives a crash of the process, but a power cut may
// undo the last ones. By default every commit is on the disk (synchronous=FULL).
func Normal() Option { return func(o *options) { o.synchronous = "NORMAL" } }

// Readers sets how many connections read; by default 4.
func Readers(n int) Option { return func(o *options) { o.readers = max(1, n) } }

// Open opens the database file at path, which is made if there is none. It does not migrate: see Migrate.
func Open(ctx context.Context, path string, opts ...Option) (*Store, error) {
	o := options{synchronous: "FULL", readers: 4}
	for _, opt := range opts {
		opt(&o)
	}
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("database file %q: a database in memory has one connection, and this store has several; "+
			"name a file, such as one in a temporary folder", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	// A ledger is for its owner's eyes: the file is made before SQLite would make it for everybody's. Its companions get its mode.
	file, err := os.OpenFile(absolute, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) { // one that may only be read is SQLite's to judge
		return nil, fmt.Errorf("database file %s: %w", path, err)
	}
	writer, err := sql.Open("sqlite", dsn(absolute, o, url.Values{"_txlock": {"immediate"}}))
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
	// The writer comes first: it makes the file, and turns WAL on, which a reader cannot.
	if err := errors.Join(writer.PingContext(ctx), reader.PingContext(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("database file %s: %w", path, err), writer.Close(), reader.Close())
	}
	return OpenDB(writer, reader), nil
}

// OpenDB returns a store in a database that the host has opened with driver modernc.org/sqlite: writer with one connection at
// most and _txlock=immediate, both with foreign_keys on and a busy_timeout, in the DSN. Close closes both.
func OpenDB(writer, reader *sql.DB) *Store {
	return &Store{sqlstore.New(dialect(), writer, reader), reader}
}

// dsn holds every pragma: one that is sent by Exec reaches one connection of a pool only.
func dsn(path string, o options, more url.Values) string {
	query := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(" + o.synchronous + ")", "foreign_keys(1)", "cache_size(-16000)",
	}}
	for key, values := range more {
		query[key] = append(query[key], values...)
	}
	path = filepath.ToSlash(path)
	if path[0] != '/' { // a drive's letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}

// dialect is what SQLite does its own way.
func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		Bun:       sqlitedialect.New(),
		System:    "sqlite",
		Folder:    "sqlite",
		HasTable:  `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'spendwise_migrations'`,
		Prepare:   true,
		Update:    &sql.TxOptions{},
		Snapshot:  &sql.TxOptions{ReadOnly: true},
		Contains:  "instr",
		Each:      "json_each($%d) e",
		List:      list,
		EachIn:    "CROSS JOIN %[1]s x WHERE %[2]s",
		Source:    sqlstore.Values,
		BatchRows: 50,
		Classify:  classify,
	}
}

// list is the JSON array of ids, none of which needs escaping.
func list(ids []string) any {
	text, err := json.Marshal(ids)
	if err != nil {
		panic(err) // a slice of strings always marshals
	}
	return string(text)
}

func classify(err error) sqlstore.Trouble {
	failure, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return sqlstore.Fatal
	}
	switch failure.Code() & 0xff { // the primary code: the higher bits say where it happened
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return sqlstore.Conflict
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL:
		return sqlstore.Unavailable
	default:
		return sqlstore.Fatal
	}
}
