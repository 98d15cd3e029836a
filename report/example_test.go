package report_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// Example reports on a month with expenses in three currencies. The expense in KWD is pending, because it has no rate.
func Example() {
	ctx, st := context.Background(), memstore.New()
	env := expense.Env{Now: time.Date(2025, time.May, 20, 12, 0, 0, 0, time.UTC)}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, env.Now)); err != nil {
		log.Fatal(err)
	}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		for _, draft := range []expense.Draft{
			{Amount: "12.50", Category: "Food", Date: "2025-05-02"},
			{Amount: "1000", Currency: "JPY", Rate: "0.00612", Category: "Travel", Date: "2025-05-03"},
			{Amount: "3.250", Currency: "KWD", Category: "Travel", Date: "2025-05-04"},
		} {
			if _, err := expense.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	err = st.View(ctx, "ada", func(r store.Reader) error {
		may, err := report.Monthly(ctx, r, env.Now, expense.MustMonth("2025-05"))
		if err != nil {
			return err
		}
		fmt.Println(may.Sum.Home, may.Sum.Complete(), may.Sum.Pending)
		for _, c := range may.ByCategory {
			fmt.Println(c.Name, c.Sum.Home, c.Share)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 18.62 EUR false [3.250 KWD]
	// Food 12.50 EUR 67.13
	// Travel 6.12 EUR 32.87
}

// ExampleYearly compares the spending of a year with the year before.
func ExampleYearly() {
	ctx, st := context.Background(), memstore.New()
	env := expense.Env{Now: time.Date(2025, time.May, 20, 12, 0, 0, 0, time.UTC)}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, env.Now)); err != nil {
		log.Fatal(err)
	}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		for _, draft := range []expense.Draft{
			{Amount: "12.50", Date: "2025-05-02"}, {Amount: "30", Date: "2024-05-03"},
		} {
			if _, err := expense.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	year, err := report.Yearly(ctx, st.Reader("ada"), env.Now, 2025, 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(year.Sum.Home, year.Previous.Change, year.ByMonth[4].Sum.Home)
	// Output: 12.50 EUR -17.50 EUR 12.50 EUR
}

func ExampleShares() {
	fmt.Println(report.Shares([]int64{100, 100, 100, -50}))
	// Output: [33.34 33.33 33.33 ]
}
