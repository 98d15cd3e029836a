package locale_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

func TestFormatter_MonthsAndDays(t *testing.T) {
	for _, test := range []struct{ locale, month, short, name, day string }{
		{"en-US", "March 2026", "Mar 2026", "Mar", "Mar 5, 2026"},
		{"en-GB", "March 2026", "Mar 2026", "Mar", "5 Mar 2026"},
		{"de-DE", "März 2026", "März 2026", "Mär", "5. März 2026"},
		{"fr", "mars 2026", "mars 2026", "mars", "5 mars 2026"},
		{"es", "marzo de 2026", "mar 2026", "mar", "5 mar 2026"},
		{"pt-BR", "março de 2026", "mar. de 2026", "mar.", "5 de mar. de 2026"},
		{"pl", "marzec 2026", "mar 2026", "mar", "5 mar 2026"},
		{"ru", "март 2026 г.", "март 2026 г.", "март", "5 мар. 2026 г."},
		{"ja", "2026年3月", "2026年3月", "3月", "2026年3月5日"},
		{"zh-Hant-TW", "2026年3月", "2026年3月", "3月", "2026年3月5日"},
		{"hu", "2026. március", "2026. márc.", "márc.", "2026. márc. 5."},
		{"ar-EG", "مارس ٢٠٢٦", "مارس ٢٠٢٦", "مارس", "٥ مارس ٢٠٢٦"},
		{"hi", "मार्च 2026", "मार्च 2026", "मार्च", "5 मार्च 2026"},
		{"lt", "2026 m. kovas", "2026-03", "03", "2026-03-05"},
		{"bg", "март 2026 г.", "03.2026 г.", "03", "5.03.2026 г."},
		{"und", "2026 M03", "2026 M03", "M03", "2026 M03 5"},
		{"xx-YY", "2026 M03", "2026 M03", "M03", "2026 M03 5"},
	} {
		t.Run(test.locale, func(t *testing.T) {
			f := locale.NewFormatter(test.locale)
			month, day := expense.MustMonth("2026-03"), expense.MustDate("2026-03-05")
			got := []string{f.Month(month), f.MonthShort(month), f.MonthName(month), f.Date(day)}
			want := []string{test.month, test.short, test.name, test.day}
			for i := range got {
				if plain := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(got[i]); plain != want[i] {
					t.Errorf("got %q, want %q", plain, want[i])
				}
			}
		})
	}
}

// Every month has a name, and the twelve names of a locale differ.
func TestFormatter_EveryLocaleHasTwelveMonthNames(t *testing.T) {
	for _, tag := range []string{
		"en", "de", "ja", "ar-EG", "fa", "my", "bn", "ru", "cs", "sk", "uk", "th", "he", "sr-Latn", "gd", "rw", "und",
	} {
		f := locale.NewFormatter(tag)
		seen := make(map[string]bool)
		for i := range 12 {
			name := f.Month(expense.MustMonth("2026-01").Add(i))
			if name == "" || seen[name] || strings.ContainsAny(name, "|'{}") {
				t.Errorf("%s: the month %d is %q", tag, i+1, name)
			}
			seen[name] = true
		}
	}
}

func TestFormatter_ZeroValueWritesISODates(t *testing.T) {
	var f locale.Formatter
	month, day := expense.MustMonth("2026-03"), expense.MustDate("2026-03-05")
	got := fmt.Sprint(f.Month(month), f.MonthShort(month), f.MonthName(month), f.Date(day))
	if got != "2026-032026-032026-032026-03-05" {
		t.Errorf("the zero Formatter writes %s", got)
	}
	got = locale.NewFormatter("en").Month(expense.Month{}) + locale.NewFormatter("en").Date(expense.Date{})
	if got != "" {
		t.Errorf("no month and no day are %q", got)
	}
}

func ExampleFormatter_Month() {
	month := expense.MustMonth("2026-03")
	for _, tag := range []string{"en", "de", "es", "ja"} {
		fmt.Println(locale.NewFormatter(tag).Month(month))
	}
	// Output:
	// March 2026
	// März 2026
	// marzo de 2026
	// 2026年3月
}
