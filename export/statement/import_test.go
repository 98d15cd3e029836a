package statement_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/sqlite"
)

var now = time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)

// rateTable knows one price: of a yen in euros.
type rateTable struct{}

func (rateTable) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	if from.Code() != "JPY" || to.Code() != "EUR" {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor("0.0064"), Date: on, Source: "ecb"}, true
}

var env = expense.Env{Now: now, Rates: rateTable{}}

// open returns a store with a ledger of "ada", kept in home.
func open(t testing.TB, home string) store.Store {
	t.Helper()
	return withLedger(t, memstore.New(), home)
}

func withLedger(t testing.TB, st store.Store, home string) store.Store {
	t.Helper()
	t.Cleanup(func() { _ = st.Close() })
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: &home})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.CreateLedger(t.Context(), "ada", expense.NewInitialLedger("ada", settings, now)); err != nil {
		t.Fatal(err)
	}
	return st
}

func importText(t testing.TB, st store.Store, text string, m statement.Mapping,
	opts statement.Options) statement.Result {
	t.Helper()
	result, err := statement.Import(t.Context(), st, "ada", env, statement.Rows(strings.NewReader(text), m), opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func all(t testing.TB, st store.Store) []expense.Expense {
	t.Helper()
	var list []expense.Expense
	for e, err := range st.Reader("ada").Expenses(t.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func categories(t testing.TB, st store.Store) []expense.Category {
	t.Helper()
	list, err := st.Reader("ada").Categories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// brief writes a result in one line; failures as line!column!code.
func brief(r statement.Result) string {
	text := fmt.Sprintf("added %d known %d ignored %d failed %d", r.Added, r.Known, r.Ignored, r.FailedLines)
	for _, f := range r.Failed {
		text += fmt.Sprintf(" %d!%s!%s", f.Line, f.Column, f.Code)
	}
	return text
}

func ExampleImport() {
	ctx := context.Background()
	st := memstore.New()
	defer func() { _ = st.Close() }()
	settings, _ := expense.NewSettings(expense.SettingsDraft{})
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, time.Now())); err != nil {
		fmt.Println(err)
		return
	}
	file := strings.NewReader("Date,Paid,What\n2024-05-01,3.20,Coffee\n2024-05-01,3.20,Coffee\n2024-05-02,1.005,Bun\n")
	mapping := statement.Mapping{
		Date: statement.DateColumn{Column: "Date"}, Amount: statement.AmountColumn{Column: "Paid"}, Notes: "What",
	}
	rows := statement.Rows(file, mapping)
	for range 2 {
		result, err := statement.Import(ctx, st, "ada", expense.Env{Now: time.Now()}, rows, statement.Options{})
		fmt.Println(result.Added, result.Known, err)
		for _, failure := range result.Failed {
			fmt.Printf("line %d, %s: %s\n", failure.Line, failure.Column, failure.Detail)
		}
	}
	// Output:
	// 2 0 <nil>
	// line 4, Paid: amount "1.005" has 3 decimals; EUR allows 2
	// 0 2 <nil>
	// line 4, Paid: amount "1.005" has 3 decimals; EUR allows 2
}

func TestTheHouseholdsFourYearsComeIn(t *testing.T) {
	text, err := os.ReadFile("testdata/household-transactions.csv")
	if err != nil {
		t.Fatal(err)
	}
	st := open(t, "INR")
	first := importText(t, st, string(text), household(t), statement.Options{})
	if got, want := brief(first), "added 2176 known 0 ignored 285 failed 0"; got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
	totals, err := st.Reader("ada").Totals(t.Context(), expense.TotalsQuery{Ranges: []expense.Range{{}}})
	if err != nil {
		t.Fatal(err)
	}
	sum := expense.Money{}
	for i, total := range totals {
		if i == 0 {
			sum = total.Home
		} else if sum, err = sum.Add(total.Home); err != nil {
			t.Fatal(err)
		}
	}
	if want := expense.MustMoney("1957390.53", "INR"); sum != want {
		t.Errorf("the total is %s, want %s", sum, want)
	}
	before := categories(t, st)
	folded := map[string]bool{}
	for _, category := range before {
		if key := expense.Fold(category.Name); folded[key] {
			t.Errorf("the category %q is there twice", category.Name)
		} else {
			folded[key] = true
		}
	}
	again := importText(t, st, string(text), household(t), statement.Options{})
	if got, want := brief(again), "added 0 known 2176 ignored 285 failed 0"; got != want {
		t.Errorf("a second run: got %s, want %s", got, want)
	}
	if after := categories(t, st); len(after) != len(before) {
		t.Errorf("a second run made categories: %d, before %d", len(after), len(before))
	}
}

const sample = "D,A,C,K,N\n" +
	"2024-01-02,7,EUR,Food,tea\n" +
	"2024-01-02,7,EUR,food,tea\n" +
	"2024-01-03,1.005,EUR,Nowhere,too many digits\n" +
	"2024-02-30,7,EUR,Food,impossible\n" +
	"2024-01-04,1000,JPY,Festivals,fireworks\n" +
	"2024-01-05,5,DEM,Food,ended\n" +
	"2024-01-05,0,EUR,Food,\x01\n" +
	"2024-01-05\n" +
	"2024-01-06,5,EUR,\x00,\n" +
	"2024-01-06,5,EUR," + "A name that is longer than the sixty characters that a category may have,\n"

const sampleFailures = "failed 7 4!A!too_many_digits 5!D!malformed_date 7!C!currency_ended 8!A!zero " +
	"8!N!control_character " +
	"9!!wrong_field_count 10!K!control_character 11!K!bad_length"

func TestRowsThatFailAreListedAndTheRestGoesIn(t *testing.T) {
	st := open(t, "EUR")
	if got, want := brief(
		importText(t, st, sample, plain(), statement.Options{})), "added 3 known 0 ignored 0 "+sampleFailures; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list := all(t, st)
	if len(list) != 3 || list[2].Home != expense.MustMoney("6.40", "EUR") || list[0].CategoryID == list[2].CategoryID {
		t.Errorf("in the ledger: %+v", list)
	}
	if n := len(categories(t, st)); n != 11 {
		t.Errorf("%d categories: only that of a row that went in is made", n)
	}
}

func TestADryRunSaysWhatWouldBecomeOfEachLineAndChangesNothing(t *testing.T) {
	st := open(t, "EUR")
	before, _ := st.Reader("ada").Settings(t.Context())
	dry := importText(t, st, sample, plain(), statement.Options{DryRun: true})
	if got, want := brief(dry), "added 3 known 0 ignored 0 "+sampleFailures; got != want || !dry.DryRun {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if after, _ := st.Reader("ada").Settings(t.Context()); len(all(t, st)) != 0 || len(categories(t, st)) != 10 ||
		before != after {
		t.Error("a dry run changed the ledger")
	}
	if got, want := brief(importText(t, st, sample, plain(), statement.Options{})), brief(dry); got != want {
		t.Errorf("got  %s\nthe dry run said %s", got, want)
	}
}

func TestAbortPutsNothingInUnlessAllIsWell(t *testing.T) {
	st := open(t, "EUR")
	// The line that fails comes after more than one batch of good ones.
	good := "D,A,C,K,N\n" + strings.Repeat("2024-01-02,7,EUR,Festivals,tea\n", 1500)
	bad := good + "2024-01-02,x,EUR,Food,tea\n"
	opts := statement.Options{OnError: statement.Abort}
	if got, want := brief(importText(t, st, bad, plain(), opts)), "added 0 known 0 ignored 0 failed 1 "+
		"1502!A!malformed_amount"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(all(t, st)) != 0 || len(categories(t, st)) != 10 {
		t.Error("something went in")
	}
	if got, want := brief(importText(t, st, good, plain(), opts)), "added 1500 known 0 ignored 0 failed 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatFailsOnlyTogetherWithEarlierBatchesIsRehearsedToo(t *testing.T) {
	const half, header = "5000000000000.00", "D,A,C,K,N\n" // of 10^13 euros
	tea := strings.Repeat("2024-01-02,0.01,EUR,,tea\n", 1500)
	names := func(from, to int) (lines string) {
		for i := from; i < to; i++ {
			lines += fmt.Sprintf("2024-01-02,7,EUR,New %d,tea\n", i)
		}
		return lines
	}
	own := wire.CSVHeader + "\n"
	for i := range 1500 {
		own += fmt.Sprintf("00000000-0000-4000-8000-%012d,2024-01-02,7,EUR,Food,,,,,,,\n", i)
	}
	for _, test := range []struct {
		name, text  string
		mapping     statement.Mapping
		added, last string
	}{
		{"a total over the limit", header + "2024-01-02," + half + ",EUR,,\n" + tea + "2024-01-02," + half + ",EUR,,\n",
			plain(), "added 1501 known 0 ignored 0 failed 1", "1503!!total_too_large"},
		{"more categories than a ledger holds", header + names(0, 6) + tea + names(4, 12), plain(),
			"added 1512 known 0 ignored 0 failed 2", "1515!K!too_many"},
		{"an id that comes again", own + "00000000-0000-4000-8000-000000000000,2024-01-02,8,EUR,Food,,,,,,,\n",
			statement.OwnMapping(), "added 1500 known 1 ignored 0 failed 0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := open(t, "EUR")
			addCategories(t, st, expense.MaxCategories-10-len(categories(t, st)))
			before := contents(t, st)
			dry := brief(importText(t, st, test.text, test.mapping, statement.Options{DryRun: true}))
			if !strings.HasPrefix(dry, test.added) || !strings.HasSuffix(dry, test.last) {
				t.Errorf("the dry run says %.60s…%s", dry, dry[max(0, len(dry)-60):])
			}
			if test.last != "" {
				aborted := importText(t, st, test.text, test.mapping, statement.Options{OnError: statement.Abort})
				if aborted.Added != 0 || contents(t, st) != before {
					t.Errorf("abort leaves %d expenses and %d categories behind", len(all(t, st)), len(categories(t, st)))
				}
			}
			if got := brief(importText(t, st, test.text, test.mapping, statement.Options{})); got != dry {
				t.Errorf("the dry run said %.60s, then it was %.60s", dry, got)
			}
		})
	}
}

// addCategories adds n categories at once.
func addCategories(t *testing.T, st store.Store, n int) {
	t.Helper()
	some := make([]expense.Category, n)
	for i := range some {
		some[i] = expense.Category{ID: uuid.New(), Name: fmt.Sprintf("Old %d", i), CreatedAt: now, UpdatedAt: now}
	}
	err := st.Update(t.Context(), "ada", func(tx store.Tx) error {
		_, err := tx.PutCategories(t.Context(), some...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRunningAgainAddsOnlyWhatIsNew(t *testing.T) {
	st := open(t, "EUR")
	const header, tea = "D,A,C,K,N\n", "2024-01-02,7,EUR,Festivals,tea\n"
	importText(t, st, header+tea+tea, plain(), statement.Options{})
	// Since then one was deleted, and the category renamed.
	err := st.Update(t.Context(), "ada", func(tx store.Tx) error {
		name := "Feasts"
		category, err := tx.CategoryByName(t.Context(), "festivals")
		if err == nil {
			_, err = expense.ChangeCategory(t.Context(), tx, env, category.ID, expense.CategoryPatch{Name: &name},
				expense.Precondition{})
		}
		if err == nil {
			err = expense.Delete(t.Context(), tx, all(t, st)[0].ID, expense.Precondition{})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := brief(importText(t, st, header+tea+tea, plain(), statement.Options{})), "added 0 known 2 ignored 0 "+
		"failed 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := len(categories(t, st)); n != 11 {
		t.Errorf("%d categories: a row that is known makes none", n)
	}
	if got, want := brief(importText(t, st, header+tea+tea+tea, plain(), statement.Options{})), "added 1 known 2 "+
		"ignored 0 failed 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRowsOfAnArchivedCategoryFail(t *testing.T) {
	st := open(t, "EUR")
	err := st.Update(t.Context(), "ada", func(tx store.Tx) error {
		archived := true
		category, err := tx.CategoryByName(t.Context(), "Travel")
		if err == nil {
			_, err = expense.ChangeCategory(t.Context(), tx, env, category.ID, expense.CategoryPatch{Archived: &archived},
				expense.Precondition{})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := brief(importText(t, st, "D,A,C,K,N\n2024-01-02,7,EUR,travel,tea\n", plain(), statement.Options{}))
	if want := "added 0 known 0 ignored 0 failed 1 2!K!archived_category"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatTheLedgersLimitHasNoRoomForFailsByItself(t *testing.T) {
	st := open(t, "EUR")
	const half = "5000000000000.00" // of 10^13 euros
	got := brief(importText(t, st, "D,A,C,K,N\n2024-01-02,"+half+",EUR,,\n2024-01-02,"+half+",EUR,,\n2024-01-02,1,EUR,,\n",
		plain(), statement.Options{}))
	if want := "added 2 known 0 ignored 0 failed 1 3!!total_too_large"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAnExportIsImportedElsewhereLosingNothing(t *testing.T) {
	text := rapid.StringMatching(`['=+@ \t\n",;a-zé＝-]{0,12}`)
	rapid.Check(t, func(rt *rapid.T) {
		from, to := open(t, "EUR"), open(t, "EUR")
		err := from.Update(t.Context(), "ada", func(tx store.Tx) error {
			for i := range rapid.IntRange(1, 6).Draw(rt, "rows") {
				name := fmt.Sprintf("=%s%d", strings.Trim(strings.ReplaceAll(text.Draw(rt, "category"), "\n", ""), "\t "), i)
				name = strings.ReplaceAll(name, "\t", "")
				if _, err := expense.AddCategory(t.Context(), tx, env, expense.CategoryDraft{Name: name}); err != nil {
					return err
				}
				notes := text.Draw(rt, "notes")
				draft := expense.Draft{
					Amount: fmt.Sprint(rapid.IntRange(1, 1e6).Draw(rt, "amount")), Date: "2024-05-01", Notes: &notes, Category: name,
					Currency: rapid.SampledFrom([]string{"EUR", "JPY", "KWD", "USD"}).Draw(rt, "currency"),
				}
				if draft.Currency == "USD" || draft.Currency == "JPY" && rapid.Bool().Draw(rt, "by hand") {
					draft.Rate = "0.123456789012345678"
				}
				if _, err := expense.Add(t.Context(), tx, env, draft); err != nil {
					return err
				}
			}
			rule := uuid.MustParse("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70")
			_, err := expense.Add(t.Context(), tx, env, expense.Draft{
				ID: expense.OccurrenceID(rule, expense.MustDate("2024-05-02")).String(), RuleID: rule.String(),
				Occurrence: "2024-05-02", Date: "2024-05-02", Amount: "800",
			})
			return err
		})
		if err != nil {
			rt.Fatal(err)
		}
		var file bytes.Buffer
		rows := from.Reader("ada").Expenses(t.Context(), expense.Query{})
		opts := export.CSVOptions{CategoryName: export.CategoryNames(categories(t, from))}
		if err := export.WriteCSV(&file, rows, opts); err != nil {
			rt.Fatal(err)
		}
		result := importText(t, to, file.String(), statement.OwnMapping(), statement.Options{})
		want, got := contents(t, from), contents(t, to)
		if result.FailedLines != 0 || want != got {
			rt.Fatalf("%s\ngot  %s\nwant %s", brief(result), got, want)
		}
		if again := importText(t, from, file.String(), statement.OwnMapping(),
			statement.Options{}); again.Added+again.FailedLines != 0 {
			rt.Fatalf("into its own ledger: %s", brief(again))
		}
	})
}

// contents writes all expenses, categories by their names.
func contents(t testing.TB, st store.Store) string {
	var text strings.Builder
	name := export.CategoryNames(categories(t, st))
	for _, e := range all(t, st) {
		category, err := name(e.CategoryID)
		if err != nil {
			t.Fatal(err)
		}
		e.CategoryID, e.Version, e.Guard = uuid.Nil, 0, 0
		fmt.Fprintf(&text, "%q %+v\n", category, e)
	}
	return text.String()
}

func TestARateByHandIntoAnotherHomeCurrencyIsLeftOut(t *testing.T) {
	st := open(t, "JPY")
	text := wire.CSVHeader + "\r\n" + ",2024-05-01,10.00,USD,Food,,0.9,2024-05-01,user,9.00,EUR,\r\n"
	if got := brief(importText(t, st, text, statement.OwnMapping(), statement.Options{})); got != "added 1 known 0 "+
		"ignored 0 failed 0" {
		t.Fatal(got)
	}
	if e := all(t, st)[0]; !e.Pending() {
		t.Errorf("got %+v", e)
	}
}

func TestFinishRunsInTheLastUpdate(t *testing.T) {
	lines := "D,A,C,K,N\n" + strings.Repeat("2024-01-02,7,EUR,Food,tea\n", 1000)
	key := store.IdempotencyKey{Scope: "POST /v1/imports/expenses", Key: "k"}
	for _, test := range []struct {
		name string
		text string
		opts statement.Options
		want string
	}{
		{"of one batch", lines, statement.Options{}, "added 1000 known 0 ignored 0 failed 0"},
		{"of two batches", lines + "2024-01-02,8,EUR,Food,tea\n", statement.Options{},
			"added 1001 known 0 ignored 0 failed 0"},
		{"of no rows", "D,A,C,K,N\n", statement.Options{}, "added 0 known 0 ignored 0 failed 0"},
		{"of a dry run", lines, statement.Options{DryRun: true}, "added 1000 known 0 ignored 0 failed 0"},
		{"of an import that is given up", lines + "x\n", statement.Options{OnError: statement.Abort},
			"added 0 known 0 ignored 0 failed 1 1002!!wrong_field_count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := open(t, "EUR")
			test.opts.Finish = func(ctx context.Context, tx store.Tx, result statement.Result) error {
				return tx.PutIdempotencyRecord(ctx,
					store.IdempotencyRecord{IdempotencyKey: key, Payload: []byte(brief(result)), CreatedAt: now})
			}
			importText(t, st, test.text, plain(), test.opts)
			err := st.Update(t.Context(), "ada", func(tx store.Tx) error {
				record, err := tx.IdempotencyRecord(t.Context(), key)
				if err == nil && string(record.Payload) != test.want {
					t.Errorf("kept %s, want %s", record.Payload, test.want)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("an error undoes it", func(t *testing.T) {
		st, refused := open(t, "EUR"), errors.New("refused")
		rows := statement.Rows(strings.NewReader(lines), plain())
		_, err := statement.Import(t.Context(), st, "ada", env, rows, statement.Options{
			Finish: func(context.Context, store.Tx, statement.Result) error { return refused },
		})
		if !errors.Is(err, refused) || len(all(t, st)) != 0 {
			t.Errorf("%v, %d expenses", err, len(all(t, st)))
		}
	})
}

// counting counts a store's Updates, each of which runs twice, as when a transaction is tried again.
type counting struct {
	store.Store
	updates int
}

func (c *counting) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	c.updates++
	again := errors.New("serialisation failure")
	err := c.Store.Update(ctx, owner, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return again
	})
	if err != nil && !errors.Is(err, again) {
		return err
	}
	return c.Store.Update(ctx, owner, fn)
}

func TestAnUpdateTakesAtMostAThousandRowsAndMayRunAgain(t *testing.T) {
	st := open(t, "EUR")
	ledger := &counting{Store: st}
	text := "D,A,C,K,N\n" + strings.Repeat("2024-01-02,7,EUR,Feasts,tea\n2024-01-02,x,EUR,Food,tea\n", 1250)
	var progress []int
	result, err := statement.Import(t.Context(), ledger, "ada", env, statement.Rows(strings.NewReader(text), plain()),
		statement.Options{
			Progress: func(r statement.Result) { progress = append(progress, r.Added) },
		})
	if err != nil || result.Added != 1250 || len(result.Failed) != 1250 || ledger.updates != 3 ||
		fmt.Sprint(progress) != "[500 1000 1250]" {
		t.Errorf("added %d, failed %d, %d updates, %v, %v", result.Added, len(result.Failed), ledger.updates, progress, err)
	}
	if n := len(all(t, st)); n != 1250 {
		t.Errorf("%d expenses", n)
	}
}

func TestAMappingOfAnotherFileIsGivenUp(t *testing.T) {
	st := open(t, "EUR")
	text := "D,A,C,K,N\n" + strings.Repeat("x\n", statement.MaxFailures+1)
	_, err := statement.Import(t.Context(), st, "ada", env, statement.Rows(strings.NewReader(text), plain()),
		statement.Options{})
	if faults := expense.InvalidErrors(err); len(faults) != 1 || faults[0].Code != "too_many_failures" {
		t.Errorf("got %v", err)
	}
}

func BenchmarkImport(b *testing.B) {
	text, err := os.ReadFile("testdata/household-transactions.csv")
	if err != nil {
		b.Fatal(err)
	}
	m := household(b)
	for _, bench := range []struct {
		name string
		open func(b *testing.B) store.Store
	}{
		{"memstore", func(*testing.B) store.Store { return memstore.New() }},
		{"sqlite", func(b *testing.B) store.Store {
			st, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"))
			if err != nil {
				b.Fatal(err)
			}
			if err := st.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			return st
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				st := withLedger(b, bench.open(b), "INR")
				b.StartTimer()
				importText(b, st, string(text), m, statement.Options{})
			}
		})
	}
}
