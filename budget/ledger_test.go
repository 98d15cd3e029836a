package budget_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// noon is the default current time of the tests.
var noon = time.Date(2025, time.May, 10, 12, 0, 0, 0, time.UTC)

// ledger is a ledger with the home currency USD in a memstore.
type ledger struct {
	t       ledgertest.T
	store   store.Store
	env     expense.Env
	initial expense.InitialLedger
}

const owner expense.OwnerID = "ada"

func newLedger(t ledgertest.T) *ledger {
	t.Helper()
	home, locale := "USD", "en-US"
	l := &ledger{t: t, store: memstore.New(), env: expense.Env{Now: noon}}
	l.initial = ledgertest.Create(t, l.store, owner, noon, expense.SettingsDraft{HomeCurrency: &home, Locale: &locale})
	return l
}

// category returns the id of a starter category.
func (l *ledger) category(name string) uuid.UUID {
	l.t.Helper()
	return ledgertest.CategoryID(l.t, l.initial, name)
}

func (l *ledger) update(fn func(tx store.Tx) error) error {
	return l.store.Update(context.Background(), owner, fn)
}

func (l *ledger) add(draft budget.Draft) (budget.AddResult, error) {
	var added budget.AddResult
	err := l.update(func(tx store.Tx) (err error) {
		added, err = budget.Add(context.Background(), tx, l.env, draft)
		return err
	})
	return added, err
}

func (l *ledger) mustAdd(draft budget.Draft) budget.Budget {
	l.t.Helper()
	added, err := l.add(draft)
	if err != nil || !added.Created {
		l.t.Fatalf("Add(%+v) = %+v, %v, want a new budget", draft, added, err)
	}
	return added.Budget
}

func (l *ledger) change(id uuid.UUID, patch budget.Patch, cond expense.Precondition) (budget.Budget, error) {
	var changed budget.Budget
	err := l.update(func(tx store.Tx) (err error) {
		changed, err = budget.Change(context.Background(), tx, l.env, id, patch, cond)
		return err
	})
	return changed, err
}

func (l *ledger) delete(id uuid.UUID, cond expense.Precondition) error {
	return l.update(func(tx store.Tx) error { return budget.Delete(context.Background(), tx, id, cond) })
}

func (l *ledger) spend(drafts ...expense.Draft) {
	l.t.Helper()
	err := l.update(func(tx store.Tx) error {
		for _, draft := range drafts {
			if _, err := expense.Add(context.Background(), tx, l.env, draft); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatalf("add expenses: %v", err)
	}
}

func (l *ledger) stored(id uuid.UUID) budget.Budget {
	l.t.Helper()
	b, err := l.store.Reader(owner).Budget(context.Background(), id)
	if err != nil {
		l.t.Fatalf("read budget %s: %v", id, err)
	}
	return b
}

// read returns the budget progress of a month.
func (l *ledger) read(month string) budget.MonthProgress {
	l.t.Helper()
	var report budget.MonthProgress
	err := l.store.View(context.Background(), owner, func(r store.Reader) (err error) {
		report, err = budget.ReadMonth(context.Background(), r, l.env.Now, expense.MustMonth(month))
		return err
	})
	if err != nil {
		l.t.Fatalf("read %s: %v", month, err)
	}
	return report
}

// codes returns the field and the code of each field error in err, such as "amount too_many_digits".
func codes(err error) []string {
	var codes []string
	for _, fieldError := range expense.InvalidErrors(err) {
		codes = append(codes, fieldError.Field+" "+fieldError.Code)
	}
	return codes
}

// rates maps currency pairs to the rate on the day of noon.
type rates map[string]string

func (r rates) Rate(from, to expense.Currency, _ expense.Date) (expense.Rate, bool) {
	value, ok := r[from.Code()+to.Code()]
	if !ok {
		return expense.Rate{}, false
	}
	return expense.Rate{Value: expense.MustFactor(value), Date: expense.DateOf(noon, time.UTC), Source: "test"}, true
}

func ptr[T any](v T) *T { return &v }

var _ ledgertest.T = (*testing.T)(nil)
