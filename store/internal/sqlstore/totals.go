package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

var totalsTable = &table{
	name: "spendwise_totals",
	columns: columnsOf(`owner text, month integer, category_id uuid, currency text, count bigint, amount bigint,
		home bigint,
		pending_count bigint, pending bigint`),
	conflict: ` ON CONFLICT (owner, month, category_id, currency) DO UPDATE
		SET count = spendwise_totals.count + excluded.count,
		amount = spendwise_totals.amount + excluded.amount, home = spendwise_totals.home + excluded.home,
		pending_count = spendwise_totals.pending_count + excluded.pending_count,
		pending = spendwise_totals.pending + excluded.pending`,
}

// addTotal is the insertion of one total whose values follow those of an expense.
var addTotal = func() string {
	places := make([]string, len(totalsTable.columns))
	for i := range places {
		places[i] = "$" + strconv.Itoa(len(expenseColumns)+i+1)
	}
	return "INSERT INTO spendwise_totals (" + totalsTable.names() + ") SELECT " + strings.Join(places, ", ")
}()

// A totalKey names a row of the summary within a ledger.
type totalKey struct {
	month    int
	category uuid.UUID
	currency expense.Currency
}

// sums are what a row of the summary holds, or what changes in it.
type sums struct {
	count, amount, home, pendingCount, pending int64
}

// deltas are the changes of the summary that writes to expenses bring.
type deltas struct {
	changes map[totalKey]sums
}

func (d *deltas) add(e expense.Expense) { d.count(e, 1) }

func (d *deltas) subtract(e expense.Expense) { d.count(e, -1) }

func (d *deltas) count(e expense.Expense, sign int64) {
	if d.changes == nil {
		d.changes = make(map[totalKey]sums)
	}
	key := totalKey{e.Date.Month().Int(), e.CategoryID, e.Amount.Currency()}
	s := d.changes[key]
	s.count += sign
	s.amount += sign * e.Amount.Minor()
	s.home += sign * e.Home.Minor()
	if e.Pending() {
		s.pendingCount += sign
		s.pending += sign * e.Amount.Minor()
	}
	d.changes[key] = s
}

// rows returns the changes as rows of the summary, those that change nothing left out, in the order of their keys.
func (d *deltas) rows(owner string) [][]any {
	keys := make([]totalKey, 0, len(d.changes))
	for key, change := range d.changes {
		if change != (sums{}) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b totalKey) int {
		return cmp.Or(cmp.Compare(a.month, b.month), slices.Compare(a.category[:], b.category[:]),
			a.currency.Compare(b.currency))
	})
	rows := make([][]any, len(keys))
	for i, key := range keys {
		s := d.changes[key]
		rows[i] = []any{owner, int64(key.month), key.category.String(), key.currency.Code(), s.count, s.amount, s.home,
			s.pendingCount, s.pending}
	}
	return rows
}

// shrinks reports whether some row of the summary may come down to no expense, and within which months.
func (d *deltas) shrinks() (from, to int, some bool) {
	for key, change := range d.changes {
		if change.count < 0 {
			if from == 0 || key.month < from {
				from = key.month
			}
			to, some = max(to, key.month), true
		}
	}
	return from, to, some
}

// adjust brings the summary up to date with what was written.
func (tx *ledgerTx) adjust(ctx context.Context, d *deltas) error {
	if _, err := tx.session.insert(ctx, totalsTable, d.rows(tx.owner)); err != nil {
		return err
	}
	from, to, some := d.shrinks()
	if !some {
		return nil
	}
	_, err := tx.session.exec(ctx, `DELETE FROM spendwise_totals WHERE owner = $1 AND month >= $2 AND month <= $3
		AND count = 0`,
		tx.owner, int64(from), int64(to))
	return err
}

// moveTotals adds the sums of one category to those of another.
func (tx *ledgerTx) moveTotals(ctx context.Context, from, into uuid.UUID) error {
	var rows [][]any
	err := tx.session.each(ctx, 7, func(r *row) {
		rows = append(rows, []any{tx.owner, r.int(0), into.String(), r.text(1), r.int(2), r.int(3), r.int(4), r.int(5),
			r.int(6)})
	}, `SELECT month, currency, count, amount, home, pending_count, pending FROM spendwise_totals WHERE owner = $1
		AND category_id = $2`,
		tx.owner, from.String())
	if err != nil {
		return err
	}
	if _, err := tx.session.insert(ctx, totalsTable, rows); err != nil {
		return err
	}
	_, err = tx.session.exec(ctx, `DELETE FROM spendwise_totals WHERE owner = $1 AND category_id = $2`, tx.owner,
		from.String())
	return err
}

// A part is a stretch of one of the ranges of a TotalsQuery that one SELECT sums: whole months, from the summary, or
// days.
type part struct {
	index    int // of the range
	days     bool
	from, to int // months or dates, as digits
}

// The ends of the calendar as digits, which stand for the open ends of a range.
const (
	firstDate, lastDate   = 1_01_01, 9999_12_31
	firstMonth, lastMonth = 1_01, 9999_12
)

// parts splits a range into whole months and the days before and after them.
func parts(index int, span expense.Range, byDays bool) []part {
	from, to := firstDate, lastDate
	if !span.From.IsZero() {
		from = span.From.Int()
	}
	if !span.To.IsZero() {
		to = span.To.Int()
	}
	if from > to {
		return nil
	}
	first, last := span.From.Month(), span.To.Month()
	if byDays || first == last && !first.IsZero() && span != first.Range() {
		return []part{{index: index, days: true, from: from, to: to}}
	}
	var list []part
	low, high := firstMonth, lastMonth
	if !first.IsZero() {
		low = first.Int()
		if span.From != first.First() {
			list = append(list, part{index: index, days: true, from: from, to: first.Last().Int()})
			low = first.Add(1).Int() // 0 after the calendar's last month, where first == last was handled unless To is open
			if low == 0 {
				return list
			}
		}
	}
	if !last.IsZero() {
		high = last.Int()
		if span.To != last.Last() {
			list = append(list, part{index: index, days: true, from: last.First().Int(), to: to})
			high = last.Add(-1).Int() // 0 before the calendar's first month: no whole month is left
		}
	}
	if low <= high {
		list = append(list, part{index: index, from: low, to: high})
	}
	return list
}

const totalWidth = 10

// The five sums of a part. They are exact: SUM of integers in both engines, cut back from Postgres's NUMERIC.
const (
	sumsOfTotals = `CAST(sum(t.count) AS bigint), CAST(sum(t.amount) AS bigint), CAST(sum(t.home) AS bigint),
		CAST(sum(t.pending_count) AS bigint), CAST(sum(t.pending) AS bigint)`
	sumsOfExpenses = `count(*), CAST(sum(t.amount) AS bigint), CAST(sum(t.home) AS bigint),
		CAST(sum(CASE WHEN t.rate IS NULL THEN 1 ELSE 0 END) AS bigint),
		CAST(sum(CASE WHEN t.rate IS NULL THEN t.amount ELSE 0 END) AS bigint)`
)

// sumOf returns the SELECT of a part; the columns are range, period, category, currency, the five sums, and the home
// currency.
func sumOf(p part, by expense.Granularity, at int) string {
	table, column, period, cells := "spendwise_totals", "month", "0", sumsOfTotals
	if p.days {
		table, column, cells = "spendwise_expenses", "date", sumsOfExpenses
	}
	switch {
	case by == expense.ByDay, by == expense.ByWeek:
		period = "t.date"
	case by == expense.ByMonth && p.days:
		period = "t.date / 100"
	case by == expense.ByMonth:
		period = "t.month"
	}
	group := ""
	switch {
	case p.days:
		group = "t.date, " // as the index of days has it: no sort is needed, and fold adds up what belongs together
	case period != "0":
		group = period + ", "
	}
	return fmt.Sprintf(`SELECT %d, %s, CAST(t.category_id AS text), t.currency, %s, (SELECT home FROM spendwise_ledgers
		WHERE owner = $1)
		FROM %s t WHERE t.owner = $1 AND t.%s >= $%d AND t.%s <= $%d GROUP BY %st.category_id, t.currency`,
		p.index, period, cells, table, column, at, column, at+1, group)
}

func (r *reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	text, args := totalsOf(r.owner, query)
	if text == "" {
		return nil, nil
	}
	each := r.on().each
	if len(args) > maxKeptArgs {
		each = r.on().eachOnce
	}
	var totals []expense.Total
	err := each(ctx, totalWidth, func(row *row) { totals = append(totals, scanTotal(row, query.Granularity)) }, text,
		args...)
	if err != nil {
		return nil, err
	}
	return fold(totals)
}

// maxKeptArgs is how many values the statement of up to four parts has: longer ones are too many texts to keep.
const maxKeptArgs = 1 + 2*4

// totalsOf is the statement that answers a query: whole months from the summary, and only what is left from the
// expenses. It is empty where the ranges hold no day.
func totalsOf(owner string, query expense.TotalsQuery) (string, []any) {
	var selects []string
	args := []any{owner}
	for i, span := range query.Ranges {
		for _, p := range parts(i, span, query.Granularity == expense.ByDay || query.Granularity == expense.ByWeek) {
			selects = append(selects, sumOf(p, query.Granularity, len(args)+1))
			args = append(args, int64(p.from), int64(p.to))
		}
	}
	return strings.Join(selects, " UNION ALL "), args
}

func scanTotal(r *row, by expense.Granularity) expense.Total {
	var period expense.Date
	switch by {
	case expense.ByDay, expense.ByWeek:
		period = by.Truncate(r.date(1))
	case expense.ByMonth:
		period = r.month(1).First()
	case expense.WholeRange: // has no period
	}
	currency := r.currency(3)
	return expense.Total{
		Range: int(r.int(0)), Period: period, CategoryID: r.id(2), Count: int(r.int(4)), Amount: r.moneyIn(5, currency),
		Home:         r.money(6, 9),
		PendingCount: int(r.int(7)), Pending: r.moneyIn(8, currency),
	}
}

// fold sorts totals and adds up those of one range, period, category and currency, which come from parts or days of a
// week.
func fold(totals []expense.Total) ([]expense.Total, error) {
	slices.SortFunc(totals, compareTotals)
	kept := totals[:0]
	for _, total := range totals {
		last := len(kept) - 1
		if last < 0 || compareTotals(kept[last], total) != 0 {
			kept = append(kept, total)
			continue
		}
		into := &kept[last]
		into.Count += total.Count
		into.PendingCount += total.PendingCount
		for _, sum := range [...]struct{ to, more *expense.Money }{
			{&into.Amount, &total.Amount}, {&into.Home, &total.Home}, {&into.Pending, &total.Pending},
		} {
			var err error
			if *sum.to, err = sum.to.Add(*sum.more); err != nil {
				return nil, fmt.Errorf("totals: %w", err)
			}
		}
	}
	return kept, nil
}

func compareTotals(a, b expense.Total) int {
	return cmp.Or(cmp.Compare(a.Range, b.Range), a.Period.Compare(b.Period),
		slices.Compare(a.CategoryID[:], b.CategoryID[:]),
		a.Amount.Currency().Compare(b.Amount.Currency()))
}
