package locale_test

import (
	"fmt"
	"log"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// Example formats an amount and a date in several locales.
func Example() {
	amount, err := expense.ParseMoney("1234.50", "USD")
	if err != nil {
		log.Fatal(err)
	}
	date, err := expense.ParseDate("2026-03-05")
	if err != nil {
		log.Fatal(err)
	}
	for _, tag := range []string{"en-US", "en-GB", "ja"} {
		format := locale.NewFormatter(tag)
		fmt.Println(format.Money(amount), "on", format.Date(date))
	}
	// Output:
	// $1,234.50 on Mar 5, 2026
	// US$1,234.50 on 5 Mar 2026
	// $1,234.50 on 2026年3月5日
}
