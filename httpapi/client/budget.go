package client

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/export/wire"
)

// Budget is a budget of the local copy. Version is 0 until the server has acknowledged the budget.
type Budget struct {
	wire.Budget

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

// BudgetDraft is a new budget, or one that replaces the budget with its ID. Amount is required; see [wire.BudgetInput]
// for the defaults. The default FromMonth is the month in which Put is called.
type BudgetDraft struct {
	ID          uuid.UUID `json:"-"`
	CategoryID  uuid.UUID `json:"category_id,omitzero"`
	Category    string    `json:"category,omitzero"` // the name of a category, instead of CategoryID
	FromMonth   string    `json:"from_month,omitzero"`
	UntilMonth  string    `json:"until_month,omitzero"`
	Amount      string    `json:"amount"`
	Currency    string    `json:"currency,omitzero"`
	Rollover    string    `json:"rollover,omitzero"`
	RolloverCap string    `json:"rollover_cap,omitzero"`
	AlertAt     []string  `json:"alert_at,omitzero"`
}

func (d BudgetDraft) change() (Type, Op) { return BudgetType, Put }
func (d BudgetDraft) rowID() uuid.UUID   { return d.ID }

// BudgetPatch changes members of a budget. Amount is the limit from FromMonth on. The default FromMonth is the month in
// which Patch is called.
type BudgetPatch wire.BudgetPatch

func (p BudgetPatch) change() (Type, Op) { return BudgetType, Patch }

// Budgets returns the table of the ledger's budgets.
func (c *Client) Budgets() Table[Budget, BudgetDraft, BudgetPatch] {
	return Table[Budget, BudgetDraft, BudgetPatch]{c, BudgetType}
}

// Alert is an alert of the local copy. The server raises alerts.
type Alert struct {
	wire.Alert

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

type alertPatch wire.AlertPatch

func (p alertPatch) change() (Type, Op) { return AlertType, Patch }

func (c *Client) alerts() Table[Alert, draft, alertPatch] {
	return Table[Alert, draft, alertPatch]{c, AlertType}
}

// Alerts returns the alerts of all budgets, ordered by id.
func (c *Client) Alerts(ctx context.Context) ([]Alert, error) { return c.alerts().List(ctx) }

// MarkAlertRead queues a mutation that marks an alert as read, and returns the alert with the change applied. It
// returns ErrNotFound if there is no such alert.
func (c *Client) MarkAlertRead(ctx context.Context, alert uuid.UUID) (Alert, error) {
	return c.alerts().Patch(ctx, alert, alertPatch{Read: Set(true)})
}

// overlayBudget replaces the members amount and from_month, which only drafts and patches have, with an entry of the
// budget.
func overlayBudget(row jsonObject) error {
	amount, from := row.text("amount"), row.text("from_month")
	delete(row, "amount")
	delete(row, "from_month")
	if amount == "" {
		return nil
	}
	var entries []wire.BudgetEntry
	if !row.isNull("entries") {
		if err := json.Unmarshal(row["entries"], &entries); err != nil {
			return err
		}
	}
	entries = slices.DeleteFunc(entries, func(e wire.BudgetEntry) bool { return e.FromMonth == from })
	entries = append(entries, wire.BudgetEntry{FromMonth: from, Amount: &amount})
	slices.SortFunc(entries, func(a, b wire.BudgetEntry) int { return cmp.Compare(a.FromMonth, b.FromMonth) })
	return row.set("entries", entries)
}
