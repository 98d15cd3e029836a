package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const (
	sayAlerts = "budget.Reader.Alerts: Alerts returns the alerts of the months from one on, of all months for the zero Month: " +
		"the latest month first, then the latest raised, then by id, byte by byte."
	sayPutAlerts  = "budget.Tx.PutAlerts: PutAlerts writes alerts."
	sayHasBudgets = "budget.Tx.HasBudgets: HasBudgets reports whether the ledger has a budget, as the Update has left it so " +
		"far."
	sayAlertStay = "budget.Tx.PutAlerts: They are never deleted but with their ledger, so none is ErrGone."
)

func alertChecks() []check {
	return []check{
		{name: "alert-values", guards: []string{sayAlerts, sayPutAlerts}, run: checkAlertValues},
		{name: "alert-writes", guards: []string{sayPutAlerts, sayPromises}, run: checkAlertWrites},
		{name: "owners-with-budgets", guards: []string{
			"store.Store.BudgetOwners: BudgetOwners yields every owner with a budget, ended or not, with the version of the ledger, in the order of their " +
				"ids."},
			alone: true, run: checkBudgetOwners},
		{name: "budget-any", guards: []string{sayHasBudgets}, run: checkHasBudgets},
		{name: "alert-stays", guards: []string{sayAlertStay}, run: checkAlertStays},
	}
}

// alert returns a new alert of a month.
func (b *book) alert(id uuid.UUID, month string, raised time.Time) budget.Alert {
	return budget.Alert{ID: id, BudgetID: b.id(), Month: expense.MustMonth(month), Threshold: 8000, RaisedAt: raised}
}

func (b *book) putAlerts(alerts ...budget.Alert) []budget.Alert {
	version := b.write("PutAlerts", func(tx store.Tx) (expense.Version, error) { return tx.PutAlerts(b.ctx, alerts...) })
	for i := range alerts {
		alerts[i].Version = version
		alerts[i].RaisedAt = expense.Timestamp(alerts[i].RaisedAt)
	}
	return alerts
}

func (b *book) alerts(from string) []budget.Alert {
	var month expense.Month
	if from != "" {
		month = expense.MustMonth(from)
	}
	alerts, err := b.reader.Alerts(b.ctx, month)
	b.must(err, "Alerts")
	return alerts
}

func checkAlertValues(p *probe) {
	b := p.book("a")
	early, late := epoch, epoch.Add(time.Microsecond)
	low, high := uuid.UUID{15: 1}, uuid.UUID{0: 0xff}
	zoned := time.Date(2025, time.May, 1, 2, 3, 4, 567891234, time.FixedZone("somewhere", 3*3600))
	// In the order that is promised; written in another.
	want := b.putAlerts(
		b.alert(b.id(), "9999-12", early), b.alert(b.id(), "2025-06", late), b.alert(low, "2025-06", early),
		b.alert(high, "2025-06", early), b.alert(b.id(), "2025-05", zoned), b.alert(b.id(), "0001-01", late))
	want[4].Threshold = 1
	want[5].Threshold, want[5].ReadAt = 100_000, expense.Timestamp(zoned)
	changed := []budget.Alert{want[5], want[4]}
	changed = b.putAlerts(changed...)
	want[4], want[5] = changed[1], changed[0]
	sameList(p, b.alerts(""), want, "all alerts")
	sameList(p, b.alerts("2025-06"), want[:3+1], "alerts from June on")
	sameList(p, b.alerts("2025-07"), want[:1], "alerts from July on")
	err := p.st.View(p.ctx, b.owner, func(r store.Reader) error {
		seen, err := r.Alerts(p.ctx, expense.Month{})
		sameList(p, seen, want, "all alerts in a View")
		return err
	})
	p.must(err, "View")
	other := p.book("b")
	sameList(p, other.alerts(""), nil, "alerts of another owner")
}

func checkAlertWrites(p *probe) {
	b := p.book("a")
	stored := b.putAlerts(b.alert(b.id(), "2025-05", epoch))[0]
	before := p.dump(b.reader)
	again := stored
	again.Version = 0
	stale := stored
	stale.Version--
	unknown := b.alert(b.id(), "2025-05", epoch)
	unknown.Version = stored.Version
	for _, one := range []struct {
		name   string
		alerts []budget.Alert
		want   error
	}{
		{"an alert that is there already", []budget.Alert{b.alert(b.id(), "2025-06", epoch), again}, expense.ErrExists},
		{"an alert at another version", []budget.Alert{stale}, expense.ErrStale},
		{"a change of one that never was", []budget.Alert{unknown}, expense.ErrNotFound},
		{"one id twice", []budget.Alert{stored, stored}, expense.ErrInvalid},
	} {
		err := p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
			_, err := tx.PutAlerts(p.ctx, one.alerts...)
			p.fails(err, one.want, "PutAlerts of %s", one.name)
			return nil
		})
		p.must(err, "Update after PutAlerts of %s", one.name)
		p.unchanged(before, p.dump(b.reader), "PutAlerts of %s", one.name)
	}
}

func checkAlertStays(p *probe) {
	b := p.book("a")
	series := b.putBudget(b.series(b.food, "2025-01"))
	alert := b.alert(budget.AlertID(series.ID, expense.MustMonth("2025-05"), 8000), "2025-05", epoch)
	alert.BudgetID = series.ID
	alert = b.putAlerts(alert)[0]
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series.ID) })
	b.merge(b.food, b.travel, "2025-06")
	sameList(p, b.alerts(""), []budget.Alert{alert}, "alerts after their budget was deleted")
	p.must(p.st.EraseLedger(p.ctx, b.owner), "EraseLedger")
	left, err := p.st.Reader(b.owner).Alerts(p.ctx, expense.Month{})
	p.must(err, "Alerts")
	sameList(p, left, nil, "alerts after their ledger was erased")
}

func checkHasBudgets(p *probe) {
	b := p.book("a")
	has := func(want bool, when string) {
		b.update(func(tx store.Tx) error {
			got, err := tx.HasBudgets(p.ctx)
			same(p, got, want, "HasBudgets %s", when)
			return err
		})
	}
	has(false, "in a new ledger")
	series := b.series(b.food, "2025-01")
	b.write("PutBudgets", func(tx store.Tx) (expense.Version, error) {
		version, err := tx.PutBudgets(p.ctx, series)
		p.must(err, "PutBudgets")
		got, err := tx.HasBudgets(p.ctx)
		same(p, got, true, "HasBudgets after a budget was written in the same Update")
		return version, err
	})
	has(true, "in a later Update")
	p.must(ignore(p.st.Update(p.ctx, b.owner, func(tx store.Tx) error {
		_, err := tx.DeleteBudget(p.ctx, series.ID)
		p.must(err, "DeleteBudget")
		return errAbandoned
	})), "Update")
	has(true, "after a deletion that was undone")
	b.merge(b.food, b.travel, "2025-06")
	has(true, "after a merge that ended the one budget")
	late := b.putBudget(b.series(b.travel, "2025-09"))
	b.write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series.ID) })
	has(true, "with one budget left")
	b.merge(b.travel, b.other, "2025-06")
	has(false, "after a merge that deleted the last budget, "+late.ID.String())
}

// errAbandoned ends an Update that is to leave nothing behind.
var errAbandoned = errors.New("abandoned on purpose")

func ignore(err error) error {
	if errors.Is(err, errAbandoned) {
		return nil
	}
	return err
}

func checkBudgetOwners(p *probe) {
	owners := func() []expense.OwnerID {
		var list []expense.OwnerID
		for _, found := range all(p, p.st.BudgetOwners(p.ctx), "BudgetOwners") {
			state, err := p.st.Reader(found.Owner).State(p.ctx)
			p.must(err, "State")
			same(p, found.Version, state.Version, "the version of %q's ledger by BudgetOwners", found.Owner)
			list = append(list, found.Owner)
		}
		return list
	}
	books := make(map[expense.OwnerID]*book)
	for _, owner := range oddOwners {
		books[owner] = p.bookOf(owner)
	}
	same(p, len(owners()), 0, "owners with budgets where nobody has one")
	with := []expense.OwnerID{"b", "B", "é", "😀", "ａ", "_"}
	series := make(map[expense.OwnerID]budget.Budget)
	for _, owner := range with {
		b := books[owner]
		ended := b.series(b.food, "2020-01")
		ended.Until = expense.MustMonth("2020-12")
		series[owner] = b.putBudget(ended)
	}
	sameList(p, owners(), slices.Sorted(slices.Values(with)), "BudgetOwners")
	// With the loop open, as the ticker works.
	for found, err := range p.st.BudgetOwners(p.ctx) {
		p.must(err, "BudgetOwners")
		if owner := found.Owner; owner != "B" {
			books[owner].write("DeleteBudget", func(tx store.Tx) (expense.Version, error) { return tx.DeleteBudget(p.ctx, series[owner].ID) })
		}
	}
	sameList(p, owners(), []expense.OwnerID{"B"}, "BudgetOwners after deletions")
	p.must(p.st.EraseLedger(p.ctx, "B"), "EraseLedger")
	same(p, len(owners()), 0, "owners with budgets after the last one's ledger was erased")
}
