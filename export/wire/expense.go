package wire

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// Expense is the JSON form of an expense. While an expense is pending, its rate is not known: the members from Rate to
// HomeAmount are null.
type Expense struct {
	ID           uuid.UUID       `json:"id"`
	Amount       string          `json:"amount"` // negative: a refund
	Currency     string          `json:"currency"`
	Date         string          `json:"date"`
	CategoryID   uuid.UUID       `json:"category_id"`
	Notes        string          `json:"notes"`
	RuleID       *uuid.UUID      `json:"rule_id"`    // the recurring rule that posted the expense; null: none
	Occurrence   *string         `json:"occurrence"` // the rule's date for which it was posted; null without a rule
	Rate         *string         `json:"rate"`       // units of HomeCurrency for one unit of Currency
	RateDate     *string         `json:"rate_date"`
	RateSource   *string         `json:"rate_source"` // such as "ecb", or "user" for a rate that the user gave
	HomeAmount   *string         `json:"home_amount"`
	HomeCurrency string          `json:"home_currency"`
	Pending      bool            `json:"pending"`
	Version      expense.Version `json:"version"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
}

// NewExpense returns the JSON form of e.
func NewExpense(e expense.Expense) Expense {
	w := Expense{
		ID: e.ID, Amount: e.Amount.Amount(), Currency: e.Amount.Currency().Code(), Date: e.Date.String(),
		CategoryID: e.CategoryID, Notes: e.Notes, RuleID: orNull(e.RuleID), Occurrence: orNull(e.Occurrence.String()),
		HomeCurrency: e.Home.Currency().Code(), Pending: e.Pending(), Version: e.Version,
		CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
	if !w.Pending {
		texts := [...]string{e.Rate.Value.String(), e.Rate.Date.String(), string(e.Rate.Source), e.Home.Amount()}
		w.Rate, w.RateDate, w.RateSource, w.HomeAmount = &texts[0], &texts[1], &texts[2], &texts[3]
	}
	return w
}

// Parse returns the expense that w describes. The error is ErrInvalid and lists every member that cannot be read. Parse
// does not validate the expense; see [expense.Expense.Validate].
func (w Expense) Parse() (expense.Expense, error) {
	var p parser
	e := expense.Expense{
		ID: w.ID, Amount: p.money("amount", w.Amount, w.Currency), Date: p.date("date", &w.Date), CategoryID: w.CategoryID,
		Notes: w.Notes, RuleID: orZero(w.RuleID), Occurrence: p.date("occurrence", w.Occurrence), Version: w.Version,
		CreatedAt: p.instant("created_at", &w.CreatedAt), UpdatedAt: p.instant("updated_at", &w.UpdatedAt),
	}
	home := "0"
	if w.HomeAmount != nil {
		home = *w.HomeAmount
	}
	e.Home = p.money("home_amount", home, w.HomeCurrency)
	if w.Rate != nil {
		e.Rate.Value = parse(&p, "rate", *w.Rate, expense.ParseFactor)
	}
	e.Rate.Date = p.date("rate_date", w.RateDate)
	e.Rate.Source = expense.Source(orZero(w.RateSource))
	if w.Pending != (w.Rate == nil) {
		p.errs.Add("pending", "contradiction", "pending contradicts rate; give true without a rate, and false with one")
	}
	return e, p.errs.Err()
}

// ExpenseInput is the JSON form of an expense that is created or replaced. A member that is absent or null has its
// default.
type ExpenseInput struct {
	ID         *string `json:"id" validate:"omitnil,min=1"`          // default: a new UUID
	Amount     *string `json:"amount" validate:"required,min=1"`     // required
	Currency   *string `json:"currency" validate:"omitnil,min=1"`    // default: the home currency
	Date       *string `json:"date" validate:"omitnil,min=1"`        // default: today in the ledger's time zone
	CategoryID *string `json:"category_id" validate:"omitnil,min=1"` // default: Category, else the default category
	Category   *string `json:"category" validate:"omitnil,min=1"`    // the name of a category, instead of CategoryID
	Notes      *string `json:"notes"`
	Rate       *string `json:"rate" validate:"omitnil,min=1"`       // default: the rate of the server's rate table
	RuleID     *string `json:"rule_id" validate:"omitnil,min=1"`    // with Occurrence: the rule that posts the expense
	Occurrence *string `json:"occurrence" validate:"omitnil,min=1"` // with RuleID: the date of the rule
}

// RequestedID returns the id that the request gives, or nil.
func (in ExpenseInput) RequestedID() *string { return in.ID }

// Draft returns the draft that in describes.
func (in ExpenseInput) Draft() expense.Draft {
	return expense.Draft{
		ID: orZero(in.ID), Amount: orZero(in.Amount), Currency: orZero(in.Currency), Date: orZero(in.Date),
		CategoryID: orZero(in.CategoryID), Category: orZero(in.Category), Notes: in.Notes, Rate: orZero(in.Rate),
		RuleID: orZero(in.RuleID), Occurrence: orZero(in.Occurrence),
	}
}

// ExpensePatch is a merge patch of an expense.
type ExpensePatch struct {
	Amount     Optional[string] `json:"amount,omitzero" patch:"nonempty"`
	Currency   Optional[string] `json:"currency,omitzero" patch:"nonempty"`
	Date       Optional[string] `json:"date,omitzero" patch:"nonempty"`
	CategoryID Optional[string] `json:"category_id,omitzero" patch:"nonempty,nullable"` // null: the default category
	Category   Optional[string] `json:"category,omitzero" patch:"nonempty"`             // a name, instead of CategoryID
	Notes      Optional[string] `json:"notes,omitzero" patch:"nullable"`
	Rate       Optional[string] `json:"rate,omitzero" patch:"nonempty,nullable"` // null: the rate of the rate table
}

// Patch returns the patch that in describes.
func (in ExpensePatch) Patch() expense.Patch {
	return expense.Patch{
		Amount: in.Amount.Pointer(), Currency: in.Currency.Pointer(), Date: in.Date.Pointer(),
		CategoryID: in.CategoryID.Pointer(),
		Category:   in.Category.Pointer(), Notes: in.Notes.Pointer(), Rate: in.Rate.Pointer(),
	}
}
