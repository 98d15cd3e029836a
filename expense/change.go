package expense

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// A Patch changes an expense. Its fields are text from a user or a request. A nil field keeps the stored value. An
// empty field restores the default: no notes, the default category, today's date, the home currency. An empty Rate
// removes a rate that the user gave, so that the rate table applies. Amount has no default and must not be empty.
type Patch struct {
	Amount     *string
	Currency   *string
	Date       *string
	CategoryID *string
	Category   *string // a name, instead of CategoryID
	Notes      *string
	Rate       *string
}

// Change applies patch to an expense. It returns ErrNotFound or ErrGone if the expense does not exist, ErrStale if cond
// does not hold, and ErrInvalid with all field errors if the result is invalid. A patch that changes nothing writes
// nothing.
//
// A patch that keeps amount, currency, date and rate keeps the conversion. Any other patch converts the amount again,
// by the first of these rates that exists. If none of them exists, the expense becomes pending:
//
//   - the patch's rate
//   - the rate that the user gave before, unless the patch removes it or changes the currency
//   - the rate of the rate table
//   - the stored rate, if it is not from the user and neither currency nor date changes
func Change(ctx context.Context, tx Tx, env Env, id uuid.UUID, patch Patch, cond Precondition) (Expense, error) {
	old, err := tx.Expense(ctx, id)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return Expense{}, &RowError{Type: "expense", ID: id, Version: old.Version, Err: err}
	}
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return Expense{}, err
	}
	e, err := b.patch(old, patch)
	if err != nil {
		return Expense{}, err
	}
	return b.replaceStored(tx, e, old)
}

// replaceStored stores e in place of old, unless they are equal.
func (b *builder) replaceStored(tx Tx, e, old Expense) (Expense, error) {
	if e == old {
		return old, nil
	}
	e.UpdatedAt = Timestamp(b.env.Now)
	return b.put(tx, e, old)
}

func (b *builder) patch(old Expense, patch Patch) (Expense, error) {
	var errs ValidationErrors
	e := old
	if patch.Amount != nil || patch.Currency != nil {
		amount, code := old.Amount.Decimal().String(), old.Amount.Currency().Code()
		if patch.Amount != nil {
			amount = *patch.Amount
		}
		if patch.Currency != nil {
			code = *patch.Currency
		}
		e.Amount = parseAmount(&errs, amount, code, b.settings.Home)
		checkAmount(&errs, e.Amount)
	}
	if patch.Date != nil && *patch.Date != old.Date.String() {
		e.Date = b.today
		if *patch.Date != "" {
			date, err := ParseDate(*patch.Date)
			_ = errs.AddError("date", err)
			e.Date = date
		}
		b.checkDate(&errs, &e)
	}
	if e.Amount.Currency() != old.Amount.Currency() || e.Date != old.Date {
		checkLegalTender(&errs, e)
	}
	if patch.CategoryID != nil || patch.Category != nil {
		id, name := valueOrEmpty(patch.CategoryID), valueOrEmpty(patch.Category)
		var err error
		if e.CategoryID, err = b.category(&errs, parseCategoryID(&errs, id, name), name, old.CategoryID, false); err != nil {
			return Expense{}, err
		}
	}
	if patch.Notes != nil && *patch.Notes != old.Notes {
		e.Notes = *patch.Notes
		checkNotes(&errs, e.Notes)
	}
	b.convertAgain(&errs, &e, old, patch.Rate)
	if err := errs.Err(); err != nil {
		return Expense{}, err
	}
	return e, nil
}

// convertAgain converts e, the patched copy of old, by the rules of [Change]. rateText is nil to keep a rate that the
// user gave, and empty to drop it.
func (b *builder) convertAgain(errs *ValidationErrors, e *Expense, old Expense, rateText *string) {
	sameCurrency := e.Amount.Currency() == old.Amount.Currency()
	unchanged := e.Amount == old.Amount && e.Date == old.Date
	userRate := parseRate(errs, valueOrEmpty(rateText))
	// Giving the stored rate again changes nothing, whatever its source is.
	if unchanged && (rateText == nil || !userRate.IsZero() && userRate == old.Rate.Value) {
		return
	}
	if rateText == nil && sameCurrency && old.Rate.Source == SourceUser {
		userRate = old.Rate.Value
	}
	fallback := Rate{}
	if sameCurrency && e.Date == old.Date && old.Rate.Source != SourceUser {
		fallback = old.Rate
	}
	b.convert(errs, e, userRate, fallback)
}

// Replace stores draft, whose ID is required, as a new expense or in place of the expense with that id. Replace is
// idempotent: if the stored expense equals every given field of the draft, Replace ignores cond and changes nothing.
//
// Replacing an expense that differs requires a precondition: Replace returns ErrPreconditionRequired without one and
// ErrStale if it does not hold. Replace returns ErrGone if the id belongs to a deleted expense, and ErrInvalid with all
// field errors.
func Replace(ctx context.Context, tx Tx, env Env, draft Draft, cond Precondition) (PutResult, error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return PutResult{}, err
	}
	createErr := cond.CheckAbsent()
	if createErr != nil {
		id, _ := ParseID(draft.ID) // findEqual ignores a malformed id too
		createErr = &RowError{Type: "expense", ID: id, Err: createErr}
	} else {
		// Try to create the expense first, because most expenses are new.
		var e Expense
		e, createErr = b.create(tx, draft)
		if createErr == nil {
			return PutResult{Expense: e, Created: true}, nil
		}
		if !errors.Is(createErr, ErrInvalid) && !errors.Is(createErr, ErrExists) {
			return PutResult{}, createErr
		}
	}
	stored, ok, err := b.findEqual(draft)
	switch {
	case errors.Is(err, ErrExists):
		return b.replace(tx, draft, cond)
	case ok || err != nil:
		return PutResult{Expense: stored}, err
	}
	return PutResult{}, createErr
}

func (b *builder) replace(tx Tx, draft Draft, cond Precondition) (PutResult, error) {
	id, err := ParseID(draft.ID)
	if err != nil {
		return PutResult{}, err
	}
	old, err := tx.Expense(b.ctx, id)
	if err == nil && cond.IsZero() {
		err = ErrPreconditionRequired
	}
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return PutResult{}, &RowError{Type: "expense", ID: id, Version: old.Version, Err: err}
	}
	// A replacement is a patch of every field. A field that the draft does not give gets its default. RuleID and
	// Occurrence are an exception: without them in the draft, the stored ones stay.
	var rate *string
	if draft.Rate != "" {
		rate = &draft.Rate
	}
	notes := valueOrEmpty(draft.Notes)
	patch := Patch{
		Amount: &draft.Amount, Currency: &draft.Currency, Date: &draft.Date,
		CategoryID: &draft.CategoryID, Category: &draft.Category, Notes: &notes, Rate: rate,
	}
	e, err := b.patch(old, patch)
	var errs ValidationErrors
	if other := errs.AddError("", err); other != nil {
		return PutResult{}, other
	}
	if rule, occurrence := parseOccurrence(&errs, draft.RuleID, draft.Occurrence); draft.RuleID != "" {
		e.ID, e.RuleID, e.Occurrence = id, rule, occurrence
		checkOccurrence(&errs, e)
	}
	if err := errs.Err(); err != nil {
		return PutResult{}, err
	}
	e, err = b.replaceStored(tx, e, old)
	return PutResult{Expense: e}, err
}

// Delete deletes an expense and leaves a tombstone. While the tombstone exists, deleting the expense again returns nil
// and ignores cond. Delete returns ErrNotFound if the id is unknown and ErrStale if cond does not hold.
func Delete(ctx context.Context, tx Tx, id uuid.UUID, cond Precondition) error {
	old, err := tx.Expense(ctx, id)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err == nil {
		_, err = tx.DeleteExpenses(ctx, id)
	}
	if err != nil {
		return &RowError{Type: "expense", ID: id, Version: old.Version, Err: err}
	}
	return nil
}

func valueOrEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
