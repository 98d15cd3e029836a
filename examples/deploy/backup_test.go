package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spendwise/spendwise/store/postgres/pgtest/pglocal"
)

// TestBackupScripts_RestoreDatabase checks that the scripts in backup restore a database: to the point in time before
// it was emptied, from a base backup and the WAL archive; and from a dump. The test needs its time because it starts
// two PostgreSQL servers.
func TestBackupScripts_RestoreDatabase(t *testing.T) {
	shared, err := os.MkdirTemp("/tmp", "spendwise-backup-*") // the user postgres cannot read t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(shared) })
	archive := filepath.Join(shared, "archive")
	if err := errors.Join(os.Chmod(shared, 0o777), os.Mkdir(archive, 0o700),
		os.Chmod(archive, 0o777)); err != nil { //nolint:gosec // the user postgres writes here
		t.Fatal(err)
	}
	scripts := filepath.Join(shared, "scripts")
	if out, err := exec.CommandContext(t.Context(), "cp", "-r", "backup", scripts).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	server := startPostgres(t, func() (*pglocal.Server, error) {
		return pglocal.Start(t.Context(), pglocal.Config{Settings: []string{
			"archive_mode=on", "archive_command=test ! -f " + archive + "/%f && cp %p " + archive + "/%f.part && mv " + archive +
				"/%f.part " + archive + "/%f",
		}})
	})
	script := func(name string, arguments ...string) {
		t.Helper()
		command := server.Command(t.Context(), "bash", append([]string{filepath.Join(scripts, name)}, arguments...)...)
		command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":"+server.Programs())
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	dsn := server.DSN("postgres")
	program := build(t, "spendwise")
	spendwise := func(dsn, input string, arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), program, append(arguments, "--database", dsn)...)
		command.Env = append(os.Environ(), "XDG_DATA_HOME="+shared)
		command.Stdin = strings.NewReader(input)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("spendwise %v: %v\n%s", arguments, err, out)
		}
		return string(out)
	}
	add := func(notes string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "more.csv")
		text := "date,amount,currency,category,notes\r\n2026-03-02,12.50,EUR,Food," + notes + "\r\n"
		mapping := filepath.Join(t.TempDir(), "mapping.json")
		columns := `{"date":{"column":"date","layout":"YYYY-MM-DD"},"amount":{"column":"amount"},` +
			`"currency":{"column":"currency"},"category":{"column":"category"},"notes":{"columns":["notes"]},` +
			`"sign":{"expense":"positive"}}`
		err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(mapping, []byte(columns), 0o600))
		if err != nil {
			t.Fatal(err)
		}
		spendwise(dsn, "", "import", "--user", "a@example.com", "--mapping", mapping, file)
	}
	spendwise(dsn, "", "migrate")
	spendwise(dsn, "a long pass phrase\n", "user", "add", "a@example.com")
	add("before the base backup")
	script("base-backup.sh", dsn, filepath.Join(shared, "base"))
	add("after the base backup")
	script("dump.sh", dsn, filepath.Join(shared, "dump"))

	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	var moment time.Time
	if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&moment); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // so that the failure happens at a later time than the backup
	for _, statement := range []string{"DELETE FROM spendwise_expenses", "DELETE FROM spendwise_totals",
		"CREATE DATABASE again", "SELECT pg_switch_wal()"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	archived := func() bool {
		var n int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_archiver WHERE last_archived_time > $1",
			moment).Scan(&n)
		return err == nil && n == 1
	}
	for until := time.Now().Add(time.Minute); !archived(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the log is not archived")
		}
	}
	sound := func(dsn string) {
		t.Helper()
		if out := spendwise(dsn, "", "new-epoch"); !strings.Contains(out, "new epoch: 1 ledgers") {
			t.Errorf("new-epoch: %s", out)
		}
		if out := spendwise(dsn, "", "verify"); !strings.Contains(out, "verified 1 ledgers: 0 deviations") {
			t.Errorf("verify: %s", out)
		}
		csv := spendwise(dsn, "", "export", "--user", "a@example.com", "--format", "csv")
		if !strings.Contains(csv, "before the base backup") || !strings.Contains(csv, "after the base backup") {
			t.Errorf("restored:\n%s", csv)
		}
	}
	again := server.DSN("again")
	restore := server.Command(t.Context(), server.Programs()+"/pg_restore", "--dbname="+again, "--exit-on-error",
		filepath.Join(shared, "dump"))
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("pg_restore: %v\n%s", err, out)
	}
	sound(again)

	data := filepath.Join(shared, "data")
	script("restore-to.sh", filepath.Join(shared, "base"), archive, data,
		moment.UTC().Format("2006-01-02 15:04:05.000000+00"))
	restored := startPostgres(t,
		func() (*pglocal.Server, error) { return pglocal.Open(t.Context(), data, pglocal.Config{}) })
	follow, err := pgx.Connect(t.Context(), restored.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	for recovering := true; recovering; time.Sleep(20 * time.Millisecond) {
		if err := follow.QueryRow(t.Context(), "SELECT pg_is_in_recovery()").Scan(&recovering); err != nil {
			t.Fatal(err)
		}
	}
	sound(restored.DSN("postgres"))
}

// startPostgres runs a server until the end of the test.
func startPostgres(t *testing.T, start func() (*pglocal.Server, error)) *pglocal.Server {
	t.Helper()
	server, err := start()
	if errors.Is(err, pglocal.ErrAbsent) && os.Getenv("CI") == "" {
		t.Skipf("no PostgreSQL for this test: install the server's binaries (Debian: postgresql): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Stop(), server.Remove()); err != nil {
			t.Error(err)
		}
	})
	return server
}
