package statement

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// A rehearsal is a ledger of which every Update is undone. Each sees what those before it would have left: ids that are
// taken, categories that are made, and how much of the ledger's limit is used. So what holds in a rehearsal holds in
// the import too.
type rehearsal struct {
	ledger ledgerUpdater
	env    expense.Env
	left   leftover
}

// A leftover is what Updates that are undone would have left.
type leftover struct {
	ids        map[uuid.UUID]bool // of expenses
	volume     int64              // of them, see [expense.Expense.Volume]
	categories []expense.Category
}

// errUndo undoes an Update that was only a rehearsal.
var errUndo = errors.New("rehearsed")

// update runs fn as the ledger's Update does, and undoes it.
func (r *rehearsal) update(ctx context.Context, fn func(store.Tx) error) error {
	var last *rehearsalTx
	err := r.ledger(ctx, func(tx store.Tx) error {
		if err := r.stage(ctx, tx); err != nil {
			return fmt.Errorf("rehearse after the lines before: %w", err)
		}
		last = &rehearsalTx{Tx: tx, before: r.left.ids}
		if err := fn(last); err != nil {
			return err
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		return err
	}
	if r.left.ids == nil {
		r.left.ids = map[uuid.UUID]bool{}
	}
	for _, id := range last.ids {
		r.left.ids[id] = true
	}
	r.left.volume += last.volume
	r.left.categories = append(r.left.categories, last.categories...)
	return nil
}

// stage puts into the ledger what was left: the categories, and one expense that stands for all.
func (r *rehearsal) stage(ctx context.Context, tx expense.Tx) error {
	if len(r.left.categories) > 0 {
		there, err := tx.Categories(ctx)
		if err != nil {
			return err
		}
		names := make(map[string]bool, len(there)) // others may have made them since
		for _, c := range there {
			names[expense.Fold(c.Name)] = true
		}
		var missing []expense.Category
		for _, c := range r.left.categories {
			if !names[expense.Fold(c.Name)] {
				missing = append(missing, c)
			}
		}
		if _, err := tx.PutCategories(ctx, missing...); err != nil {
			return err
		}
	}
	if r.left.volume == 0 {
		return nil
	}
	settings, err := tx.Settings(ctx)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	amount, err := expense.MoneyFromMinor(r.left.volume, settings.Home)
	if err != nil {
		return err
	}
	now := expense.Timestamp(r.env.Now)
	e := expense.Expense{
		ID: id, Amount: amount, Home: amount, Date: settings.Today(now), CategoryID: settings.DefaultCategory, CreatedAt: now,
		UpdatedAt: now,
	}
	e.Rate, _ = expense.LookupRate(expense.NoRates{}, settings.Home, settings.Home, e.Date)
	_, err = tx.PutExpenses(ctx, e)
	return err
}

// A rehearsalTx notes what is written, and knows the expenses that were before it.
type rehearsalTx struct {
	store.Tx

	before     map[uuid.UUID]bool
	ids        []uuid.UUID
	volume     int64
	categories []expense.Category
}

// KnownExpenses returns those of ids that the ledger knows, or that were rehearsed before.
func (tx *rehearsalTx) KnownExpenseIDs(ctx context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	known, err := tx.Tx.KnownExpenseIDs(ctx, ids...)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		if tx.before[id] {
			known = append(known, id)
		}
	}
	return known, nil
}

// PutExpenses writes expenses and notes them.
func (tx *rehearsalTx) PutExpenses(ctx context.Context, expenses ...expense.Expense) (expense.Version, error) {
	version, err := tx.Tx.PutExpenses(ctx, expenses...)
	if err != nil {
		return version, err
	}
	for _, e := range expenses {
		tx.ids, tx.volume = append(tx.ids, e.ID), tx.volume+e.Volume()
	}
	return version, nil
}

// PutCategories writes categories and notes them.
func (tx *rehearsalTx) PutCategories(ctx context.Context, categories ...expense.Category) (expense.Version, error) {
	version, err := tx.Tx.PutCategories(ctx, categories...)
	if err == nil {
		tx.categories = append(tx.categories, categories...)
	}
	return version, err
}
