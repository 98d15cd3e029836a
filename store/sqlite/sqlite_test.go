package sqlite_test

import (
	"context"
	"database/sql"
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

// open returns a store in a new file, migrated.
func open(t testing.TB, opts ...sqlite.Option) store.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"), opts...)
}

// openAt returns a store in the file at path, migrated.
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
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, sqlite.Normal()) })
}

// raw opens the file beside the store.
func raw(t *testing.T, path string) *sql.DB {
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

func TestTheOwnerComesFirstInEveryKeyAndIndex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	openAt(t, path)
	db := raw(t, path)
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
	// Not a ledger's: prices, migrations, keys, what is known by an address before anybody signs in; and the scans of what
	// expires.
	free := regexp.MustCompile(`^spendwise_(quotes|migrations|keys|emails|failures)$|_(expiry|ended|due)$`)
	seen := 0
	for rows.Next() {
		var table, index, first string
		if err := rows.Scan(&table, &index, &first); err != nil {
			t.Fatal(err)
		}
		seen++
		if first != "owner" && !free.MatchString(table) && !free.MatchString(index) {
			t.Errorf("%s of %s begins with %s, not with the owner", index, table, first)
		}
		if !strings.HasPrefix(table, "spendwise_") {
			t.Errorf("table %s has not the prefix", table)
		}
	}
	if err := rows.Err(); err != nil || seen < 20 {
		t.Errorf("%d keys and indexes were seen, %v", seen, err)
	}
}

func TestPingSaysThatTheSchemaIsNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ledger?.db")
	st := openAt(t, path)
	_, err := raw(t, path).ExecContext(t.Context(),
		`INSERT INTO spendwise_migrations VALUES ('ledger', 9999, 'future', '', 9999, 0)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Ping says %v", err)
	}
	if err := st.(*sqlite.Store).Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Migrate says %v", err)
	}
}

func TestAMigrationThatWasChangedAfterwardsIsReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ledger?.db")
	st := openAt(t, path)
	_, err := raw(t, path).ExecContext(t.Context(),
		`UPDATE spendwise_migrations SET checksum = 'x' WHERE "set" = 'ledger' AND number = 1`)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "another text") {
		t.Errorf("Ping says %v", err)
	}
}

func TestADatabaseInMemoryIsRefused(t *testing.T) {
	for _, path := range []string{"", ":memory:"} {
		if _, err := sqlite.Open(t.Context(), path); err == nil {
			t.Errorf("Open took %q", path)
		}
	}
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spendwise")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	st, err := sqlite.Open(ctx, filepath.Join(dir, "ledger.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Ping(ctx))
	// Output: <nil>
}

func ExampleOpenDB() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "spendwise")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

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
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(st.Ping(ctx))
	// Output: <nil>
}

func TestTheFileIsForItsOwnersEyes(t *testing.T) {
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
