// Command embed shows a program that keeps a ledger in the SQLite file ledger.db.
package main

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/sqlite"
)

func main() {
	ctx, owner, now := context.Background(), expense.OwnerID("anna"), time.Now()
	settings, bad := expense.NewSettings(expense.SettingsDraft{HomeCurrency: new("EUR")})
	rates, missing := ecb.EmbeddedTable()
	st, err := sqlite.Open(ctx, "ledger.db")
	check(bad, missing, err)
	check(st.Migrate(ctx))
	_, err = st.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, now))
	check(err, st.Update(ctx, owner, func(tx store.Tx) error {
		draft := expense.Draft{Amount: "1000", Currency: "JPY", Date: "2026-03-01", Category: "Food"}
		_, err := expense.Add(ctx, tx, expense.Env{Now: now, Rates: rates}, draft)
		return err
	}))
	march, err := report.Monthly(ctx, st.Reader(owner), now, expense.MustMonth("2026-03"))
	check(err, st.Close())
	log.Println(march.Month, "holds", march.Sum.Count, "expenses worth", march.Sum.Home)
}

func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}
