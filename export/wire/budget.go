package wire

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// Budget is the JSON form of a budget: the monthly limits of one category, or of the whole ledger. All its amounts are
// in Currency, the home currency.
type Budget struct {
	ID          uuid.UUID       `json:"id"`
	CategoryID  *uuid.UUID      `json:"category_id"` // null: the whole ledger
	Label       *string         `json:"label"`       // the former name of the category, if it was merged; else null
	MergedInto  *uuid.UUID      `json:"merged_into"`
	Currency    string          `json:"currency"`
	Entries     []BudgetEntry   `json:"entries"`      // at least one, in the order of their months
	UntilMonth  *string         `json:"until_month"`  // the last month; null: no end
	Rollover    string          `json:"rollover"`     // none, surplus, deficit or both
	RolloverCap *string         `json:"rollover_cap"` // the most that rolls over; null: no cap
	AlertAt     []string        `json:"alert_at"`     // thresholds, as fractions of limit + carried, such as "0.80"
	Version     expense.Version `json:"version"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
}

// BudgetEntry is the limit of a budget from a month on, until the month of the next entry.
type BudgetEntry struct {
	FromMonth string  `json:"from_month"`
	Amount    *string `json:"amount"` // null: no limit until the next entry, because the budget had ended
}

// NewBudget returns the JSON form of b.
func NewBudget(b budget.Budget) Budget {
	w := Budget{
		ID: b.ID, CategoryID: orNull(b.CategoryID), Label: orNull(b.MergedName), MergedInto: orNull(b.MergedInto),
		Entries: make([]BudgetEntry, len(b.Entries)), UntilMonth: orNull(b.Until.String()), Rollover: b.Rollover.String(),
		AlertAt: make([]string, len(b.AlertAt)), Version: b.Version, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
	}
	for i, entry := range b.Entries {
		w.Currency = entry.Limit.Currency().Code()
		w.Entries[i] = BudgetEntry{FromMonth: entry.From.String()}
		if !entry.Limit.IsZero() {
			w.Entries[i].Amount = new(entry.Limit.Amount())
		}
	}
	if !b.RolloverCap.IsZero() {
		w.RolloverCap = new(b.RolloverCap.Amount())
	}
	for i, ratio := range b.AlertAt {
		w.AlertAt[i] = ratio.String()
	}
	return w
}

// Parse returns the budget that w describes. The error is ErrInvalid and lists every member that cannot be read. Parse
// does not validate the budget; see [budget.Budget.Validate].
func (w Budget) Parse() (budget.Budget, error) {
	var p parser
	b := budget.Budget{
		ID: w.ID, CategoryID: orZero(w.CategoryID), MergedName: orZero(w.Label), MergedInto: orZero(w.MergedInto),
		Entries: make([]budget.Entry, len(w.Entries)), Until: p.month("until_month", w.UntilMonth),
		Rollover: parse(&p, "rollover", w.Rollover, budget.ParseRollover), AlertAt: make([]budget.Ratio, len(w.AlertAt)),
		Version: w.Version, CreatedAt: p.instant("created_at", &w.CreatedAt),
		UpdatedAt: p.instant("updated_at", &w.UpdatedAt),
	}
	for i, entry := range w.Entries {
		limit := "0"
		if entry.Amount != nil {
			limit = *entry.Amount
		}
		b.Entries[i] = budget.Entry{
			From: p.month("from_month", &entry.FromMonth), Limit: p.money("amount", limit, w.Currency),
		}
	}
	if w.RolloverCap != nil {
		b.RolloverCap = p.money("rollover_cap", *w.RolloverCap, w.Currency)
	}
	for i, text := range w.AlertAt {
		b.AlertAt[i] = parse(&p, "alert_at", text, budget.ParseRatio)
	}
	return b, p.errs.Err()
}

// BudgetInput is the JSON form of a budget that is created. A member that is absent or null has its default.
type BudgetInput struct {
	ID          *string  `json:"id" validate:"omitnil,min=1"`           // default: a new UUID
	CategoryID  *string  `json:"category_id" validate:"omitnil,min=1"`  // default: Category, else the whole ledger
	Category    *string  `json:"category" validate:"omitnil,min=1"`     // the name of a category, instead of CategoryID
	FromMonth   *string  `json:"from_month" validate:"omitnil,min=1"`   // default: the current month
	UntilMonth  *string  `json:"until_month" validate:"omitnil,min=1"`  // the last month; default: no end
	Amount      *string  `json:"amount" validate:"required,min=1"`      // the monthly limit; required
	Currency    *string  `json:"currency" validate:"omitnil,min=1"`     // only the home currency, which is the default
	Rollover    *string  `json:"rollover" validate:"omitnil,min=1"`     // default: none
	RolloverCap *string  `json:"rollover_cap" validate:"omitnil,min=1"` // default: no cap
	AlertAt     []string `json:"alert_at" validate:"max=100"`           // default: 0.80 and 1.00
}

// RequestedID returns the id that the request gives, or nil.
func (in BudgetInput) RequestedID() *string { return in.ID }

// Draft returns the draft that in describes.
func (in BudgetInput) Draft() budget.Draft {
	return budget.Draft{
		ID: orZero(in.ID), CategoryID: orZero(in.CategoryID), Category: orZero(in.Category),
		FromMonth: orZero(in.FromMonth), UntilMonth: orZero(in.UntilMonth),
		Amount: orZero(in.Amount), Currency: orZero(in.Currency), Rollover: orZero(in.Rollover),
		RolloverCap: orZero(in.RolloverCap), AlertAt: in.AlertAt,
	}
}

// BudgetPatch is a merge patch of a budget. Amount is the limit from FromMonth on; earlier months keep theirs.
type BudgetPatch struct {
	Amount      Optional[string]   `json:"amount,omitzero" patch:"nonempty"`
	Currency    Optional[string]   `json:"currency,omitzero" patch:"nonempty"`
	FromMonth   Optional[string]   `json:"from_month,omitzero" patch:"nonempty,nullable"`   // default: the current month
	UntilMonth  Optional[string]   `json:"until_month,omitzero" patch:"nonempty,nullable"`  // null: no end
	Rollover    Optional[string]   `json:"rollover,omitzero" patch:"nonempty,nullable"`     // null: none
	RolloverCap Optional[string]   `json:"rollover_cap,omitzero" patch:"nonempty,nullable"` // null: no cap
	AlertAt     Optional[[]string] `json:"alert_at,omitzero" patch:"nullable"`              // null: 0.80 and 1.00
}

// Patch returns the patch that in describes.
func (in BudgetPatch) Patch() budget.Patch {
	return budget.Patch{
		Amount: in.Amount.Pointer(), Currency: in.Currency.Pointer(), FromMonth: in.FromMonth.Pointer(),
		UntilMonth: in.UntilMonth.Pointer(), Rollover: in.Rollover.Pointer(), RolloverCap: in.RolloverCap.Pointer(),
		AlertAt: in.AlertAt.Pointer(),
	}
}

// Alert is the JSON form of an alert: in Month the spending of a budget reached Threshold.
type Alert struct {
	ID        uuid.UUID       `json:"id"`
	BudgetID  uuid.UUID       `json:"budget_id"`
	Month     string          `json:"month"`
	Threshold string          `json:"threshold"` // a fraction of the limit plus what was carried in, such as "0.80"
	RaisedAt  time.Time       `json:"raised_at"`
	ReadAt    *time.Time      `json:"read_at"` // null: the user has not read it
	Version   expense.Version `json:"version"`
}

// NewAlert returns the JSON form of a.
func NewAlert(a budget.Alert) Alert {
	return Alert{
		ID: a.ID, BudgetID: a.BudgetID, Month: a.Month.String(), Threshold: a.Threshold.String(), RaisedAt: a.RaisedAt,
		ReadAt: orNull(a.ReadAt), Version: a.Version,
	}
}

// Parse returns the alert that w describes. The error is ErrInvalid and lists every member that cannot be read, and an
// id that is not [budget.AlertID].
func (w Alert) Parse() (budget.Alert, error) {
	var p parser
	a := budget.Alert{
		ID: w.ID, BudgetID: w.BudgetID, Month: p.month("month", &w.Month),
		Threshold: parse(&p, "threshold", w.Threshold, budget.ParseRatio), RaisedAt: p.instant("raised_at", &w.RaisedAt),
		ReadAt: p.instant("read_at", w.ReadAt), Version: w.Version,
	}
	if want := budget.AlertID(a.BudgetID, a.Month, a.Threshold); a.ID != want {
		p.errs.Add("id", "wrong_id", "the id is wrong; the id of an alert with this budget, month and threshold is %s", want)
	}
	return a, p.errs.Err()
}

// AlertPatch is the patch that marks an alert as read. A device sends it in a push.
type AlertPatch struct {
	Read Optional[bool] `json:"read,omitzero" patch:"nullable"` // must be true
}
