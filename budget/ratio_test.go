package budget_test

import (
	"errors"
	"fmt"
	"log"
	"testing"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

func TestParseRatio(t *testing.T) {
	for _, test := range []struct {
		name, text, want, code string
	}{
		{"the usual warning", "0.80", "0.80", ""},
		{"the whole limit", "1", "1.00", ""},
		{"three places", "0.805", "0.805", ""},
		{"four places", "0.8125", "0.8125", ""},
		{"the smallest", "0.0001", "0.0001", ""},
		{"ten times the limit", "10.0000", "10.00", ""},
		{"five places", "0.80000", "", "too_many_digits"},
		{"nothing at all", "0", "", "out_of_range"},
		{"below nothing", "-0.5", "", "out_of_range"},
		{"a little more than ten", "10.0001", "", "out_of_range"},
		{"a number beyond int64", "99999999999999999999999999", "", "out_of_range"},
		{"a percentage", "80%", "", "malformed_ratio"},
		{"an exponent", "8e-1", "", "malformed_ratio"},
		{"an empty text", "", "", "malformed_ratio"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := budget.ParseRatio(test.text)
			if test.code == "" {
				if err != nil || got.String() != test.want {
					t.Fatalf("ParseRatio(%q) = %s, %v, want %s", test.text, got, err, test.want)
				}
				return
			}
			fieldError, ok := errors.AsType[*expense.InvalidError](err)
			if !ok || fieldError.Code != test.code {
				t.Fatalf("ParseRatio(%q) = %s, %v, want code %s", test.text, got, err, test.code)
			}
		})
	}
}

func FuzzParseRatio(f *testing.F) {
	for _, seed := range []string{"0.80", "1.00", "0.8125", "10", "0", "-1", "1e9", "0.00001", ".5", "5.", "+1", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ratio, err := budget.ParseRatio(text)
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatalf("ParseRatio(%q): %v is not ErrInvalid", text, err)
			}
			return
		}
		if ratio < 1 || ratio > 100_000 {
			t.Fatalf("ParseRatio(%q) = %d basis points, which is out of range", text, ratio)
		}
		var again budget.Ratio
		if err := again.UnmarshalText([]byte(ratio.String())); err != nil || again != ratio {
			t.Fatalf("ParseRatio(%q) = %s, which is parsed as %s, %v", text, ratio, again, err)
		}
	})
}

func ExampleParseRatio() {
	ratio, err := budget.ParseRatio("0.8")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ratio)
	// Output: 0.80
}
