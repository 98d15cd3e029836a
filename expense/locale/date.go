package locale

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spendwise/spendwise/expense"
)

// Year returns a year: "2026" in en, "2026年" in ja.
func (f Formatter) Year(year int) string {
	first, err := expense.NewMonth(year, 1)
	if err != nil {
		return strconv.Itoa(year)
	}
	return f.date("y", strconv.Itoa(year), first.First())
}

// Month returns a month with its year: "March 2026" in en, "2026年3月" in ja.
func (f Formatter) Month(m expense.Month) string { return f.date("yMMMM", m.String(), m.First()) }

// MonthShort is Month with the abbreviated name of the month: "Mar 2026".
func (f Formatter) MonthShort(m expense.Month) string { return f.date("yMMM", m.String(), m.First()) }

// MonthName returns the abbreviated name of a month without its year, for example for the axis of a chart: "Mar".
func (f Formatter) MonthName(m expense.Month) string { return f.date("MMM", m.String(), m.First()) }

// Date returns a day: "Mar 5, 2026" in en, "5. März 2026" in de.
func (f Formatter) Date(d expense.Date) string { return f.date("yMMMd", d.String(), d) }

// date formats d by the CLDR pattern of skeleton. It returns plain for the zero Formatter and for the zero Date.
func (f Formatter) date(skeleton, plain string, d expense.Date) string {
	if f.locale == nil || d.IsZero() {
		return plain
	}
	return f.locale.date(f.locale.values["pattern."+skeleton], d)
}

// date replaces the fields of a CLDR date pattern. A field is a run of one letter; text between apostrophes is literal.
func (f *localeData) date(pattern string, d expense.Date) string {
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
			// Two apostrophes are one literal apostrophe, inside quotes and outside.
			if i+1 < len(pattern) && pattern[i+1] == '\'' {
				b, end = append(b, c), end+1
			} else {
				quoted = !quoted
			}
		case letter:
			b = f.appendField(b, pattern[i:end], d)
		default:
			b = append(b, c)
		}
		i = end
	}
	return string(b)
}

func (f *localeData) appendField(b []byte, field string, d expense.Date) []byte {
	month := d.MonthOfYear()
	switch field[0] {
	case 'y', 'Y':
		return f.appendNumber(b, d.Year(), 1)
	case 'd':
		return f.appendNumber(b, d.Day(), len(field))
	}
	if len(field) <= 2 {
		return f.appendNumber(b, int(month), len(field))
	}
	return append(b, strings.Split(f.values["months."+field], "|")[month-1]...)
}

// appendNumber appends n in the locale's digits, padded with zeros to width.
func (f *localeData) appendNumber(b []byte, n, width int) []byte {
	text := strconv.Itoa(n)
	for range width - len(text) {
		b = utf8.AppendRune(b, f.zero)
	}
	for _, digit := range text {
		b = utf8.AppendRune(b, f.zero+digit-'0')
	}
	return b
}
