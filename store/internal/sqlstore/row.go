package sqlstore

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// A row is one row of a result. Its cells are taken as the driver gives them, without reflection; the first cell that
// does not hold what is asked for is kept in err.
type row struct {
	cells   []any
	targets []any // pointers to the cells
	err     error
}

func newRow(width int) *row {
	r := &row{cells: make([]any, width), targets: make([]any, width)}
	for i := range r.cells {
		r.targets[i] = &r.cells[i]
	}
	return r
}

func (r *row) note(err error) {
	if err != nil && r.err == nil {
		r.err = err
	}
}

func (r *row) wrong(i int, want string) {
	r.note(fmt.Errorf("column %d of a row holds a %T, not %s", i+1, r.cells[i], want))
}

func (r *row) isNull(i int) bool { return r.cells[i] == nil }

func (r *row) int(i int) int64 {
	n, ok := r.cells[i].(int64)
	if !ok {
		r.wrong(i, "an integer")
	}
	return n
}

func (r *row) bool(i int) bool { return r.int(i) != 0 }

// text returns a text; NULL is the empty one.
func (r *row) text(i int) string {
	switch cell := r.cells[i].(type) {
	case string:
		return cell
	case []byte:
		return string(cell)
	case nil:
		return ""
	default:
		r.wrong(i, "a text")
		return ""
	}
}

func (r *row) bytes(i int) []byte {
	switch cell := r.cells[i].(type) {
	case []byte:
		return cell
	case string:
		return []byte(cell)
	case nil:
		return nil
	default:
		r.wrong(i, "bytes")
		return nil
	}
}

// id returns an id; NULL is the nil one.
func (r *row) id(i int) uuid.UUID {
	if r.cells[i] == nil {
		return uuid.Nil
	}
	id, err := uuid.Parse(r.text(i))
	r.note(err)
	return id
}

func (r *row) version(i int) expense.Version { return expense.Version(r.int(i)) }

func (r *row) instant(i int) time.Time { return time.UnixMicro(r.int(i)).UTC() }

// nullInstant returns an instant; NULL is the zero time.
func (r *row) nullInstant(i int) time.Time {
	if r.cells[i] == nil {
		return time.Time{}
	}
	return r.instant(i)
}

func (r *row) dates(i int) recurrence.DateSet {
	dates, err := recurrence.ParseDateSet(r.text(i))
	r.note(err)
	return dates
}

func (r *row) date(i int) expense.Date {
	date, err := expense.DateFromInt(int(r.int(i)))
	r.note(err)
	return date
}

func (r *row) month(i int) expense.Month {
	month, err := expense.MonthFromInt(int(r.int(i)))
	r.note(err)
	return month
}

func (r *row) currency(i int) expense.Currency {
	currency, err := expense.ParseCurrency(r.text(i))
	r.note(err)
	return currency
}

func (r *row) money(minor, currency int) expense.Money { return r.moneyIn(minor, r.currency(currency)) }

func (r *row) moneyIn(minor int, currency expense.Currency) expense.Money {
	money, err := expense.MoneyFromMinor(r.int(minor), currency)
	r.note(err)
	return money
}

func (r *row) factor(i int) expense.Factor {
	if r.cells[i] == nil {
		return expense.Factor{}
	}
	factor, err := expense.ParseFactor(r.text(i))
	r.note(err)
	return factor
}

// nullID is the argument for an id whose nil value is NULL.
func nullID(id uuid.UUID) any {
	if id == uuid.Nil {
		return nil
	}
	return id.String()
}

// nullInstant is the argument for an instant whose zero value is NULL.
func nullInstant(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UnixMicro()
}

// nullText is the argument for a text whose empty value is NULL.
func nullText(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// flag is the argument for a truth, which is an integer in both engines.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
