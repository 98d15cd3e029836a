package expense

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Year writes a year: "2026" in en, "2026年" in ja.
func (f Formatter) Year(year int) string {
	first, err := NewMonth(year, 1)
	if err != nil {
		return strconv.Itoa(year)
	}
	return f.date("y", strconv.Itoa(year), first.First())
}

// Month writes a month with its year: "March 2026" in en, "2026年3月" in ja.
func (f Formatter) Month(m Month) string { return f.date("yMMMM", m.String(), m.First()) }

// MonthShort is Month with the month's name cut short: "Mar 2026".
func (f Formatter) MonthShort(m Month) string { return f.date("yMMM", m.String(), m.First()) }

// MonthName writes a month short and without its year, as the axis of a chart needs it: "Mar".
func (f Formatter) MonthName(m Month) string { return f.date("MMM", m.String(), m.First()) }

// Date writes a day: "Mar 5, 2026" in en, "5. März 2026" in de.
func (f Formatter) Date(d Date) string { return f.date("yMMMd", d.String(), d) }

func (f Formatter) date(skeleton, plain string, d Date) string {
	if f.locale == nil || d.IsZero() {
		return plain
	}
	return f.locale.dates.write(f.locale.symbols["pattern."+skeleton], d)
}

// dateFormat is how one locale writes dates of the Gregorian calendar.
type dateFormat struct {
	keys map[string]string
	zero rune // the digit; the others follow it
}

// write fills in a pattern of CLDR: runs of letters are fields, what stands between apostrophes is text.
func (f dateFormat) write(pattern string, d Date) string {
	var b []byte
	quoted := false
	for i := 0; i < len(pattern); {
		c := pattern[i]
		end := i + 1
		letter := !quoted && ('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
		for letter && end < len(pattern) && pattern[end] == c {
			end++
		}
		switch {
		case c == '\'':
			// A doubled apostrophe is one; it does not matter whether it stands in quotes.
			if i+1 < len(pattern) && pattern[i+1] == '\'' {
				b, end = append(b, c), end+1
			} else {
				quoted = !quoted
			}
		case letter:
			b = f.field(b, pattern[i:end], d)
		default:
			b = append(b, c)
		}
		i = end
	}
	return string(b)
}

func (f dateFormat) field(b []byte, field string, d Date) []byte {
	month := d.Month()
	switch field[0] {
	case 'y', 'Y':
		return f.number(b, d.Year(), 1)
	case 'd':
		return f.number(b, d.Day(), len(field))
	}
	if len(field) <= 2 {
		return f.number(b, int(month.MonthOfYear()), len(field))
	}
	names := strings.Split(f.keys["months."+field], "|")
	return append(b, names[month.MonthOfYear()-1]...)
}

// number writes n in the locale's digits, with zeros before it up to a width.
func (f dateFormat) number(b []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for range width - len(text) {
		b = utf8.AppendRune(b, f.zero)
	}
	for _, digit := range text {
		b = utf8.AppendRune(b, f.zero+digit-'0')
	}
	return b
}
