package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/backup"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// Example backs up a ledger and restores it into a new one.
func Example() {
	ctx, env := context.Background(), expense.Env{Now: time.Now()}
	st := memstore.New()
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	for _, owner := range []expense.OwnerID{"ada", "grace"} {
		if _, err := st.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, env.Now)); err != nil {
			log.Fatal(err)
		}
	}
	err = st.Update(ctx, "ada", func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "12.50", Category: "Food"})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer
	err = st.View(ctx, "ada", func(r store.Reader) error {
		return backup.Write(ctx, &file, r, backup.WriteOptions{Now: env.Now})
	})
	if err != nil {
		log.Fatal(err)
	}
	counts, err := backup.Restore(ctx, st, "grace", env, bytes.NewReader(file.Bytes()), backup.RestoreOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(counts)
	// Output: 10 categories, 0 recurrences, 0 budgets, 0 alerts, 0 imports and 1 expenses
}
