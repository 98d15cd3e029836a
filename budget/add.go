package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Draft is the input of [Add]: unparsed text. An empty field takes its default.
type Draft struct {
	ID          string   // a UUID; default: a new UUID of version 7
	CategoryID  string   // a UUID; default: the category with the name Category
	Category    string   // a name, instead of CategoryID; default: the whole ledger
	FromMonth   string   // YYYY-MM; default: the current month in the ledger's zone
	UntilMonth  string   // YYYY-MM, the last month; default: no end
	Amount      string   // the limit, a plain decimal; required
	Currency    string   // must be the home currency, which is the default
	Rollover    string   // "none", "surplus", "deficit" or "both"; default: none
	RolloverCap string   // a plain decimal; default: no cap
	AlertAt     []string // thresholds, see [ParseRatio]; default for nil: 0.80 and 1.00
}

// An AddResult is what [Add] returns.
type AddResult struct {
	Budget  Budget
	Created bool // false: the budget existed already, and it equals the draft
}

// Add adds a budget with one limit. Add is idempotent: if a budget has the draft's id, and every field that the draft
// gives equals the stored one, Add changes nothing and returns the stored budget.
//
// Add returns ErrInvalid with all field errors if the draft is invalid, ErrExists if the id belongs to a budget that
// differs from the draft, and ErrGone if the id belongs to a deleted budget. It returns an [ExistsError] if the
// category has another budget, even one that has ended.
func Add(ctx context.Context, tx Tx, env expense.Env, draft Draft) (AddResult, error) {
	snapshot, err := tx.BudgetSnapshot(ctx)
	if err != nil {
		return AddResult{}, fmt.Errorf("budget snapshot: %w", err)
	}
	if draft.ID != "" {
		// Compare with the stored budget before validating: a retry must succeed even if the draft has become invalid.
		stored, found, err := lookupBudget(ctx, tx, draft.ID)
		switch {
		case err != nil:
			return AddResult{}, err
		case found && snapshot.matches(draft, stored):
			return AddResult{Budget: stored}, nil
		case found:
			return AddResult{}, rowError(stored.ID, stored.Version, expense.ErrExists)
		}
	}
	b, err := snapshot.newBudget(env, draft)
	if err != nil {
		return AddResult{}, err
	}
	i := slices.IndexFunc(snapshot.Budgets, func(other Budget) bool { return other.CategoryID == b.CategoryID })
	if i >= 0 {
		return AddResult{}, &ExistsError{Existing: snapshot.Budgets[i], Scope: snapshot.scope(b), Requested: b.Entries[0]}
	}
	if b, err = put(ctx, tx, b); err != nil {
		return AddResult{}, err
	}
	return AddResult{Budget: b, Created: true}, nil
}

// An ExistsError reports that the category, or the whole ledger, has a budget already. It matches ErrExists. To set
// another limit, call [Change] for the existing budget. If the existing budget has ended, the patch also needs a later
// or an empty UntilMonth.
type ExistsError struct {
	Existing  Budget
	Scope     string // the quoted name of the category, or "the whole ledger"
	Requested Entry  // the limit that was not added
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("budget for %s: %v; change the existing budget %s", e.Scope, expense.ErrExists, e.Existing.ID)
}

// Unwrap returns ErrExists.
func (e *ExistsError) Unwrap() error { return expense.ErrExists }

// Ended reports whether the existing budget ended before the requested limit begins.
func (e *ExistsError) Ended() bool {
	return !e.Existing.Until.IsZero() && e.Existing.Until.Before(e.Requested.From)
}

// lookupBudget returns the budget with the id in text. It returns false if there is none, or if text is not a UUID. It
// returns ErrGone if the budget was deleted.
func lookupBudget(ctx context.Context, r Reader, text string) (Budget, bool, error) {
	id, err := expense.ParseID(text)
	if err != nil {
		return Budget{}, false, nil //nolint:nilerr // the validation of the draft reports it
	}
	stored, err := r.Budget(ctx, id)
	switch {
	case err == nil:
		return stored, true, nil
	case errors.Is(err, expense.ErrNotFound) && !errors.Is(err, expense.ErrGone):
		return Budget{}, false, nil
	default:
		return Budget{}, false, rowError(id, 0, err)
	}
}

// matches reports whether every field that d gives equals that of stored. A budget with more than one entry always
// differs, because its limit was changed after it was added.
func (s Snapshot) matches(d Draft, stored Budget) bool {
	if len(stored.Entries) != 1 || stored.MergedName != "" {
		return false
	}
	var errs expense.ValidationErrors
	category := s.findCategory(&errs, d)
	entry := stored.Entries[0]
	limit, limitErr := expense.ParseAmount(d.Amount, entry.Limit.Currency())
	rolloverCap, capErr := expense.ParseAmount(d.RolloverCap, entry.Limit.Currency())
	thresholds, thresholdErr := parseThresholds(d.AlertAt)
	return errs.Err() == nil && category.ID == stored.CategoryID &&
		(d.Amount == "" || limitErr == nil && limit == entry.Limit) &&
		(d.Currency == "" || d.Currency == entry.Limit.Currency().Code()) &&
		(d.FromMonth == "" || d.FromMonth == entry.From.String()) &&
		(d.UntilMonth == "" || d.UntilMonth == stored.Until.String()) &&
		(d.Rollover == "" || d.Rollover == stored.Rollover.String()) &&
		(d.RolloverCap == "" || capErr == nil && rolloverCap == stored.RolloverCap) &&
		(d.AlertAt == nil || thresholdErr == nil && slices.Equal(thresholds, stored.AlertAt))
}

// newBudget parses and validates draft.
func (s Snapshot) newBudget(env expense.Env, draft Draft) (Budget, error) {
	var errs expense.ValidationErrors
	now := expense.Timestamp(env.Now)
	b := Budget{AlertAt: defaultThresholds(), CreatedAt: now, UpdatedAt: now}

	var err error
	if draft.ID == "" {
		if b.ID, err = uuid.NewV7(); err != nil {
			return Budget{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		b.ID, err = expense.ParseID(draft.ID)
		_ = errs.AddError("id", err)
	}
	b.CategoryID = s.parseCategory(&errs, draft)
	from := parseMonth(&errs, "from_month", draft.FromMonth, s.Settings.Today(env.Now).Month())
	b.Until = parseMonth(&errs, "until_month", draft.UntilMonth, expense.Month{})
	s.checkCurrency(&errs, draft.Currency)
	b.Entries = []Entry{{From: from, Limit: s.parseLimit(&errs, draft.Amount)}}
	b.Rollover = parseRollover(&errs, draft.Rollover)
	b.RolloverCap = s.parseAmount(&errs, "rollover_cap", draft.RolloverCap)
	if draft.AlertAt != nil {
		b.AlertAt, err = parseThresholds(draft.AlertAt)
		_ = errs.AddError("", err)
	}
	b.validateParsed(&errs)
	if err := errs.Err(); err != nil {
		return Budget{}, err
	}
	return b, nil
}

func defaultThresholds() []Ratio { return []Ratio{8000, whole} }

// parseCategory returns the id of the draft's category, or uuid.Nil for the whole ledger. An archived category is an
// error.
func (s Snapshot) parseCategory(errs *expense.ValidationErrors, draft Draft) uuid.UUID {
	category := s.findCategory(errs, draft)
	if category.Archived {
		field := "category_id"
		if draft.CategoryID == "" {
			field = "category"
		}
		errs.Add(field, "archived_category", "category %q is archived; unarchive it before you add a budget", category.Name)
	}
	return category.ID
}

// findCategory returns the draft's category, which may be archived. It returns the zero Category for the whole ledger,
// and after an error.
func (s Snapshot) findCategory(errs *expense.ValidationErrors, draft Draft) expense.Category {
	if draft.CategoryID != "" && draft.Category != "" {
		errs.Add("category", "ambiguous", "category %s is given besides category_id; give one of them",
			expense.QuoteText(draft.Category))
	}
	field, text := "category_id", draft.CategoryID
	var is func(expense.Category) bool
	switch {
	case draft.CategoryID != "":
		id, err := expense.ParseID(draft.CategoryID)
		if err != nil {
			_ = errs.AddError("category_id", err)
			return expense.Category{}
		}
		is = func(c expense.Category) bool { return c.ID == id }
	case draft.Category != "":
		field, text = "category", draft.Category
		name := expense.Fold(draft.Category)
		is = func(c expense.Category) bool { return expense.Fold(c.Name) == name }
	default:
		return expense.Category{}
	}
	i := slices.IndexFunc(s.Categories, is)
	if i < 0 {
		errs.Add(field, "unknown_category", "the ledger has no category %s; create it or give another",
			expense.QuoteText(text))
		return expense.Category{}
	}
	return s.Categories[i]
}

// scope returns the quoted name of the category of b, or "the whole ledger".
func (s Snapshot) scope(b Budget) string {
	if b.CategoryID == uuid.Nil {
		return "the whole ledger"
	}
	return fmt.Sprintf("%q", s.categoryName(b))
}

// categoryName returns the name of the category of b. For a merged category, it returns the name before the merge. For
// the whole ledger, it returns an empty text.
func (s Snapshot) categoryName(b Budget) string {
	for _, c := range s.Categories {
		if c.ID == b.CategoryID {
			return c.Name
		}
	}
	return b.MergedName
}

// checkCurrency reports a code other than that of the home currency. An empty code stands for the home currency.
func (s Snapshot) checkCurrency(errs *expense.ValidationErrors, code string) {
	if code == "" {
		return
	}
	currency, err := expense.ParseCurrency(code)
	_ = errs.AddError("currency", err)
	if home := s.Settings.Home; err == nil && currency != home {
		errs.Add("currency", "not_home_currency", "currency %s is not the home currency; give limits in %s", currency, home)
	}
}

func (s Snapshot) parseLimit(errs *expense.ValidationErrors, text string) expense.Money {
	if text == "" {
		errs.Add("amount", "required",
			"the amount is missing; give the monthly limit as a plain decimal such as \"500.00\"")
		return expense.Money{}
	}
	return s.parseAmount(errs, "amount", text)
}

// parseAmount parses a positive amount in the home currency; an empty text is the zero Money. If checkCurrency has
// reported an error, parseAmount checks only the rules that hold in every currency.
func (s Snapshot) parseAmount(errs *expense.ValidationErrors, field, text string) expense.Money {
	if text == "" {
		return expense.Money{}
	}
	value, err := expense.CheckAmount(text)
	var amount expense.Money
	if !errs.Has("currency") {
		amount, err = expense.ParseAmount(text, s.Settings.Home)
	}
	switch {
	case err != nil:
		_ = errs.AddError(field, err)
	case value.Sign() > 0:
	case field == "amount":
		errs.Add(field, "not_positive", notPositiveLimit, text)
	default:
		errs.Add(field, "not_positive", notPositiveCap, text)
	}
	return amount
}

func parseRollover(errs *expense.ValidationErrors, text string) Rollover {
	if text == "" {
		return RolloverNone
	}
	rollover, err := ParseRollover(text)
	_ = errs.AddError("rollover", err)
	return rollover
}

// parseMonth parses the month of a field; an empty text is fallback.
func parseMonth(errs *expense.ValidationErrors, field, text string, fallback expense.Month) expense.Month {
	if text == "" {
		return fallback
	}
	month, err := expense.ParseMonth(text)
	_ = errs.AddError(field, err)
	return month
}

// validateParsed adds the errors of [Budget.Validate] about fields that were parsed without an error. It omits an error
// that another error may have caused: an invalid currency affects the amount, and an invalid currency, amount or
// rollover affects the cap.
func (b Budget) validateParsed(errs *expense.ValidationErrors) {
	parsed := *errs
	for _, err := range expense.InvalidErrors(b.Validate()) {
		consequence := err.Field == "amount" && parsed.Has("currency") ||
			err.Field == "rollover_cap" && (parsed.Has("currency") || parsed.Has("amount") || parsed.Has("rollover"))
		if !parsed.Has(err.Field) && !consequence {
			_ = errs.AddError(err.Field, err)
		}
	}
}

func parseThresholds(texts []string) ([]Ratio, error) {
	var errs expense.ValidationErrors
	thresholds := make([]Ratio, len(texts))
	for i, text := range texts {
		var err error
		thresholds[i], err = ParseRatio(text)
		_ = errs.AddError(thresholdField(i), err)
	}
	return thresholds, errs.Err()
}

// put writes b, whose guarded fields have changed, and returns it with its new version.
func put(ctx context.Context, tx Tx, b Budget) (Budget, error) {
	version, err := tx.PutBudgets(ctx, b)
	if err != nil {
		return Budget{}, rowError(b.ID, 0, err)
	}
	b.Version, b.Guard = version, version
	return b, nil
}

// rowError adds the budget, and its version if that is known, to err.
func rowError(id uuid.UUID, version expense.Version, err error) error {
	return &expense.RowError{Type: "budget", ID: id, Version: version, Err: err}
}
