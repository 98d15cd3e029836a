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

// yenRates has one rate: from JPY to EUR.
type yenRates struct{}

func (yenRates) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	if from.Code() != "JPY" || to.Code() != "EUR" {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor("0.0064"), Date: on, Source: "ecb"}, true
}

var env = expense.Env{Now: now, Rates: yenRates{}}

// open returns a store with a ledger of "ada" in the home currency home.
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

// formatResult formats a result as one line. Failed rows are formatted as line!column!code.
func formatResult(r statement.Result) string {
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
	// line 4, Paid: amount "1.005" has 3 decimals; EUR allows 2, so round it
	// 0 2 <nil>
	// line 4, Paid: amount "1.005" has 3 decimals; EUR allows 2, so round it
}

func TestTheHouseholdsFourYearsComeIn(t *testing.T) {
	text, err := os.ReadFile("testdata/household-transactions.csv")
	if err != nil {
		t.Fatal(err)
	}
	st := open(t, "INR")
	first := importText(t, st, string(text), householdMapping(t), statement.Options{})
	if got, want := formatResult(first), "added 2176 known 0 ignored 285 failed 0"; got != want {
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
		t.Errorf("total = %s, want %s", sum, want)
	}
	before := categories(t, st)
	folded := map[string]bool{}
	for _, category := range before {
		if key := expense.Fold(category.Name); folded[key] {
			t.Errorf("the category %q exists twice", category.Name)
		} else {
			folded[key] = true
		}
	}
	again := importText(t, st, string(text), householdMapping(t), statement.Options{})
	if got, want := formatResult(again), "added 0 known 2176 ignored 285 failed 0"; got != want {
		t.Errorf("second import: got %s, want %s", got, want)
	}
	if after := categories(t, st); len(after) != len(before) {
		t.Errorf("%d categories after the second import, want unchanged %d", len(after), len(before))
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
	got := formatResult(importText(t, st, sample, testMapping(), statement.Options{}))
	if want := "added 3 known 0 ignored 0 " + sampleFailures; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list := all(t, st)
	if len(list) != 3 || list[2].Home != expense.MustMoney("6.40", "EUR") || list[0].CategoryID == list[2].CategoryID {
		t.Errorf("expenses of the ledger = %+v", list)
	}
	if n := len(categories(t, st)); n != 11 {
		t.Errorf("%d categories, want only those of the added rows", n)
	}
}

func TestADryRunSaysWhatWouldBecomeOfEachLineAndChangesNothing(t *testing.T) {
	st := open(t, "EUR")
	before, _ := st.Reader("ada").Settings(t.Context())
	dry := importText(t, st, sample, testMapping(), statement.Options{DryRun: true})
	if got, want := formatResult(dry), "added 3 known 0 ignored 0 "+sampleFailures; got != want || !dry.DryRun {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if after, _ := st.Reader("ada").Settings(t.Context()); len(all(t, st)) != 0 || len(categories(t, st)) != 10 ||
		before != after {
		t.Error("the dry run changed the ledger")
	}
	imported := importText(t, st, sample, testMapping(), statement.Options{})
	if got, want := formatResult(imported), formatResult(dry); got != want {
		t.Errorf("got  %s\nwant the result of the dry run %s", got, want)
	}
}

func TestAbortPutsNothingInUnlessAllIsWell(t *testing.T) {
	st := open(t, "EUR")
	// The invalid row follows more than one batch of valid rows.
	good := "D,A,C,K,N\n" + strings.Repeat("2024-01-02,7,EUR,Festivals,tea\n", 1500)
	bad := good + "2024-01-02,x,EUR,Food,tea\n"
	opts := statement.Options{OnError: statement.Abort}
	got := formatResult(importText(t, st, bad, testMapping(), opts))
	if want := "added 0 known 0 ignored 0 failed 1 1502!A!malformed_amount"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(all(t, st)) != 0 || len(categories(t, st)) != 10 {
		t.Error("the aborted import added expenses")
	}
	got = formatResult(importText(t, st, good, testMapping(), opts))
	if want := "added 1500 known 0 ignored 0 failed 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatFailsOnlyTogetherWithEarlierBatchesIsRehearsedToo(t *testing.T) {
	const half, header = "5000000000000.00", "D,A,C,K,N\n" // the limit of the total is 10^13 euros
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
			testMapping(), "added 1501 known 0 ignored 0 failed 1", "1503!!total_too_large"},
		{"more categories than a ledger holds", header + names(0, 6) + tea + names(4, 12), testMapping(),
			"added 1512 known 0 ignored 0 failed 2", "1515!K!too_many"},
		{"an id that comes again", own + "00000000-0000-4000-8000-000000000000,2024-01-02,8,EUR,Food,,,,,,,\n",
			statement.OwnMapping(), "added 1500 known 1 ignored 0 failed 0", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			st := open(t, "EUR")
			addCategories(t, st, expense.MaxCategories-10-len(categories(t, st)))
			before := contents(t, st)
			dry := formatResult(importText(t, st, test.text, test.mapping, statement.Options{DryRun: true}))
			if !strings.HasPrefix(dry, test.added) || !strings.HasSuffix(dry, test.last) {
				t.Errorf("dry run = %.60s…%s", dry, dry[max(0, len(dry)-60):])
			}
			if test.last != "" {
				aborted := importText(t, st, test.text, test.mapping, statement.Options{OnError: statement.Abort})
				if aborted.Added != 0 || contents(t, st) != before {
					t.Errorf("after the aborted import the ledger has %d expenses and %d categories",
						len(all(t, st)), len(categories(t, st)))
				}
			}
			if got := formatResult(importText(t, st, test.text, test.mapping, statement.Options{})); got != dry {
				t.Errorf("dry run = %.60s, import = %.60s", dry, got)
			}
		})
	}
}

// addCategories adds n categories in one transaction.
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
	importText(t, st, header+tea+tea, testMapping(), statement.Options{})
	// The user deletes one expense and renames the category.
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
	again := importText(t, st, header+tea+tea, testMapping(), statement.Options{})
	if got, want := formatResult(again), "added 0 known 2 ignored 0 failed 0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := len(categories(t, st)); n != 11 {
		t.Errorf("%d categories, want none for a known row", n)
	}
	longer := importText(t, st, header+tea+tea+tea, testMapping(), statement.Options{})
	if got, want := formatResult(longer), "added 1 known 2 ignored 0 failed 0"; got != want {
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
	got := formatResult(importText(t, st, "D,A,C,K,N\n2024-01-02,7,EUR,travel,tea\n", testMapping(), statement.Options{}))
	if want := "added 0 known 0 ignored 0 failed 1 2!K!archived_category"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatTheLedgersLimitHasNoRoomForFailsByItself(t *testing.T) {
	st := open(t, "EUR")
	const half = "5000000000000.00" // the limit of the total is 10^13 euros
	got := formatResult(importText(t, st,
		"D,A,C,K,N\n2024-01-02,"+half+",EUR,,\n2024-01-02,"+half+",EUR,,\n2024-01-02,1,EUR,,\n",
		testMapping(), statement.Options{}))
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
			rt.Fatalf("%s\ngot  %s\nwant %s", formatResult(result), got, want)
		}
		if again := importText(t, from, file.String(), statement.OwnMapping(),
			statement.Options{}); again.Added+again.FailedLines != 0 {
			rt.Fatalf("import into the source ledger: %s", formatResult(again))
		}
	})
}

// contents formats all expenses with the names of their categories.
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
	got := formatResult(importText(t, st, text, statement.OwnMapping(), statement.Options{}))
	if got != "added 1 known 0 ignored 0 failed 0" {
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
					store.IdempotencyRecord{IdempotencyKey: key, Payload: []byte(formatResult(result)), CreatedAt: now})
			}
			importText(t, st, test.text, testMapping(), test.opts)
			err := st.Update(t.Context(), "ada", func(tx store.Tx) error {
				record, err := tx.IdempotencyRecord(t.Context(), key)
				if err == nil && string(record.Payload) != test.want {
					t.Errorf("stored record = %s, want %s", record.Payload, test.want)
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
		rows := statement.Rows(strings.NewReader(lines), testMapping())
		_, err := statement.Import(t.Context(), st, "ada", env, rows, statement.Options{
			Finish: func(context.Context, store.Tx, statement.Result) error { return refused },
		})
		if !errors.Is(err, refused) || len(all(t, st)) != 0 {
			t.Errorf("Import: %v, %d expenses", err, len(all(t, st)))
		}
	})
}

// retryingStore counts the Updates of a store. It runs each of them twice, as a retried transaction does.
type retryingStore struct {
	store.Store
	updates int
}

func (c *retryingStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
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
	ledger := &retryingStore{Store: st}
	text := "D,A,C,K,N\n" + strings.Repeat("2024-01-02,7,EUR,Feasts,tea\n2024-01-02,x,EUR,Food,tea\n", 1250)
	var progress []int
	rows := statement.Rows(strings.NewReader(text), testMapping())
	result, err := statement.Import(t.Context(), ledger, "ada", env, rows,
		statement.Options{
			Progress: func(r statement.Result) { progress = append(progress, r.Added) },
		})
	if err != nil || result.Added != 1250 || len(result.Failed) != 1250 || ledger.updates != 3 ||
		fmt.Sprint(progress) != "[500 1000 1250]" {
		t.Errorf("Import: added %d, failed %d, %d updates, progress %v, %v",
			result.Added, len(result.Failed), ledger.updates, progress, err)
	}
	if n := len(all(t, st)); n != 1250 {
		t.Errorf("%d expenses in the ledger", n)
	}
}

func TestAMappingOfAnotherFileIsGivenUp(t *testing.T) {
	st := open(t, "EUR")
	text := "D,A,C,K,N\n" + strings.Repeat("x\n", statement.MaxFailures+1)
	_, err := statement.Import(t.Context(), st, "ada", env, statement.Rows(strings.NewReader(text), testMapping()),
		statement.Options{})
	if fieldErrs := expense.InvalidErrors(err); len(fieldErrs) != 1 || fieldErrs[0].Code != "too_many_failures" {
		t.Errorf("Import: %v, want too_many_failures", err)
	}
}

func BenchmarkImport(b *testing.B) {
	text, err := os.ReadFile("testdata/household-transactions.csv")
	if err != nil {
		b.Fatal(err)
	}
	m := householdMapping(b)
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
