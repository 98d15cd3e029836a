package report_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
)

func TestShares(t *testing.T) {
	for _, test := range []struct {
		name    string
		weights []int64
		want    string
	}{
		{"no weights", nil, ""},
		{"one", []int64{7}, "100.00"},
		{"thirds: the first gets what is missing", []int64{1, 1, 1}, "33.34 33.33 33.33"},
		{"the one that lost most gets what is missing", []int64{1, 5}, "16.67 83.33"},
		{"sevenths", []int64{1, 1, 1, 1, 1, 1, 1}, "14.29 14.29 14.29 14.29 14.28 14.28 14.28"},
		{"a share too small to show", []int64{1, expense.MaxMinor - 1}, "0.00 100.00"},
		{"a net below nothing has none", []int64{3, -2, 1}, "75.00 - 25.00"},
		{"nothing has none", []int64{0, 4}, "- 100.00"},
		{"none is positive", []int64{0, -4}, "- -"},
		{"sums beyond the bound of amounts", []int64{expense.MaxMinor, expense.MaxMinor, expense.MaxMinor},
			"33.34 33.33 33.33"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, share := range report.Shares(test.weights) {
				if share.IsZero() {
					got = append(got, "-")
				} else {
					got = append(got, share.String())
				}
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("Shares(%v) = %v, want %s", test.weights, got, test.want)
			}
		})
	}
}

func TestShares_AddUpToWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Int64Range(-1000, 1_000_000_000_000), 0, 50).Draw(t, "weights")
		sum, whole := 0, int64(0)
		shares := report.Shares(weights)
		for i, share := range shares {
			if share.IsZero() == (weights[i] > 0) {
				t.Fatalf("share of the weight %d = %q", weights[i], share)
			}
			sum += share.BasisPoints()
			whole += max(weights[i], 0)
		}
		if whole > 0 && sum != 10000 {
			t.Fatalf("the shares of %v add up to %d basis points, want 10000", weights, sum)
		}
		for i, share := range shares {
			// Each share differs from the exact one by less than a basis point.
			if off := int64(share.BasisPoints())*whole - max(weights[i], 0)*10000; whole > 0 && max(off, -off) >= whole {
				t.Fatalf("share of %d in %d = %s", weights[i], whole, share)
			}
		}
		if again := report.Shares(weights); !slices.Equal(again, shares) {
			t.Fatalf("first call = %v, second call = %v", shares, again)
		}
	})
}
