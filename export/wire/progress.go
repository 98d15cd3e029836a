package wire

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
)

// Amount is an amount and its currency.
type Amount struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

func newAmounts(amounts []expense.Money) []Amount {
	w := make([]Amount, len(amounts))
	for i, m := range amounts {
		w[i] = Amount{Amount: m.Amount(), Currency: m.Currency().Code()}
	}
	return w
}

// Progress says how much of each budget is spent in one month.
type Progress struct {
	Month string         `json:"month"`
	Title string         `json:"title"` // the month in the ledger's locale, such as "March 2026"
	Data  []ProgressItem `json:"data"`  // of the budgets of categories
	Total *ProgressItem  `json:"total"` // of the budget of the whole ledger; null: it has none in the month
}

// ProgressItem says how much of one budget is spent in one month. All amounts outside Pending and CarriedPending are in
// Currency, the home currency. See [budget.Progress] for the figures.
type ProgressItem struct {
	BudgetID       uuid.UUID  `json:"budget_id"`
	CategoryID     *uuid.UUID `json:"category_id"` // null: the whole ledger
	CategoryName   *string    `json:"category_name"`
	Limit          string     `json:"limit"`
	Carried        string     `json:"carried"` // rolled over from the months before
	Spent          string     `json:"spent"`
	Remaining      string     `json:"remaining"`
	Ratio          string     `json:"ratio"` // spent / (limit + carried), such as "0.64"
	Currency       string     `json:"currency"`
	State          string     `json:"state"` // ok, warning or over
	DaysLeft       int        `json:"days_left"`
	Projected      string     `json:"projected"`
	Complete       bool       `json:"complete"` // no expense is pending
	Pending        []Amount   `json:"pending"`  // pending expenses of the month, which Spent leaves out
	CarriedPending []Amount   `json:"carried_pending"`
	Text           string     `json:"text"` // in the ledger's locale, such as "Food: $320 / $500 spent"
	Bar            string     `json:"bar"`  // 20 characters that show the ratio
}

// NewProgress returns the JSON form of m.
func NewProgress(m budget.MonthProgress) Progress {
	w := Progress{Month: m.Month.String(), Title: m.Title, Data: make([]ProgressItem, len(m.ByCategory))}
	for i, p := range m.ByCategory {
		w.Data[i] = newProgressItem(p)
	}
	if m.Total != nil {
		w.Total = new(newProgressItem(*m.Total))
	}
	return w
}

func newProgressItem(p budget.Progress) ProgressItem {
	return ProgressItem{
		BudgetID: p.BudgetID, CategoryID: orNull(p.CategoryID), CategoryName: orNull(p.CategoryName), Limit: p.Limit.Amount(),
		Carried: p.Carried.Amount(), Spent: p.Spent.Home.Amount(), Remaining: p.Remaining.Amount(), Ratio: p.Ratio(),
		Currency: p.Limit.Currency().Code(), State: p.State.String(), DaysLeft: p.DaysLeft, Projected: p.Projected.Amount(),
		Complete: p.Complete(), Pending: newAmounts(p.Spent.Pending), CarriedPending: newAmounts(p.CarriedPending),
		Text: p.Text, Bar: p.Bar(),
	}
}
