package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// A request with an idempotency key is carried out once. The record is stored in the same transaction as the write.
func ExampleTx_idempotencyRecord() {
	ctx, now := context.Background(), time.Date(2026, time.March, 31, 12, 0, 0, 0, time.UTC)
	var st store.Store = memstore.New()
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "ada", expense.NewInitialLedger("ada", settings, now)); err != nil {
		log.Fatal(err)
	}
	key, body := store.IdempotencyKey{Scope: "add expense", Key: "4f1d"}, `{"amount":"3.20"}`
	fingerprint := sha256.Sum256([]byte(body))
	for range 2 {
		var response string
		err := st.Update(ctx, "ada", func(tx store.Tx) error {
			record, err := tx.IdempotencyRecord(ctx, key)
			switch {
			case err == nil && !bytes.Equal(record.Fingerprint, fingerprint[:]):
				return errors.New("the key belongs to a request with another body")
			case err == nil:
				response = "stored: " + string(record.Payload)
				return nil
			case !errors.Is(err, expense.ErrNotFound):
				return err
			}
			if _, err := expense.Add(ctx, tx, expense.Env{Now: now}, expense.Draft{Amount: "3.20"}); err != nil {
				return err
			}
			response = "added 3.20"
			return tx.PutIdempotencyRecord(ctx, store.IdempotencyRecord{
				IdempotencyKey: key, Fingerprint: fingerprint[:], Payload: []byte(response), CreatedAt: now,
			})
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(response)
	}
	// Output:
	// added 3.20
	// stored: added 3.20
}
