package client

import (
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// Expense is an expense of the local copy. Amounts, currencies and rate sources are strings, so that a client also
// reads those of a newer server. Version is 0 until the server has acknowledged the expense.
type Expense struct {
	wire.Expense

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

// Money returns the amount and its currency.
func (e Expense) Money() (expense.Money, error) { return expense.ParseMoney(e.Amount, e.Currency) }

// ExpenseDraft is a new expense, or one that replaces the expense with its ID. Amount is required; see
// [wire.ExpenseInput] for the defaults. The default date is the day on which Put is called.
type ExpenseDraft struct {
	ID         uuid.UUID `json:"-"`
	Amount     string    `json:"amount"`
	Currency   string    `json:"currency,omitzero"`
	Date       string    `json:"date,omitzero"`
	CategoryID uuid.UUID `json:"category_id,omitzero"`
	Category   string    `json:"category,omitzero"` // the name of a category, instead of CategoryID
	Notes      string    `json:"notes,omitzero"`
	Rate       string    `json:"rate,omitzero"` // units of the home currency for one unit of Currency
	RuleID     uuid.UUID `json:"rule_id,omitzero"`
	Occurrence string    `json:"occurrence,omitzero"`
}

func (d ExpenseDraft) change() (Type, Op) { return ExpenseType, Put }
func (d ExpenseDraft) rowID() uuid.UUID   { return d.ID }

// ExpensePatch changes members of an expense. The client always sends Amount and Currency together. If the patch has
// only one of them, the client adds the other from the local copy.
type ExpensePatch wire.ExpensePatch

func (p ExpensePatch) change() (Type, Op) { return ExpenseType, Patch }

// Expenses returns the table of the ledger's expenses.
func (c *Client) Expenses() Table[Expense, ExpenseDraft, ExpensePatch] {
	return Table[Expense, ExpenseDraft, ExpensePatch]{c, ExpenseType}
}
