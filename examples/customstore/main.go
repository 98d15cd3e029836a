// Command customstore uses a store that is not part of SpendWise: package jsonstore, which keeps each ledger as a JSON
// file in the folder that is given as the argument. Each run adds an expense and prints the current month by category.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spendwise/spendwise/examples/customstore/jsonstore"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: customstore FOLDER")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "customstore:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string, now time.Time) (err error) {
	st, err := jsonstore.Open(folder)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()

	const owner = expense.OwnerID("anna")
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	if _, err := st.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, now)); err != nil {
		return err
	}
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, expense.Env{Now: now}, expense.Draft{Amount: "12.50", Category: "Food"})
		return err
	})
	if err != nil {
		return err
	}
	return st.View(ctx, owner, func(r store.Reader) error {
		monthly, err := report.Monthly(ctx, r, now, expense.Month{})
		if err != nil {
			return err
		}
		fmt.Println(monthly.Month)
		for _, category := range monthly.ByCategory {
			fmt.Printf("%-12s %s\n", category.Name, category.Sum.Home)
		}
		return nil
	})
}
