package jobs_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/memstore"
)

func Example() {
	ctx, st := context.Background(), memstore.New()
	env := expense.Env{Now: time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC)}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, env.Now)); err != nil {
		log.Fatal(err)
	}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		_, err := recurrence.Add(ctx, tx, env, recurrence.Draft{
			Amount: new("9.99"), Freq: new("monthly"), Start: new("2026-04-01"),
		})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// A month later, the host's scheduler runs the jobs.
	env.Now = time.Date(2026, time.April, 30, 12, 0, 0, 0, time.UTC)
	result, err := jobs.PostDue(ctx, st, env)
	if err != nil {
		log.Print(err) // the ledgers that did not fail are posted
	}
	raised, err := jobs.NewAlertRaiser(st).RaiseAll(ctx, env.Now)
	if err != nil {
		log.Print(err)
	}
	fmt.Println("posted:", result.Posted, "alerts:", raised)
	// Output: posted: 1 alerts: 0
}
