package main_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	sqlitestore "github.com/spendwise/spendwise/store/sqlite"
)

func TestExport_RestoresIntoAnotherDatabase(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database)
		c := s.register(`,"home_currency":"EUR","time_zone":"Europe/Berlin"`)
		c.must(t, http.StatusCreated, "POST", "/v1/expenses",
			`{"amount":"1000","currency":"JPY","date":"2026-03-01","notes":"=1+1"}`)
		c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"3.250","currency":"KWD","date":"2026-03-03"}`)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "ledger.ndjson")
		owner := email(t, command(t, dataDir, "--database", database, "user", "list"))
		command(t, dataDir, "--database", database, "export", "--user", owner, file)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the backup may be read by others: %v %v", info.Mode(), err)
		}

		other := t.TempDir()
		sqlite := "sqlite:" + filepath.Join(other, "other.db")
		commandWith(t, "a long pass phrase\n", other, "--database", sqlite, "user", "add", "new@example.com")
		out := command(t, other, "--database", sqlite, "restore", "--user", "new@example.com", file)
		if want := "restored: 2 expenses, 10 categories, 0 budgets, 0 recurrences, 0 alerts\n"; out != want {
			t.Errorf("got %q, want %q", out, want)
		}
		again := command(t, other, "--database", sqlite, "export", "--user", "new@example.com")
		if body(again) != body(string(whole)) {
			t.Errorf("restored:\n%s\nwant:\n%s", again, whole)
		}
		csv := command(t, other, "--database", sqlite, "export", "--user", "new@example.com", "--format", "csv", "-")
		if !strings.Contains(csv, ",1000,JPY,Other,'=1+1,") {
			t.Errorf("the CSV: %s", csv)
		}
		pdf := command(t, other, "--database", sqlite, "export", "--user", "new@example.com", "--format", "pdf", "--year",
			"2026")
		if !strings.HasPrefix(pdf, "%PDF-") {
			t.Errorf("the PDF: %.20q", pdf)
		}

		st, err := sqlitestore.Open(t.Context(), filepath.Join(other, "other.db"))
		if err != nil {
			t.Fatal(err)
		}
		account, err := st.Accounts().AccountByEmail(t.Context(), "new@example.com")
		if err != nil {
			t.Fatal(err)
		}
		state, err := st.Reader(account.Owner()).State(t.Context())
		if err := errors.Join(err, st.Close()); err != nil {
			t.Fatal(err)
		}
		if !state.Discarded.Contains(2) || !state.Discarded.Contains(1000) || state.Discarded.Contains(state.Version) {
			t.Errorf("the versions that devices know from the ledger's former place may come again: %+v", state)
		}

		failed := refused(t, other, "--database", sqlite, "restore", "--user", "new@example.com", file)
		if !strings.Contains(failed, "the ledger already has expenses") {
			t.Errorf("a second restore: %s", failed)
		}
		if err := os.WriteFile(file, whole[:len(whole)-40], 0o600); err != nil {
			t.Fatal(err)
		}
		commandWith(t, "a long pass phrase\n", other, "--database", sqlite, "user", "add", "third@example.com")
		failed = refused(t, other, "--database", sqlite, "restore", "--user", "third@example.com", file)
		if !strings.Contains(failed, "line 15:") {
			t.Errorf("a file that is cut off: %s", failed)
		}
	})
}

// body returns a backup without its first line, which contains the time, and without the checksum.
func body(backup string) string {
	_, rest, _ := strings.Cut(backup, "\n")
	rest, _, _ = strings.Cut(rest, `,"sha256":`)
	return rest
}

func TestImport_AsksForAnswer(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	commandWith(t, "a long pass phrase\n", dir, "--database", database, "user", "add", "you@example.com")
	file := filepath.Join(dir, "card.csv")
	if err := os.WriteFile(file, []byte("Date,Description,Amount\n02/03/2026,Tea,-5.02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := []string{"--database", database, "import", "--user", "you@example.com", "--account", "card"}
	got := refused(t, dir, append(run, file)...)
	for _, want := range []string{"is not clear; give --answer date_layout=NUMBER",
		"2  \"02/03/2026\" is 3 February 2026"} {
		if !strings.Contains(got, want) {
			t.Errorf("an open question: %s, want %q", got, want)
		}
	}
	got = refused(t, dir, append(run, "--answer", "date_layout=3", file)...)
	if !strings.Contains(got, "not one of the") {
		t.Errorf("a wrong answer: %s", got)
	}
	if got, want := command(t, dir, append(run, "--answer", "date_layout=1", file)...),
		"imported: added 1, known 0, ignored 0, failed 0\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImport_UndoRemovesWhatItAdded(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	commandWith(t, "a long pass phrase\n", dir, "--database", database, "user", "add", "you@example.com")
	file := filepath.Join(dir, "card.csv")
	if err := os.WriteFile(file, []byte("Datum;Text;Betrag\n13.02.2026;Tee;-5,02\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := []string{"--database", database, "import", "--user", "you@example.com"}
	out, err := program(t.Context(), dir, append(run, file)...).CombinedOutput()
	_, id, found := strings.Cut(strings.TrimSpace(string(out)), " --undo ")
	if err != nil || !found {
		t.Fatalf("import: %v %s", err, out)
	}
	for args, want := range map[string]string{
		"":                           "give the file to import",
		"--undo=x":                   "--undo",
		"--undo=" + uuid.NewString(): "not found",
		"--undo=" + id + " " + file:  "give the file to import",
	} {
		if got := refused(t, dir, append(run, strings.Fields(args)...)...); !strings.Contains(got, want) {
			t.Errorf("import %s: %s, want %q", args, got, want)
		}
	}
	if got, want := command(t, dir, append(run, "--undo", id)...),
		"undone: removed 1, kept 0 that were edited\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := command(t, dir, append(run, file)...),
		"imported: added 1, known 0, ignored 0, failed 0\n"; got != want {
		t.Errorf("an import after the undo: got %q, want %q", got, want)
	}
}

func TestImport_ReportsEachInvalidLine(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	commandWith(t, "a long pass phrase\n", dir, "--database", database, "user", "add", "you@example.com")
	mapping, file := filepath.Join(dir, "mapping.json"), filepath.Join(dir, "bank.csv")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(mapping, `{"date":{"column":"D","layout":"DD-MM-YYYY"},"amount":{"column":"A","decimal":"."},`+
		`"notes":{"columns":["N"]},"sign":{"expense":"positive"}}`)
	run := func(onError string) string {
		return refused(t, dir, "--database", database, "import", "--user", "you@example.com", "--mapping", mapping,
			"--on-error", onError, file)
	}
	good := strings.Repeat("01-02-2025,5,good é\n", 20)
	for text, want := range map[string]string{
		"01-02-2025,\"1.234,56\",x\n": `bank.csv:22: A: amount "1.234,56" does not fit the decimal ` +
			`sign`,
		"02-30-2025,5,x\n": `bank.csv:22: D: date "02-30-2025" is not a date in the ` +
			`layout DD-MM-YYYY`,
		"01-02-2025,5,a\x00b\n": `bank.csv:22: N: the notes contain "\x00"`,
		"01-02-2025,5,Caf\xe9\n": `bank.csv:22: the line is not UTF-8; give the encoding of ` +
			`the file`,
		"01-02-2025,5,\"open\n": `bank.csv:22: the line opens a quote that is never closed`,
		"01-02-2025,5\n":        `bank.csv:22: the row has only 2 cells and the header has 3`,
		"01-02-2025,5," + strings.Repeat("x", 10<<20) + "\n": `bank.csv:22: the line is longer than 1 MiB`,
	} {
		write(file, "D,A,N\n"+good+text)
		if got := run("abort"); !strings.Contains(got, want) {
			t.Errorf("%.60q: got %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"D,B\n01-02-2025,5\n":      `the file has no column "A"`,
		"":                         `the file is empty`,
		"%PDF-1.4\n\xff\xfe\x00\n": `the file is a PDF document`,
	} {
		write(file, text)
		if got := run("abort"); !strings.Contains(got, want) {
			t.Errorf("%.60q: got %s, want %s", text, got, want)
		}
	}
	if rows := command(t, dir, "--database", database, "export", "--user", "you@example.com", "--format",
		"csv"); strings.Count(rows, "\n") != 1 {
		t.Errorf("something went in: %s", rows)
	}
	write(file, "D,A,N\n01-02-2025,5,ok\n02-30-2025,5,x\n")
	if got := run("skip"); !strings.Contains(got, "1 row of ") {
		t.Errorf("%s", got)
	}
	if rows := command(t, dir, "--database", database, "export", "--user", "you@example.com", "--format",
		"csv"); strings.Count(rows, "\n") != 2 {
		t.Errorf("the line that was well did not go in alone: %s", rows)
	}
}

// email returns the only e-mail address in the output of user list.
func email(t *testing.T, list string) string {
	t.Helper()
	for field := range strings.FieldsSeq(list) {
		if strings.Contains(field, "@") {
			return field
		}
	}
	t.Fatalf("nobody is in %q", list)
	return ""
}

// command runs a command of the program, which must succeed, and returns its output.
func command(t *testing.T, dataDir string, args ...string) string {
	t.Helper()
	return commandWith(t, "", dataDir, args...)
}

func commandWith(t *testing.T, input, dataDir string, args ...string) string {
	t.Helper()
	run := program(t.Context(), dataDir, args...)
	run.Stdin = strings.NewReader(input)
	var stderr strings.Builder
	run.Stderr = &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return string(out)
}

// refused runs a command that must fail and returns its error text.
func refused(t *testing.T, dataDir string, args ...string) string {
	t.Helper()
	out, err := program(t.Context(), dataDir, args...).CombinedOutput()
	if err == nil {
		t.Errorf("%v works: %s", args, out)
	}
	return string(out)
}
