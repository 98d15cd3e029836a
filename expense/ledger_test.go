package expense_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// noon is the default time of the use cases in these tests.
var noon = time.Date(2026, time.March, 10, 12, 0, 0, 0, time.UTC)

// prices is a rate table for tests: units of a currency per euro, by day.
type prices map[string]map[string]string

func (p prices) Rate(from, to expense.Currency, on expense.Date) (expense.Rate, bool) {
	for day := on; on.Sub(day) < 400; day = day.AddDays(-1) {
		dividend, okTo := p.price(to, day)
		divisor, okFrom := p.price(from, day)
		if okTo && okFrom {
			return expense.Rate{Value: dividend.Div(divisor), Date: day, Source: "test"}, true
		}
	}
	return expense.Rate{}, false
}

func (p prices) price(currency expense.Currency, day expense.Date) (expense.Factor, bool) {
	if currency.Code() == "EUR" {
		_, ok := p["USD"][day.String()]
		return expense.MustFactor("1"), ok
	}
	text, ok := p[currency.Code()][day.String()]
	if !ok {
		return expense.Factor{}, false
	}
	return expense.MustFactor(text), true
}

// march has rates of Friday the 6th and of Monday the 9th and Tuesday the 10th of March 2026.
var march = prices{
	"USD": {"2026-03-06": "1.16", "2026-03-09": "1.17", "2026-03-10": "1.18"},
	"JPY": {"2026-03-06": "183.03", "2026-03-09": "184", "2026-03-10": "185"},
}

// A testLedger is one owner's ledger in a store. Its methods call the use cases as a host does.
type testLedger struct {
	t     *testing.T
	store store.Store
	owner expense.OwnerID
	env   expense.Env
}

// openLedger creates a ledger with this home currency. rates may be nil.
func openLedger(t *testing.T, home string, rates expense.Rates) *testLedger {
	t.Helper()
	b := &testLedger{t: t, store: memstore.New(), owner: "anna", env: expense.Env{Now: noon, Rates: rates}}
	ledgertest.Create(t, b.store, b.owner, noon, expense.SettingsDraft{HomeCurrency: &home})
	return b
}

func (b *testLedger) update(fn func(tx store.Tx) error) error {
	return b.store.Update(b.t.Context(), b.owner, fn)
}

func (b *testLedger) tryAdd(draft expense.Draft) (added expense.PutResult, err error) {
	err = b.update(func(tx store.Tx) error {
		added, err = expense.Add(b.t.Context(), tx, b.env, draft)
		return err
	})
	return added, err
}

func (b *testLedger) add(draft expense.Draft) expense.Expense {
	b.t.Helper()
	added, err := b.tryAdd(draft)
	if err != nil {
		b.t.Fatalf("add %+v: %v", draft, err)
	}
	return added.Expense
}

func (b *testLedger) tryChange(
	id uuid.UUID, patch expense.Patch, cond expense.Precondition,
) (e expense.Expense, err error) {
	err = b.update(func(tx store.Tx) error {
		e, err = expense.Change(b.t.Context(), tx, b.env, id, patch, cond)
		return err
	})
	return e, err
}

func (b *testLedger) change(e expense.Expense, patch expense.Patch) expense.Expense {
	b.t.Helper()
	changed, err := b.tryChange(e.ID, patch, expense.Precondition{})
	if err != nil {
		b.t.Fatalf("change: %v", err)
	}
	if stored := b.get(e.ID); stored != changed {
		b.t.Fatalf("change returned\n%+v, stored is\n%+v", changed, stored)
	}
	return changed
}

func (b *testLedger) get(id uuid.UUID) expense.Expense {
	b.t.Helper()
	e, err := b.store.Reader(b.owner).Expense(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *testLedger) all() []expense.Expense {
	b.t.Helper()
	var all []expense.Expense
	for e, err := range b.store.Reader(b.owner).Expenses(b.t.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			b.t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (b *testLedger) settings() expense.Settings {
	b.t.Helper()
	settings, err := b.store.Reader(b.owner).Settings(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return settings
}

func (b *testLedger) category(name string) expense.Category {
	b.t.Helper()
	category, err := b.store.Reader(b.owner).CategoryByName(b.t.Context(), name)
	if err != nil {
		b.t.Fatalf("category %q: %v", name, err)
	}
	return category
}

// errorCodes returns "field code" of every field error in err, sorted.
func errorCodes(err error) []string {
	var codes []string
	for _, e := range expense.InvalidErrors(err) {
		codes = append(codes, e.Field+" "+e.Code)
	}
	slices.Sort(codes)
	return codes
}

func wantFieldErrors(t *testing.T, err error, want ...string) {
	t.Helper()
	if !errors.Is(err, expense.ErrInvalid) {
		t.Fatalf("error %v, want one that is ErrInvalid", err)
	}
	slices.Sort(want)
	if got := errorCodes(err); !slices.Equal(got, want) {
		t.Errorf("errs %q, want %q (%v)", got, want, err)
	}
}
