package expense

import (
	"fmt"
	"slices"
)

// A Sum is the sum of several totals. Reports and budgets compute spending as Sums, so that their amounts agree.
type Sum struct {
	Count        int     // number of expenses, including pending ones
	Home         Money   // sum of the home amounts, without pending expenses
	Paid         []Money // sums of the amounts by currency, ordered by code, including pending expenses
	PendingCount int     // number of pending expenses
	Pending      []Money // sums of the amounts of pending expenses by currency, ordered by code
}

// Complete reports whether Home includes all expenses, that is, whether none is pending.
func (s Sum) Complete() bool { return s.PendingCount == 0 }

// NewSum returns the sum of no expenses. home is the ledger's home currency.
func NewSum(home Currency) Sum { return Sum{Home: Money{currency: home}} }

// SumTotals returns the sum of totals. home is the ledger's home currency. It returns an error only if the totals
// violate the guarantees of [Reader.Totals].
func SumTotals(home Currency, totals []Total) (Sum, error) {
	sum := NewSum(home)
	for _, total := range totals {
		if err := sum.add(total); err != nil {
			return Sum{}, err
		}
	}
	return sum, nil
}

// SumTotalsBy groups totals by key and returns the sum of each group. See [SumTotals].
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
		//nolint:errorlint // %v, because a defect of the store must not match ErrInvalid, an error of the caller.
		return fmt.Errorf("sum the totals of category %s in %s: %v", total.CategoryID, total.Amount.Currency(), err)
	}
	s.Count += total.Count
	s.PendingCount += total.PendingCount
	return nil
}

// addByCurrency adds amount to the sum of its currency in amounts, which are ordered by currency code.
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
