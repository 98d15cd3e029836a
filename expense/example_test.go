package expense_test

import (
	"fmt"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// The values by themselves: an amount that was paid, the day's rate, the home amount, and the way a person reads it.
func Example_values() {
	paid, err := expense.ParseMoney("48.90", "USD")
	if err != nil {
		fmt.Println(err)
		return
	}
	day, err := expense.ParseDate("2026-03-01")
	if err != nil {
		fmt.Println(err)
		return
	}
	rate := expense.Rate{Value: expense.MustFactor("1").Div(expense.MustFactor("1.1805")), Date: day.AddDays(-2), Source: "ecb"}
	home, err := rate.Convert(paid, expense.MustCurrency("EUR"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, a %s: %s at %s of %s is %s\n", day, day.Weekday(), paid, rate.Value, rate.Date, home)
	fmt.Println(locale.NewFormatter("en-IE").Money(home), "in", day.Month())
	// Output:
	// 2026-03-01, a Sunday: 48.90 USD at 0.847098686997035155 of 2026-02-27 is 41.42 EUR
	// €41.42 in 2026-03
}
