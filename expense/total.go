package expense

import (
	"fmt"
	"slices"
)

// A Sum is what some totals come to. Every figure of a report or a budget is one, so that no two of them can disagree.
type Sum struct {
	Count        int     // expenses, pending ones included
	Home         Money   // in the home currency, of those that are converted
	Paid         []Money // by the currency that was paid, ordered by its code; pending ones included
	PendingCount int     // expenses that Home leaves out because they wait for a rate
	Pending      []Money // what those come to, by the currency that was paid, ordered by its code
}

// Complete reports whether Home leaves nothing out.
func (s Sum) Complete() bool { return s.PendingCount == 0 }

// NewSum returns the sum of nothing in a ledger whose home currency is home.
func NewSum(home Currency) Sum { return Sum{Home: Money{currency: home}} }

// SumTotals adds up totals of a ledger whose home currency is home. An error says that the totals contradict the promises of
// [Reader.Totals].
func SumTotals(home Currency, totals []Total) (Sum, error) {
	sum := NewSum(home)
	for _, total := range totals {
		if err := sum.add(total); err != nil {
			return Sum{}, err
		}
	}
	return sum, nil
}

// SumTotalsBy is SumTotals for those of one key together. A key that no total has is not in the result.
func SumTotalsBy[K comparable](home Currency, totals []Total, key func(Total) K) (map[K]Sum, error) {
	sums := make(map[K]Sum)
	for _, total := range totals {
		k := key(total)
		sum, ok := sums[k]
		if !ok {
			sum = NewSum(home)
		}
		if err := sum.add(total); err != nil {
			return nil, err
		}
		sums[k] = sum
	}
	return sums, nil
}

func (s *Sum) add(total Total) error {
	var err error
	if s.Home, err = s.Home.Add(total.Home); err == nil {
		s.Paid, err = addByCurrency(s.Paid, total.Amount)
	}
	if err == nil && total.PendingCount > 0 {
		s.Pending, err = addByCurrency(s.Pending, total.Pending)
	}
	if err != nil {
		//nolint:errorlint // not wrapped: the store is at fault, so this must not look like a caller's ErrInvalid.
		return fmt.Errorf("the totals of category %s in %s do not add up: %v", total.CategoryID, total.Amount.Currency(), err)
	}
	s.Count += total.Count
	s.PendingCount += total.PendingCount
	return nil
}

// addByCurrency adds amount to the one of its currency in amounts, which are ordered by code.
func addByCurrency(amounts []Money, amount Money) ([]Money, error) {
	i, found := slices.BinarySearchFunc(amounts, amount.currency, func(m Money, c Currency) int {
		return m.currency.Compare(c)
	})
	if !found {
		return slices.Insert(amounts, i, amount), nil
	}
	sum, err := amounts[i].Add(amount)
	if err != nil {
		return nil, err
	}
	amounts[i] = sum
	return amounts, nil
}
