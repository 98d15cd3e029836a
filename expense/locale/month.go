package locale

import (
	"iter"
	"strings"
)

// MonthNames yields the names of the twelve months, from January, with the name of the locale that uses them. A locale
// can have several forms of the names: full and abbreviated, alone and within a date. The order of the locales is not
// defined.
func MonthNames() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for name, line := range locales() {
			for field := range strings.SplitSeq(line, "\t") {
				key, value, _ := strings.Cut(field, "=")
				months := strings.Split(value, "|")
				if strings.HasPrefix(key, "months.") && len(months) == 12 && !yield(name, months) {
					return
				}
			}
		}
	}
}
