package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spendwise/spendwise/store/sqlite"
)

type backupCmd struct {
	File string `arg:"" help:"A new file." type:"path"`
}

// Run copies the database while it is in use, and reads the copy back. The file appears under its name only when it is whole.
func (cmd *backupCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) (err error) {
		file, ok := db.(*sqlite.Store)
		if !ok {
			return errors.New("spendwise backup copies an SQLite file. PostgreSQL has its own tools, pg_dump and pg_basebackup: " +
				"examples/deploy/backup has the scripts, OPERATIONS.md explains them")
		}
		if _, err := os.Lstat(cmd.File); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there already; name a new file", cmd.File), err)
		}
		part, remove, err := beside(cmd.File)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
		if err := file.Backup(ctx, part); err != nil {
			return err
		}
		if err := readBack(ctx, p, part, nil); err != nil {
			return fmt.Errorf("the copy was taken, but does not read back, and is thrown away: %w", err)
		}
		if err := putThere(part, cmd.File); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "backup: %s\n", cmd.File)
		return err
	})
}

// readBack opens a database file that is nobody else's, reads all of it, and runs then with it before it is closed again.
func readBack(ctx context.Context, p *process, path string, then func(*sqlite.Store) error) (err error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.CheckFile(ctx); err != nil {
		return err
	}
	if then != nil {
		if err := then(db); err != nil {
			return err
		}
	}
	if err := db.Ping(ctx); err != nil {
		return err
	}
	return verify(ctx, p, db, "", false)
}

// restoreDatabase puts a backup in the place of the database that --database names, which must not be there. It brings the schema
// up to this release and begins a new epoch of every ledger.
func restoreDatabase(ctx context.Context, config *cli, p *process, backup string) (err error) {
	path, err := config.sqlitePath(p.getenv)
	if err != nil {
		return err
	}
	if path == "" {
		return errors.New("spendwise restore FILE takes a backup of an SQLite file. PostgreSQL is restored with its own tools, and " +
			"spendwise new-epoch after that: examples/deploy/backup has the scripts. For one user's ledger add --user EMAIL")
	}
	for _, name := range databaseFiles(path) {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is there: end the server, move the old database (%s, with -wal and -shm) away, and try again", name, path), err)
		}
	}
	part, remove, err := beside(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := copyFile(part, backup); err != nil {
		return err
	}
	err = readBack(ctx, p, part, func(db *sqlite.Store) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return newEpochs(ctx, p, db)
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	if err := putThere(part, path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "restored: %s\n", path)
	return err
}

// databaseFiles are the file of an SQLite database and those that SQLite keeps beside it.
func databaseFiles(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

// beside returns the path of a file that is not there yet, in a folder of its own on the file system of path, and how to remove
// that folder.
func beside(path string) (part string, remove func() error, err error) {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".spendwise-*")
	return filepath.Join(folder, "part.db"), func() error { return os.RemoveAll(folder) }, err
}

// copyFile copies a file to a new one, for its owner's eyes only.
func copyFile(to, from string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// putThere gives a closed file its name, which must be free, once its bytes are on the disk.
func putThere(part, path string) error {
	file, err := os.OpenFile(part, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(file.Sync(), file.Close())
	}
	if err == nil {
		err = name(part, path, os.Link)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// name gives a file another name, which must be free; the caller removes the old one. A link, unlike a rename, replaces nothing. Where the
// file system has no links (memory sticks, network drives), an empty file takes the name first, so that the rename can replace nothing else.
func name(file, to string, link func(oldname, newname string) error) error {
	failed := link(file, to)
	if failed == nil || errors.Is(failed, fs.ErrExist) {
		return failed
	}
	place, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(failed, err)
	}
	if err := place.Close(); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	if err := os.Rename(file, to); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

type newEpochCmd struct{}

// Run begins the epochs. To do so once more than needed costs each device one full sync.
func (newEpochCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) error { return newEpochs(ctx, p, db) })
}

// newEpochs begins a new epoch of every ledger: what devices have seen of the time after the backup is not to be taken for the
// ledgers' future.
func newEpochs(ctx context.Context, p *process, db database) error {
	n := 0
	for owner, err := range db.Owners(ctx) {
		if err == nil {
			err = db.StartEpoch(ctx, owner)
		}
		if err != nil {
			return fmt.Errorf("new epoch: %w", err)
		}
		n++
	}
	_, err := fmt.Fprintf(p.stdout, "new epoch: %d ledgers\n", n)
	return err
}
