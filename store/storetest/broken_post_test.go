package storetest_test

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// forgetful is a Tx that knows no expense, and finds another id for one that is taken.
type forgetful struct{ store.Tx }

func (forgetful) KnownExpenses(context.Context, ...uuid.UUID) ([]uuid.UUID, error) { return nil, nil }

func (f forgetful) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
	var version expense.Version
	for _, e := range rows {
		var err error
		version, err = f.Tx.PutExpenses(ctx, e)
		if errors.Is(err, expense.ErrExists) || errors.Is(err, expense.ErrGone) {
			e.ID = uuid.New()
			version, err = f.Tx.PutExpenses(ctx, e)
		}
		if err != nil {
			return 0, err
		}
	}
	return version, nil
}

func postsTwice() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return forgetful{tx} }}
}

// noting is a Tx that remembers the rules it was given.
type noting struct {
	store.Tx
	rules *[]recurrence.Rule
}

func (n noting) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	*n.rules = append(*n.rules, rules...)
	return n.Tx.PutRules(ctx, rules...)
}

// movesCursorAlone keeps the rules of an Update that failed, and nothing else of it.
func movesCursorAlone() store.Store {
	return updating{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		var rules []recurrence.Rule
		err := st.Update(ctx, owner, func(tx store.Tx) error { return fn(noting{tx, &rules}) })
		if err == nil || len(rules) == 0 {
			return err
		}
		return errors.Join(err, st.Update(ctx, owner, func(tx store.Tx) error {
			_, err := tx.PutRules(ctx, rules...)
			return err
		}))
	}}
}

// finding is a store that judges by itself which rules are due.
type finding struct {
	*memstore.Store
	due func(rule recurrence.Rule, settings expense.Settings) time.Time
}

func (f finding) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		for owner := range f.Owners(ctx) {
			settings, err := f.Reader(owner).Settings(ctx)
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			rules, err := f.Reader(owner).Rules(ctx)
			if err != nil {
				yield(store.DueOwner{}, err)
				return
			}
			for _, rule := range rules {
				at := f.due(rule, settings)
				if !at.IsZero() && !at.After(now) && !yield(store.DueOwner{Owner: owner, Since: at}, nil) {
					return
				}
			}
		}
	}
}

func beginsInGreenwich() store.Store {
	return finding{memstore.New(), func(rule recurrence.Rule, _ expense.Settings) time.Time { return rule.DueAt(expense.Zone{}) }}
}

func findsPausedDue() store.Store {
	return finding{memstore.New(), func(rule recurrence.Rule, settings expense.Settings) time.Time {
		rule.Paused = false
		return rule.DueAt(settings.Zone)
	}}
}
