package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Backup writes a consistent copy of the database into a new file at path, readable by its owner only, while readers
// and writers continue. The copy is a complete database without free pages. It is on the disk when Backup returns nil.
// Backup returns an error if the file exists, and leaves no file behind if it fails.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("backup file %s exists; name a new file", path)
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

// vacuumInto copies one snapshot into an empty file (https://sqlite.org/lang_vacuum.html#vacuuminto). It uses a reading
// connection, so that writers continue, and allows writes on it for this statement.
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
		_, resetErr := conn.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("PRAGMA query_only = %d", readOnly))
		err = errors.Join(err, resetErr)
	}()
	_, err = conn.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// CheckFile reads the whole database file and checks pages, indexes and the references between tables. It returns an
// error that lists at most 10 problems.
func (s *Store) CheckFile(ctx context.Context) error {
	for _, pragma := range []string{"integrity_check", "foreign_key_check"} {
		if err := s.check(ctx, pragma); err != nil {
			return err
		}
	}
	return nil
}

// maxProblems is the maximum number of problems in an error of CheckFile.
const maxProblems = 10

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
	var problems []error
	for rows.Next() && len(problems) < maxProblems {
		cells := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if len(cells) != 1 || cells[0] != "ok" {
			problems = append(problems, fmt.Errorf("the database file is damaged: %s: %v", pragma, cells))
		}
	}
	return errors.Join(append(problems, rows.Err())...)
}
