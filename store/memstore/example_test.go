package memstore_test

import (
	"context"
	"fmt"
	"log"
	"time"

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
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, now)); err != nil {
		log.Fatal(err)
	}
	env := expense.Env{Now: now}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "3.20", Category: "Food", Notes: new("coffee")})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for e, err := range st.Reader("ada").Expenses(ctx, expense.Query{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Date, e.Amount, e.Notes, "version", e.Version)
	}
	// Output: 2025-06-01 3.20 EUR coffee version 2
}
