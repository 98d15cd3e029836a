package locale_test

import (
	"testing"

	"github.com/spendwise/spendwise/expense/locale"
)

func TestIsolateBidi(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "Food": "Food", "Еда": "Еда", "食費": "食費",
		"טיולים":                    "\u2068טיולים\u2069",
		"Taxi طعام":                 "\u2068Taxi طعام\u2069",
		"evil \u202e:001":           "evil :001",
		"\u2067\u2069\u200fa\u061c": "a",
		"\u2066טיולים":              "\u2068טיולים\u2069",
	} {
		if got := locale.IsolateBidi(text); got != want {
			t.Errorf("Isolate(%+q) = %+q, want %+q", text, got, want)
		}
	}
}
