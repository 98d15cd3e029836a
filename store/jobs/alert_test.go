package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

var noon = time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC)

// viewCounter counts the Views of each ledger. It returns an error for one of them.
type viewCounter struct {
	store.Store
	viewed  map[expense.OwnerID]int
	failing expense.OwnerID
}

var errView = errors.New("the ledger cannot be read")

func (c *viewCounter) View(ctx context.Context, owner expense.OwnerID, fn func(store.Reader) error) error {
	c.viewed[owner]++
	if owner == c.failing {
		return errView
	}
	return c.Store.View(ctx, owner, fn)
}

func createLedger(t *testing.T, st store.Store, zone string, owner expense.OwnerID) {
	t.Helper()
	ledgertest.Create(t, st, owner, noon, expense.SettingsDraft{TimeZone: &zone})
}

func addExpense(t *testing.T, st store.Store, owner expense.OwnerID, amount, date string) {
	t.Helper()
	err := st.Update(t.Context(), owner, func(tx store.Tx) error {
		_, err := expense.Add(t.Context(), tx, expense.Env{Now: noon}, expense.Draft{Amount: amount, Date: date})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addBudget(t *testing.T, st store.Store, owner expense.OwnerID) {
	t.Helper()
	err := st.Update(t.Context(), owner, func(tx store.Tx) error {
		_, err := budget.Add(t.Context(), tx, expense.Env{Now: noon}, budget.Draft{Amount: "100"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// RaiseAll checks a ledger again only after a write, in a new month, or after an error.
func TestAlertRaiser_ChecksOnlyChangedLedgers(t *testing.T) {
	st := &viewCounter{Store: memstore.New(), viewed: map[expense.OwnerID]int{}}
	createLedger(t, st, "Europe/Berlin", "ada")
	createLedger(t, st, "Pacific/Kiritimati", "berta") // it is 1 April in this time zone
	createLedger(t, st, "UTC", "cleo")                 // has no budget
	addBudget(t, st, "ada")
	addBudget(t, st, "berta")
	addExpense(t, st, "ada", "100", "2026-04-01")
	raiser := jobs.NewAlertRaiser(st)
	for _, step := range []struct {
		name   string
		now    time.Time
		do     func()
		viewed string
		raised int
		err    error
	}{
		{"the first call checks every ledger", noon, nil, "ada berta", 0, nil},
		{"the next call checks none", noon.Add(time.Minute), nil, "", 0, nil},
		{"a write is checked", noon.Add(2 * time.Minute), func() { addExpense(t, st, "berta", "85", "2026-04-01") },
			"berta", 1, nil},
		{"raising is a write too", noon.Add(3 * time.Minute), nil, "berta", 0, nil},
		{"nothing changed", noon.Add(4 * time.Minute), nil, "", 0, nil},
		{"before midnight in Berlin", time.Date(2026, 3, 31, 21, 59, 59, 0, time.UTC), nil, "", 0, nil},
		{"midnight begins the month of an expense with a future date", time.Date(2026, 3, 31, 22, 0, 0, 0, time.UTC), nil,
			"ada", 2, nil},
		{"a ledger fails", time.Date(2026, 3, 31, 22, 1, 0, 0, time.UTC), func() { st.failing = "ada" }, "ada", 0, errView},
		{"the ledger that failed is checked again", time.Date(2026, 3, 31, 22, 2, 0, 0, time.UTC), func() { st.failing = "" },
			"ada", 0, nil},
		{"drops the checkpoint of an erased ledger", time.Date(2026, 3, 31, 22, 3, 0, 0, time.UTC), func() {
			if err := st.EraseLedger(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
		}, "", 0, nil},
	} {
		if step.do != nil {
			step.do()
		}
		clear(st.viewed)
		raised, err := raiser.RaiseAll(t.Context(), step.now)
		viewed := ""
		for _, owner := range []expense.OwnerID{"ada", "berta", "cleo"} {
			if st.viewed[owner] > 0 {
				viewed += " " + string(owner)
			}
		}
		if viewed = max(" ", viewed)[1:]; viewed != step.viewed || raised != step.raised || !errors.Is(err, step.err) {
			t.Errorf("%s: viewed %q, raised %d, %v, want %q, %d, %v", step.name, viewed, raised, err, step.viewed, step.raised,
				step.err)
		}
	}
}
