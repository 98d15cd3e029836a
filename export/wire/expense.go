package wire

import (
	"time"

	"github.com/spendwise/spendwise/expense"
)

// Expense is the JSON form of an expense.
type Expense struct {
	ID           string          `json:"id"`
	Amount       string          `json:"amount"`
	Currency     string          `json:"currency"` // ISO 4217
	Date         string          `json:"date"`
	CategoryID   string          `json:"category_id"`
	Notes        string          `json:"notes"`
	RuleID       *string         `json:"rule_id"`    // the recurring rule that posted the expense; null: none
	Occurrence   *string         `json:"occurrence"` // the date of the rule for which it was posted; null without a rule
	Rate         *string         `json:"rate"`       // units of the home currency per unit of Currency; null while Pending
	RateDate     *string         `json:"rate_date"`
	RateSource   *string         `json:"rate_source"`
	HomeAmount   *string         `json:"home_amount"` // null while Pending
	HomeCurrency string          `json:"home_currency"`
	Pending      bool            `json:"pending"` // no exchange rate is known yet
	Version      expense.Version `json:"version,omitzero"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
}

// NewExpense returns the JSON form of e.
func NewExpense(e expense.Expense) Expense {
	w := Expense{
		ID: e.ID.String(), Amount: e.Amount.Amount(), Currency: e.Amount.Currency().Code(), Date: e.Date.String(),
		CategoryID: e.CategoryID.String(), Notes: e.Notes, RuleID: idOrNull(e.RuleID),
		Occurrence:   textOrNull(e.Occurrence.String()),
		HomeCurrency: e.Home.Currency().Code(), Pending: e.Pending(), Version: e.Version,
		CreatedAt: e.CreatedAt.UTC(), UpdatedAt: e.UpdatedAt.UTC(),
	}
	if !w.Pending {
		texts := [...]string{e.Rate.Value.String(), e.Rate.Date.String(), string(e.Rate.Source), e.Home.Amount()}
		w.Rate, w.RateDate, w.RateSource, w.HomeAmount = &texts[0], &texts[1], &texts[2], &texts[3]
	}
	return w
}
