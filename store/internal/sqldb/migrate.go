package sqldb

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

//go:embed migrations
var migrationFiles embed.FS

// A migrationSet is a set of migrations with numbers of its own. A host that does not use the accounts has their tables
// too, so that there is only one schema.
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

// A migration is a file. A release can use the schema after the migration if it knows the migration with the number
// needs. That is the migration's own number, unless the first line of the file is `-- Needs 0007`, because the file
// only adds to the schema of 0007. The database stores needs, so that an older release finds out whether it can use a
// newer schema.
type migration struct {
	set      string
	number   int
	name     string
	checksum string // of the file, which must not change after it was applied
	needs    int
	text     string
}

// A migrationRow is an applied migration.
type migrationRow struct {
	bun.BaseModel `bun:"table:spendwise_migrations,alias:m"`

	Set       string `bun:",pk"`
	Number    int64  `bun:",pk"`
	Name      string
	Checksum  string
	Needs     int64
	AppliedAt int64
}

// migrations returns the migrations of this release in the order in which they are applied.
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

// Migrate brings the schema to the version of this release, each migration in its own transaction. Several instances
// may call it at the same time.
func (db *DB) Migrate(ctx context.Context) error {
	all, err := db.Dialect.migrations()
	if err != nil {
		return err
	}
	// Without this check, each start would lock the database and wait for a running write.
	applied, err := db.applied(ctx)
	if err == nil && compareSchema(all, applied) == nil {
		return nil
	}
	for _, m := range all {
		if err := db.Atomically(ctx, func(session *Session) error { return m.apply(ctx, session) }); err != nil {
			return fmt.Errorf("migration %04d_%s of the set %q: %w", m.number, m.name, m.set, err)
		}
	}
	if applied, err = db.applied(ctx); err != nil {
		return err
	}
	return compareSchema(all, applied)
}

func (m migration) apply(ctx context.Context, session *Session) error {
	if lock := session.dialect.Exclusive; lock != "" {
		if err := session.script(ctx, lock); err != nil {
			return err
		}
	}
	if err := session.script(ctx, createMigrations); err != nil {
		return err
	}
	row := migrationRow{
		Set: m.set, Number: int64(m.number), Name: m.name, Checksum: m.checksum, Needs: int64(m.needs),
		AppliedAt: Micros(time.Now()),
	}
	inserted, err := session.Change(ctx, session.NewInsert().Model(&row).On("CONFLICT DO NOTHING"))
	if err != nil || inserted == 0 {
		return err
	}
	return session.script(ctx, m.text)
}

// Ping returns nil if the database can be reached and has the schema that this release needs.
func (db *DB) Ping(ctx context.Context) error {
	all, err := db.Dialect.migrations()
	if err != nil {
		return err
	}
	applied, err := db.applied(ctx)
	if err != nil {
		return err
	}
	return compareSchema(all, applied)
}

// applied returns the migrations that were applied to the database.
func (db *DB) applied(ctx context.Context) (rows []migrationRow, err error) {
	session := db.Single()
	exists := 0
	if _, err := session.Find(ctx, session.NewRaw(db.Dialect.HasTable), &exists); err != nil || exists == 0 {
		return nil, err
	}
	_, err = session.Find(ctx, session.NewSelect().Model(&rows).Order("set", "number"))
	return rows, err
}

// compareSchema returns an error if this release cannot use the schema. It can use a newer schema if it knows the
// migrations that those of the schema need. So the release before continues to work while the next one is rolled out,
// and can be rolled back to.
func compareSchema(want []migration, have []migrationRow) error {
	type key struct {
		set    string
		number int
	}
	applied := make(map[key]migrationRow, len(have))
	for _, row := range have {
		applied[key{row.Set, int(row.Number)}] = row
	}
	known := map[string]int{}
	for _, m := range want {
		row, ok := applied[key{m.set, m.number}]
		switch {
		case !ok:
			return fmt.Errorf("the schema of the database is older than this release: migration %04d_%s of the set %q is "+
				"missing; run `spendwise migrate`, or call Migrate", m.number, m.name, m.set)
		case isSuperseded(row.Checksum):
			return errors.New("the database was created by a version from before the first release, whose schema this release " +
				"cannot read; run `spendwise export --user EMAIL FILE` of that version for each user, then `spendwise restore " +
				"--user EMAIL FILE` of this release with a new database")
		case row.Checksum != m.checksum:
			return fmt.Errorf("migration %04d_%s of the set %q was applied with another text than this release has; "+
				"use the release that created the database", m.number, m.name, m.set)
		}
		known[m.set] = max(known[m.set], m.number)
	}
	for _, row := range have {
		if int(row.Needs) > known[row.Set] {
			return fmt.Errorf("the schema of the database is newer than this release: its migration %04d_%s of the set %q "+
				"needs a release that knows %04d, and this release only knows %04d; use the newer release", row.Number, row.Name,
				row.Set, row.Needs, known[row.Set])
		}
	}
	return nil
}

// isSuperseded reports whether a checksum is that of a migration that was replaced before the first release.
func isSuperseded(checksum string) bool {
	return slices.Contains([]string{
		"8e516a5c177e82c0ef51bfb0fd6ed316a1038189248990a1b78a3ad458fae641",
		"fbbe0a218f88e9d90cefa7d36d868b9ac3e8e10b3b176a367563cf19a0f56d06",
		"fdc2e168a0d11247e97aee2bf2f4b3bceb33818fe3169e8df1ed564e5cd7b1ac",
		"b1c85b770d825354d86c3dcb7040691c93a38e92fe35102b8891355c692b34d8",
	}, checksum)
}
