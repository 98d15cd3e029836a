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
	File string `arg:"" help:"The file to create." type:"path"`
}

// Run copies the database while servers use it, and verifies the copy. It writes a temporary file and renames it after
// the verification.
func (cmd *backupCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) (err error) {
		file, ok := db.(*sqlite.Store)
		if !ok {
			return errors.New("spendwise backup supports SQLite only; for PostgreSQL use pg_basebackup or pg_dump: " +
				"examples/deploy/backup has scripts and OPERATIONS.md explains them")
		}
		if _, err := os.Lstat(cmd.File); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s exists already; choose a new file", cmd.File), err)
		}
		part, remove, err := temporaryPath(cmd.File)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
		if err := file.Backup(ctx, part); err != nil {
			return err
		}
		if err := checkFile(ctx, p, part, nil); err != nil {
			return fmt.Errorf("the copy was deleted because it is damaged: %w", err)
		}
		if err := renameIntoPlace(part, cmd.File); err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "backup: %s\n", cmd.File)
		return err
	})
}

// checkFile checks the integrity of a database file that no other process uses, calls change if it is not nil, and then
// verifies the ledgers.
func checkFile(ctx context.Context, p *process, path string, change func(*sqlite.Store) error) (err error) {
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.CheckFile(ctx); err != nil {
		return err
	}
	if change != nil {
		if err := change(db); err != nil {
			return err
		}
	}
	if err := db.Ping(ctx); err != nil {
		return err
	}
	return verify(ctx, p, db, "", false)
}

// restoreDatabase copies a backup to the path that --database names. It fails if a database exists there. It migrates
// the schema to this release and begins a new epoch in every ledger.
func restoreDatabase(ctx context.Context, config *cli, p *process, backup string) (err error) {
	path, err := config.sqlitePath(p.getenv)
	if err != nil {
		return err
	}
	if path == "" {
		return errors.New("spendwise restore without --user supports SQLite only; restore PostgreSQL with its own tools, " +
			"then run spendwise new-epoch: examples/deploy/backup has scripts. To restore one user's ledger, add --user EMAIL")
	}
	for _, file := range databaseFiles(path) {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("%s exists; stop the server, move the old database away "+
				"(%s, with -wal and -shm) and retry", file, path))
			return err
		}
	}
	part, remove, err := temporaryPath(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := copyFile(part, backup); err != nil {
		return err
	}
	err = checkFile(ctx, p, part, func(db *sqlite.Store) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return newEpochs(ctx, p, db)
	})
	if err != nil {
		return fmt.Errorf("restore %s: %w", backup, err)
	}
	if err := renameIntoPlace(part, path); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "restored: %s\n", path)
	return err
}

// databaseFiles returns the paths of an SQLite database and of the files that SQLite creates next to it.
func databaseFiles(path string) []string {
	return []string{path, path + "-wal", path + "-shm", path + "-journal"}
}

// temporaryPath creates a folder next to path, on the same file system. It returns the path of a file to create in it,
// and a function that removes the folder.
func temporaryPath(path string) (part string, remove func() error, err error) {
	folder, err := os.MkdirTemp(filepath.Dir(path), ".spendwise-*")
	return filepath.Join(folder, "part.db"), func() error { return os.RemoveAll(folder) }, err
}

// copyFile copies a file to a new file that only its owner can read.
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

// renameIntoPlace syncs the file part to disk and renames it to path. No process may have part open. It fails if path
// exists.
func renameIntoPlace(part, path string) error {
	file, err := os.OpenFile(part, os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(file.Sync(), file.Close())
	}
	if err == nil {
		err = renameToNew(part, path, os.Link)
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

// renameToNew gives a file the name to and fails if it exists. The old name may remain; the caller removes it. A hard
// link, unlike a rename, never replaces a file. On file systems without hard links (memory sticks, network drives),
// renameToNew first creates an empty file, so that the rename can only replace that file.
func renameToNew(file, to string, link func(oldname, newname string) error) error {
	linkErr := link(file, to)
	if linkErr == nil || errors.Is(linkErr, fs.ErrExist) {
		return linkErr
	}
	placeholder, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return errors.Join(linkErr, err)
	}
	if err := placeholder.Close(); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	if err := os.Rename(file, to); err != nil {
		return errors.Join(err, os.Remove(to))
	}
	return nil
}

type newEpochCmd struct{}

// Run begins a new epoch in every ledger. Each device then has to pull everything once.
func (newEpochCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withExisting(ctx, p, func(db database) error { return newEpochs(ctx, p, db) })
}

// newEpochs begins a new epoch in every ledger. After a restore, devices may have rows with versions that were written
// after the backup. In a new epoch the ledger does not use these versions again.
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
