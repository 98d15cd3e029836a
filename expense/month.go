package expense

import "time"

// A Month is a civil month, from 0001-01 to 9999-12. The zero Month is no month. Months compare with ==.
type Month struct {
	n int32 // months since 0000-01
}

// NewMonth returns the month of year and month, or an error that is ErrInvalid if there is none such.
func NewMonth(year int, month time.Month) (Month, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 {
		return Month{}, invalid("impossible_month", "%04d-%02d is not a month of the calendar", year, int(month))
	}
	return Month{n: int32(year*12 + int(month) - 1)}, nil
}

// MustMonth is ParseMonth for constants in a program; it panics on a text that is no month.
func MustMonth(text string) Month {
	month, err := ParseMonth(text)
	if err != nil {
		panic(err)
	}
	return month
}

// ParseMonth reads YYYY-MM and nothing else. The error is ErrInvalid.
func ParseMonth(text string) (Month, error) {
	if len(text) == 7 && text[4] == '-' {
		year, okYear := digits(text[0:4])
		month, okMonth := digits(text[5:7])
		if okYear && okMonth {
			return NewMonth(year, time.Month(month))
		}
	}
	return Month{}, invalid("malformed_month", "%s is not a month written YYYY-MM", quoteTruncated(text))
}

// MonthFromInt reads the decimal digits YYYYMM, the form [Month.Int] gives; 0 is the zero Month.
func MonthFromInt(ym int) (Month, error) {
	if ym == 0 {
		return Month{}, nil
	}
	return NewMonth(ym/100, time.Month(ym%100))
}

// Int returns the decimal digits YYYYMM as a number that sorts like the month; 0 for the zero Month.
func (m Month) Int() int {
	if m.IsZero() {
		return 0
	}
	return m.Year()*100 + int(m.MonthOfYear())
}

// IsZero reports whether m is no month.
func (m Month) IsZero() bool { return m.n == 0 }

// Year returns m's year.
func (m Month) Year() int { return int(m.n) / 12 }

// MonthOfYear returns m's place in its year, January to December.
func (m Month) MonthOfYear() time.Month { return time.Month(m.n%12 + 1) }

// First returns m's first day.
func (m Month) First() Date {
	if m.IsZero() {
		return Date{}
	}
	return Date{ymd: int32(m.Int()*100 + 1)}
}

// Last returns m's last day.
func (m Month) Last() Date {
	if m.IsZero() {
		return Date{}
	}
	return Date{ymd: int32(m.Int()*100 + m.Days())}
}

// Days returns how many days m has.
func (m Month) Days() int { return daysIn(m.Year(), m.MonthOfYear()) }

// Range returns all days of m.
func (m Month) Range() Range { return Range{From: m.First(), To: m.Last()} }

// Add returns the month n months after m, or before for a negative n. Beyond the calendar's ends it is the zero Month.
func (m Month) Add(n int) Month {
	sum := int(m.n) + n
	if m.IsZero() || sum < 12 || sum > 9999*12+11 {
		return Month{}
	}
	return Month{n: int32(sum)}
}

// Sub returns how many months m is after earlier.
func (m Month) Sub(earlier Month) int { return int(m.n - earlier.n) }

// Compare returns -1, 0 or 1 as m is before, equal to or after other. The zero Month is before all others.
func (m Month) Compare(other Month) int { return int(min(1, max(-1, m.n-other.n))) }

// Before reports whether m is earlier than other.
func (m Month) Before(other Month) bool { return m.n < other.n }

// After reports whether m is later than other.
func (m Month) After(other Month) bool { return m.n > other.n }

// String returns YYYY-MM, or "" for the zero Month.
func (m Month) String() string {
	if m.IsZero() {
		return ""
	}
	return m.First().String()[:7]
}

// MarshalText writes YYYY-MM; the zero Month is an empty text.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (m *Month) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = Month{}
		return nil
	}
	month, err := ParseMonth(string(text))
	if err != nil {
		return err
	}
	*m = month
	return nil
}

// A Range is a span of days, both ends included. A zero end leaves that side open.
type Range struct {
	From, To Date
}

// Contains reports whether d lies in r.
func (r Range) Contains(d Date) bool {
	return !d.Before(r.From) && (r.To.IsZero() || !d.After(r.To))
}
