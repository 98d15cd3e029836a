package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/term"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/sqlite"
)

// A database is a store with local accounts, connection pools, and a schema that can be migrated and verified.
type database interface {
	store.Store
	Accounts() accounts.Store
	Pools() map[string]sql.DBStats
	Migrate(ctx context.Context) error
	VerifyCounters(ctx context.Context, owner expense.OwnerID) ([]store.Deviation, error)
	RebuildTotals(ctx context.Context, owner expense.OwnerID) error
}

// withStore opens the database, migrates it if migrate is set, calls fn and closes the database.
func (c *cli) withStore(ctx context.Context, p *process, migrate bool, fn func(database) error) (err error) {
	db, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if migrate {
		if err := db.Migrate(ctx); err != nil {
			return fmt.Errorf("migrate the database: %w", err)
		}
	}
	if err := db.Ping(ctx); err != nil {
		return err
	}
	return fn(db)
}

// withDatabase is withStore for administration commands. It does not migrate PostgreSQL. It does migrate SQLite, so
// that a user can be added to a new file before the server first starts.
func (c *cli) withDatabase(ctx context.Context, p *process, fn func(database) error) error {
	return c.withStore(ctx, p, !c.onPostgres(), fn)
}

// withExisting is withStore for commands that need an existing database: it neither creates nor migrates one.
func (c *cli) withExisting(ctx context.Context, p *process, fn func(database) error) error {
	path, err := c.sqlitePath(p.getenv)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); path != "" && err != nil {
		return fmt.Errorf("there is no database: %w; set --database", err)
	}
	return c.withStore(ctx, p, false, fn)
}

// open opens the database that --database names.
func (c *cli) open(ctx context.Context, p *process) (database, error) {
	if c.onPostgres() {
		return postgres.Open(ctx, c.Database)
	}
	path, err := c.sqlitePath(p.getenv)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path)
}

func (c *cli) onPostgres() bool {
	return strings.HasPrefix(c.Database, "postgres://") || strings.HasPrefix(c.Database, "postgresql://")
}

// sqlitePath returns the SQLite file that --database names, or "" for PostgreSQL.
func (c *cli) sqlitePath(getenv func(string) string) (string, error) {
	if c.onPostgres() {
		return "", nil
	}
	path, ok := strings.CutPrefix(c.Database, "sqlite:")
	switch {
	case c.Database == "":
		dir, err := dataDir(getenv)
		if err != nil {
			return "", fmt.Errorf("%w; or set --database", err)
		}
		path = filepath.Join(dir, "spendwise.db")
	case !ok || path == "":
		return "", errors.New("--database is neither sqlite:PATH nor a postgres:// DSN")
	}
	return path, nil
}

// dataDir returns this program's folder in the user's data directory. It creates the folder, readable only by the user,
// if it does not exist.
func dataDir(getenv func(string) string) (string, error) {
	base := getenv("XDG_DATA_HOME")
	home := getenv("HOME")
	switch {
	case base != "":
	case runtime.GOOS == "windows":
		base = getenv("LocalAppData")
	case home == "":
	case runtime.GOOS == "darwin":
		base = filepath.Join(home, "Library", "Application Support")
	default:
		base = filepath.Join(home, ".local", "share")
	}
	if base == "" {
		return "", errors.New("no data directory: neither HOME nor XDG_DATA_HOME is set; set one of them")
	}
	dir := filepath.Join(base, "spendwise")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("create the data directory: %w", err)
	}
	return dir, nil
}

// logger returns a logger in the format of --log.
func (c *cli) logger(p *process) *slog.Logger {
	if c.Log == "text" || c.Log == "auto" && isTerminal(p.stderr) {
		return slog.New(slog.NewTextHandler(p.stderr, nil))
	}
	return slog.New(slog.NewJSONHandler(p.stderr, nil))
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

type migrateCmd struct{}

// Run migrates the database.
func (cmd *migrateCmd) Run(ctx context.Context, config *cli, p *process) error {
	return config.withStore(ctx, p, true, func(database) error {
		_, err := fmt.Fprintln(p.stdout, "the schema is up to date")
		return err
	})
}
