package storetest

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// putAlerts writes alerts and returns them as the store must return them.
func (l *ledger) putAlerts(alerts ...budget.Alert) []budget.Alert {
	version := l.write(call(store.Tx.PutAlerts, alerts...))
	for i := range alerts {
		alerts[i].Version = version
		alerts[i].RaisedAt = expense.Timestamp(alerts[i].RaisedAt)
		if !alerts[i].ReadAt.IsZero() {
			alerts[i].ReadAt = expense.Timestamp(alerts[i].ReadAt)
		}
	}
	return alerts
}

// wantAlerts compares the alerts of the month from, which may be zero, and later.
func (l *ledger) wantAlerts(from expense.Month, want []budget.Alert, subject string) {
	equalLists(l.checkT, getBy(l.checkT, l.reader.Alerts, from), want, "Alerts %s", subject)
}

func checkAlertValues(t *checkT) {
	l := t.ledger("a")
	early, late := epoch, epoch.Add(time.Microsecond)
	low, high := uuid.UUID{15: 1}, uuid.UUID{0: 0xff}
	want := l.putAlerts( // in the order of Alerts
		l.newAlert(l.id(), "9999-12", early), l.newAlert(l.id(), "2025-06", late), l.newAlert(low, "2025-06", early),
		l.newAlert(high, "2025-06", early), l.newAlert(l.id(), "2025-05", nanoTime), l.newAlert(l.id(), "0001-01", late))
	want[4].Threshold = 1
	want[5].Threshold, want[5].ReadAt = 100_000, nanoTime
	changed := l.putAlerts(want[5], want[4])
	want[4], want[5] = changed[1], changed[0]
	l.wantAlerts(expense.Month{}, want, "of all months")
	l.wantAlerts(month("2025-06"), want[:4], "from June on")
	l.wantAlerts(month("2025-07"), want[:1], "from July on")
	t.view(l.owner, func(r store.Reader) {
		equalLists(t, getBy(t, r.Alerts, expense.Month{}), want, "Alerts in a View")
	})
	t.ledger("b").wantAlerts(expense.Month{}, nil, "of another owner")
}

func checkAlertWrites(t *checkT) {
	l := t.ledger("a")
	stored := l.putAlerts(l.newAlert(l.id(), "2025-05", epoch))[0]
	before := t.dump(l.reader)
	again, stale, unknown := stored, stored, stored
	again.Version, unknown.ID = 0, l.id()
	stale.Version--
	for _, test := range []struct {
		name string
		want error
		call txCall
	}{
		{"an alert that exists", expense.ErrExists,
			call(store.Tx.PutAlerts, l.newAlert(l.id(), "2025-06", epoch), again)},
		{"an alert at another version", expense.ErrStale, call(store.Tx.PutAlerts, stale)},
		{"an unknown alert", expense.ErrNotFound, call(store.Tx.PutAlerts, unknown)},
		{"the same id twice", expense.ErrInvalid, call(store.Tx.PutAlerts, stored, stored)},
	} {
		l.update(func(tx store.Tx) error {
			t.wantError(t.runCalls(tx, test.call), test.want, "PutAlerts of %s", test.name)
			return nil
		})
		t.wantUnchanged(before, l.reader, "PutAlerts of %s", test.name)
	}
}

func checkAlertStays(t *checkT) {
	l := t.ledger("a")
	b := l.putBudget(l.newBudget(l.food, "2025-01"))
	alert := l.newAlert(budget.AlertID(b.ID, month("2025-05"), 8000), "2025-05", epoch)
	alert.BudgetID = b.ID
	alerts := l.putAlerts(alert)
	l.deleteBudget(b.ID)
	if t.has(mergeStage) {
		l.merge(l.food, l.travel, "2025-06")
	}
	l.wantAlerts(expense.Month{}, alerts, "after their budget was deleted")
	t.erase(l.owner)
	l.wantAlerts(expense.Month{}, nil, "after their ledger was erased")
}

func checkHasBudgets(t *checkT) {
	l := t.ledger("a")
	want := func(want bool, state string) {
		l.update(func(tx store.Tx) error {
			equal(t, get(t, tx.HasBudgets), want, "HasBudgets %s", state)
			return nil
		})
	}
	want(false, "in a new ledger")
	b := l.newBudget(l.food, "2025-01")
	l.write(txCall{"PutBudgets", func(ctx context.Context, tx store.Tx) (expense.Version, error) {
		version, err := tx.PutBudgets(ctx, b)
		equal(t, get(t, tx.HasBudgets), true, "HasBudgets after PutBudgets in the same Update")
		return version, err
	}})
	want(true, "in a later Update")
	l.rollBack(callBy(store.Tx.DeleteBudget, b.ID))
	want(true, "after a deletion that was rolled back")
	if t.has(mergeStage) {
		l.merge(l.food, l.travel, "2025-06")
		want(true, "after a merge that ended the only budget")
	}
	other := l.putBudget(l.newBudget(l.travel, "2025-09"))
	l.deleteBudget(b.ID)
	want(true, "with one budget of two")
	if t.has(mergeStage) {
		l.merge(l.travel, l.other, "2025-06")
	} else {
		l.deleteBudget(other.ID)
	}
	want(false, "after the last budget was deleted")
}

func checkBudgetOwners(t *checkT) {
	wantOwners := func(state string, want ...expense.OwnerID) {
		var owners []expense.OwnerID
		for _, got := range collect(t, t.st.BudgetOwners(t.ctx), "BudgetOwners") {
			state := get(t, t.st.Reader(got.Owner).State)
			equal(t, got.Version, state.Version, "the version of BudgetOwners for %q", got.Owner)
			owners = append(owners, got.Owner)
		}
		equalLists(t, owners, want, "BudgetOwners %s", state)
	}
	ledgers := t.trickyLedgers()
	wantOwners("without budgets")
	budgets := make(map[expense.OwnerID]uuid.UUID)
	for _, owner := range someOwners {
		l := ledgers[owner]
		ended := l.newBudget(l.food, "2020-01")
		ended.Until = month("2020-12")
		budgets[owner] = l.putBudget(ended).ID
	}
	wantOwners("with budgets", slices.Sorted(slices.Values(someOwners))...)
	for got, err := range t.st.BudgetOwners(t.ctx) { // the loop's body writes
		t.noError(err, "BudgetOwners")
		if got.Owner != "B" {
			ledgers[got.Owner].deleteBudget(budgets[got.Owner])
		}
	}
	wantOwners("after deletions", "B")
	t.erase("B")
	wantOwners("after the last ledger with a budget was erased")
}
