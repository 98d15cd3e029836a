package report

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/shopspring/decimal"
)

// A Share is a part of a whole in basis points (0.01 %). The zero Share means that there is no share, which differs
// from a share of 0. Shares compare with ==.
type Share struct {
	n int32 // basis points + 1
}

// wholeShare is 100.00 %.
const wholeShare = 100_00

// IsZero reports whether there is no share.
func (s Share) IsZero() bool { return s.n == 0 }

// BasisPoints returns the share in hundredths of a percent, or 0 if there is no share.
func (s Share) BasisPoints() int { return int(max(0, s.n-1)) }

// String returns the percentage with two decimal places, such as "33.34", or "" if there is no share.
func (s Share) String() string {
	if s.IsZero() {
		return ""
	}
	return decimal.New(int64(s.BasisPoints()), -2).StringFixed(2)
}

// MarshalText returns the text of String.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Shares returns the share of each weight in the sum of the positive weights. The other weights have no share. The
// shares add up to exactly 100.00 %. Shares uses the largest remainder method: it truncates each share to basis
// points, and then adds one to those with the largest remainders, the earlier one of equal remainders. The sum of the
// positive weights must be below 2^63.
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
