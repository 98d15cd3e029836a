package expense_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// Example creates a ledger in euros and adds an expense in dollars. The expense is converted by the rate of its date.
func Example() {
	if err := addLunch(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output: 2026-02-27: 48.90 USD at 0.847098686997035155 is 41.42 EUR
}

func addLunch(ctx context.Context) error {
	rates, err := ecb.EmbeddedTable()
	if err != nil {
		return err
	}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	env := expense.Env{Now: time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC), Rates: rates}
	st := memstore.New()
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, env.Now)); err != nil {
		return err
	}
	return st.Update(ctx, "ada", func(tx store.Tx) error {
		draft := expense.Draft{Amount: "48.90", Currency: "USD", Category: "Food"}
		added, err := expense.Add(ctx, tx, env, draft)
		if err != nil {
			return err
		}
		e := added.Expense
		fmt.Printf("%s: %s at %s is %s\n", e.Date, e.Amount, e.Rate.Value, e.Home)
		return nil
	})
}
