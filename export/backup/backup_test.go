package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/export/internal/exporttest"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// engines are the stores that the tests back up and restore.
var engines = []struct {
	name string
	open func(t testing.TB) store.Store
}{
	{"memstore", func(testing.TB) store.Store { return memstore.New() }},
	{"sqlite", func(t testing.TB) store.Store {
		st, err := sqlite.Open(t.Context(), t.TempDir()+"/ledger.db")
		return migrated(t, st, err)
	}},
	{"postgres", func(t testing.TB) store.Store {
		st, err := postgres.Open(t.Context(), pgtest.New(t))
		return migrated(t, st, err)
	}},
}

func migrated[S interface {
	store.Store
	Migrate(ctx context.Context) error
}](t testing.TB, st S, err error) store.Store {
	t.Helper()
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

// backupTime is the time at which the tests create their ledgers.
var backupTime = time.Date(2026, 3, 8, 12, 30, 0, 123456000, time.UTC)

// fixedRates has the same rates for every day.
type fixedRates struct{}

func (fixedRates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	value, ok := map[string]string{"USD/EUR": "0.923456", "JPY/EUR": "0.0061234567890123", "EUR/USD": "1.0829",
		"JPY/USD": "0.00663"}[from.Code()+"/"+to.Code()]
	if !ok {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor(value), Date: on, Source: "ecb"}, true
}

var backupEnv = expense.Env{Now: backupTime, Rates: fixedRates{}}

// testingT is implemented by *testing.T, *testing.B and *rapid.T.
type testingT interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func backupOf(t testingT, st store.Store, owner expense.OwnerID) string {
	t.Helper()
	var buf bytes.Buffer
	err := st.View(context.Background(), owner, func(r store.Reader) error {
		return backup.Write(context.Background(), &buf, r, backup.WriteOptions{Now: backupTime})
	})
	if err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func restore(st store.Store, owner expense.OwnerID, file string) (backup.Counts, error) {
	return backup.Restore(context.Background(), st, owner, backupEnv, strings.NewReader(file), backup.RestoreOptions{})
}

// specialTexts are texts that an encoding might handle incorrectly.
var specialTexts = exporttest.HostileTexts()

// addRandomRows adds random rows to a ledger. It calls the use cases where they exist.
func addRandomRows(t *rapid.T, st store.Store, owner expense.OwnerID) {
	ctx := context.Background()
	do := func(fn func(tx store.Tx) error) {
		t.Helper()
		if err := st.Update(ctx, owner, fn); err != nil && !errors.Is(err, expense.ErrInvalid) &&
			!errors.Is(err, expense.ErrExists) &&
			!errors.Is(err, expense.ErrInUse) {
			t.Fatal(err)
		}
	}
	categories := func() []expense.Category {
		list, err := st.Reader(owner).Categories(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	category := func() expense.Category { return rapid.SampledFrom(categories()).Draw(t, "category") }
	text := rapid.SampledFrom(specialTexts)
	month := func() string {
		return expense.MustMonth("2025-06").Add(rapid.IntRange(0, 12).Draw(t, "month")).String()
	}
	for range rapid.IntRange(1, 25).Draw(t, "steps") {
		switch rapid.IntRange(0, 12).Draw(t, "step") {
		case 0:
			home, locale, zone := rapid.SampledFrom([]string{"EUR", "USD"}).Draw(t, "home"), "de-CH", "Asia/Kolkata"
			start := rapid.IntRange(1, 12).Draw(t, "start")
			do(func(tx store.Tx) error {
				_, err := budget.ChangeSettingsAndLimits(ctx, tx, backupEnv, expense.SettingsDraft{
					HomeCurrency: &home, Locale: &locale, TimeZone: &zone, FiscalYearStart: &start,
					DefaultCategoryID: new(categories()[0].ID.String()),
				}, "1.1", expense.Precondition{})
				return err
			})
		case 1, 2, 3, 4, 5:
			draft := expense.Draft{
				Amount:     fmt.Sprint(rapid.IntRange(-500, 500).Draw(t, "amount")),
				Currency:   rapid.SampledFrom([]string{"EUR", "USD", "JPY", "KWD"}).Draw(t, "currency"),
				Date:       expense.MustDate("2026-01-01").AddDays(rapid.IntRange(-800, 400).Draw(t, "day")).String(),
				CategoryID: category().ID.String(),
				Notes:      new(text.Draw(t, "notes")),
				Rate:       rapid.SampledFrom([]string{"", "", "1.234567890123456789", "3"}).Draw(t, "rate"),
			}
			do(func(tx store.Tx) error { _, err := expense.Add(ctx, tx, backupEnv, draft); return err })
		case 6:
			name := strings.TrimSpace(text.Draw(t, "name") + fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "number")))
			do(func(tx store.Tx) error {
				_, err := expense.AddCategory(ctx, tx, backupEnv,
					expense.CategoryDraft{Name: name, Colour: new("#1e90ff"), Icon: new("cup")})
				return err
			})
		case 7:
			c, archived := category(), true
			do(func(tx store.Tx) error {
				_, err := expense.ChangeCategory(ctx, tx, backupEnv, c.ID, expense.CategoryPatch{Archived: &archived},
					expense.Precondition{})
				return err
			})
		case 8:
			from, into := category(), category()
			do(func(tx store.Tx) error {
				_, err := expense.MergeCategories(ctx, tx, backupEnv, from.ID, into.ID)
				return err
			})
		case 9:
			c := category()
			do(func(tx store.Tx) error { return expense.DeleteCategory(ctx, tx, c.ID, expense.Precondition{}) })
		case 10:
			draft := budget.Draft{
				CategoryID: category().ID.String(), FromMonth: month(), Amount: fmt.Sprint(rapid.IntRange(1, 500).Draw(t, "limit")),
				Rollover: rapid.SampledFrom([]string{"", "surplus", "both"}).Draw(t, "rollover"),
				AlertAt:  []string{"0.5", "1", "1.25"},
			}
			if draft.Rollover != "" {
				draft.RolloverCap = "100"
			}
			do(func(tx store.Tx) error {
				added, err := budget.Add(ctx, tx, backupEnv, draft)
				if err != nil {
					return err
				}
				_, err = budget.Change(ctx, tx, backupEnv, added.Budget.ID,
					budget.Patch{Amount: new("77"), FromMonth: new("2026-09")}, expense.Precondition{})
				if err == nil && rapid.Bool().Draw(t, "ended, and went on later") {
					_, err = budget.Change(ctx, tx, backupEnv, added.Budget.ID,
						budget.Patch{UntilMonth: new(added.Budget.Entries[0].From.String())}, expense.Precondition{})
					if err == nil {
						_, err = budget.Change(ctx, tx, backupEnv, added.Budget.ID,
							budget.Patch{Amount: new("78"), FromMonth: new("2026-11"), UntilMonth: new("")}, expense.Precondition{})
					}
				}
				if err != nil {
					return err
				}
				alert := budget.Alert{BudgetID: added.Budget.ID, Month: expense.MustMonth("2026-02"), Threshold: 8000,
					RaisedAt: backupTime, ReadAt: backupTime}
				alert.ID = budget.AlertID(alert.BudgetID, alert.Month, alert.Threshold)
				_, err = tx.PutAlerts(ctx, alert)
				return err
			})
		case 12:
			do(func(tx store.Tx) error {
				record := store.Import{ID: uuid.New(), Digest: []byte{1}, Payload: []byte(`{}`), CreatedAt: backupTime}
				if err := tx.PutImport(ctx, record); err != nil {
					return err
				}
				var rows []store.ImportedRow
				for i := range rapid.SampledFrom([]int{0, 1, 5, 20}).Draw(t, "imported rows") {
					rows = append(rows, store.ImportedRow{Identity: store.RowIdentity{byte(i), byte(i >> 8)}, ImportID: record.ID,
						ExpenseID: uuid.New(), Fingerprint: int64(i) - 100})
				}
				return tx.PutImportedRows(ctx, rows...)
			})
		default:
			rule := recurrence.Rule{
				ID: uuid.New(), Amount: expense.MustMoney("9.99", "USD"), CategoryID: category().ID, Notes: text.Draw(t, "notes"),
				Freq: recurrence.Freq(rapid.IntRange(1, 4).Draw(t, "freq")), Interval: rapid.IntRange(1, 5).Draw(t, "interval"),
				Start: expense.MustDate("2026-01-31"), Paused: rapid.Bool().Draw(t, "paused"), CreatedAt: backupTime,
				UpdatedAt: backupTime,
			}
			switch rule.Freq { //nolint:exhaustive // the other frequencies have no further fields
			case recurrence.Weekly:
				rule.Weekdays = recurrence.Weekdays(rapid.IntRange(0, 127).Draw(t, "weekdays"))
			case recurrence.Monthly:
				rule.MonthDay, rule.OnMissing = rapid.IntRange(-1, 31).Draw(t,
					"day"), recurrence.OnMissing(rapid.IntRange(0, 1).Draw(t, "missing"))
			}
			if rapid.Bool().Draw(t, "count") {
				rule.Count = 3
			} else {
				rule.Until = expense.MustDate("2030-01-01")
			}
			rule.Next = rule.NextAfter(expense.Date{})
			rule.Skipped = recurrence.NewDateSet(rule.NextAfter(rule.Next))
			if rapid.Bool().Draw(t, "failed") {
				rule.LastError, rule.Failures, rule.RetryAt = "the total\nis too large", 2, backupTime.Add(time.Hour)
			}
			if rule.Validate() == nil {
				do(func(tx store.Tx) error { _, err := tx.PutRules(ctx, rule); return err })
			}
		}
	}
}

func TestRestore_RoundTripBetweenStores(t *testing.T) {
	stores := make([]store.Store, len(engines))
	for i, engine := range engines {
		stores[i] = engine.open(t)
	}
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		from := expense.OwnerID(fmt.Sprint("owner ", n))
		source := rapid.SampledFrom(stores).Draw(t, "source")
		ledgertest.Create(t, source, from, backupTime, expense.SettingsDraft{})
		addRandomRows(t, source, from)
		file := backupOf(t, source, from)
		for i, target := range stores {
			// The ids of starter categories depend on the owner, so restore for the same and for another owner.
			to := from
			if n%2 == 1 || target == source {
				to = "other " + from
			}
			ledgertest.Create(t, target, to, backupTime, expense.SettingsDraft{})
			if _, err := restore(target, to, file); err != nil {
				t.Fatalf("restore into %s: %v\n%s", engines[i].name, err, file)
			}
			if again := backupOf(t, target, to); again != file {
				t.Fatalf("backup after the restore into %s:\n%s\nwant:\n%s", engines[i].name, again, file)
			}
			sameTotals(t, source, from, target, to)
		}
	})
}

func sameTotals(t testingT, a store.Store, ownerA expense.OwnerID, b store.Store, ownerB expense.OwnerID) {
	t.Helper()
	query := expense.TotalsQuery{Ranges: []expense.Range{{},
		{From: expense.MustDate("2025-12-15"), To: expense.MustDate("2026-02-20")}}, Granularity: expense.ByMonth}
	totalsA, errA := a.Reader(ownerA).Totals(context.Background(), query)
	totalsB, errB := b.Reader(ownerB).Totals(context.Background(), query)
	if errA != nil || errB != nil || !slices.Equal(totalsA, totalsB) {
		t.Fatalf("totals differ: errors %v and %v\n%v\n%v", errA, errB, totalsA, totalsB)
	}
}

// TestWrite_HasEveryField fails if a row type gets a new field. A developer must then decide whether a backup
// contains the field. Fields with a minus sign count changes of one ledger and are not backed up.
func TestWrite_HasEveryField(t *testing.T) {
	for _, test := range []struct {
		row  any
		want string
	}{
		{expense.Settings{}, "Home Zone Locale FiscalYearStart DefaultCategory -Version"},
		{expense.Category{}, "ID Name Colour Icon Archived -Version CreatedAt UpdatedAt"},
		{expense.Expense{},
			"ID Amount Date CategoryID Notes RuleID Occurrence Rate Home -Version -Guard CreatedAt UpdatedAt"},
		{expense.Rate{}, "Value Date Source"},
		{store.Import{}, "ID Digest Payload CreatedAt -UndoneAt"},
		{store.ImportedRow{}, "Identity ImportID ExpenseID Fingerprint"},
		{budget.Budget{}, "ID CategoryID MergedName MergedInto Entries Until Rollover RolloverCap AlertAt -Version -Guard " +
			"CreatedAt UpdatedAt"},
		{budget.Entry{}, "From Limit"},
		{budget.Alert{}, "ID BudgetID Month Threshold RaisedAt ReadAt -Version"},
		{recurrence.Rule{}, "ID Amount CategoryID Notes Freq Interval Weekdays MonthDay OnMissing Start Until Count " +
			"Paused Next Skipped SettledThrough " +
			"LastError Failures RetryAt -Version -Guard CreatedAt UpdatedAt"},
	} {
		kind := reflect.TypeOf(test.row)
		var names []string
		for i := range kind.NumField() {
			names = append(names, kind.Field(i).Name)
		}
		want := strings.ReplaceAll(test.want, "-", "")
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%v has the fields %s, but package backup expects %s; add the new field to the backup and to this test",
				kind, got, want)
		}
	}
}
