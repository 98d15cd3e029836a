package statement_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

const owner = expense.OwnerID("ada")

var env = expense.Env{Now: time.Date(2026, time.November, 30, 12, 0, 0, 0, time.UTC)}

// A fixture is a ledger.
type fixture struct {
	testing.TB
	st store.Store
}

func newLedger(t testing.TB, home string) fixture {
	t.Helper()
	f := fixture{t, memstore.New()}
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: &home})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.st.CreateLedger(t.Context(), owner, expense.NewInitialLedger(owner, settings, env.Now)); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) settings() expense.Settings {
	f.Helper()
	settings, err := f.st.Reader(owner).Settings(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	return settings
}

// mapping returns the proposed mapping with the first choice of each question, and then changed by change.
func (f fixture) mapping(text string, change string) statement.Mapping {
	f.Helper()
	given := parseMapping(f, change)
	m, err := statement.MergeMappings(answer(f, inspectText(f, text, given, f.settings()), nil), given)
	if err != nil {
		f.Fatal(err)
	}
	return m
}

func parseMapping(t testing.TB, text string) statement.Mapping {
	t.Helper()
	if text == "" {
		return statement.Mapping{}
	}
	m, err := statement.ParseMapping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (f fixture) tryImport(text string, m statement.Mapping, opts statement.Options) (statement.Result, error) {
	return statement.Import(f.Context(), f.st, owner, env, strings.NewReader(text), m, opts)
}

// load imports a text with a change to the proposed mapping.
func (f fixture) load(text, change string, opts statement.Options) statement.Result {
	f.Helper()
	result, err := f.tryImport(text, f.mapping(text, change), opts)
	if err != nil {
		f.Fatal(err)
	}
	return result
}

// expenses returns "date amount currency category notes" of all expenses, oldest first.
func (f fixture) expenses() []string {
	f.Helper()
	names := map[uuid.UUID]string{}
	categories, err := f.st.Reader(owner).Categories(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range categories {
		names[c.ID] = c.Name
	}
	var rows []string
	for e, err := range f.st.Reader(owner).Expenses(f.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			f.Fatal(err)
		}
		rows = append(rows, fmt.Sprintf("%s %s %s %s", e.Date, e.Amount, names[e.CategoryID], e.Notes))
	}
	slices.Sort(rows)
	return rows
}

func (f fixture) all() []expense.Expense {
	f.Helper()
	var all []expense.Expense
	for e, err := range f.st.Reader(owner).Expenses(f.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (f fixture) update(fn func(tx store.Tx) error) {
	f.Helper()
	if err := f.st.Update(f.Context(), owner, fn); err != nil {
		f.Fatal(err)
	}
}

func (f fixture) wantExpenses(want ...string) {
	f.Helper()
	slices.Sort(want)
	if got := f.expenses(); !slices.Equal(got, want) {
		f.Errorf("expenses:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func wantCounts(t testing.TB, r statement.Result, want string) {
	t.Helper()
	got := fmt.Sprintf("%d added, %d known, %d failed", r.Added, r.Known, r.FailedRows)
	for _, reason := range slices.Sorted(maps.Keys(r.Ignored)) {
		got += fmt.Sprintf(", %d %s", r.Ignored[reason], reason)
	}
	if got != want {
		t.Errorf("result: %s, want %s; failures %v", got, want, r.Failed)
	}
}

func sampleText(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/samples/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestImport_EqualRowsOfTwoAccounts(t *testing.T) {
	a, b := sampleText(t, "two-cards-a.csv"), sampleText(t, "two-cards-b.csv")
	t.Run("are two expenses", func(t *testing.T) {
		f := newLedger(t, "GBP")
		f.load(a, `{"account":"card A"}`, statement.Options{})
		wantCounts(t, f.load(b, `{"account":"card B"}`, statement.Options{}), "2 added, 0 known, 0 failed")
		f.wantExpenses("2026-03-02 2.80 GBP Other TFL TRAVEL CHARGE", "2026-03-02 2.80 GBP Other TFL TRAVEL CHARGE",
			"2026-03-03 9.00 GBP Other Deli", "2026-03-04 20.00 GBP Other Books")
	})
	t.Run("are one expense without a label", func(t *testing.T) {
		f := newLedger(t, "GBP")
		f.load(a, "", statement.Options{})
		wantCounts(t, f.load(b, "", statement.Options{}), "1 added, 1 known, 0 failed")
	})
}

func TestImport_OpenQuestionWritesNothing(t *testing.T) {
	f := newLedger(t, "GBP")
	text := sampleText(t, "two-cards-a.csv")
	_, err := f.tryImport(text, inspectText(t, text, statement.Mapping{}, f.settings()).Mapping, statement.Options{})
	open, ok := errors.AsType[*statement.OpenQuestionError](err)
	if !ok || codes(open.Questions) != "date_layout sign" || !errors.Is(err, expense.ErrInvalid) {
		t.Errorf("Import with open questions returned %v", err)
	}
	f.wantExpenses()
}

func TestImport_IdentityIgnoresUnmappedColumns(t *testing.T) {
	f := newLedger(t, "INR")
	f.load(sampleText(t, "rownumbers-1.csv"), "", statement.Options{})
	wantCounts(t, f.load(sampleText(t, "rownumbers-2.csv"), "", statement.Options{}), "1 added, 2 known, 0 failed")
	f.wantExpenses("2026-02-01 10.00 INR Other Bus", "2026-02-02 20.00 INR Other Tea", "2026-02-03 5.00 INR Other Milk")
}

func TestImport_EqualRowsInOneFileAreAllAdded(t *testing.T) {
	f := newLedger(t, "EUR")
	one := "Date;Amount;Text\n2026-02-01;-3,00;Coffee\n2026-02-01;-3,00;Coffee\n"
	wantCounts(t, f.load(one, "", statement.Options{}), "2 added, 0 known, 0 failed")
	wantCounts(t, f.load(one+"2026-02-01;-3,00;Coffee\n", "", statement.Options{}), "1 added, 2 known, 0 failed")
}

func TestImport_IncomeAndFees(t *testing.T) {
	for change, want := range map[string][]string{
		`{}`: {"2026-02-01 800.00 EUR Other Miete"},
		`{"income":"refund"}`: {
			"2026-02-01 800.00 EUR Other Miete", "2026-02-02 -2000.00 EUR Other Lohn"},
		`{"income":"add"}`: {
			"2026-02-01 800.00 EUR Other Miete", "2026-02-02 2000.00 EUR Other Lohn"},
	} {
		f := newLedger(t, "EUR")
		f.load(sampleText(t, "neg-debit.csv"), change, statement.Options{})
		f.wantExpenses(want...)
	}
	f := newLedger(t, "EUR")
	f.load(sampleText(t, "revolut-fee.csv"), `{"fee":{"column":"Fee","as":"row"}}`, statement.Options{})
	f.wantExpenses("2026-02-01 10.00 EUR Other Shop", "2026-02-03 100.00 EUR Other To USD",
		"2026-02-03 1.50 EUR Other To USD",
		"2026-02-05 1000 JPY Other Ramen")
}

func TestImport_Abort(t *testing.T) {
	text := "Date;Amount;Text\n" + strings.Repeat("2026-02-01;-3,00;Coffee\n", 1500) + "2026-02-30;-3,00;Tea\n"
	f := newLedger(t, "EUR")
	result := f.load(text, "", statement.Options{Abort: true})
	wantCounts(t, result, "0 added, 0 known, 1 failed")
	if result.ID != uuid.Nil {
		t.Error("an aborted import has an id")
	}
	f.wantExpenses()
	wantCounts(t, f.load(sampleText(t, "hdfc.csv"), `{"currency":{"value":"INR"}}`, statement.Options{Abort: true}),
		"1 added, 0 known, 0 failed, 5 footer, 1 income, 1 no_amount")
}

func TestImport_DryRunReportsWhatTheImportDoes(t *testing.T) {
	text := "Date;Amount;Text;Category\n2026-02-01;-3,00;Coffee;Café\n2026-02-02;5,00;Salary;\n2026-02-30;-1,00;Bad;\n"
	f := newLedger(t, "EUR")
	change := `{"sign":{"expense":"negative"}}`
	trial := f.load(text, change, statement.Options{DryRun: true})
	wantCounts(t, trial, "1 added, 0 known, 1 failed, 1 income")
	f.wantExpenses()
	var rows []string
	for _, row := range trial.Rows {
		rows = append(rows, string(row.Status)+" "+describe(row))
	}
	if want := []string{"add 2026-02-01 3.00 EUR Coffee", "ignored income 5.00",
		"failed failed malformed_date"}; !slices.Equal(rows, want) {
		t.Errorf("rows of the dry run: %q, want %q", rows, want)
	}
	wantCounts(t, f.load(text, change, statement.Options{}), "1 added, 0 known, 1 failed, 1 income")
	wantCounts(t, f.load(text, change, statement.Options{DryRun: true}), "0 added, 1 known, 1 failed, 1 income")
}

func TestImport_DryRunCountsWhatEarlierBatchesAdd(t *testing.T) {
	f := newLedger(t, "EUR")
	var names, own strings.Builder
	names.WriteString("Date;Amount;Text;Category\n")
	own.WriteString(wire.CSVHeader + "\n")
	for i := range 2500 { // the ledger has ten categories
		fmt.Fprintf(&names, "2026-02-01;-1,00;x;Category %d\n", i/2)
		fmt.Fprintf(&own, "00000000-0000-4000-8000-%012d,2026-01-02,7,EUR,Food,,,,,,,\n", i%2499)
	}
	wantCounts(t, f.load(names.String(), "", statement.Options{DryRun: true}), "1980 added, 0 known, 520 failed")
	wantCounts(t, f.load(names.String(), "", statement.Options{Abort: true}), "0 added, 0 known, 520 failed")
	f.wantExpenses()
	wantCounts(t, f.load(own.String(), "", statement.Options{DryRun: true}), "2499 added, 1 known, 0 failed")
	wantCounts(t, f.load(own.String(), "", statement.Options{Abort: true}), "2499 added, 1 known, 0 failed")
	wantCounts(t, f.load(names.String(), "", statement.Options{}), "1980 added, 0 known, 520 failed")
}

func TestUndo_RemovesWhatWasNotEdited(t *testing.T) {
	f := newLedger(t, "EUR")
	text := "Date;Amount;Text\n2026-02-01;-1,00;A\n2026-02-02;-2,00;B\n2026-02-03;-3,00;C\n2026-02-04;-4,00;D\n"
	first := f.load(text, "", statement.Options{})
	all := f.all()
	f.update(func(tx store.Tx) error {
		notes := "edited"
		if _, err := expense.Change(t.Context(), tx, expense.Env{Now: env.Now.Add(time.Hour)}, all[1].ID,
			expense.Patch{Notes: &notes}, expense.Precondition{}); err != nil {
			return err
		}
		_, err := tx.DeleteExpenses(t.Context(), all[2].ID)
		return err
	})
	wantCounts(t, f.load(text, "", statement.Options{}), "0 added, 4 known, 0 failed")

	for range 2 { // repeating is harmless
		undone, err := statement.Undo(t.Context(), f.st, owner, env, first.ID)
		if err != nil || !slices.Equal(undone.Kept, []uuid.UUID{all[1].ID}) {
			t.Fatalf("Undo = %+v, %v; want to keep %s", undone, err, all[1].ID)
		}
	}
	f.wantExpenses("2026-02-02 2.00 EUR Other edited")
	if _, err := statement.FindImport(t.Context(), f.st.Reader(owner), first.ID); !errors.Is(err, expense.ErrGone) {
		t.Errorf("FindImport of an undone import: %v, want ErrGone", err)
	}
	wantCounts(t, f.load(text, "", statement.Options{}), "4 added, 0 known, 0 failed")
}

func TestUndo_RemovesWhatWasMergedOrConverted(t *testing.T) {
	f := newLedger(t, "EUR")
	text := "Date;Amount;Text;Category;Currency\n2026-02-01;-1,00;A;New;USD\n2026-02-02;-1,00;B;New;EUR\n"
	result := f.load(text, "", statement.Options{})
	f.update(func(tx store.Tx) error {
		from, err := tx.CategoryByName(t.Context(), "New")
		if err != nil {
			return err
		}
		into, err := tx.CategoryByName(t.Context(), "Food")
		if err != nil {
			return err
		}
		_, err = expense.MergeCategories(t.Context(), tx, expense.Env{Now: env.Now.Add(time.Hour)}, from.ID, into.ID)
		return err
	})
	undone, err := statement.Undo(t.Context(), f.st, owner, env, result.ID)
	if err != nil || undone.Removed != 2 || len(undone.Kept) != 0 {
		t.Errorf("Undo = %+v, %v; want 2 removed", undone, err)
	}
}

func TestImport_ForceAddsDeletedRowsAgain(t *testing.T) {
	f := newLedger(t, "EUR")
	text := "Date;Amount;Text\n2026-02-01;-1,00;A\n"
	f.load(text, "", statement.Options{})
	f.update(func(tx store.Tx) error {
		_, err := tx.DeleteExpenses(t.Context(), f.all()[0].ID)
		return err
	})
	wantCounts(t, f.load(text, "", statement.Options{}), "0 added, 1 known, 0 failed")
	wantCounts(t, f.load(text, "", statement.Options{Force: true}), "1 added, 0 known, 0 failed")
	f.wantExpenses("2026-02-01 1.00 EUR Other A")
}

func TestImport_RepetitionWithTheSameIDCompletesIt(t *testing.T) {
	f := newLedger(t, "EUR")
	var text strings.Builder
	text.WriteString("Date;Amount;Text\n")
	for i := range 2500 {
		fmt.Fprintf(&text, "2026-02-01;-1,00;Row %d\n", i)
	}
	m := f.mapping(text.String(), "")
	id := uuid.New()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := statement.Import(ctx, f.st, owner, env, strings.NewReader(text.String()), m, statement.Options{
		ID: id, Progress: func(p statement.Progress) {
			if p.Added > 0 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) || len(f.all()) == 0 || len(f.all()) == 2500 {
		t.Fatalf("the interrupted import returned %v and left %d expenses", err, len(f.all()))
	}
	result, err := f.tryImport(text.String(), m, statement.Options{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, result, "2500 added, 0 known, 0 failed")
	if len(f.all()) != 2500 {
		t.Errorf("the ledger has %d expenses, want 2500", len(f.all()))
	}
	records, err := statement.Imports(t.Context(), f.st.Reader(owner), statement.Record{}, 10)
	if err != nil || len(records) != 1 || records[0].ID != id || records[0].Result.Added != 2500 {
		t.Errorf("Imports = %+v, %v; want one with 2500 rows", records, err)
	}
}

func TestImport_IDOfAnUndoneImportIsReplaced(t *testing.T) {
	f := newLedger(t, "EUR")
	text := "Date;Amount;Text\n" + strings.Repeat("2026-02-01;-1,00;A\n", 2500)
	opts := statement.Options{ID: uuid.New()}
	first := f.load(text, "", opts)
	if _, err := statement.Undo(t.Context(), f.st, owner, env, first.ID); err != nil {
		t.Fatal(err)
	}
	again := f.load(text, "", opts)
	wantCounts(t, again, "2500 added, 0 known, 0 failed")
	if first.ID != opts.ID || again.ID == opts.ID || len(f.all()) != 2500 {
		t.Errorf("ids %s and %s of an import with the id %s, %d expenses", first.ID, again.ID, opts.ID, len(f.all()))
	}
}

func TestImport_Categories(t *testing.T) {
	f := newLedger(t, "EUR")
	f.update(func(tx store.Tx) error {
		food, err := tx.CategoryByName(t.Context(), "Food")
		if err != nil {
			return err
		}
		shopping, err := tx.CategoryByName(t.Context(), "Shopping")
		if err != nil {
			return err
		}
		travel, err := tx.CategoryByName(t.Context(), "Travel")
		if err != nil {
			return err
		}
		if _, err := expense.MergeCategories(t.Context(), tx, env, food.ID, shopping.ID); err != nil {
			return err
		}
		archived := true
		_, err = expense.ChangeCategory(t.Context(), tx, env, travel.ID, expense.CategoryPatch{Archived: &archived},
			expense.Precondition{})
		return err
	})
	health, err := f.st.Reader(owner).CategoryByName(t.Context(), "Health")
	if err != nil {
		t.Fatal(err)
	}
	text := "Date;Amount;Text;Category\n2026-02-01;-1,00;merged;FOOD\n2026-02-01;-1,00;archived;travel\n" +
		"2026-02-01;-1,00;by id;Arzt\n2026-02-01;-1,00;new;Pets\n2026-02-01;-1,00;default;\n2026-02-01;-1,00;bad;" +
		strings.Repeat("x", 61) + "\n"
	result := f.load(text, `{"categories":{"arzt":"`+health.ID.String()+`"}}`, statement.Options{})
	wantCounts(t, result, "5 added, 0 known, 1 failed")
	f.wantExpenses("2026-02-01 1.00 EUR Shopping merged", "2026-02-01 1.00 EUR Travel archived",
		"2026-02-01 1.00 EUR Health by id",
		"2026-02-01 1.00 EUR Pets new", "2026-02-01 1.00 EUR Other default")

	unknown := f.load("Date;Amount;Text;Category\n2026-02-01;-9,00;x;Arzt\n",
		`{"categories":{"arzt":"`+uuid.NewString()+`"}}`, statement.Options{})
	wantCounts(t, unknown, "0 added, 0 known, 1 failed")
}

func TestImport_ManyNewCategoriesNeedFewUpdates(t *testing.T) {
	f := newLedger(t, "EUR")
	var text strings.Builder
	text.WriteString("Date;Amount;Text;Category\n")
	for i := range 995 { // the ledger has ten
		fmt.Fprintf(&text, "2026-02-01;-1,00;x;Category %d\n", i)
	}
	result := f.load(text.String(), "", statement.Options{})
	wantCounts(t, result, "990 added, 0 known, 5 failed")
}

func TestImport_ErrorOfFinishUndoesTheUpdate(t *testing.T) {
	f := newLedger(t, "EUR")
	text := "Date;Amount;Text\n2026-02-01;-1,00;A\n"
	_, err := f.tryImport(text, f.mapping(text, ""), statement.Options{
		Finish: func(context.Context, store.Tx, statement.Result) error { return errors.New("on purpose") },
	})
	if err == nil {
		t.Error("Import ignored the error of Finish")
	}
	f.wantExpenses()
}
