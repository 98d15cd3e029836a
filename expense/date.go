package expense

import "time"

// A Date is a civil date of the proleptic Gregorian calendar, from 0001-01-01 to 9999-12-31. It is not an instant: it
// has no time zone. The zero Date is no date. Compare dates with ==.
type Date struct {
	ymd int32 // the decimal digits YYYYMMDD
}

// NewDate returns the date of year, month and day. The error is [ErrInvalid] if there is no such date.
func NewDate(year int, month time.Month, day int) (Date, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return Date{}, invalid("impossible_date", "date %04d-%02d-%02d does not exist in the calendar; correct it",
			year, int(month), day)
	}
	return Date{ymd: int32(year*10000 + int(month)*100 + day)}, nil
}

// MustDate is [ParseDate] for constants. It panics on an error.
func MustDate(text string) Date {
	date, err := ParseDate(text)
	if err != nil {
		panic(err)
	}
	return date
}

// ParseDate parses YYYY-MM-DD, the extended format of ISO 8601. The error is [ErrInvalid].
func ParseDate(text string) (Date, error) {
	if len(text) != 10 || text[4] != '-' || text[7] != '-' {
		return Date{}, invalid("malformed_date", "%s is not a date; write it as YYYY-MM-DD", QuoteText(text))
	}
	year, okYear := digits(text[0:4])
	month, okMonth := digits(text[5:7])
	day, okDay := digits(text[8:10])
	if !okYear || !okMonth || !okDay {
		return Date{}, invalid("malformed_date", "%s is not a date; write it as YYYY-MM-DD", QuoteText(text))
	}
	return NewDate(year, time.Month(month), day)
}

// DateOf returns the date in loc at instant t, or the zero Date if the year is not from 1 to 9999.
func DateOf(t time.Time, loc *time.Location) Date {
	year, month, day := t.In(loc).Date()
	if year < 1 || year > 9999 {
		return Date{}
	}
	return Date{ymd: int32(year*10000 + int(month)*100 + day)}
}

// DateFromInt returns the date with the decimal digits YYYYMMDD, as [Date.Int] returns them. 0 is the zero Date. The
// error is [ErrInvalid].
func DateFromInt(ymd int) (Date, error) {
	if ymd == 0 {
		return Date{}, nil
	}
	return NewDate(ymd/10000, time.Month(ymd/100%100), ymd%100)
}

// Int returns the number with the decimal digits YYYYMMDD, or 0 for the zero Date. Numbers sort like the dates.
func (d Date) Int() int { return int(d.ymd) }

// IsZero reports whether d is the zero Date.
func (d Date) IsZero() bool { return d.ymd == 0 }

// Year returns d's year.
func (d Date) Year() int { return int(d.ymd) / 10000 }

// MonthOfYear returns d's month without the year.
func (d Date) MonthOfYear() time.Month { return time.Month(d.ymd / 100 % 100) }

// Day returns d's day of the month, from 1.
func (d Date) Day() int { return int(d.ymd % 100) }

// Month returns d's month with the year.
func (d Date) Month() Month {
	if d.IsZero() {
		return Month{}
	}
	return Month{n: int32(d.Year()*12 + int(d.MonthOfYear()) - 1)}
}

// Weekday returns d's day of the week.
func (d Date) Weekday() time.Weekday { return time.Weekday((d.ordinal() + 1) % 7) }

// WeekStart returns the Monday of d's ISO 8601 week.
func (d Date) WeekStart() Date { return d.AddDays(-int(d.Weekday()+6) % 7) }

// AddDays returns the date n days after d; n may be negative. It returns the zero Date if the result is before
// 0001-01-01 or after 9999-12-31.
func (d Date) AddDays(n int) Date {
	if d.IsZero() {
		return d
	}
	return dateOfOrdinal(d.ordinal() + n)
}

// Sub returns the number of days from earlier to d.
func (d Date) Sub(earlier Date) int { return d.ordinal() - earlier.ordinal() }

// Compare returns -1 if d is before other, 0 if they are equal, and 1 if d is after other. The zero Date is before all
// others.
func (d Date) Compare(other Date) int { return int(min(1, max(-1, d.ymd-other.ymd))) }

// Before reports whether d is before other.
func (d Date) Before(other Date) bool { return d.ymd < other.ymd }

// After reports whether d is after other.
func (d Date) After(other Date) bool { return d.ymd > other.ymd }

// StartIn returns the first instant of d in loc. That is midnight, or the first later instant if a time zone transition
// skips midnight or the whole day.
func (d Date) StartIn(loc *time.Location) time.Time {
	midnight := time.Date(d.Year(), d.MonthOfYear(), d.Day(), 0, 0, 0, 0, time.UTC)
	// Every offset is shorter than a day, so the day before is before d in every zone. From there, step from one time zone
	// transition to the next, until local midnight lies before a transition or is skipped by it.
	for probe := midnight.AddDate(0, 0, -1).In(loc); ; {
		_, offset := probe.Zone()
		_, end := probe.ZoneBounds()
		if !end.IsZero() && !end.After(probe) {
			// ZoneBounds returned an end that is not after probe: after the last listed transition, package time assumes years
			// of 365 days, and probe lies on the last day of a leap year. Continue on the next day.
			end = probe.Truncate(24 * time.Hour).Add(24 * time.Hour).In(loc)
		}
		begin := midnight.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || begin.Before(end) {
			return begin.In(loc)
		}
		if !DateOf(end, loc).Before(d) {
			return end
		}
		probe = end
	}
}

// String returns the date as YYYY-MM-DD, or "" for the zero Date.
func (d Date) String() string {
	return string(d.AppendTo(make([]byte, 0, 10)))
}

// AppendTo appends [Date.String] to b.
func (d Date) AppendTo(b []byte) []byte {
	if d.IsZero() {
		return b
	}
	n := d.ymd
	return append(b, byte('0'+n/10000000), byte('0'+n/1000000%10), byte('0'+n/100000%10), byte('0'+n/10000%10), '-',
		byte('0'+n/1000%10), byte('0'+n/100%10), '-', byte('0'+n/10%10), byte('0'+n%10))
}

// MarshalText returns [Date.String].
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses the output of [Date.MarshalText]. The error is [ErrInvalid].
func (d *Date) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Date{}
		return nil
	}
	date, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = date
	return nil
}

// ordinal returns the number of days since 0001-01-01, a Monday.
func (d Date) ordinal() int {
	year, month := d.Year(), int(d.MonthOfYear())
	// Start the year in March, so that the leap day is its last day.
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + d.Day() - 1 - 306
}

// dateOfOrdinal is the inverse of [Date.ordinal]. It returns the zero Date for a day outside the calendar.
func dateOfOrdinal(n int) Date {
	const firstDay, lastDay = 0, 3652058 // 0001-01-01 and 9999-12-31
	if n < firstDay || n > lastDay {
		return Date{}
	}
	n += 306 // days since 0000-03-01
	era := n / 146097
	dayOfEra := n % 146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153 // months since March
	year, month, day := yearOfEra+era*400, shifted+3, dayOfYear-(153*shifted+2)/5+1
	if month > 12 {
		year++
		month -= 12
	}
	return Date{ymd: int32(year*10000 + month*100 + day)}
}

func daysIn(year int, month time.Month) int {
	switch month {
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case time.April, time.June, time.September, time.November:
		return 30
	default:
		return 31
	}
}

// digits parses an unsigned decimal number of ASCII digits. ok is false for any other text. n is wrong if it overflows
// an int.
func digits(text string) (n int, ok bool) {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + int(text[i]-'0')
	}
	return n, len(text) > 0
}
