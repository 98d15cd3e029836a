package sqlstore

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

//go:embed migrations
var migrationFiles embed.FS

// A migrationSet is a line of numbered migrations that go by themselves: a host that keeps no accounts here still has
// them, empty, so that one schema is whole or not.
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

// A migration is one file. Its needs is the number of the last migration of its set that a release has to know to work
// on the schema after this one: its own, unless the file says `-- Needs 0007` in its first line because it only adds to
// what 0007 left. A database keeps it, so that releases that came before a migration can tell whether it leaves them
// out.
type migration struct {
	set      string
	number   int
	name     string
	checksum string // of the file's bytes: what was applied must not change afterwards
	needs    int
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
			needs := number
			if header, ok := strings.CutPrefix(string(text), "-- Needs "); ok {
				digits, _, _ := strings.Cut(header, "\n")
				if needs, err = strconv.Atoi(strings.TrimSpace(digits)); err != nil || needs > number {
					return nil, fmt.Errorf("migration %s: the first line says `-- Needs 0007`, the number of an earlier migration",
						file)
				}
			}
			sum := sha256.Sum256(text)
			all = append(all, migration{set.name, number, name, hex.EncodeToString(sum[:]), needs, string(text)})
		}
	}
	return all, nil
}

const createMigrations = `CREATE TABLE IF NOT EXISTS spendwise_migrations ("set" text NOT NULL, number integer NOT NULL,
	name text NOT NULL, checksum text NOT NULL, needs integer NOT NULL, applied_at bigint NOT NULL,
	CONSTRAINT spendwise_migrations_pkey PRIMARY KEY ("set", number))`

// Migrate brings the schema to this release, each migration in a transaction of its own. Many instances may do so at
// once.
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
	_, err = session.exec(ctx, `INSERT INTO spendwise_migrations ("set", number, name, checksum, needs, applied_at)
		VALUES ($1, $2, $3, $4, $5, $6)`,
		m.set, int64(m.number), m.name, m.checksum, int64(m.needs), time.Now().UnixMicro())
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
	err = s.outside().eachOnce(ctx, 5, func(r *row) {
		applied = append(applied, migration{set: r.text(0), number: int(r.int(1)), name: r.text(2), checksum: r.text(3),
			needs: int(r.int(4))})
	}, `SELECT "set", number, name, checksum, needs FROM spendwise_migrations ORDER BY "set", number`)
	return applied, err
}

// compareSchema says in which way the schema is not one that this release works on. A newer one is, as long as none of
// its migrations needs more than this release knows: so the release before serves on while the next one takes over, and
// can come back.
func compareSchema(want, have []migration) error {
	type key struct {
		set    string
		number int
	}
	kept := make(map[key]migration, len(have))
	for _, m := range have {
		kept[key{m.set, m.number}] = m
	}
	known := map[string]int{}
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
		known[m.set] = max(known[m.set], m.number)
	}
	for _, m := range have {
		if m.needs > known[m.set] {
			return fmt.Errorf("the database's schema is newer than this release: its migration %04d_%s of the set %q needs "+
				"a release that knows %04d, "+
				"and this one knows no more than %04d; run the newer release", m.number, m.name, m.set, m.needs, known[m.set])
		}
	}
	return nil
}
