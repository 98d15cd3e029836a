package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun/schema"

	"github.com/spendwise/spendwise/expense"
)

// Each table has a model: a struct whose fields are its columns. The fields hold what the columns hold: integers for
// dates (YYYYMMDD), months (YYYYMM), amounts (minor units) and times (microseconds since 1970), and text for codes.

// A dbUUID is an id in a column: of the type uuid in PostgreSQL, and 16 bytes in SQLite.
type dbUUID uuid.UUID

// Value returns the 16 bytes. Both drivers accept them.
func (id dbUUID) Value() (driver.Value, error) { return id[:], nil }

// Scan reads 16 bytes or a text.
func (id *dbUUID) Scan(src any) error { return (*uuid.UUID)(id).Scan(src) }

// AppendQuery writes the literal of the dialect.
func (id dbUUID) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) {
	dialect, ok := gen.Dialect().(SchemaDialect)
	if !ok {
		return nil, fmt.Errorf("the dialect %T cannot write ids", gen.Dialect())
	}
	return dialect.AppendUUID(b, uuid.UUID(id)), nil
}

// A nullUUID is a dbUUID whose column is NULL if it is uuid.Nil.
type nullUUID uuid.UUID

func (id nullUUID) isNull() bool { return id == nullUUID(uuid.Nil) }

func (id nullUUID) Value() (driver.Value, error) {
	if id.isNull() {
		return nil, nil
	}
	return id[:], nil
}

func (id *nullUUID) Scan(src any) error {
	*id = nullUUID{}
	return (*uuid.UUID)(id).Scan(src)
}

// AppendQuery writes the literal of the dialect.
func (id nullUUID) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) {
	if id.isNull() {
		return append(b, "NULL"...), nil
	}
	return dbUUID(id).AppendQuery(gen, b)
}

// A nullText is a text whose column is NULL if it is empty.
type nullText string

func (text nullText) Value() (driver.Value, error) {
	if text == "" {
		return nil, nil
	}
	return string(text), nil
}

func (text *nullText) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*text = ""
	case string:
		*text = nullText(src)
	case []byte:
		*text = nullText(src)
	default:
		return fmt.Errorf("a column holds a %T, not a text", src)
	}
	return nil
}

// micros returns the integer that a time is stored as.
func micros(at time.Time) int64 { return at.UnixMicro() }

// fromMicros is the inverse of micros.
func fromMicros(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// nullMicros returns NULL for the zero time.
func nullMicros(at time.Time) sql.Null[int64] {
	if at.IsZero() {
		return sql.Null[int64]{}
	}
	return sql.Null[int64]{V: micros(at), Valid: true}
}

// fromNullMicros is the inverse of nullMicros.
func fromNullMicros(micro sql.Null[int64]) time.Time {
	if !micro.Valid {
		return time.Time{}
	}
	return fromMicros(micro.V)
}

// flag returns the integer that a bool is stored as.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// A decoder converts the columns of a row into values of the domain. It keeps the first error.
type decoder struct{ err error }

func (d *decoder) keep(err error) {
	if err != nil && d.err == nil {
		d.err = err
	}
}

func (d *decoder) date(digits int64) expense.Date {
	date, err := expense.DateFromInt(int(digits))
	d.keep(err)
	return date
}

func (d *decoder) month(digits int64) expense.Month {
	month, err := expense.MonthFromInt(int(digits))
	d.keep(err)
	return month
}

func (d *decoder) currency(code string) expense.Currency {
	currency, err := expense.ParseCurrency(code)
	d.keep(err)
	return currency
}

func (d *decoder) money(minor int64, code string) expense.Money {
	return d.moneyIn(minor, d.currency(code))
}

func (d *decoder) moneyIn(minor int64, currency expense.Currency) expense.Money {
	money, err := expense.MoneyFromMinor(minor, currency)
	d.keep(err)
	return money
}

// factor returns the zero Factor for an empty text.
func (d *decoder) factor(text string) expense.Factor {
	if text == "" {
		return expense.Factor{}
	}
	factor, err := expense.ParseFactor(text)
	d.keep(err)
	return factor
}
