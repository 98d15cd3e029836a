package report

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/shopspring/decimal"
)

// A Share is a part of a whole in hundredths of a percent. The zero Share is none: not the same as nothing. Shares compare
// with ==.
type Share struct {
	n int32 // one more than the hundredths
}

// wholeShare is 100.00 %.
const wholeShare = 100_00

// IsZero reports whether there is no share.
func (s Share) IsZero() bool { return s.n == 0 }

// Hundredths returns the share in hundredths of a percent; 0 for none.
func (s Share) BasisPoints() int { return int(max(0, s.n-1)) }

// String returns the percentage with two places, such as "33.34"; "" for none.
func (s Share) String() string {
	if s.IsZero() {
		return ""
	}
	return decimal.New(int64(s.BasisPoints()), -2).StringFixed(2)
}

// MarshalText writes what String returns.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Shares returns the share of each weight among the positive ones; the others have none. If any is positive the shares add up
// to exactly 100.00: each is cut to hundredths of a percent, and what is then missing goes, a hundredth each, to those that lost
// most (the largest remainder), the earlier one where two lost the same. The sum of the positive weights is below 2^63.
func Shares(weights []int64) []Share {
	shares := make([]Share, len(weights))
	var positive []int
	var sum uint64
	for i, weight := range weights {
		if weight > 0 {
			positive = append(positive, i)
			sum += uint64(weight)
		}
	}
	remainders := make([]uint64, len(weights))
	missing := wholeShare
	for _, i := range positive {
		hi, lo := bits.Mul64(uint64(weights[i]), wholeShare)
		var part uint64
		part, remainders[i] = bits.Div64(hi, lo, sum)
		shares[i].n = int32(part) + 1
		missing -= int(part)
	}
	slices.SortStableFunc(positive, func(a, b int) int { return cmp.Compare(remainders[b], remainders[a]) })
	for _, i := range positive[:min(missing, len(positive))] {
		shares[i].n++
	}
	return shares
}
