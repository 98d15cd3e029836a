package budget

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Draft is a budget as a person or a wire gives it: text, as it arrived. What is empty was not given.
type Draft struct {
	ID          string   // a UUID; not given: a new one of version 7
	CategoryID  string   // empty: the whole ledger
	FromMonth   string   // YYYY-MM; not given: this month in the ledger's zone
	UntilMonth  string   // YYYY-MM, the last month; not given: no end
	Amount      string   // the limit, a plain decimal; it must be given
	Currency    string   // only the home currency; not given: that
	Rollover    string   // "none", "surplus", "deficit" or "both"; not given: none
	RolloverCap string   // a plain decimal; not given: no cap
	AlertAt     []string // thresholds; not given: 0.80 and 1.00
}

// AddResult is a budget that is in the ledger now.
type AddResult struct {
	Budget  Budget
	Created bool // false: it was there already, every member given equal to the stored one
}

// Add adds a series with one limit. If its id is taken, a draft whose every given member equals the stored series changes
// nothing and is not Created; other content is ErrExists, as is a second series for a category, also after the first has ended: a
// [ExistsError] says how that one goes on. A deleted id is ErrGone. Faults are ErrInvalid, all of them at once.
func Add(ctx context.Context, tx Tx, env expense.Env, draft Draft) (AddResult, error) {
	book, err := tx.BudgetSnapshot(ctx)
	if err != nil {
		return AddResult{}, fmt.Errorf("book: %w", err)
	}
	if draft.ID != "" {
		// A repeated request is recognised before today's rules judge it: its answer may just have been lost.
		stored, found, err := lookUp(ctx, tx, draft.ID)
		switch {
		case err != nil:
			return AddResult{}, err
		case found && draft.sameAs(stored):
			return AddResult{Budget: stored}, nil
		case found:
			return AddResult{}, fmt.Errorf("budget %s: %w", stored.ID, expense.ErrExists)
		}
	}
	b, err := book.build(env, draft)
	if err != nil {
		return AddResult{}, err
	}
	if i := slices.IndexFunc(book.Budgets, func(other Budget) bool { return other.CategoryID == b.CategoryID }); i >= 0 {
		return AddResult{}, &ExistsError{Existing: book.Budgets[i], Scope: book.scope(b), Requested: b.Entries[0]}
	}
	if b, err = put(ctx, tx, b); err != nil {
		return AddResult{}, err
	}
	return AddResult{Budget: b, Created: true}, nil
}

// A ExistsError says that a category, or the whole ledger, has a series already, which [Change] goes on with: an amount from a month
// on, and a later end or none where it has ended. It is ErrExists.
type ExistsError struct {
	Existing  Budget // the series there is
	Scope     string // whose: a name in quotation marks, or "the whole ledger"
	Requested Entry  // the first limit of the one that was to be added
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("a budget for %s: %v", e.Scope, expense.ErrExists)
}

// Unwrap returns ErrExists.
func (e *ExistsError) Unwrap() error { return expense.ErrExists }

// Ended reports whether the series there is has ended before the month from which another limit was to hold.
func (e *ExistsError) Ended() bool {
	return !e.Existing.Until.IsZero() && e.Existing.Until.Before(e.Requested.From)
}

// lookUp looks for a live budget under the id in text; a deleted one is ErrGone. A text that is no id finds nothing: it is
// reported with the other faults.
func lookUp(ctx context.Context, r Reader, text string) (Budget, bool, error) {
	id, malformed := expense.ParseID(text)
	if malformed != nil {
		return Budget{}, false, nil //nolint:nilerr // as said above
	}
	stored, err := r.Budget(ctx, id)
	switch {
	case err == nil:
		return stored, true, nil
	case errors.Is(err, expense.ErrNotFound) && !errors.Is(err, expense.ErrGone):
		return Budget{}, false, nil
	default:
		return Budget{}, false, fmt.Errorf("budget %s: %w", id, err)
	}
}

// sameAs reports whether every member that d gives equals stored's. A draft has one limit, so a series that got others
// since is not the same.
func (d Draft) sameAs(stored Budget) bool {
	if len(stored.Entries) != 1 || stored.MergedName != "" {
		return false
	}
	category := ""
	if stored.CategoryID != uuid.Nil {
		category = stored.CategoryID.String()
	}
	if id, err := expense.ParseID(d.CategoryID); err == nil {
		d.CategoryID = id.String()
	}
	entry := stored.Entries[0]
	limit, err := expense.ParseAmount(d.Amount, entry.Limit.Currency())
	rollCap, capErr := expense.ParseAmount(d.RolloverCap, entry.Limit.Currency())
	alerts, malformed := parseAlerts(d.AlertAt)
	return d.CategoryID == category &&
		(d.Amount == "" || err == nil && limit == entry.Limit) &&
		(d.Currency == "" || d.Currency == entry.Limit.Currency().Code()) &&
		(d.FromMonth == "" || d.FromMonth == entry.From.String()) &&
		(d.UntilMonth == "" || d.UntilMonth == stored.Until.String()) &&
		(d.Rollover == "" || d.Rollover == stored.Rollover.String()) &&
		(d.RolloverCap == "" || capErr == nil && rollCap == stored.RolloverCap) &&
		(d.AlertAt == nil || malformed == nil && slices.Equal(alerts, stored.AlertAt))
}

// build returns the budget that draft describes.
func (b Snapshot) build(env expense.Env, draft Draft) (Budget, error) {
	var faults expense.ValidationErrors
	now := expense.Timestamp(env.Now)
	built := Budget{AlertAt: defaultAlerts(), CreatedAt: now, UpdatedAt: now}

	var err error
	if draft.ID == "" {
		if built.ID, err = uuid.NewV7(); err != nil {
			return Budget{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		built.ID, err = expense.ParseID(draft.ID)
		_ = faults.AddError("id", err)
	}
	built.CategoryID = b.category(&faults, draft.CategoryID)
	from := parseMonth(&faults, "from_month", draft.FromMonth, b.Settings.Today(env.Now).Month())
	built.Until = parseMonth(&faults, "until_month", draft.UntilMonth, expense.Month{})
	b.checkCurrency(&faults, draft.Currency)
	built.Entries = []Entry{{From: from, Limit: b.limit(&faults, draft.Amount)}}
	built.Rollover, built.RolloverCap = parseRollover(&faults, draft.Rollover), b.cap(&faults, draft.RolloverCap)
	if draft.AlertAt != nil {
		built.AlertAt, err = parseAlerts(draft.AlertAt)
		_ = faults.AddError("alert_at", err)
	}
	built.check(&faults)
	if err := faults.Err(); err != nil {
		return Budget{}, err
	}
	return built, nil
}

// defaultAlerts are the thresholds of a budget that names none.
func defaultAlerts() []Ratio { return []Ratio{8000, whole} }

// category reads whose limit it is: nothing given is the whole ledger.
func (b Snapshot) category(faults *expense.ValidationErrors, text string) uuid.UUID {
	if text == "" {
		return uuid.Nil
	}
	id, err := expense.ParseID(text)
	if err != nil {
		_ = faults.AddError("category_id", err)
		return uuid.Nil
	}
	i := slices.IndexFunc(b.Categories, func(c expense.Category) bool { return c.ID == id })
	switch {
	case i < 0:
		faults.Add("category_id", "unknown_category", "the ledger has no category %s", id)
	case b.Categories[i].Archived:
		faults.Add("category_id", "archived_category", "the category %q is archived and gets no new budget", b.Categories[i].Name)
	}
	return id
}

// scope says whose limit budget is.
func (b Snapshot) scope(budget Budget) string {
	if budget.CategoryID == uuid.Nil {
		return "the whole ledger"
	}
	return fmt.Sprintf("%q", b.categoryName(budget))
}

// categoryName returns the name of budget's category: the one it had, if a merge took it; empty for the whole ledger.
func (b Snapshot) categoryName(budget Budget) string {
	for _, c := range b.Categories {
		if c.ID == budget.CategoryID {
			return c.Name
		}
	}
	return budget.MergedName
}

// checkCurrency notes a code that is not the home currency's; none given is right.
func (b Snapshot) checkCurrency(faults *expense.ValidationErrors, code string) {
	if code == "" {
		return
	}
	currency, err := expense.ParseCurrency(code)
	_ = faults.AddError("currency", err)
	if home := b.Settings.Home; err == nil && currency != home {
		faults.Add("currency", "not_home_currency", "limits are in the home currency %s, not in %s", home, currency)
	}
}

// limit reads an amount in the home currency. After a fault of the currency only its form is judged.
func (b Snapshot) limit(faults *expense.ValidationErrors, text string) expense.Money {
	if text == "" {
		faults.Add("amount", "required", "say how much may be spent in a month, as a plain decimal such as \"500.00\"")
		return expense.Money{}
	}
	if faults.Has("currency") {
		_, err := expense.ParseDecimal(text)
		_ = faults.AddError("amount", err)
		return expense.Money{}
	}
	limit, err := expense.ParseAmount(text, b.Settings.Home)
	_ = faults.AddError("amount", err)
	if err == nil && limit.Sign() <= 0 {
		faults.Add("amount", "not_positive", "a limit is greater than zero")
	}
	return limit
}

// cap reads how much may roll over, in the home currency; nothing given is no cap. After a fault of the currency only its form
// is judged.
func (b Snapshot) cap(faults *expense.ValidationErrors, text string) expense.Money {
	if text == "" {
		return expense.Money{}
	}
	if faults.Has("currency") {
		_, err := expense.ParseDecimal(text)
		_ = faults.AddError("rollover_cap", err)
		return expense.Money{}
	}
	most, err := expense.ParseAmount(text, b.Settings.Home)
	_ = faults.AddError("rollover_cap", err)
	return most
}

// parseRollover reads how a budget rolls over; nothing given is not at all.
func parseRollover(faults *expense.ValidationErrors, text string) Rollover {
	if text == "" {
		return RolloverNone
	}
	rollover, err := ParseRollover(text)
	_ = faults.AddError("rollover", err)
	return rollover
}

// parseMonth reads the month of a member; nothing given is fallback.
func parseMonth(faults *expense.ValidationErrors, field, text string, fallback expense.Month) expense.Month {
	if text == "" {
		return fallback
	}
	parsed, err := expense.ParseMonth(text)
	_ = faults.AddError(field, err)
	return parsed
}

// check notes what [Budget.Validate] finds in members that could be read.
func (b Budget) check(faults *expense.ValidationErrors) {
	unread := *faults
	for _, fault := range expense.InvalidErrors(b.Validate()) {
		// Without a currency nothing is known of amounts, and without a way to roll over nothing of the cap.
		unknown := fault.Field == "amount" && unread.Has("currency") ||
			fault.Field == "rollover_cap" && (unread.Has("currency") || unread.Has("amount") || unread.Has("rollover"))
		if !unread.Has(fault.Field) && !unknown {
			_ = faults.AddError(fault.Field, fault)
		}
	}
}

func parseAlerts(texts []string) ([]Ratio, error) {
	var faults expense.ValidationErrors
	alerts := make([]Ratio, len(texts))
	for i, text := range texts {
		var err error
		alerts[i], err = ParseRatio(text)
		_ = faults.AddError("", err)
	}
	return alerts, faults.Err()
}

// put writes b and returns it as it is stored.
func put(ctx context.Context, tx Tx, b Budget) (Budget, error) {
	version, err := tx.PutBudgets(ctx, b)
	if err != nil {
		return Budget{}, fmt.Errorf("budget %s: %w", b.ID, err)
	}
	// Label and Into are the members outside the guarded group, and only a merge changes them.
	b.Version, b.Guard = version, version
	return b, nil
}
