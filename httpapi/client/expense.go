package client

import (
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// An Expense is an expense as the API tells it. Values are text, so that a currency or a source that is newer than this program
// is no trouble to it.
type Expense struct {
	ID           uuid.UUID       `json:"id"`
	Amount       string          `json:"amount"`
	Currency     string          `json:"currency"`
	Date         string          `json:"date"`
	CategoryID   uuid.UUID       `json:"category_id"`
	Notes        string          `json:"notes"`
	RuleID       uuid.UUID       `json:"rule_id"`    // Nil: no rule posted it
	Occurrence   string          `json:"occurrence"` // empty: as above
	Rate         string          `json:"rate"`       // this and the next three are empty while Pending
	RateDate     string          `json:"rate_date"`
	RateSource   string          `json:"rate_source"`
	HomeAmount   string          `json:"home_amount"`
	HomeCurrency string          `json:"home_currency"`
	Pending      bool            `json:"pending"` // no rate is known, or the server has not seen the change yet
	Version      expense.Version `json:"version"` // 0: the server has not seen it yet
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
	Unsent       bool            `json:"$unsent"` // it shows changes that the server has not acknowledged
}

// Money returns what was paid.
func (e Expense) Money() (expense.Money, error) { return expense.ParseMoney(e.Amount, e.Currency) }

// An ExpenseDraft is a new expense, or one in place of another. Amount must be given. The currency is the home currency, the
// date is the day on which Put is called, the category is the ledger's default, unless they are given.
type ExpenseDraft struct {
	ID         uuid.UUID `json:"-"`
	Amount     string    `json:"amount"`
	Currency   string    `json:"currency,omitzero"`
	Date       string    `json:"date,omitzero"`
	CategoryID uuid.UUID `json:"category_id,omitzero"`
	Category   string    `json:"category,omitzero"` // a name, in place of CategoryID
	Notes      string    `json:"notes,omitzero"`
	Rate       string    `json:"rate,omitzero"` // home units per unit, where the person knows better than the rate table
	RuleID     uuid.UUID `json:"rule_id,omitzero"`
	Occurrence string    `json:"occurrence,omitzero"`
}

func (d ExpenseDraft) change() (Type, Op) { return ExpenseType, Put }
func (d ExpenseDraft) rowID() uuid.UUID   { return d.ID }

// An ExpensePatch changes members of an expense. An amount always travels with its currency: what is not given of the two is as
// the person saw it.
type ExpensePatch struct {
	Amount     Optional[string]    `json:"amount,omitzero"`
	Currency   Optional[string]    `json:"currency,omitzero"`
	Date       Optional[string]    `json:"date,omitzero"`
	CategoryID Optional[uuid.UUID] `json:"category_id,omitzero"`
	Category   Optional[string]    `json:"category,omitzero"`
	Notes      Optional[string]    `json:"notes,omitzero"`
	Rate       Optional[string]    `json:"rate,omitzero"` // Null: that of the rate table
}

func (p ExpensePatch) change() (Type, Op) { return ExpenseType, Patch }

// Expenses are the ledger's expenses.
func (c *Client) Expenses() Table[Expense, ExpenseDraft, ExpensePatch] {
	return Table[Expense, ExpenseDraft, ExpensePatch]{c, ExpenseType}
}
