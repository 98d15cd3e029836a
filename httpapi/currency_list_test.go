package httpapi_test

import (
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"

	"github.com/spendwise/spendwise/expense"
)

// expectedDifferences gives the reasons why codes in validator's ISO 4217 list are not active in the domain.
var expectedDifferences = map[string]string{
	"BGN":             "ended in January 2026; the list has no dates",
	"SVC":             "CLDR ends it in 2001, when El Salvador adopted the US dollar; ISO 4217 still lists it",
	"XAG XAU XPD XPT": "precious metal",
	"XBA XBB XBC XBD": "a unit of account of European bonds",
	"XDR XSU XUA":     "a unit of account of an international bank",
	"USN":             "US dollar for next-day settlement",
	"XTS":             "reserved for tests",
	"XXX":             "no currency",
}

// The API relies on the domain's currency table. This test compares the table with an independent list.
func TestCurrencies_DifferencesFromValidator(t *testing.T) {
	reasons := map[string]string{}
	for codes, reason := range expectedDifferences {
		for code := range strings.FieldsSeq(codes) {
			reasons[code] = reason
		}
	}
	check := validator.New()
	for i := range 26 * 26 * 26 {
		code := string([]byte{'A' + byte(i/676), 'A' + byte(i/26%26), 'A' + byte(i%26)})
		listed := check.Var(code, "iso4217") == nil
		currency, err := expense.ParseCurrency(code)
		active := err == nil && currency.LegalTender().To.IsZero()
		switch reason, explained := reasons[code]; {
		case active && !listed:
			t.Errorf("%s is active in the domain but not in validator's list", code)
		case listed && !active && !explained:
			t.Errorf("%s is in validator's list but not active in the domain; add the reason to expectedDifferences", code)
		case listed == active && explained:
			t.Errorf("%s is the same in both lists; remove its reason from expectedDifferences: %s", code, reason)
		}
	}
}
