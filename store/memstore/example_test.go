package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

func Example() {
	ctx := context.Background()
	now := time.Date(2025, time.June, 1, 12, 0, 0, 0, time.UTC)
	st := memstore.New()
	defer func() { _ = st.Close() }()

	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ledger := expense.NewInitialLedger("ada", settings, now)
	if _, err := st.CreateLedger(ctx, "ada", ledger); err != nil {
		fmt.Println(err)
		return
	}
	rate, _ := expense.LookupRate(expense.NoRates{}, settings.Home, settings.Home, expense.MustDate("2025-06-01"))
	coffee := expense.MustMoney("3.20", "EUR")
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		_, err := tx.PutExpenses(ctx, expense.Expense{
			ID: uuid.MustParse("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"), Amount: coffee, Home: coffee, Rate: rate,
			Date: rate.Date, CategoryID: ledger.Settings.DefaultCategory, Notes: "coffee", CreatedAt: now, UpdatedAt: now,
		})
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for e, err := range st.Reader("ada").Expenses(ctx, expense.Query{}) {
		fmt.Println(e.Date, e.Amount, e.Notes, e.Version, err)
	}
	// Output: 2025-06-01 3.20 EUR coffee 2 <nil>
}
