package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/sqlite"
	"github.com/spendwise/spendwise/store/storetest"
)

// open returns a migrated store in a new file.
func open(t testing.TB, opts ...sqlite.Option) store.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"), opts...)
}

// openAt returns a migrated store in the file at path.
func openAt(t testing.TB, path string, opts ...sqlite.Option) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, sqlite.SynchronousNormal()) })
}

// openDirect opens the database file of a store without the store.
func openDirect(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.ReplaceAll(path, "?", "%3f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSchema_OwnerIsFirstInEveryKeyAndIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	openAt(t, path)
	db := openDirect(t, path)
	rows, err := db.QueryContext(t.Context(),
		`SELECT m.name, i.name, coalesce((SELECT c.name FROM pragma_index_info(i.name) c WHERE c.seqno = 0), '')
		FROM sqlite_schema m, pragma_index_list(m.name) i WHERE m.type = 'table'
		UNION ALL
		SELECT m.name, 'foreign key to ' || f."table", f."from" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
		WHERE m.type = 'table' AND f.seq = 0`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	// These tables do not belong to a ledger: rates, migrations, signing keys, e-mail addresses before sign-in. The
	// indexes find expired rows.
	exempt := regexp.MustCompile(`^spendwise_(quotes|migrations|keys|emails|failures)$|_(expiry|ended|due)$`)
	count := 0
	for rows.Next() {
		var table, index, first string
		if err := rows.Scan(&table, &index, &first); err != nil {
			t.Fatal(err)
		}
		count++
		if first != "owner" && !exempt.MatchString(table) && !exempt.MatchString(index) {
			t.Errorf("first column of %s of %s = %s, want owner", index, table, first)
		}
		if !strings.HasPrefix(table, "spendwise_") {
			t.Errorf("table %s does not have the prefix spendwise_", table)
		}
	}
	if err := rows.Err(); err != nil || count < 20 {
		t.Errorf("found %d keys and indexes, %v", count, err)
	}
}

func TestPing_ReportsNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ledger?.db")
	st := openAt(t, path)
	_, err := openDirect(t, path).ExecContext(t.Context(),
		`INSERT INTO spendwise_migrations VALUES ('ledger', 9999, 'future', '', 9999, 0)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Ping: %v", err)
	}
	if err := st.(*sqlite.Store).Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Migrate: %v", err)
	}
}

func TestPing_ReportsChangedMigration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ledger?.db")
	st := openAt(t, path)
	_, err := openDirect(t, path).ExecContext(t.Context(),
		`UPDATE spendwise_migrations SET checksum = 'x' WHERE "set" = 'ledger' AND number = 1`)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "another text") {
		t.Errorf("Ping: %v", err)
	}
}

func TestOpen_RejectsInMemoryDatabase(t *testing.T) {
	for _, path := range []string{"", ":memory:"} {
		if _, err := sqlite.Open(t.Context(), path); err == nil {
			t.Errorf("Open(%q) returned no error", path)
		}
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spendwise")
	if err != nil {
		log.Fatal(err)
	}
	st, err := sqlite.Open(ctx, filepath.Join(dir, "ledger.db"))
	if err != nil {
		log.Fatal(err)
	}
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if err := st.Ping(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the store is ready")
	if err := errors.Join(st.Close(), os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
	// Output: the store is ready
}

func ExampleOpenDB() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spendwise")
	if err != nil {
		log.Fatal(err)
	}
	const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)"
	file := "file:" + filepath.Join(dir, "host.db") + pragmas
	writer, err := sql.Open("sqlite", file+"&_txlock=immediate")
	if err != nil {
		log.Fatal(err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", file+"&_pragma=query_only(1)")
	if err != nil {
		log.Fatal(err)
	}
	st := sqlite.OpenDB(writer, reader)
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if err := st.Ping(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the store is ready")
	if err := errors.Join(st.Close(), os.RemoveAll(dir)); err != nil {
		log.Fatal(err)
	}
	// Output: the store is ready
}

func TestOpen_CreatesPrivateFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want the mode 0600", file, info.Mode(), err)
		}
	}
}
