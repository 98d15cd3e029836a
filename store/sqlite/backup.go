package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Backup writes the database as it is at one moment into a new file at path, for its owner's eyes only. Readers and writers go on
// meanwhile. The file is a database by itself, without free pages; it is on the disk when Backup returns nil. A file that is there
// already is an error and stays as it is; an error leaves no file behind.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already; name a new file", path)
	case err != nil:
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if err := s.vacuumInto(ctx, path); err != nil {
		return fmt.Errorf("copy the database into %s: %w", path, err)
	}
	return file.Sync()
}

// vacuumInto reads one snapshot and fills a file that is empty (https://sqlite.org/lang_vacuum.html#vacuuminto). It runs on a
// connection that reads, so that writers go on: that one may write for this statement.
func (s *Store) vacuumInto(ctx context.Context, path string) (err error) {
	conn, err := s.reader.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var readOnly int
	if err := conn.QueryRowContext(ctx, "PRAGMA query_only").Scan(&readOnly); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA query_only = 0"); err != nil {
		return err
	}
	defer func() {
		_, failure := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA query_only = %d", readOnly))
		err = errors.Join(err, failure)
	}()
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// CheckFile reads the whole database file and reports the first ways in which it is damaged: pages, indexes, references between
// tables.
func (s *Store) CheckFile(ctx context.Context) error {
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		if err := s.check(ctx, pragma); err != nil {
			return err
		}
	}
	return nil
}

// maxDamages is how many findings an error lists.
const maxDamages = 10

func (s *Store) check(ctx context.Context, pragma string) (err error) {
	rows, err := s.reader.QueryContext(ctx, "PRAGMA "+pragma)
	if err != nil {
		return fmt.Errorf("%s: %w", pragma, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	var damages []error
	for rows.Next() && len(damages) < maxDamages {
		cells := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if len(cells) != 1 || cells[0] != "ok" {
			damages = append(damages, fmt.Errorf("the database file is damaged: %s: %v", pragma, cells))
		}
	}
	return errors.Join(append(damages, rows.Err())...)
}
