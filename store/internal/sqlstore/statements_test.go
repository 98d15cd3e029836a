package sqlstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/replica"
)

// TestStatements_StayFew counts the statements of operations on PostgreSQL, with BEGIN and COMMIT, because each is a
// round trip.
func TestStatements_StayFew(t *testing.T) {
	r := newRecorded(t, "postgres")
	ledger := newLedger(t, owner, r.database)
	env := expense.Env{Now: day}
	update := func(ctx context.Context, fn func(store.Tx) error) error { return r.Update(ctx, owner, fn) }
	add := func(ctx context.Context, tx store.Tx) (expense.Expense, error) {
		result, err := expense.Add(ctx, tx, env, expense.Draft{Amount: "3.20", Category: ledger.Categories[0].Name})
		return result.Expense, err
	}
	added := func() expense.Expense {
		t.Helper()
		var e expense.Expense
		err := update(t.Context(), func(tx store.Tx) (err error) {
			e, err = add(t.Context(), tx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	raise := func(ctx context.Context) error {
		_, err := jobs.RaiseAlerts(ctx, r, owner, day)
		return err
	}
	pushed := 0
	push := func(n int) func(context.Context) error {
		return func(ctx context.Context) error {
			var req replica.PushRequest
			for range n {
				pushed++
				id := fmt.Sprint("mutation ", pushed)
				sum := sha256.Sum256([]byte(id))
				req.Mutations = append(req.Mutations, replica.Mutation{
					ID: id, Fingerprint: sum[:], Row: replica.RowRef{Type: store.ExpenseRow, ID: uuid.New()},
					Change: replica.PutExpense{Draft: expense.Draft{
						Amount: "3.20", CategoryID: ledger.Categories[pushed%len(ledger.Categories)].ID.String(),
					}},
				})
			}
			results, err := replica.Push(ctx, r, owner, env, req)
			for _, result := range results {
				if result.Status != replica.Applied {
					t.Errorf("%s: %s %v", result.MutationID, result.Status, result.Err)
				}
			}
			return err
		}
	}
	first, second := added(), added()
	if err := push(3)(t.Context()); err != nil { // creates statements for batches
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		max  int
		run  func(context.Context) error
	}{
		{"an add", 5, func(ctx context.Context) error {
			return update(ctx, func(tx store.Tx) error {
				_, err := add(ctx, tx)
				return err
			})
		}},
		{"an add with an idempotency key", 7, func(ctx context.Context) error {
			key := store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "k"}
			return update(ctx, func(tx store.Tx) error {
				if _, err := tx.IdempotencyRecord(ctx, key); !errors.Is(err, expense.ErrNotFound) {
					return err
				}
				if _, err := add(ctx, tx); err != nil {
					return err
				}
				return tx.PutIdempotencyRecord(ctx, store.IdempotencyRecord{
					IdempotencyKey: key, Fingerprint: []byte("f"), CreatedAt: day,
				})
			})
		}},
		{"a new budget", 11, func(ctx context.Context) error {
			return update(ctx, func(tx store.Tx) error {
				_, err := budget.Add(ctx, tx, env, budget.Draft{Amount: "500"})
				return err
			})
		}},
		{"an add with a budget", 7, func(ctx context.Context) error {
			err := update(ctx, func(tx store.Tx) error {
				_, err := add(ctx, tx)
				return err
			})
			return errors.Join(err, raise(ctx))
		}},
		{"a change with a budget", 7, func(ctx context.Context) error {
			err := update(ctx, func(tx store.Tx) error {
				amount := "4.10"
				_, err := expense.Change(ctx, tx, env, first.ID, expense.Patch{Amount: &amount}, expense.Precondition{})
				return err
			})
			return errors.Join(err, raise(ctx))
		}},
		{"a delete with a budget", 7, func(ctx context.Context) error {
			err := update(ctx, func(tx store.Tx) error {
				return expense.Delete(ctx, tx, second.ID, expense.Precondition{})
			})
			return errors.Join(err, raise(ctx))
		}},
		{"a push of 10", 10, push(10)},
		{"a push of 100", 10, push(100)},
		{"a pull of nothing new", 2, func(ctx context.Context) error {
			state, err := r.Reader(owner).State(ctx)
			if err != nil {
				return err
			}
			page, err := replica.Pull(ctx, r, owner, replica.PullRequest{After: replica.EndCursor(owner, state)})
			if len(page.Changes) > 0 {
				t.Errorf("%d changes", len(page.Changes))
			}
			return err
		}},
		{"a digest", 3, func(ctx context.Context) error {
			_, err := replica.ReadDigest(ctx, r, owner)
			return err
		}},
		{"a report of a month", 4, func(ctx context.Context) error {
			return r.View(ctx, owner, func(reader store.Reader) error {
				_, err := report.Monthly(ctx, reader, day, expense.MustMonth("2026-03"))
				return err
			})
		}},
		{"a page of 50", 1, func(ctx context.Context) error {
			for _, err := range r.Reader(owner).Expenses(ctx, expense.Query{Limit: 50}) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"a thousand new expenses", 6, func(ctx context.Context) error {
			return update(ctx, func(tx store.Tx) error {
				drafts := make([]expense.TypedDraft, 1000)
				for i := range drafts {
					drafts[i] = expense.TypedDraft{ID: uuid.New(), Amount: expense.MustMoney("1", "EUR")}
				}
				_, err := expense.AddAll(ctx, tx, env, drafts...)
				return err
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			statements := r.statements(t, c.run)
			var texts []string
			for _, statement := range statements {
				texts = append(texts, strings.Join(strings.Fields(statement), " "))
			}
			if len(statements) > c.max {
				t.Errorf("%d statements, want at most %d:\n%s", len(statements), c.max, strings.Join(texts, "\n"))
			}
			t.Logf("%d statements", len(statements))
		})
	}
}
