// Package sqlitestorage implements [client.Storage] in an SQLite file. It needs no C compiler. A committed Update
// survives a power failure. Several processes may share the file.
//
//	storage, err := sqlitestorage.Open(ctx, "device.db")
//	if err != nil { … }
//	defer storage.Close()
//	c, err := client.New("https://ledger.example.com", client.WithStorage(storage))
package sqlitestorage

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
)

// schema creates the tables. Their prefix permits a host to keep its own tables in the same file.
const (
	schema = `
CREATE TABLE spendwise_device_values (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE spendwise_device_rows (
	type TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (type, id)
) WITHOUT ROWID;
CREATE TABLE spendwise_device_mutations (
	id TEXT PRIMARY KEY,
	seq INTEGER NOT NULL,
	type TEXT NOT NULL,
	row TEXT NOT NULL,
	state INTEGER NOT NULL,
	mutation BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX spendwise_device_mutations_row ON spendwise_device_mutations (type, row, seq);
CREATE INDEX spendwise_device_mutations_state ON spendwise_device_mutations (state, seq);
INSERT INTO spendwise_device_values (name, value) VALUES ('schema', '1');`
	schemaVersion = "1"
)

// A Storage stores the state of a device in an SQLite file. It implements [client.Storage].
type Storage struct{ db *sql.DB }

var _ client.Storage = (*Storage)(nil)

// Open opens the file at path and creates it with mode 0600 if it does not exist. It returns an error if the file has
// the schema of another release.
func Open(ctx context.Context, path string) (*Storage, error) {
	if path == "" || path == ":memory:" {
		return nil, fmt.Errorf("storage file %q is not a path; for a temporary storage use client.NewMemoryStorage", path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("storage file %s: %w", path, err)
	}
	// Created before SQLite does, which would use a mode that other users can read.
	file, err := os.OpenFile(absolute, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("storage file %s: %w", path, err)
	}
	slashed := filepath.ToSlash(absolute)
	if slashed[0] != '/' { // drive letter
		slashed = "/" + slashed
	}
	query := url.Values{
		"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: slashed, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("storage file %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &Storage{db}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("storage file %s: %w", path, err), db.Close())
	}
	return s, nil
}

// migrate creates the tables if they do not exist.
func (s *Storage) migrate(ctx context.Context) error {
	return s.transact(ctx, nil, func(db *sql.Tx) error {
		var tables int
		err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema
			WHERE type = 'table' AND name = 'spendwise_device_values'`).Scan(&tables)
		if err != nil {
			return err
		}
		if tables == 0 {
			_, err := db.ExecContext(ctx, schema)
			return err
		}
		var version string
		err = db.QueryRowContext(ctx, `SELECT value FROM spendwise_device_values WHERE name = 'schema'`).Scan(&version)
		if err == nil && version != schemaVersion {
			err = fmt.Errorf("the file has schema version %s; this release needs %s", version, schemaVersion)
		}
		return err
	})
}

// Close closes the file.
func (s *Storage) Close() error { return s.db.Close() }

// View implements [client.Storage].
func (s *Storage) View(ctx context.Context, fn func(client.Tx) error) error {
	return s.transact(ctx, &sql.TxOptions{ReadOnly: true}, func(db *sql.Tx) error { return fn(&transaction{db}) })
}

// Update implements [client.Storage].
func (s *Storage) Update(ctx context.Context, fn func(client.Tx) error) error {
	return s.transact(ctx, nil, func(db *sql.Tx) error { return fn(&transaction{db}) })
}

// transact runs fn in a transaction. A read-only transaction does not block writers of other processes.
func (s *Storage) transact(ctx context.Context, options *sql.TxOptions, fn func(*sql.Tx) error) (err error) {
	db, err := s.db.BeginTx(ctx, options)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { // also after a panic, which would leave the connection in a transaction
		if rollbackErr := db.Rollback(); rollbackErr != nil && !errors.Is(rollbackErr, sql.ErrTxDone) {
			err = errors.Join(err, rollbackErr)
		}
	}()
	if err := fn(db); err != nil {
		return err
	}
	return db.Commit()
}

type transaction struct{ db *sql.Tx }

// Value implements [client.Tx].
func (tx *transaction) Value(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := tx.db.QueryRowContext(ctx,
		`SELECT value FROM spendwise_device_values WHERE name = ?`, "value "+name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return value, err
}

// SetValue implements [client.Tx].
func (tx *transaction) SetValue(ctx context.Context, name string, value []byte) error {
	if value == nil {
		return tx.exec(ctx, `DELETE FROM spendwise_device_values WHERE name = ?`, "value "+name)
	}
	return tx.exec(ctx, `INSERT INTO spendwise_device_values (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, "value "+name, value)
}

func (tx *transaction) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.db.ExecContext(ctx, query, args...)
	return err
}

// Row implements [client.Tx].
func (tx *transaction) Row(ctx context.Context, key client.RowKey) (client.Row, error) {
	row := client.Row{RowKey: key}
	err := tx.db.QueryRowContext(ctx,
		`SELECT version, generation, data FROM spendwise_device_rows WHERE type = ? AND id = ?`, key.Type, key.ID,
	).Scan(&row.Version, &row.Generation, (*[]byte)(&row.Data))
	if errors.Is(err, sql.ErrNoRows) {
		return client.Row{}, fmt.Errorf("%s %s: %w", key.Type, key.ID, expense.ErrNotFound)
	}
	return row, err
}

// Rows implements [client.Tx].
func (tx *transaction) Rows(ctx context.Context, t client.Type) (rows []client.Row, err error) {
	records, err := tx.db.QueryContext(ctx,
		`SELECT id, version, generation, data FROM spendwise_device_rows WHERE type = ? ORDER BY id`, t)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	for records.Next() {
		row := client.Row{RowKey: client.RowKey{Type: t}}
		if err := records.Scan(&row.ID, &row.Version, &row.Generation, (*[]byte)(&row.Data)); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, records.Err()
}

// PutRows implements [client.Tx].
func (tx *transaction) PutRows(ctx context.Context, rows ...client.Row) (err error) {
	if len(rows) == 0 {
		return nil
	}
	put, err := tx.db.PrepareContext(ctx, `
		INSERT INTO spendwise_device_rows (type, id, version, generation, data) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (type, id) DO UPDATE
		SET version = excluded.version, generation = excluded.generation, data = excluded.data`)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, put.Close()) }()
	for _, row := range rows {
		if _, err := put.ExecContext(ctx, row.Type, row.ID, row.Version, row.Generation, []byte(row.Data)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRows implements [client.Tx].
func (tx *transaction) DeleteRows(ctx context.Context, keys ...client.RowKey) error {
	for _, key := range keys {
		if err := tx.exec(ctx, `DELETE FROM spendwise_device_rows WHERE type = ? AND id = ?`, key.Type, key.ID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteRowsBefore implements [client.Tx].
func (tx *transaction) DeleteRowsBefore(ctx context.Context, generation int64) error {
	return tx.exec(ctx, `DELETE FROM spendwise_device_rows WHERE generation < ?`, generation)
}

// Mutations implements [client.Tx].
func (tx *transaction) Mutations(
	ctx context.Context, query client.MutationQuery,
) (mutations []client.Mutation, err error) {
	text, args := `SELECT mutation FROM spendwise_device_mutations WHERE true`, []any{}
	if query.Key.Type != "" {
		text, args = text+` AND type = ?`, append(args, query.Key.Type)
	}
	if query.Key.ID != "" {
		text, args = text+` AND row = ?`, append(args, query.Key.ID)
	}
	if len(query.States) > 0 {
		text += ` AND state IN (` + strings.Repeat(`?, `, len(query.States)-1) + `?)`
		for _, state := range query.States {
			args = append(args, state)
		}
	}
	text += ` ORDER BY seq`
	if query.Limit > 0 {
		text, args = text+` LIMIT ?`, append(args, query.Limit)
	}
	records, err := tx.db.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	for records.Next() {
		var encoded []byte
		var m client.Mutation
		if err := records.Scan(&encoded); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(encoded, &m); err != nil {
			return nil, fmt.Errorf("stored mutation: %w", err)
		}
		mutations = append(mutations, m)
	}
	return mutations, records.Err()
}

// PutMutations implements [client.Tx].
func (tx *transaction) PutMutations(ctx context.Context, mutations ...client.Mutation) error {
	for _, m := range mutations {
		encoded, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("mutation %s: %w", m.ID, err)
		}
		err = tx.exec(ctx, `
			INSERT INTO spendwise_device_mutations (id, seq, type, row, state, mutation) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET
				seq = excluded.seq, type = excluded.type, row = excluded.row, state = excluded.state, mutation = excluded.mutation`,
			m.ID, m.Seq, m.Key.Type, m.Key.ID, m.State, encoded)
		if err != nil {
			return err
		}
	}
	return nil
}

// DeleteMutations implements [client.Tx].
func (tx *transaction) DeleteMutations(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		if err := tx.exec(ctx, `DELETE FROM spendwise_device_mutations WHERE id = ?`, id); err != nil {
			return err
		}
	}
	return nil
}
