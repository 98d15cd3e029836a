package expense_test

import (
	"encoding"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
)

func TestFold_IgnoresCaseAndComposition(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"case", "Food", "fOOD", true},
		{"composed and decomposed accents", "Caf\u00e9", "CAFE\u0301", true},
		{"the sharp s by full folding", "Straße", "STRASSE", true},
		{"both lower sigmas", "ΟΔΟΣ", "οδος", true},
		{"Cherokee, whose folded form is the capital", "\u13f8\uab70", "\u13f0\u13a0", true},
		{"accents themselves count", "Café", "Cafe", false},
		{"blanks count", "a b", "ab", false},
		{"a Cyrillic а is no Latin a", "а", "a", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if a, b := expense.Fold(test.a), expense.Fold(test.b); (a == b) != test.same {
				t.Errorf("Fold(%q) = %q, Fold(%q) = %q", test.a, a, test.b, b)
			}
		})
	}
}

func TestFoldSearch_IgnoresAccents(t *testing.T) {
	for text, part := range map[string]string{
		"Café au lait": "CAFE", "Łódź": "lodz", "Smørrebrød": "smorrebrod", "Straße": "STRASSE", "Đà Nẵng": "da nang",
		"ΠΡΏΤΟ ΈΤΟΣ": "πρωτο ετος", "Ёлка": "елка", "İstanbul": "istanbul", "œuf": "oeuf", "ﬁsh": "FISH", "Ａ１": "a1",
		"Cafe\u0301": "café", "日本": "日本", "पैसा": "पैसा", "한국": "한국",
	} {
		if got, want := expense.FoldSearch(text), expense.FoldSearch(part); !strings.Contains(got, want) {
			t.Errorf("FoldSearch(%q) = %q does not contain FoldSearch(%q) = %q", text, got, part, want)
		}
	}
	for _, pair := range [][2]string{{"が", "か"}, {"पैसा", "पसा"}, {"o", "a"}} { // marks that are parts of letters
		if a, b := expense.FoldSearch(pair[0]), expense.FoldSearch(pair[1]); a == b {
			t.Errorf("FoldSearch(%q) = FoldSearch(%q) = %q", pair[0], pair[1], a)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		folded := expense.FoldSearch(rapid.String().Draw(t, "text"))
		if again := expense.FoldSearch(folded); again != folded {
			t.Errorf("FoldSearch(%q) = %q", folded, again)
		}
	})
}

func TestFold_IsIdempotent(t *testing.T) {
	letters := rapid.OneOf(rapid.Rune(), rapid.RuneFrom(nil, unicode.Greek, unicode.Latin, unicode.Mn, unicode.Cherokee))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(letters).Draw(t, "text")
		folded := expense.Fold(text)
		if again := expense.Fold(folded); again != folded {
			t.Fatalf("folding %+q again gives %+q", folded, again)
		}
		if decomposed := expense.Fold(norm.NFD.String(text)); decomposed != folded {
			t.Fatalf("%+q folds to %+q composed and to %+q decomposed", text, folded, decomposed)
		}
	})
}

func TestFold_UnifiesAllCasesOfLetter(t *testing.T) {
	for r := range rune(unicode.MaxRune) {
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			if a, b := expense.Fold(string(r)), expense.Fold(string(other)); a != b {
				t.Errorf("%c folds to %+q and %c to %+q", r, a, other, b)
			}
		}
	}
}

func TestUnmarshalText_KeepsValueOnError(t *testing.T) {
	currency, date, month := expense.MustCurrency("EUR"), expense.MustDate("2026-03-01"), expense.MustMonth("2026-03")
	factor, money := expense.MustFactor("1.5"), expense.MustMoney("1", "EUR")
	for name, value := range map[string]encoding.TextUnmarshaler{
		"Currency": &currency, "Date": &date, "Month": &month, "Factor": &factor, "Money": &money,
	} {
		if err := value.UnmarshalText([]byte("x")); !errors.Is(err, expense.ErrInvalid) {
			t.Errorf("%s takes x: %v", name, err)
		}
	}
	got := fmt.Sprint(currency, " ", date, " ", month, " ", factor, " ", money)
	if got != "EUR 2026-03-01 2026-03 1.5 1.00 EUR" {
		t.Errorf("the values are %s now", got)
	}
}

func TestMust_PanicsWithFieldError(t *testing.T) {
	for name, must := range map[string]func(){
		"MustCurrency": func() { expense.MustCurrency("euro") },
		"MustDate":     func() { expense.MustDate("1.3.2026") },
		"MustMonth":    func() { expense.MustMonth("March") },
		"MustFactor":   func() { expense.MustFactor("1,5") },
		"MustMoney":    func() { expense.MustMoney("1.234", "EUR") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, expense.ErrInvalid) {
					t.Errorf("recovered %v", err)
				}
			}()
			must()
		})
	}
}

// checkText checks that UnmarshalText restores value from MarshalText.
func checkText[T comparable, P interface {
	*T
	encoding.TextUnmarshaler
}](t rapid.TB, value T) {
	t.Helper()
	text, err := any(value).(encoding.TextMarshaler).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var again T
	if err := P(&again).UnmarshalText(text); err != nil {
		t.Fatalf("%s is not read back: %v", text, err)
	}
	if again != value {
		t.Fatalf("%v is read back as %v", value, again)
	}
}

// checkRefusal checks that a parser's error is an ErrInvalid with a code and a short detail in valid UTF-8.
func checkRefusal(t rapid.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if !errors.Is(err, expense.ErrInvalid) {
		t.Fatalf("%v is not ErrInvalid", err)
	}
	errs := expense.InvalidErrors(err)
	if len(errs) == 0 {
		t.Fatalf("%v has no errs", err)
	}
	for _, e := range errs {
		if e.Code == "" || e.Detail == "" || len(e.Detail) > 400 || !utf8.ValidString(e.Detail) {
			t.Fatalf("field error %+q", e)
		}
	}
}

// wantFieldError checks that err is exactly one field error with this field and code.
func wantFieldError(t rapid.TB, err error, field, code string) {
	t.Helper()
	checkRefusal(t, err)
	errs := expense.InvalidErrors(err)
	if len(errs) != 1 || errs[0].Field != field || errs[0].Code != code {
		t.Errorf("got %v, want one field error %q of field %q", err, code, field)
	}
}

// hostile returns texts that every parser must reject: numbers that take seconds to compute, digits of other scripts,
// control characters and very long texts.
func hostile() []string {
	return []string{
		"", " ", "-", ".", "+1", "1.", ".5", "-.5", "--1", "1-", "1e3", "1e9000", "1E-9000", "1_000", "1,000", "1 000", " 1",
		"1 ", "1\n",
		"0x10", "NaN", "Inf", "-Inf", "1.2.3", "١", "１２", "½", "1\x00", "\x00", "\xff", "1\xff", "−1", "1\u00a0000", "€1",
		strings.Repeat("9", 33), "0." + strings.Repeat("0", 40) + "1", strings.Repeat("1", 10<<20),
		strings.Repeat("\xff", 10<<20),
	}
}
