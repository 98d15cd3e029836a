package client

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Budget is a budget as the API tells it.
type Budget struct {
	ID          uuid.UUID       `json:"id"`
	CategoryID  uuid.UUID       `json:"category_id"` // Nil: the whole ledger
	Label       string          `json:"label"`
	MergedInto  uuid.UUID       `json:"merged_into"`
	Currency    string          `json:"currency"`
	Entries     []BudgetEntry   `json:"entries"`
	UntilMonth  string          `json:"until_month"` // empty: no end
	Rollover    string          `json:"rollover"`
	RolloverCap string          `json:"rollover_cap"` // empty: none
	AlertAt     []string        `json:"alert_at"`
	Version     expense.Version `json:"version"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	Unsent      bool            `json:"$unsent"`
}

// A BudgetEntry is the limit from a month on.
type BudgetEntry struct {
	FromMonth string `json:"from_month"`
	Amount    string `json:"amount"`
}

// A BudgetDraft is a new budget, or one in place of another.
type BudgetDraft struct {
	ID          uuid.UUID `json:"-"`
	CategoryID  uuid.UUID `json:"category_id,omitzero"`
	FromMonth   string    `json:"from_month,omitzero"` // not given: the month in which Put is called
	UntilMonth  string    `json:"until_month,omitzero"`
	Amount      string    `json:"amount"`
	Currency    string    `json:"currency,omitzero"`
	Rollover    string    `json:"rollover,omitzero"`
	RolloverCap string    `json:"rollover_cap,omitzero"`
	AlertAt     []string  `json:"alert_at,omitzero"`
}

func (d BudgetDraft) change() (Type, Op) { return BudgetType, Put }
func (d BudgetDraft) rowID() uuid.UUID   { return d.ID }

// A BudgetPatch changes members of a budget; an amount holds from FromMonth on, by default from the month in which Patch is called.
type BudgetPatch struct {
	Amount      Optional[string]   `json:"amount,omitzero"`
	Currency    Optional[string]   `json:"currency,omitzero"`
	FromMonth   Optional[string]   `json:"from_month,omitzero"`
	UntilMonth  Optional[string]   `json:"until_month,omitzero"`
	Rollover    Optional[string]   `json:"rollover,omitzero"`
	RolloverCap Optional[string]   `json:"rollover_cap,omitzero"`
	AlertAt     Optional[[]string] `json:"alert_at,omitzero"`
}

func (p BudgetPatch) change() (Type, Op) { return BudgetType, Patch }

// Budgets are the ledger's budgets.
func (c *Client) Budgets() Table[Budget, BudgetDraft, BudgetPatch] {
	return Table[Budget, BudgetDraft, BudgetPatch]{c, BudgetType}
}

// An Alert says that a threshold of a budget was reached. The server raises it.
type Alert struct {
	ID        uuid.UUID       `json:"id"`
	BudgetID  uuid.UUID       `json:"budget_id"`
	Month     string          `json:"month"`
	Threshold string          `json:"threshold"`
	RaisedAt  time.Time       `json:"raised_at"`
	ReadAt    time.Time       `json:"read_at"` // zero: it was not read
	Version   expense.Version `json:"version"`
	Unsent    bool            `json:"$unsent"`
}

// An alertPatch is all that a device can do to an alert.
type alertPatch struct {
	Read bool `json:"read"`
}

func (p alertPatch) change() (Type, Op) { return AlertType, Patch }

// Alerts returns the budgets' alerts, ordered by id.
func (c *Client) Alerts(ctx context.Context) ([]Alert, error) {
	return Table[Alert, draft, alertPatch]{c, AlertType}.List(ctx)
}

// MarkRead queues that an alert was read.
func (c *Client) MarkAlertRead(ctx context.Context, alert uuid.UUID) (Alert, error) {
	return Table[Alert, draft, alertPatch]{c, AlertType}.Patch(ctx, alert, alertPatch{Read: true})
}

// overlayBudget turns the members that a mutation of a budget has and a budget has not, an amount and the month from which it
// holds, into an entry of it.
func overlayBudget(row jsonObject) error {
	amount, from := row.text("amount"), row.text("from_month")
	delete(row, "amount")
	delete(row, "from_month")
	if amount == "" {
		return nil
	}
	var entries []BudgetEntry
	if !row.isNull("entries") {
		if err := json.Unmarshal(row["entries"], &entries); err != nil {
			return err
		}
	}
	entries = slices.DeleteFunc(entries, func(e BudgetEntry) bool { return e.FromMonth == from })
	entries = append(entries, BudgetEntry{FromMonth: from, Amount: amount})
	slices.SortFunc(entries, func(a, b BudgetEntry) int { return cmp.Compare(a.FromMonth, b.FromMonth) })
	return row.set("entries", entries)
}
