package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// forgetfulTx is a Tx that knows no expense. It writes an expense whose id exists, or existed, with another id.
type forgetfulTx struct{ store.Tx }

func (forgetfulTx) KnownExpenseIDs(context.Context, ...uuid.UUID) ([]uuid.UUID, error) {
	return nil, nil
}

func (f forgetfulTx) PutExpenses(ctx context.Context, rows ...expense.Expense) (expense.Version, error) {
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
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return forgetfulTx{tx} }}
}

// ruleRecorderTx is a Tx that records the rules that it writes.
type ruleRecorderTx struct {
	store.Tx
	rules *[]recurrence.Rule
}

func (n ruleRecorderTx) PutRules(ctx context.Context, rules ...recurrence.Rule) (expense.Version, error) {
	*n.rules = append(*n.rules, rules...)
	return n.Tx.PutRules(ctx, rules...)
}

// commitsRulesOfFailedUpdates returns a store that commits only the rules of a failed Update.
func commitsRulesOfFailedUpdates() store.Store {
	return updateStore{memstore.New(), func(ctx context.Context, st *memstore.Store, owner expense.OwnerID,
		fn func(store.Tx) error) error {
		var rules []recurrence.Rule
		err := st.Update(ctx, owner, func(tx store.Tx) error { return fn(ruleRecorderTx{tx, &rules}) })
		if err == nil || len(rules) == 0 {
			return err
		}
		return errors.Join(err, st.Update(ctx, owner, func(tx store.Tx) error {
			_, err := tx.PutRules(ctx, rules...)
			return err
		}))
	}}
}

// dueStore is a store that computes with due when a rule is due.
type dueStore struct {
	*memstore.Store
	due func(rule recurrence.Rule, settings expense.Settings) time.Time
}

func (f dueStore) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		retries := make(map[store.DueOwner]time.Time)
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
				if at.IsZero() || at.After(now) {
					continue
				}
				found := store.DueOwner{Owner: owner, Since: at}
				if retry, known := retries[found]; !known || rule.RetryAt.Before(retry) {
					retries[found] = rule.RetryAt
				}
			}
		}
		oldest := func(a, b store.DueOwner) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Owner, b.Owner))
		}
		for _, found := range slices.SortedFunc(maps.Keys(retries), oldest) {
			found.RetryAt = retries[found]
			if !yield(found, nil) {
				return
			}
		}
	}
}

func ignoresZone() store.Store {
	return dueStore{memstore.New(),
		func(rule recurrence.Rule, _ expense.Settings) time.Time { return rule.DueAt(expense.Zone{}) }}
}

func ignoresPause() store.Store {
	return dueStore{memstore.New(), func(rule recurrence.Rule, settings expense.Settings) time.Time {
		rule.Paused = false
		return rule.DueAt(settings.Zone)
	}}
}

// dueFromRetry returns a store in which a failed rule is due from its RetryAt.
func dueFromRetry() store.Store {
	return dueStore{memstore.New(), func(rule recurrence.Rule, settings expense.Settings) time.Time {
		at := rule.DueAt(settings.Zone)
		if rule.RetryAt.After(at) {
			at = rule.RetryAt
		}
		return at
	}}
}

// failureTx is a Tx that keeps the failure state of rules when their category is written.
type failureTx struct{ store.Tx }

// restoreFailures calls write and then restores the failure states that it cleared.
func (u failureTx) restoreFailures(ctx context.Context, write func() error) error {
	before, err := u.Rules(ctx)
	if err == nil {
		err = write()
	}
	var failed []recurrence.Rule
	for _, old := range before {
		if old.LastError == "" || err != nil {
			continue
		}
		var rule recurrence.Rule
		rule, err = u.Rule(ctx, old.ID)
		rule.LastError, rule.Failures, rule.RetryAt = old.LastError, old.Failures, old.RetryAt
		failed = append(failed, rule)
	}
	if err == nil {
		_, err = u.PutRules(ctx, failed...)
	}
	return err
}

func (u failureTx) PutCategories(ctx context.Context, categories ...expense.Category) (version expense.Version,
	err error) {
	err = u.restoreFailures(ctx, func() error {
		version, err = u.Tx.PutCategories(ctx, categories...)
		return err
	})
	return version, err
}

func (u failureTx) MergeCategory(ctx context.Context, from, into uuid.UUID,
	month expense.Month) (merged expense.MergeResult, err error) {
	err = u.restoreFailures(ctx, func() error {
		merged, err = u.Tx.MergeCategory(ctx, from, into, month)
		return err
	})
	return merged, err
}

func keepsFailureState() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return failureTx{tx} }}
}
