package replica_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/replica"
)

// A phone is a device with a copy of the expenses of one ledger.
type phone struct {
	st       store.Store
	env      expense.Env
	cursor   replica.Cursor
	expenses map[uuid.UUID]expense.Expense
}

// pull fetches what changed and stores it together with the cursor.
func (p *phone) pull(ctx context.Context) error {
	for more := true; more; {
		page, err := replica.Pull(ctx, p.st, "anna", replica.PullRequest{After: p.cursor})
		if err != nil {
			return err
		}
		for _, change := range page.Changes {
			switch row := change.Row.(type) {
			case expense.Expense:
				p.expenses[change.ID] = row
			case nil:
				delete(p.expenses, change.ID)
			}
		}
		p.cursor, more = page.Cursor, page.HasMore
	}
	return nil
}

// push sends one change of an expense.
func (p *phone) push(
	ctx context.Context, id uuid.UUID, base expense.Version, change replica.Edit,
) (replica.Result, error) {
	mutationID := uuid.NewString()
	sent, err := json.Marshal([]any{mutationID, id, base, change})
	if err != nil {
		return replica.Result{}, err
	}
	fingerprint := sha256.Sum256(sent) // a server hashes the bytes that the device sent
	results, err := replica.Push(ctx, p.st, "anna", p.env, replica.PushRequest{
		Cursor: p.cursor,
		Mutations: []replica.Mutation{{
			ID: mutationID, Fingerprint: fingerprint[:], Row: replica.RowRef{Type: store.ExpenseRow, ID: id},
			BaseVersion: base, Change: change,
		}},
	})
	if err != nil {
		return replica.Result{}, err
	}
	return results[0], nil
}

// Two devices of one user change the same expense while they are offline.
func Example() {
	ctx := context.Background()
	st := memstore.New()
	env := expense.Env{Now: time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)}
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := st.CreateLedger(ctx, "anna", expense.NewInitialLedger("anna", settings, env.Now)); err != nil {
		log.Fatal(err)
	}
	first := &phone{st: st, env: env, expenses: map[uuid.UUID]expense.Expense{}}
	second := &phone{st: st, env: env, expenses: map[uuid.UUID]expense.Expense{}}
	lunch := uuid.MustParse("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70")
	put := replica.PutExpense{Draft: expense.Draft{Amount: "12.50", Category: "Food"}}
	if _, err := first.push(ctx, lunch, 0, put); err != nil {
		log.Fatal(err)
	}
	for _, p := range []*phone{first, second} {
		if err := p.pull(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for _, edit := range []struct {
		by    *phone
		patch expense.Patch
	}{
		{first, expense.Patch{Amount: new("13.00")}},
		{second, expense.Patch{Notes: new("with Bertha")}},
		{second, expense.Patch{Amount: new("15.00")}},
	} {
		base := edit.by.expenses[lunch].Version
		result, err := edit.by.push(ctx, lunch, base, replica.PatchExpense{Patch: edit.patch})
		if err != nil {
			log.Fatal(err)
		}
		row, _ := result.Row.(expense.Expense)
		fmt.Printf("%s: %s %q\n", result.Status, row.Amount, row.Notes)
	}
	// Output:
	// applied: 13.00 EUR ""
	// merged: 13.00 EUR "with Bertha"
	// conflict: 13.00 EUR "with Bertha"
}
