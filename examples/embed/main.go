// Command embed shows a program that keeps a ledger in the SQLite file ledger.db.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/sqlite"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	st, err := sqlite.Open(ctx, "ledger.db") // or postgres.Open(ctx, dsn), or memstore.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.Migrate(ctx); err != nil {
		return err
	}

	owner, now := expense.OwnerID("anna"), time.Now()
	settings, err := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR")})
	if err != nil {
		return err
	}
	// CreateLedger returns false and changes nothing if the owner already has a ledger.
	if _, err := st.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, now)); err != nil {
		return err
	}

	rates, err := ecb.EmbeddedTable()
	if err != nil {
		return err
	}
	draft := expense.Draft{Amount: "1000", Currency: "JPY", Date: "2026-03-01", Category: "Food"}
	err = st.Update(ctx, owner, func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, expense.Env{Now: now, Rates: rates}, draft)
		return err
	})
	if err != nil {
		return err // expense.InvalidErrors(err) lists each field that breaks a rule
	}

	march, err := report.Monthly(ctx, st.Reader(owner), now, expense.MustMonth("2026-03"))
	if err != nil {
		return err
	}
	fmt.Println(march.Month, "holds", march.Sum.Count, "expenses worth", march.Sum.Home)
	return nil
}
