package httpapi_test

import (
	"strings"
	"testing"

	"github.com/go-playground/validator/v10"

	"github.com/spendwise/spendwise/expense"
)

// unlisted says why validator's list of ISO 4217 has codes that the domain does not call active.
var unlisted = map[string]string{
	"BGN":             "ended in January 2026; the list has no dates",
	"SVC":             "CLDR ends it in 2001, when El Salvador took the dollar; ISO 4217 still lists it",
	"XAG XAU XPD XPT": "precious metal",
	"XBA XBB XBC XBD": "a unit of account of European bonds",
	"XDR XSU XUA":     "a unit of account of an international bank",
	"USN":             "dollars of the next day, a code for settlement",
	"XTS":             "for tests",
	"XXX":             "no currency",
}

// The shell leaves currencies to the domain. This holds the domain's table against the list of another hand.
func TestCurrencyTableDiffersFromValidatorsListForReasons(t *testing.T) {
	reasons := map[string]string{}
	for codes, reason := range unlisted {
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
			t.Errorf("%s is active here and not in validator's list", code)
		case listed && !active && !explained:
			t.Errorf("%s is in validator's list and not active here, and no reason is given", code)
		case listed == active && explained:
			t.Errorf("%s does not differ, yet there is a reason: %s", code, reason)
		}
	}
}
