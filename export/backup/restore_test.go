package backup_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// completeBackup returns a backup that contains rows of every type, including the budget of a merged category.
func completeBackup(t testing.TB) string {
	t.Helper()
	st := memstore.New()
	ledgertest.Create(t, st, "source", backupTime, expense.SettingsDraft{})
	ctx := t.Context()
	names := map[string]expense.Category{}
	all, err := st.Reader("source").Categories(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		names[c.Name] = c
	}
	err = st.Update(ctx, "source", func(tx store.Tx) error {
		if _, err := budget.Add(ctx, tx, backupEnv,
			budget.Draft{CategoryID: names["Travel"].ID.String(), FromMonth: "2025-01", Amount: "100"}); err != nil {
			return err
		}
		if _, err := budget.Add(ctx, tx, backupEnv,
			budget.Draft{Amount: "1000", Rollover: "both", RolloverCap: "50"}); err != nil {
			return err
		}
		for i, code := range []string{"EUR", "USD", "KWD"} {
			draft := expense.Draft{Amount: "12.50", Currency: code, Date: "2026-03-01", Category: "Travel",
				Notes: new(specialTexts[i])}
			if _, err := expense.Add(ctx, tx, backupEnv, draft); err != nil {
				return err
			}
		}
		if _, err := expense.MergeCategories(ctx, tx, backupEnv, names["Travel"].ID, names["Food"].ID); err != nil {
			return err
		}
		// This category has the name that the merged category had.
		_, err := expense.AddCategory(ctx, tx, backupEnv, expense.CategoryDraft{Name: "Travel"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return backupOf(t, st, "source")
}

func TestRestore_BudgetOfMergedCategory(t *testing.T) {
	file := completeBackup(t)
	if !strings.Contains(file, `"label":"Travel"`) {
		t.Fatal(file)
	}
	for _, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			st := engine.open(t)
			ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
			got, err := restore(st, "target", file)
			if want := (backup.Counts{Categories: 10, Budgets: 2, Expenses: 3}); err != nil || got != want {
				t.Fatalf("restore = %+v, %v; want %+v", got, err, want)
			}
			if again := backupOf(t, st, "target"); again != file {
				t.Errorf("backup after the restore:\n%s\nwant\n%s", again, file)
			}
		})
	}
}

func TestRestore_InvalidFileChangesNothing(t *testing.T) {
	file := completeBackup(t)
	lines := strings.SplitAfter(strings.TrimSuffix(file, "\n"), "\n")
	last := len(lines) - 1
	place := func(part string) int {
		for i, line := range lines {
			if strings.Contains(line, part) {
				return i
			}
		}
		t.Fatalf("no line contains %s", part)
		return 0
	}
	replaced := func(at int, old, with string) string {
		changed := append([]string(nil), lines...)
		changed[at] = strings.Replace(changed[at], old, with, 1)
		if changed[at] == lines[at] {
			t.Fatalf("line %d does not contain %s: %s", at+1, old, lines[at])
		}
		return strings.Join(changed, "")
	}
	ended := place(`"label":"Travel"`)
	usd, kwd, whole := place(`"currency":"USD"`), place(`"currency":"KWD"`), place(`"rollover":"both"`)
	for _, test := range []struct {
		name, file string
		line       int
		part       string
	}{
		{"an empty file", "", 1, "empty"},
		{"a CSV file", wire.CSVHeader + "\r\n", 1, "not a backup"},
		{"a JSON file", "{}\n", 1, "not a backup"},
		{"a newer format", replaced(0, `"version":2`, `"version":3`), 1, "version 3"},
		{"an older format", replaced(0, `"version":2`, `"version":1`), 1, "version 1"},
		{"no settings", strings.Join(append([]string{lines[0]}, lines[2:]...), ""), 2, "settings"},
		{"settings twice", lines[0] + lines[1] + strings.Join(lines[1:], ""), 3, "settings"},
		{"settings that are wrong", replaced(1, `"EUR"`, `"EUX"`), 2, "home_currency"},
		{"an unknown type", replaced(2, `"category"`, `"kategory"`), 3, "kategory"},
		{"an unknown member", replaced(2, `"name"`, `"title"`), 3, "title"},
		{"a member lost", replaced(2, `"archived":false,`, ``), 3, "archived"},
		{"an expense's member lost", replaced(usd, `"pending":false,`, ``), usd + 1, "pending"},
		{"an escape that is none", replaced(usd, `"notes":"`, `"notes":"\x`), usd + 1, "line"},
		{"a member of another kind", replaced(2, `"archived":false`, `"archived":0`), 3, "archived"},
		{"a faulty name", replaced(2, `"name":"`, `"name":" `), 3, "name"},
		{"a category twice", lines[0] + lines[1] + lines[2] + lines[2] + strings.Join(lines[3:], ""), 4, "id"},
		{"an expense without its category",
			replaced(usd, `"category_id":"`+lines[usd][strings.Index(lines[usd], `"category_id":"`)+15:][:36],
				`"category_id":"00000000-0000-4000-8000-000000000000`), usd + 1, "category"},
		{"a merged budget without the category merged into",
			replaced(ended, `"merged_into":"`+lines[ended][strings.Index(lines[ended], `"merged_into":"`)+15:][:36],
				`"merged_into":"00000000-0000-4000-8000-000000000000`), ended + 1, "into"},
		{"an amount that the rate does not give", replaced(usd, `"home_amount":"11.`, `"home_amount":"12.`), usd + 1,
			"home_amount"},
		{"a pending expense with a home amount", replaced(kwd, `"home_amount":null`, `"home_amount":"1.00"`), kwd + 1,
			"rate"},
		{"digits that the currency has not", replaced(usd, `"amount":"12.50"`, `"amount":"12.505"`), usd + 1, "amount"},
		{"a number for an amount", replaced(usd, `"amount":"12.50"`, `"amount":12.50`), usd + 1, "amount"},
		{"an expense twice", strings.Join(lines[:usd+1], "") + strings.Join(lines[usd:], ""), usd + 2, "has the id"},
		{"an expense in another home currency", replaced(usd, `"home_currency":"EUR"`, `"home_currency":"CHF"`), usd + 1,
			"home_currency"},
		{"an expense far ahead", replaced(kwd, `"date":"2026-03-01"`, `"date":"2036-03-01"`), kwd + 1, "ahead"},
		{"a local time", replaced(kwd, `Z","updated_at"`, `+01:00","updated_at"`), kwd + 1, "created_at"},
		{"a NUL in a text", replaced(usd, `"notes":"`, `"notes":"\u0000`), usd + 1, "notes"},
		{"a text that is not UTF-8", replaced(usd, `"notes":"`, "\"notes\":\"\xff"), usd + 1, "UTF-8"},
		{"a member twice", replaced(usd, `"notes":`, `"notes":"","notes":`), usd + 1, "twice"},
		{"a member in other letters", replaced(usd, `"notes":`, `"Notes":`), usd + 1, "notes"},
		{"a limit of nothing", replaced(whole, `"amount":"1000.00"`, `"amount":"0.00"`), whole + 1, "amount"},
		{"a threshold that is none", replaced(whole, `"0.80"`, `"80"`), whole + 1, "threshold"},
		{"an expense lost", strings.Join(append(append([]string(nil), lines[:usd]...), lines[usd+1:]...), ""), last, "lost"},
		{"no last line", strings.Join(lines[:last], ""), last + 1, "cut off"},
		{"a line after the last", file + lines[2], last + 2, "follow"},
		{"two objects on a line", replaced(usd, "}\n", "}{}\n"), usd + 1, "more"},
		{"ten megabytes on a line", strings.Join(lines[:usd], "") + strings.Repeat("x", 10<<20), usd + 1, "longer"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := memstore.New()
			ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
			before := backupOf(t, st, "target")
			_, err := restore(st, "target", test.file)
			want := fmt.Sprintf("line %d:", test.line)
			if !errors.Is(err, expense.ErrInvalid) || !strings.Contains(err.Error(), want) ||
				!strings.Contains(err.Error(), test.part) {
				t.Errorf("restore: %v, want an error with %s and %s", err, want, test.part)
			}
			if after := backupOf(t, st, "target"); after != before {
				t.Errorf("the ledger has changed:\n%s", after)
			}
		})
	}
}

func TestRestore_TruncatedFileChangesNothing(t *testing.T) {
	file := completeBackup(t)
	st := memstore.New()
	ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
	before := backupOf(t, st, "target")
	rapid.Check(t, func(t *rapid.T) {
		cut := rapid.IntRange(0, len(file)-2).Draw(t, "cut") // the last line break is optional
		_, err := restore(st, "target", file[:cut])
		line := strings.Count(file[:cut], "\n") + 1
		if file[cut] == '\n' {
			line++ // the end of the file also ends a line
		}
		want := fmt.Sprintf("line %d:", line)
		if !errors.Is(err, expense.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Fatalf("restore of the first %d bytes: %v, want %s", cut, err, want)
		}
	})
	if after := backupOf(t, st, "target"); after != before {
		t.Errorf("the ledger has changed:\n%s", after)
	}
}

// withChecksum returns a changed backup with a valid checksum.
func withChecksum(file string) string {
	at := strings.LastIndex(file, `{"type":"end"`)
	body, end := file[:at], file[at:]
	from := strings.Index(end, `"sha256":"`) + len(`"sha256":"`)
	return body + end[:from] + fmt.Sprintf("%x", sha256.Sum256([]byte(body))) + end[from+64:]
}

// TestRestore_DetectsChangedBytes changes bits of a random byte. The restore must write nothing, even if the changed
// line is valid JSON.
func TestRestore_DetectsChangedBytes(t *testing.T) {
	file, st := completeBackup(t), memstore.New()
	ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
	before := backupOf(t, st, "target")
	rapid.Check(t, func(t *rapid.T) {
		changed := []byte(file)
		at := rapid.IntRange(0, len(changed)-2).Draw(t, "at") // the last line break is optional
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		if _, err := restore(st, "target", string(changed)); !errors.Is(err, expense.ErrInvalid) {
			t.Fatalf("restore with byte %d changed to %q: %v, want ErrInvalid", at, changed[at], err)
		}
	})
	if after := backupOf(t, st, "target"); after != before {
		t.Errorf("the ledger has changed:\n%s", after)
	}
}

// TestRestore_DecodersAgree compares the fast line decoder with the general one. Added spaces select the
// general one.
func TestRestore_DecodersAgree(t *testing.T) {
	st, n := memstore.New(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		source, target := expense.OwnerID(fmt.Sprint("source ", n)), expense.OwnerID(fmt.Sprint("target ", n))
		ledgertest.Create(t, st, source, backupTime, expense.SettingsDraft{})
		addRandomRows(t, st, source)
		file := backupOf(t, st, source)
		ledgertest.Create(t, st, target, backupTime, expense.SettingsDraft{})
		if _, err := restore(st, target,
			withChecksum(strings.ReplaceAll(file, `{"type":"expense",`, `{"type":"expense", `))); err != nil {
			t.Fatal(err)
		}
		if again := backupOf(t, st, target); again != file {
			t.Fatalf("backup after the restore:\n%s\nwant:\n%s", again, file)
		}
	})
}

func TestRestore_RejectsLedgerWithData(t *testing.T) {
	file := completeBackup(t)
	st := memstore.New()
	ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
	if _, err := restore(st, "target", file); err != nil {
		t.Fatal(err)
	}
	_, err := restore(st, "target", file)
	if fieldErrs := expense.InvalidErrors(err); len(fieldErrs) != 1 || fieldErrs[0].Code != "ledger_not_empty" {
		t.Errorf("restore into a ledger with expenses: %v, want ledger_not_empty", err)
	}
	if again := backupOf(t, st, "target"); again != file {
		t.Errorf("the ledger has changed:\n%s", again)
	}
}

func FuzzRestore(f *testing.F) {
	file := completeBackup(f)
	f.Add(file)
	f.Add(strings.Replace(file, `"KWD"`, `"USD"`, 1))
	f.Add(`{"format":"spendwise-ledger","version":2}` + "\n" + `{"type":"end","counts":{}}`)
	f.Fuzz(func(t *testing.T, file string) {
		st := memstore.New()
		ledgertest.Create(t, st, "target", backupTime, expense.SettingsDraft{})
		before := backupOf(t, st, "target")
		_, err := restore(st, "target", file)
		after := backupOf(t, st, "target")
		if err != nil {
			if after != before {
				t.Fatalf("restore failed with %v, but the ledger has changed:\n%s", err, after)
			}
			return
		}
		ledgertest.Create(t, st, "again", backupTime, expense.SettingsDraft{})
		if _, err := restore(st, "again", after); err != nil {
			t.Fatalf("restore of a backup of the restored ledger: %v\n%s", err, after)
		}
	})
}
