package recurrence_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// Example lists the occurrences of a monthly rule. In shorter months the occurrence is on the last day.
func Example() {
	rent := recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: expense.MustDate("2025-01-31")}
	for date := range rent.Occurrences(expense.MustDate("2025-01-01"), expense.MustDate("2025-05-31")) {
		fmt.Println(date)
	}
	// Output:
	// 2025-01-31
	// 2025-02-28
	// 2025-03-31
	// 2025-04-30
	// 2025-05-31
}

// ExamplePost adds a rent with two due occurrences and calls Post twice. The second call has nothing to post.
func ExamplePost() {
	ctx, now := context.Background(), time.Date(2025, time.March, 1, 9, 0, 0, 0, time.UTC)
	st, env := memstore.New(), expense.Env{Now: now}
	settings, err := expense.NewSettings(expense.SettingsDraft{TimeZone: new("Europe/Berlin")})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, now)); err != nil {
		log.Fatal(err)
	}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		_, err := recurrence.Add(ctx, tx, env, recurrence.Draft{
			Amount: new("800"), Category: new("Housing"), RRULE: new("FREQ=MONTHLY;BYMONTHDAY=-1"), Start: new("2025-01-01"),
		})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		err := st.Update(ctx, "ada", func(tx store.Tx) error {
			result, err := recurrence.Post(ctx, tx, env)
			if err != nil {
				return err
			}
			fmt.Println("posted", result.Posted)
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for e, err := range st.Reader("ada").Expenses(ctx, expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Date, e.Amount)
	}
	// Output:
	// posted 2
	// posted 0
	// 2025-01-31 800.00 EUR
	// 2025-02-28 800.00 EUR
}

func ExampleRule_NextAfter() {
	birthday := recurrence.Rule{Freq: recurrence.Yearly, Interval: 1, Start: expense.MustDate("2024-02-29"),
		OnMissing: recurrence.SkipMonth}
	fmt.Println(birthday.NextAfter(expense.MustDate("2024-02-29")))
	// Output: 2028-02-29
}

func ExampleRule_RRULE() {
	rule := recurrence.Rule{Freq: recurrence.Monthly, Interval: 1, Start: expense.MustDate("2025-01-31")}
	fmt.Println(rule.RRULE())
	rule.OnMissing = recurrence.SkipMonth
	fmt.Println(rule.RRULE())
	// Output:
	// RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD
	// FREQ=MONTHLY
}

func ExampleParseRRULE() {
	rule, err := recurrence.ParseRRULE("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=3", expense.MustDate("2025-01-01"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(slices.Collect(rule.Occurrences(expense.Date{}, expense.Date{})))
	// Output: [2025-01-03 2025-01-13 2025-01-17]
}

// ExampleRule_Validate prints every field error of an invalid rule.
func ExampleRule_Validate() {
	err := recurrence.Rule{Freq: recurrence.Daily, MonthDay: 3, Start: expense.MustDate("2025-01-01")}.Validate()
	for _, fieldError := range expense.InvalidErrors(err) {
		fmt.Println(fieldError)
	}
	// Output:
	// amount: the amount is zero; give a positive amount, or a negative one for a refund
	// interval: interval 0 is out of range; give 1 to 1000
	// month_day: the day of the month does not apply to a daily rule; leave month_day out, or set freq to monthly
}
