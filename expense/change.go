package expense

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// A Patch is a change of an expense as a person or a wire gives it. A nil member leaves what is there. An empty one puts
// back the default: no notes, the default category, today's date, the home currency; an empty Rate drops one given by hand.
type Patch struct {
	Amount     *string
	Currency   *string
	Date       *string
	CategoryID *string
	Category   *string // a name, instead of CategoryID
	Notes      *string
	Rate       *string
}

// Change changes what patch names. A patch that leaves amount, currency, date and rate as they are keeps the conversion;
// another one converts anew, by these in turn: a rate given now; one given by hand before, unless it was dropped or the
// currency changes; the table; the rate that is there, if currency and date stay. A patch that changes nothing takes no version.
func Change(ctx context.Context, tx Tx, env Env, id uuid.UUID, patch Patch, cond Precondition) (Expense, error) {
	old, err := tx.Expense(ctx, id)
	if err != nil {
		return Expense{}, fmt.Errorf("expense %s: %w", id, err)
	}
	if err := cond.CheckPresent(old.Version); err != nil {
		return Expense{}, fmt.Errorf("expense %s: %w", id, err)
	}
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return Expense{}, err
	}
	e, err := b.patch(old, patch)
	if err != nil {
		return Expense{}, err
	}
	if e == old {
		return old, nil
	}
	e.UpdatedAt = Timestamp(env.Now)
	return b.put(tx, e, old)
}

func (b *builder) patch(old Expense, patch Patch) (Expense, error) {
	var faults ValidationErrors
	e := old
	if patch.Amount != nil || patch.Currency != nil {
		amount, code := old.Amount.Decimal().String(), old.Amount.Currency().Code()
		if patch.Amount != nil {
			amount = *patch.Amount
		}
		if patch.Currency != nil {
			code = *patch.Currency
		}
		e.Amount = b.amount(&faults, amount, code, b.settings.Home)
	}
	if patch.Date != nil && *patch.Date != old.Date.String() {
		e.Date = b.date(&faults, *patch.Date)
	}
	if e.Amount.Currency() != old.Amount.Currency() || e.Date != old.Date {
		checkTender(&faults, e)
	}
	if patch.CategoryID != nil || patch.Category != nil {
		id, err := b.category(&faults, orEmpty(patch.CategoryID), orEmpty(patch.Category), old.CategoryID)
		if err != nil {
			return Expense{}, err
		}
		e.CategoryID = id
	}
	if patch.Notes != nil && *patch.Notes != old.Notes {
		e.Notes = *patch.Notes
		checkNotes(&faults, e.Notes)
	}
	b.rerate(&faults, &e, old, patch.Rate)
	if err := faults.Err(); err != nil {
		return Expense{}, err
	}
	return e, nil
}

// rerate gives e, an edit of old, its conversion. given is nil if the edit does not speak of the rate, empty to drop one
// given by hand.
func (b *builder) rerate(faults *ValidationErrors, e *Expense, old Expense, given *string) {
	sameUnit := e.Amount.Currency() == old.Amount.Currency()
	untouched := e.Amount == old.Amount && e.Date == old.Date
	hand := handRate(faults, orEmpty(given))
	// A rate that is the stored one is no change, whatever its source.
	if untouched && (given == nil || !hand.IsZero() && hand == old.Rate.Value) {
		return
	}
	if given == nil && sameUnit && old.Rate.Source == SourceUser {
		hand = old.Rate.Value
	}
	fallback := Rate{}
	if sameUnit && e.Date == old.Date && old.Rate.Source != SourceUser {
		fallback = old.Rate
	}
	b.rate(faults, e, hand, fallback)
}

// Replace puts draft, whose ID must be given, in the place of what is there, or adds it if nothing is. A draft whose every given member
// equals the stored expense's changes nothing, whatever cond says: it is the same request again. Replacing other content
// needs a condition (ErrPreconditionRequired) that holds (ErrStale). A deleted id is ErrGone.
func Replace(ctx context.Context, tx Tx, env Env, draft Draft, cond Precondition) (PutResult, error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return PutResult{}, err
	}
	absent := cond.CheckAbsent()
	if absent == nil {
		// Most often it is new, and then this is all there is to do.
		e, err := b.build(draft)
		if err == nil {
			e, err = b.put(tx, e, Expense{})
		}
		if err == nil {
			return PutResult{Expense: e, Created: true}, nil
		}
		if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrExists) {
			return PutResult{}, err
		}
		absent = err
	}
	stored, found, err := b.twin(draft)
	switch {
	case errors.Is(err, ErrExists):
		return b.replace(tx, draft, cond)
	case found || err != nil:
		return PutResult{Expense: stored}, err
	}
	return PutResult{}, absent
}

func (b *builder) replace(tx Tx, draft Draft, cond Precondition) (PutResult, error) {
	id, err := ParseID(draft.ID)
	if err != nil {
		return PutResult{}, err
	}
	old, err := tx.Expense(b.ctx, id)
	if err != nil {
		return PutResult{}, fmt.Errorf("expense %s: %w", id, err)
	}
	if cond.IsZero() {
		return PutResult{}, fmt.Errorf("expense %s: %w", id, ErrPreconditionRequired)
	}
	if err := cond.CheckPresent(old.Version); err != nil {
		return PutResult{}, fmt.Errorf("expense %s: %w", id, err)
	}
	// A replacement is a patch that names every member: what the draft does not give goes back to its default, but for what
	// says where the expense came from.
	var rate *string
	if draft.Rate != "" {
		rate = &draft.Rate
	}
	notes := orEmpty(draft.Notes)
	patch := Patch{
		Amount: &draft.Amount, Currency: &draft.Currency, Date: &draft.Date, CategoryID: &draft.CategoryID, Category: &draft.Category,
		Notes: &notes, Rate: rate,
	}
	e, err := b.patch(old, patch)
	var faults ValidationErrors
	if other := faults.AddError("", err); other != nil {
		return PutResult{}, other
	}
	if draft.RuleID != "" || draft.Occurrence != "" {
		e.ID = id
		b.occurrence(&faults, &e, draft)
	}
	if err := faults.Err(); err != nil {
		return PutResult{}, err
	}
	if e == old {
		return PutResult{Expense: old}, nil
	}
	e.UpdatedAt = Timestamp(b.env.Now)
	e, err = b.put(tx, e, old)
	return PutResult{Expense: e}, err
}

// Delete deletes an expense and leaves a tombstone. Deleting it again is no error while the tombstone is kept, whatever
// cond says; ErrNotFound if there never was such a one, ErrStale if cond does not hold.
func Delete(ctx context.Context, tx Tx, id uuid.UUID, cond Precondition) error {
	old, err := tx.Expense(ctx, id)
	switch {
	case errors.Is(err, ErrGone):
		return nil
	case err != nil:
		return fmt.Errorf("expense %s: %w", id, err)
	}
	if err := cond.CheckPresent(old.Version); err != nil {
		return fmt.Errorf("expense %s: %w", id, err)
	}
	if _, err := tx.DeleteExpenses(ctx, id); err != nil {
		return fmt.Errorf("expense %s: %w", id, err)
	}
	return nil
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
