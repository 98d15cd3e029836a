package expense_test

import (
	"fmt"
	"log"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

func TestSumTotals_ReportsPendingAmounts(t *testing.T) {
	home, money := expense.MustCurrency("EUR"), expense.MustMoney
	totals := []expense.Total{
		{Count: 2, Amount: money("1000", "JPY"), Home: money("6.12", "EUR"), Pending: money("0", "JPY")},
		{
			Count: 3, Amount: money("4.250", "KWD"), Home: money("3.00", "EUR"), PendingCount: 2, Pending: money("3.250", "KWD"),
		},
		{Count: 2, Amount: money("0", "BHD"), Home: money("0", "EUR"), PendingCount: 2, Pending: money("0", "BHD")},
		{Count: 1, Amount: money("-1.000", "KWD"), Home: money("0", "EUR"), PendingCount: 1, Pending: money("-1.000", "KWD")},
	}
	sum, err := expense.SumTotals(home, totals)
	want := expense.Sum{
		Count: 8, Home: money("9.12", "EUR"), PendingCount: 5,
		Paid:    []expense.Money{money("0", "BHD"), money("1000", "JPY"), money("3.250", "KWD")},
		Pending: []expense.Money{money("0", "BHD"), money("2.250", "KWD")},
	}
	if err != nil || !reflect.DeepEqual(sum, want) || sum.Complete() {
		t.Errorf("SumTotals = %+v, %v, want %+v", sum, err, want)
	}
}

func TestSumTotals_OfNothingIsZeroInHomeCurrency(t *testing.T) {
	home := expense.MustCurrency("JPY")
	sum, err := expense.SumTotals(home, nil)
	if err != nil || !reflect.DeepEqual(sum, expense.NewSum(home)) || sum.Home.String() != "0 JPY" || !sum.Complete() {
		t.Errorf("SumTotals of nothing = %+v, %v", sum, err)
	}
}

func TestSumTotals_InvalidTotalsAreNotErrInvalid(t *testing.T) {
	home, largest := expense.MustCurrency("EUR"), expense.MustMoney("9999999999999.99", "EUR")
	for name, totals := range map[string][]expense.Total{
		"of another home currency": {{Count: 1, Amount: largest, Home: expense.MustMoney("1", "USD")}},
		"beyond the bound of totals": {
			{Count: 1, Amount: largest, Home: largest}, {Count: 1, Amount: largest, Home: largest},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := expense.SumTotals(home, totals); err == nil || len(expense.InvalidErrors(err)) != 0 {
				t.Errorf("SumTotals: %v, want an error that is no ErrInvalid", err)
			}
		})
	}
}

func TestClampMoney(t *testing.T) {
	euro := expense.MustCurrency("EUR")
	for minor, want := range map[int64]string{
		1: "0.01", expense.MaxMinor + 1: "9999999999999.99", -expense.MaxMinor - 1: "-9999999999999.99",
	} {
		if got := expense.ClampMoney(minor, euro).Amount(); got != want {
			t.Errorf("ClampMoney(%d) = %s, want %s", minor, got, want)
		}
	}
}

func ExampleSumTotalsBy() {
	food, travel := uuid.UUID{1}, uuid.UUID{2}
	euros := func(amount string) expense.Money { return expense.MustMoney(amount, "EUR") }
	sums, err := expense.SumTotalsBy(expense.MustCurrency("EUR"), []expense.Total{
		{CategoryID: food, Count: 1, Amount: euros("12.50"), Home: euros("12.50")},
		{CategoryID: travel, Count: 1, Amount: expense.MustMoney("1000", "JPY"), Home: euros("6.12")},
		{CategoryID: travel, Count: 2, Amount: euros("80"), Home: euros("80")},
	}, func(t expense.Total) uuid.UUID { return t.CategoryID })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sums[food].Home, sums[travel].Home, sums[travel].Count)
	// Output: 12.50 EUR 86.12 EUR 3
}
