package sqldb

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/uptrace/bun/schema"

	"github.com/spendwise/spendwise/expense"
)

// Each table has a model: a struct whose fields are its columns. The fields hold what the columns hold: integers for
// dates (YYYYMMDD), months (YYYYMM), amounts (minor units) and times (microseconds since 1970), and text for codes.

// A UUID is an id in a column: of the type uuid in PostgreSQL, and 16 bytes in SQLite.
type UUID uuid.UUID

// Value returns the 16 bytes. Both drivers accept them.
func (id UUID) Value() (driver.Value, error) { return id[:], nil }

// Scan reads 16 bytes or a text.
func (id *UUID) Scan(src any) error { return (*uuid.UUID)(id).Scan(src) }

// AppendQuery writes the literal of the dialect.
func (id UUID) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) {
	dialect, ok := gen.Dialect().(SchemaDialect)
	if !ok {
		return nil, fmt.Errorf("the dialect %T cannot write ids", gen.Dialect())
	}
	return dialect.AppendUUID(b, uuid.UUID(id)), nil
}

// A NullUUID is a UUID whose column is NULL if it is uuid.Nil.
type NullUUID uuid.UUID

func (id NullUUID) isNull() bool { return id == NullUUID(uuid.Nil) }

// Value implements [driver.Valuer].
func (id NullUUID) Value() (driver.Value, error) {
	if id.isNull() {
		return nil, nil
	}
	return id[:], nil
}

// Scan implements [sql.Scanner].
func (id *NullUUID) Scan(src any) error {
	*id = NullUUID{}
	return (*uuid.UUID)(id).Scan(src)
}

// AppendQuery writes the literal of the dialect.
func (id NullUUID) AppendQuery(gen schema.QueryGen, b []byte) ([]byte, error) {
	if id.isNull() {
		return append(b, "NULL"...), nil
	}
	return UUID(id).AppendQuery(gen, b)
}

// A NullText is a text whose column is NULL if it is empty.
type NullText string

// Value implements [driver.Valuer].
func (text NullText) Value() (driver.Value, error) {
	if text == "" {
		return nil, nil
	}
	return string(text), nil
}

// Scan implements [sql.Scanner].
func (text *NullText) Scan(src any) error {
	switch src := src.(type) {
	case nil:
		*text = ""
	case string:
		*text = NullText(src)
	case []byte:
		*text = NullText(src)
	default:
		return fmt.Errorf("a column holds a %T, not a text", src)
	}
	return nil
}

// Micros returns the integer that a time is stored as.
func Micros(at time.Time) int64 { return at.UnixMicro() }

// FromMicros is the inverse of micros.
func FromMicros(micro int64) time.Time { return time.UnixMicro(micro).UTC() }

// NullMicros returns NULL for the zero time.
func NullMicros(at time.Time) sql.Null[int64] {
	if at.IsZero() {
		return sql.Null[int64]{}
	}
	return sql.Null[int64]{V: Micros(at), Valid: true}
}

// FromNullMicros is the inverse of nullMicros.
func FromNullMicros(micro sql.Null[int64]) time.Time {
	if !micro.Valid {
		return time.Time{}
	}
	return FromMicros(micro.V)
}

// Flag returns the integer that a bool is stored as.
func Flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// A Decoder converts the columns of a row into values of the domain.
type Decoder struct {
	Err error // the first error
}

// Keep keeps err if it is the first error.
func (d *Decoder) Keep(err error) {
	if err != nil && d.Err == nil {
		d.Err = err
	}
}

// Date converts the digits YYYYMMDD; 0 is the zero Date.
func (d *Decoder) Date(digits int64) expense.Date {
	date, err := expense.DateFromInt(int(digits))
	d.Keep(err)
	return date
}

// Month converts the digits YYYYMM; 0 is the zero Month.
func (d *Decoder) Month(digits int64) expense.Month {
	month, err := expense.MonthFromInt(int(digits))
	d.Keep(err)
	return month
}

// Currency converts an ISO 4217 code.
func (d *Decoder) Currency(code string) expense.Currency {
	currency, err := expense.ParseCurrency(code)
	d.Keep(err)
	return currency
}

// Money converts minor units and an ISO 4217 code.
func (d *Decoder) Money(minor int64, code string) expense.Money {
	return d.MoneyIn(minor, d.Currency(code))
}

// MoneyIn converts minor units of a currency.
func (d *Decoder) MoneyIn(minor int64, currency expense.Currency) expense.Money {
	money, err := expense.MoneyFromMinor(minor, currency)
	d.Keep(err)
	return money
}

// Factor returns the zero Factor for an empty text.
func (d *Decoder) Factor(text string) expense.Factor {
	if text == "" {
		return expense.Factor{}
	}
	factor, err := expense.ParseFactor(text)
	d.Keep(err)
	return factor
}

// NotNull returns an empty value instead of nil, which would be NULL.
func NotNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Storable reports whether an engine can store a text. No stored text equals one that it cannot store.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
