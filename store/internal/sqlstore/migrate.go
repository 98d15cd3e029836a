package sqlstore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations
var migrationFiles embed.FS

// A migrationSet is a line of numbered migrations that go by themselves: a host that keeps no accounts here still has them,
// empty, so that one schema is whole or not.
type migrationSet struct {
	name   string
	folder string
}

func migrationSets() []migrationSet {
	return []migrationSet{
		{name: "ledger", folder: "migrations"},
		{name: "accounts", folder: "migrations/accounts"},
	}
}

type migration struct {
	set      string
	number   int
	name     string
	checksum string // of the file's bytes: what was applied must not change afterwards
	text     string
}

// migrations returns this release's migrations in the order they are applied.
func (d *Dialect) migrations() ([]migration, error) {
	var all []migration
	for _, set := range migrationSets() {
		files, err := fs.Glob(migrationFiles, path.Join(set.folder, d.Folder, "*.sql"))
		if err != nil {
			return nil, err
		}
		for i, file := range files {
			text, err := migrationFiles.ReadFile(file)
			if err != nil {
				return nil, err
			}
			digits, name, _ := strings.Cut(strings.TrimSuffix(path.Base(file), ".sql"), "_")
			number, err := strconv.Atoi(digits)
			if err != nil || number != i+1 {
				return nil, fmt.Errorf("migration %s: the files are numbered 0001, 0002, … without a gap", file)
			}
			sum := sha256.Sum256(text)
			all = append(all, migration{set.name, number, name, hex.EncodeToString(sum[:]), string(text)})
		}
	}
	return all, nil
}

const createMigrations = `CREATE TABLE IF NOT EXISTS spendwise_migrations ("set" text NOT NULL, number integer NOT NULL,
	name text NOT NULL, checksum text NOT NULL, applied_at bigint NOT NULL,
	CONSTRAINT spendwise_migrations_pkey PRIMARY KEY ("set", number))`

// Migrate brings the schema to this release, each migration in a transaction of its own. Many instances may do so at once.
func (s *Store) Migrate(ctx context.Context) error {
	all, err := s.dialect.migrations()
	if err != nil {
		return err
	}
	// Where all is done no lock is taken, which would make every start wait for a running write.
	if applied, err := s.applied(ctx); err == nil && compareSchema(all, applied) == nil {
		return nil
	}
	for _, m := range all {
		if err := s.atomically(ctx, func(session *session) error { return m.apply(ctx, session) }); err != nil {
			return fmt.Errorf("migration %04d_%s of the set %q: %w", m.number, m.name, m.set, err)
		}
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return err
	}
	return compareSchema(all, applied)
}

func (m migration) apply(ctx context.Context, session *session) error {
	if lock := session.dialect.Exclusive; lock != "" {
		if err := session.script(ctx, lock); err != nil {
			return err
		}
	}
	if err := session.script(ctx, createMigrations); err != nil {
		return err
	}
	done, err := session.one(ctx, 1, func(*row) {},
		`SELECT 1 FROM spendwise_migrations WHERE "set" = $1 AND number = $2`, m.set, int64(m.number))
	if err != nil || done {
		return err
	}
	if err := session.script(ctx, m.text); err != nil {
		return err
	}
	_, err = session.exec(ctx, `INSERT INTO spendwise_migrations ("set", number, name, checksum, applied_at) VALUES ($1, $2, $3, $4, $5)`,
		m.set, int64(m.number), m.name, m.checksum, time.Now().UnixMicro())
	return err
}

// script runs a text of one or more statements.
func (s *session) script(ctx context.Context, text string) error {
	if _, err := s.tx.ExecContext(ctx, text, s.dialect.Script...); err != nil {
		return s.fail(ctx, err)
	}
	return nil
}

// Ping reports whether the database answers and holds this release's schema.
func (s *Store) Ping(ctx context.Context) error {
	all, err := s.dialect.migrations()
	if err != nil {
		return err
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return err
	}
	return compareSchema(all, applied)
}

// applied returns the migrations that the database has; none where it has no table of them.
func (s *Store) applied(ctx context.Context) ([]migration, error) {
	there := false
	err := s.outside().eachOnce(ctx, 1, func(r *row) { there = r.bool(0) }, s.dialect.HasTable)
	if err != nil || !there {
		return nil, err
	}
	var applied []migration
	err = s.outside().eachOnce(ctx, 4, func(r *row) {
		applied = append(applied, migration{set: r.text(0), number: int(r.int(1)), name: r.text(2), checksum: r.text(3)})
	}, `SELECT "set", number, name, checksum FROM spendwise_migrations ORDER BY "set", number`)
	return applied, err
}

// compareSchema says in which way the schema is not this release's. A set that this release does not know is newer.
func compareSchema(want, have []migration) error {
	type key struct {
		set    string
		number int
	}
	kept := make(map[key]migration, len(have))
	for _, m := range have {
		kept[key{m.set, m.number}] = m
	}
	for _, m := range want {
		old, ok := kept[key{m.set, m.number}]
		switch {
		case !ok:
			return fmt.Errorf("the database's schema is older than this release: it lacks migration %04d_%s of the set %q; "+
				"run `spendwise migrate`, or call Migrate", m.number, m.name, m.set)
		case old.checksum != m.checksum:
			return fmt.Errorf("migration %04d_%s of the set %q was applied with another text than this release has; "+
				"run the release that made this database", m.number, m.name, m.set)
		}
		delete(kept, key{m.set, m.number})
	}
	for _, m := range kept {
		return errors.New("the database's schema is newer than this release: it has migration " +
			fmt.Sprintf("%04d_%s of the set %q; run the newer release", m.number, m.name, m.set))
	}
	return nil
}
