package expense

import "time"

// A Month is a month of a year, from 0001-01 to 9999-12. The zero Month is no month. Compare months with ==.
type Month struct {
	n int32 // months since 0000-01
}

// NewMonth returns the month of year and month. The error is [ErrInvalid] if there is no such month.
func NewMonth(year int, month time.Month) (Month, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 {
		return Month{}, invalid("impossible_month", "month %04d-%02d does not exist in the calendar; correct it",
			year, int(month))
	}
	return Month{n: int32(year*12 + int(month) - 1)}, nil
}

// MustMonth is [ParseMonth] for constants. It panics on an error.
func MustMonth(text string) Month {
	month, err := ParseMonth(text)
	if err != nil {
		panic(err)
	}
	return month
}

// ParseMonth parses YYYY-MM. The error is [ErrInvalid].
func ParseMonth(text string) (Month, error) {
	if len(text) == 7 && text[4] == '-' {
		year, okYear := digits(text[0:4])
		month, okMonth := digits(text[5:7])
		if okYear && okMonth {
			return NewMonth(year, time.Month(month))
		}
	}
	return Month{}, invalid("malformed_month", "%s is not a month; write it as YYYY-MM", QuoteText(text))
}

// MonthFromInt returns the month with the decimal digits YYYYMM, as [Month.Int] returns them. 0 is the zero Month. The
// error is [ErrInvalid].
func MonthFromInt(ym int) (Month, error) {
	if ym == 0 {
		return Month{}, nil
	}
	return NewMonth(ym/100, time.Month(ym%100))
}

// Int returns the number with the decimal digits YYYYMM, or 0 for the zero Month. Numbers sort like the months.
func (m Month) Int() int {
	if m.IsZero() {
		return 0
	}
	return m.Year()*100 + int(m.MonthOfYear())
}

// IsZero reports whether m is the zero Month.
func (m Month) IsZero() bool { return m.n == 0 }

// Year returns m's year.
func (m Month) Year() int { return int(m.n) / 12 }

// MonthOfYear returns m's month without the year.
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

// Days returns the number of days in m.
func (m Month) Days() int { return daysIn(m.Year(), m.MonthOfYear()) }

// Range returns all days of m.
func (m Month) Range() Range { return Range{From: m.First(), To: m.Last()} }

// Add returns the month n months after m; n may be negative. It returns the zero Month if the result is before 0001-01
// or after 9999-12.
func (m Month) Add(n int) Month {
	sum := int(m.n) + n
	if m.IsZero() || sum < 12 || sum > 9999*12+11 {
		return Month{}
	}
	return Month{n: int32(sum)}
}

// Sub returns the number of months from earlier to m.
func (m Month) Sub(earlier Month) int { return int(m.n - earlier.n) }

// Compare returns -1 if m is before other, 0 if they are equal, and 1 if m is after other. The zero Month is before all
// others.
func (m Month) Compare(other Month) int { return int(min(1, max(-1, m.n-other.n))) }

// Before reports whether m is before other.
func (m Month) Before(other Month) bool { return m.n < other.n }

// After reports whether m is after other.
func (m Month) After(other Month) bool { return m.n > other.n }

// String returns the month as YYYY-MM, or "" for the zero Month.
func (m Month) String() string {
	if m.IsZero() {
		return ""
	}
	return m.First().String()[:7]
}

// MarshalText returns [Month.String].
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses the output of [Month.MarshalText]. The error is [ErrInvalid].
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

// A Range is the days from From to To, both included. A zero From or To leaves that side unlimited.
type Range struct {
	From, To Date
}

// Contains reports whether d is in r.
func (r Range) Contains(d Date) bool {
	return !d.Before(r.From) && (r.To.IsZero() || !d.After(r.To))
}
