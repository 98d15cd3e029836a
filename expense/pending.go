package expense

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// reconvertBatch is the maximum number of expenses that reconvert passes to one call of PutExpenses.
const reconvertBatch = 500

// maxConverted is the maximum number of expenses that one call of [ConvertPending] converts.
const maxConverted = 1000

// ConvertPending converts pending expenses for which the rate table now has a rate. The converted expenses get the
// Update's version, so that clients receive them in the change feed. One call converts at most 1,000 expenses; if it
// returns 1,000, call it again in another Update. An expense whose conversion would exceed a limit stays pending and
// does not prevent the conversion of others.
func ConvertPending(ctx context.Context, tx Tx, env Env) (converted int, err error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return 0, err
	}
	var batch []Expense
	for e, err := range b.convertible(tx) {
		if err != nil {
			return 0, err
		}
		e.UpdatedAt = Timestamp(env.Now)
		if batch = append(batch, e); len(batch) == maxConverted {
			break
		}
	}
	if len(batch) == 0 {
		return 0, nil
	}
	switch _, err := tx.PutExpenses(ctx, batch...); {
	case err == nil:
		return len(batch), nil
	case !errors.Is(err, ErrInvalid):
		return 0, fmt.Errorf("convert %d pending expenses: %w", len(batch), err)
	}
	// The whole batch exceeds the ledger's limit. Write the expenses one by one, as many as the limit allows.
	for _, e := range batch {
		switch _, err := tx.PutExpenses(ctx, e); {
		case err == nil:
			converted++
		case !errors.Is(err, ErrInvalid):
			return converted, fmt.Errorf("convert pending expense %s: %w", e.ID, err)
		}
	}
	return converted, nil
}

// HasConvertiblePending reports whether the ledger has a pending expense that [ConvertPending] can convert. It only
// reads. Call it first to avoid locking the ledger when there is nothing to convert.
func HasConvertiblePending(ctx context.Context, r Reader, env Env) (bool, error) {
	b, err := newBuilder(ctx, r, env)
	if err != nil {
		return false, err
	}
	for _, err := range b.convertible(r) {
		return err == nil, err
	}
	return false, nil
}

// convertible yields the pending expenses for which a rate exists, converted.
func (b *builder) convertible(r Reader) iter.Seq2[Expense, error] {
	return func(yield func(Expense, error) bool) {
		pending := true
		for e, err := range r.Expenses(b.ctx, Query{Filter: Filter{Pending: &pending}, Sort: OldestFirst}) {
			if err != nil {
				yield(Expense{}, fmt.Errorf("pending expenses: %w", err))
				return
			}
			// If the conversion exceeds a limit, convert reports it and leaves the expense pending.
			var errs ValidationErrors
			if b.convert(&errs, &e, Factor{}, Rate{}); !e.Pending() && !yield(e, nil) {
				return
			}
		}
	}
}

// checkReconversion counts the expenses that [builder.reconvert] will convert or leave pending. It returns the error
// that reconvert would return. It writes nothing.
func (b *builder) checkReconversion(oldHome Currency) (*ReconversionResult, error) {
	var result ReconversionResult
	// volume is the sum of all volumes before the conversion, growth its change so far, and peak the largest growth at the
	// end of a batch, where PutExpenses checks the limit.
	var volume, growth, peak int64
	err := b.forEachReconverted(oldHome, func(old, e Expense) error {
		if e.Pending() {
			result.Pending++
		} else {
			result.Converted++
		}
		volume += old.Volume()
		growth += e.Volume() - old.Volume()
		if (result.Pending+result.Converted)%reconvertBatch == 0 {
			peak = max(peak, growth)
		}
		if peak > MaxMinor {
			return ErrTotalTooLarge
		}
		return nil
	})
	if err == nil && max(peak, growth) > MaxMinor-volume {
		err = ErrTotalTooLarge
	}
	return &result, err
}

// reconvert converts every expense into the new home currency and writes it, in batches.
func (b *builder) reconvert(tx Tx, oldHome Currency) error {
	var batch []Expense
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := tx.PutExpenses(b.ctx, batch...)
		batch = batch[:0]
		return err
	}
	err := b.forEachReconverted(oldHome, func(_, e Expense) error {
		e.UpdatedAt = Timestamp(b.env.Now)
		if batch = append(batch, e); len(batch) == reconvertBatch {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// forEachReconverted calls fn with each stored expense and its copy in the new home currency. It stops at the first
// error.
func (b *builder) forEachReconverted(oldHome Currency, fn func(old, e Expense) error) error {
	for old, err := range b.r.Expenses(b.ctx, Query{Sort: OldestFirst}) {
		if err != nil {
			return err
		}
		e := old
		userRate, ok := b.userRate(e, oldHome)
		var errs ValidationErrors
		if ok {
			b.convert(&errs, &e, userRate, Rate{})
		} else {
			e.Rate, e.Home = Rate{}, Money{currency: b.settings.Home}
		}
		if err := errs.Err(); err != nil {
			return fmt.Errorf("expense of %s on %s: %w", e.Amount, e.Date, err)
		}
		if err := fn(old, e); err != nil {
			return err
		}
	}
	return nil
}

// userRate returns the rate that the user gave for e, converted from oldHome into the ledger's home currency. It
// returns zero if the user gave none, or if e is in the home currency now. ok is false if there is no rate between the
// two home currencies.
func (b *builder) userRate(e Expense, oldHome Currency) (userRate Factor, ok bool) {
	if e.Rate.Source != SourceUser || e.Amount.Currency() == b.settings.Home {
		return Factor{}, true
	}
	between, ok := LookupRate(b.env.Rates, oldHome, b.settings.Home, e.Date)
	if !ok {
		return Factor{}, false
	}
	userRate = e.Rate.Value.Mul(between.Value)
	return userRate, userRate.inRange()
}
