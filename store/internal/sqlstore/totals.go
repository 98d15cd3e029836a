package sqlstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A totalRow holds the sums of the expenses of one month, category and currency. The table of totals summarises that
// of expenses. A row whose count is 0 means the same as no row.
type totalRow struct {
	bun.BaseModel `bun:"table:spendwise_totals,alias:t"`

	Owner                                      string     `bun:",pk"`
	Month                                      int64      `bun:",pk"`
	CategoryID                                 sqldb.UUID `bun:",pk,type:uuid"`
	Currency                                   string     `bun:",pk"`
	Count, Amount, Home, PendingCount, Pending int64
}

// addToTotal is the ON CONFLICT clause that adds the inserted sums to those of the row.
const addToTotal = `ON CONFLICT (owner, month, category_id, currency) DO UPDATE
	SET count = spendwise_totals.count + excluded.count, amount = spendwise_totals.amount + excluded.amount,
	home = spendwise_totals.home + excluded.home,
	pending_count = spendwise_totals.pending_count + excluded.pending_count,
	pending = spendwise_totals.pending + excluded.pending`

// totalChanges holds what is to be added to the totals. In the rows, Owner is empty.
type totalChanges map[totalKey]*totalRow

// A totalKey is the key of a totalRow within a ledger.
type totalKey struct {
	month      int64
	categoryID sqldb.UUID
	currency   string
}

func (t *totalChanges) add(e expense.Expense) { t.count(e, 1) }

func (t *totalChanges) subtract(e expense.Expense) { t.count(e, -1) }

func (t *totalChanges) count(e expense.Expense, sign int64) {
	key := totalKey{int64(e.Date.Month().Int()), sqldb.UUID(e.CategoryID), e.Amount.Currency().Code()}
	if *t == nil {
		*t = make(totalChanges)
	}
	row := (*t)[key]
	if row == nil {
		row = &totalRow{Month: key.month, CategoryID: key.categoryID, Currency: key.currency}
		(*t)[key] = row
	}
	row.Count += sign
	row.Amount += sign * e.Amount.Minor()
	row.Home += sign * e.Home.Minor()
	if e.Pending() {
		row.PendingCount += sign
		row.Pending += sign * e.Amount.Minor()
	}
}

// rows returns the changes in the order of their keys, without those that change nothing.
func (t totalChanges) rows(owner string) []totalRow {
	var rows []totalRow
	for _, row := range t {
		if row.Count == 0 && row.Amount == 0 && row.Home == 0 && row.PendingCount == 0 && row.Pending == 0 {
			continue
		}
		changed := *row
		changed.Owner = owner
		rows = append(rows, changed)
	}
	slices.SortFunc(rows, func(a, b totalRow) int {
		return cmp.Or(cmp.Compare(a.Month, b.Month), slices.Compare(a.CategoryID[:], b.CategoryID[:]),
			cmp.Compare(a.Currency, b.Currency))
	})
	return rows
}

// moveTotals adds the totals of one category to those of another one.
func (tx *ledgerTx) moveTotals(ctx context.Context, from, into uuid.UUID) error {
	_, err := tx.session.Change(ctx, tx.session.NewRaw(`INSERT INTO spendwise_totals
		(owner, month, category_id, currency, count, amount, home, pending_count, pending)
		SELECT owner, month, ?, currency, count, amount, home, pending_count, pending FROM spendwise_totals
		WHERE owner = ? AND category_id = ? `+addToTotal, sqldb.UUID(into), tx.owner, sqldb.UUID(from)))
	if err != nil {
		return err
	}
	_, err = tx.session.Change(ctx, tx.session.NewDelete().Model((*totalRow)(nil)).
		Where("owner = ? AND category_id = ?", tx.owner, sqldb.UUID(from)))
	return err
}

// The ends of the calendar, as digits.
const (
	firstDate, lastDate   = 1_01_01, 9999_12_31
	firstMonth, lastMonth = 1_01, 9999_12
)

// splitRanges splits the ranges of a query into whole months, whose sums are in the table of totals, and the days
// before and after them, whose sums come from the expenses.
func splitRanges(query expense.TotalsQuery) (months, days []sqldb.Span) {
	byDays := query.Granularity == expense.ByDay || query.Granularity == expense.ByWeek
	for i, r := range query.Ranges {
		from, to := firstDate, lastDate
		if !r.From.IsZero() {
			from = r.From.Int()
		}
		if !r.To.IsZero() {
			to = r.To.Int()
		}
		first, last := r.From.Month(), r.To.Month()
		switch {
		case from > to:
			continue
		case byDays, first == last && !first.IsZero() && r != first.Range():
			days = append(days, sqldb.Span{N: i, Low: from, High: to})
			continue
		}
		low, high := firstMonth, lastMonth
		if !first.IsZero() {
			if low = first.Int(); r.From != first.First() {
				days = append(days, sqldb.Span{N: i, Low: from, High: first.Last().Int()})
				low = cmp.Or(first.Add(1).Int(), lastMonth+1) // the month after the calendar's last one has no digits
			}
		}
		if !last.IsZero() {
			if high = last.Int(); r.To != last.Last() {
				days = append(days, sqldb.Span{N: i, Low: last.First().Int(), High: to})
				high = last.Add(-1).Int() // 0 before the calendar's first month
			}
		}
		if low <= high {
			months = append(months, sqldb.Span{N: i, Low: low, High: high})
		}
	}
	return months, days
}

// A sumRow is a row of a query for totals.
type sumRow struct {
	Range                                      int64
	Period                                     int64 // a date, a month or 0
	CategoryID                                 sqldb.UUID
	Currency                                   string
	Count, Amount, Home, PendingCount, Pending int64
	HomeCurrency                               string
}

// sumsOfExpenses are the sums of a totalRow. The casts are for PostgreSQL, whose sums are numeric.
const sumsOfExpenses = `count(*), CAST(sum(t.amount) AS bigint), CAST(sum(t.home) AS bigint), count(*) - count(t.rate),
	CAST(sum(CASE WHEN t.rate IS NULL THEN t.amount ELSE 0 END) AS bigint)`

// totalsText returns the statement of a query for totals and its arguments. There are few texts: they depend on the
// granularity, on whether months are to be added up, and on the spans only as far as SpanTable does. The text is empty
// if the ranges contain no day.
func totalsText(d *sqldb.Dialect, owner string, query expense.TotalsQuery) (text string, args []any) {
	const (
		start = `SELECT q.n, %[2]s, t.category_id, t.currency, `
		end   = `, (SELECT home FROM spendwise_ledgers WHERE owner = ?) FROM %[1]s CROSS JOIN `
		group = ` GROUP BY %[3]sq.n, t.category_id, t.currency`
		rows  = end + `spendwise_totals t
			WHERE t.owner = ? AND t.month >= q.low AND t.month <= q.high AND t.count > 0`

		eachMonth = start + `t.count, t.amount, t.home, t.pending_count, t.pending` + rows
		sumMonths = start + `CAST(sum(t.count) AS bigint), CAST(sum(t.amount) AS bigint), CAST(sum(t.home) AS bigint),
			CAST(sum(t.pending_count) AS bigint), CAST(sum(t.pending) AS bigint)` + rows + group
		sumDays = start + sumsOfExpenses + end + `spendwise_expenses t
			WHERE t.owner = ? AND t.date >= q.low AND t.date <= q.high` + group
	)
	add := func(format, period string, spans []sqldb.Span) {
		if len(spans) == 0 {
			return
		}
		if text != "" {
			text += " UNION ALL "
		}
		selected, grouped := period, period+", "
		if period == "" {
			selected, grouped = "0", ""
		}
		table, spanArgs := d.SpanTable(spans)
		text += fmt.Sprintf(format, table, selected, grouped)
		args = append(append(append(args, owner), spanArgs...), owner)
	}
	monthPeriod, dayPeriod := "", ""
	switch query.Granularity {
	case expense.ByDay, expense.ByWeek:
		dayPeriod = "t.date"
	case expense.ByMonth:
		monthPeriod, dayPeriod = "t.month", "t.date / 100"
	case expense.WholeRange: // has no period
	}
	months, days := splitRanges(query)
	ofMonths := sumMonths
	if monthPeriod != "" || !slices.ContainsFunc(months, func(s sqldb.Span) bool { return s.Low != s.High }) {
		ofMonths = eachMonth // each sum would add up a single row of the table
	}
	add(ofMonths, monthPeriod, months)
	add(sumDays, dayPeriod, days)
	return d.Renumber(text), args
}

func (r *reader) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	session := r.on()
	text, args := totalsText(&r.store.Dialect, r.owner, query)
	if text == "" {
		return nil, session.Failed
	}
	var totals []expense.Total
	err := sqldb.Each(ctx, session, func(row *sumRow) error {
		total, err := row.total(query.Granularity)
		totals = append(totals, total)
		return err
	}, text, args...)
	if err != nil {
		return nil, err
	}
	return mergeTotals(totals)
}

// Totals also sums what this Update has written.
func (tx *ledgerTx) Totals(ctx context.Context, query expense.TotalsQuery) ([]expense.Total, error) {
	if err := tx.flush(ctx); err != nil {
		return nil, err
	}
	return tx.reader.Totals(ctx, query)
}

func (row *sumRow) total(by expense.Granularity) (expense.Total, error) {
	var d sqldb.Decoder
	var period expense.Date
	switch by {
	case expense.ByDay, expense.ByWeek:
		period = by.Truncate(d.Date(row.Period))
	case expense.ByMonth:
		period = d.Month(row.Period).First()
	case expense.WholeRange: // has no period
	}
	currency := d.Currency(row.Currency)
	return expense.Total{
		Range: int(row.Range), Period: period, CategoryID: uuid.UUID(row.CategoryID), Count: int(row.Count),
		Amount: d.MoneyIn(row.Amount, currency), Home: d.Money(row.Home, row.HomeCurrency),
		PendingCount: int(row.PendingCount), Pending: d.MoneyIn(row.Pending, currency),
	}, d.Err
}

// mergeTotals sorts totals and adds up those of the same range, period, category and currency.
func mergeTotals(totals []expense.Total) ([]expense.Total, error) {
	slices.SortFunc(totals, compareTotals)
	merged := totals[:0]
	for _, total := range totals {
		last := len(merged) - 1
		if last < 0 || compareTotals(merged[last], total) != 0 {
			merged = append(merged, total)
			continue
		}
		into := &merged[last]
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
	return merged, nil
}

func compareTotals(a, b expense.Total) int {
	return cmp.Or(cmp.Compare(a.Range, b.Range), a.Period.Compare(b.Period),
		slices.Compare(a.CategoryID[:], b.CategoryID[:]), a.Amount.Currency().Compare(b.Amount.Currency()))
}
