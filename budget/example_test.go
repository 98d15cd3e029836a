package budget_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// Example limits a category to $500 a month, adds an expense, and prints the progress of the month.
func Example() {
	if err := limitGroceries(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// Food: $320 / $500 spent ████████████░░░░░░░░
	// ok, 0.64 used, $180 remaining for 11 days, $496 projected
}

func limitGroceries(ctx context.Context) error {
	const owner expense.OwnerID = "ada"
	now := time.Date(2026, time.March, 20, 12, 0, 0, 0, time.UTC)
	home, tag := "USD", "en-US"
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: &home, Locale: &tag})
	if err != nil {
		return err
	}
	st, ledger := memstore.New(), expense.NewInitialLedger(owner, settings, now)
	if _, err := st.CreateLedger(ctx, owner, ledger); err != nil {
		return err
	}
	food := ledger.Categories[0]
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		env := expense.Env{Now: now}
		if _, err := budget.Add(ctx, tx, env, budget.Draft{CategoryID: food.ID.String(), Amount: "500"}); err != nil {
			return err
		}
		_, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "320", CategoryID: food.ID.String()})
		return err
	})
	if err != nil {
		return err
	}
	return st.View(ctx, owner, func(r store.Reader) error {
		month, err := budget.ReadMonth(ctx, r, now, expense.MustMonth("2026-03"))
		if err != nil {
			return err
		}
		for _, p := range month.All() {
			short := locale.NewFormatter(tag).MoneyShort
			fmt.Println(p.Text, p.Bar())
			fmt.Printf("%s, %s used, %s remaining for %d days, %s projected\n",
				p.State, p.Ratio(), short(p.Remaining), p.DaysLeft, short(p.Projected))
		}
		return nil
	})
}
