package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const budgetsPath = "/v1/budgets"

// budgetBody is a budget as answers carry it.
type budgetBody struct {
	ID         string          `json:"id"`
	CategoryID *string         `json:"category_id"`
	Label      *string         `json:"label"`       // the name its category had when a merge ended it
	MergedInto *string         `json:"merged_into"` // the category that has its expenses since
	Currency   string          `json:"currency"`
	Entries    []entryBody     `json:"entries"`
	UntilMonth *string         `json:"until_month"`
	Rollover   string          `json:"rollover"`
	Cap        *string         `json:"rollover_cap"`
	AlertAt    []string        `json:"alert_at"`
	Version    expense.Version `json:"version"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

// entryBody is the limit from a month on.
type entryBody struct {
	FromMonth string  `json:"from_month"`
	Amount    *string `json:"amount"` // null: no limit until the next entry, where a series went on after its end
}

func newBudgetBody(b budget.Budget) budgetBody {
	body := budgetBody{
		ID: b.ID.String(), CategoryID: idOrNull(b.CategoryID), Label: textOrNull(b.MergedName), MergedInto: idOrNull(b.MergedInto), Entries: make([]entryBody, len(b.Entries)),
		UntilMonth: textOrNull(b.Until.String()), Rollover: b.Rollover.String(), AlertAt: make([]string, len(b.AlertAt)),
		Version: b.Version, CreatedAt: b.CreatedAt, UpdatedAt: b.UpdatedAt,
	}
	for i, entry := range b.Entries {
		body.Currency = entry.Limit.Currency().Code()
		body.Entries[i] = entryBody{FromMonth: entry.From.String()}
		if !entry.Limit.IsZero() {
			body.Entries[i].Amount = new(entry.Limit.Amount())
		}
	}
	if !b.RolloverCap.IsZero() {
		body.Cap = new(b.RolloverCap.Amount())
	}
	for i, ratio := range b.AlertAt {
		body.AlertAt[i] = ratio.String()
	}
	return body
}

// budgetInput is a budget as POST takes it.
type budgetInput struct {
	ID         *string  `json:"id" validate:"omitnil,min=1"`
	CategoryID *string  `json:"category_id" validate:"omitnil,min=1"`
	FromMonth  *string  `json:"from_month" validate:"omitnil,min=1"`
	UntilMonth *string  `json:"until_month" validate:"omitnil,min=1"`
	Amount     *string  `json:"amount" validate:"required,min=1"`
	Currency   *string  `json:"currency" validate:"omitnil,min=1"`
	Rollover   *string  `json:"rollover" validate:"omitnil,min=1"`
	Cap        *string  `json:"rollover_cap" validate:"omitnil,min=1"`
	AlertAt    []string `json:"alert_at" validate:"max=100"`
}

func (in budgetInput) draft() budget.Draft {
	return budget.Draft{
		ID: orEmpty(in.ID), CategoryID: orEmpty(in.CategoryID), FromMonth: orEmpty(in.FromMonth), UntilMonth: orEmpty(in.UntilMonth),
		Amount: orEmpty(in.Amount), Currency: orEmpty(in.Currency), Rollover: orEmpty(in.Rollover), RolloverCap: orEmpty(in.Cap), AlertAt: in.AlertAt,
	}
}

// budgetPatch is a merge patch of a budget.
type budgetPatch struct {
	Amount     member[string]   `json:"amount"`
	Currency   member[string]   `json:"currency"`
	FromMonth  member[string]   `json:"from_month"`
	UntilMonth member[string]   `json:"until_month"`
	Rollover   member[string]   `json:"rollover"`
	Cap        member[string]   `json:"rollover_cap"`
	AlertAt    member[[]string] `json:"alert_at"`
}

func (in budgetPatch) check() []fieldError {
	return slices.Concat(
		in.Amount.check("amount", isText), in.Currency.check("currency", isText), in.FromMonth.check("from_month", isText|mayBeNull),
		in.UntilMonth.check("until_month", isText|mayBeNull), in.Rollover.check("rollover", isText|mayBeNull),
		in.Cap.check("rollover_cap", isText|mayBeNull),
	)
}

func (in budgetPatch) patch() budget.Patch {
	return budget.Patch{
		Amount: in.Amount.pointer(), Currency: in.Currency.pointer(), FromMonth: in.FromMonth.pointer(),
		UntilMonth: in.UntilMonth.pointer(), Rollover: in.Rollover.pointer(), RolloverCap: in.Cap.pointer(), AlertAt: in.AlertAt.pointer(),
	}
}

// postBudget answers POST /v1/budgets.
func (c *call) postBudget() error {
	return create(c, func(ctx context.Context, tx store.Tx, in budgetInput) (result, error) {
		added, err := budget.Add(ctx, tx, c.env(), in.draft())
		return createdResult(added.Created, budgetsPath, added.Budget.ID, added.Budget.Version, newBudgetBody(added.Budget)), c.addingBudget(err)
	})
}

// addingBudget tells who adds a second budget for a category how the first goes on.
func (c *call) addingBudget(err error) error {
	taken, ok := errors.AsType[*budget.ExistsError](err)
	if !ok {
		return err
	}
	ended, goOn := "", ""
	if taken.Ended() {
		ended = fmt.Sprintf("; it ended with %s", taken.Existing.Until)
		goOn = `, "until_month": null`
	}
	p := newProblem(codeAlreadyExists, `There is a budget for %s already%s. To give it another limit from a month on, PATCH %s with `+
		`{"amount": "%s", "from_month": "%s"%s}: the months before stay as they were.`, taken.Scope, ended,
		c.api.url(budgetsPath+"/"+taken.Existing.ID.String()), taken.Requested.Limit.Amount(), taken.Requested.From, goOn)
	p.cause = err
	return p
}

// patchBudget answers PATCH /v1/budgets/{id}: an amount holds from from_month on, months before it stay as they were.
func (c *call) patchBudget() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in budgetPatch, cond expense.Precondition) (result, error) {
		changed, err := budget.Change(ctx, tx, c.env(), id, in.patch(), cond)
		return result{status: http.StatusOK, version: changed.Version, body: newBudgetBody(changed)}, err
	})
}

// deleteBudget answers DELETE /v1/budgets/{id}.
func (c *call) deleteBudget() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return budget.Delete(ctx, tx, id, cond)
	})
}

// getBudget answers GET /v1/budgets/{id}.
func (c *call) getBudget() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	b, err := c.api.store.Reader(c.owner).Budget(c.ctx, id)
	if err != nil {
		return err
	}
	return c.get(b.Version, newBudgetBody(b))
}

// listBudgets answers GET /v1/budgets, ordered by id.
func (c *call) listBudgets() error {
	return sendList(c, list[budget.Budget, budgetBody]{
		scope: "budgets", path: budgetsPath, body: newBudgetBody, key: func(b budget.Budget) []byte { return b.ID[:] },
		read: func(r store.Reader) ([]budget.Budget, error) {
			book, err := r.BudgetSnapshot(c.ctx)
			return book.Budgets, err
		},
	})
}

// progressBody is how far the budgets of a month are used up.
type progressBody struct {
	Month string         `json:"month"`
	Title string         `json:"title"` // the month as the ledger's locale writes it
	Data  []progressItem `json:"data"`
	Total *progressItem  `json:"total"`
}

// progressItem is how far one budget is used up.
type progressItem struct {
	BudgetID     string       `json:"budget_id"`
	CategoryID   *string      `json:"category_id"`
	CategoryName *string      `json:"category_name"`
	Limit        string       `json:"limit"`
	Carried      string       `json:"carried"`
	Spent        string       `json:"spent"`
	Remaining    string       `json:"remaining"`
	Ratio        string       `json:"ratio"`
	Currency     string       `json:"currency"`
	State        string       `json:"state"`
	DaysLeft     int          `json:"days_left"`
	Projected    string       `json:"projected"`
	Complete     bool         `json:"complete"`
	Pending      []amountBody `json:"pending"`
	// CarriedPending is what carried leaves out: it waited for a rate in the months before.
	CarriedPending []amountBody `json:"carried_pending"`
	Text           string       `json:"text"`
	Bar            string       `json:"bar"`
}

// amountBody is an amount beside its currency.
type amountBody struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

func newAmountBodies(amounts []expense.Money) []amountBody {
	bodies := make([]amountBody, len(amounts))
	for i, m := range amounts {
		bodies[i] = amountBody{Amount: m.Amount(), Currency: m.Currency().Code()}
	}
	return bodies
}

func newProgressItem(p budget.Progress) progressItem {
	return progressItem{
		BudgetID: p.BudgetID.String(), CategoryID: idOrNull(p.CategoryID), CategoryName: textOrNull(p.CategoryName),
		Limit: p.Limit.Amount(), Carried: p.Carried.Amount(), Spent: p.Spent.Home.Amount(),
		Remaining: p.Remaining.Amount(), Ratio: p.Ratio(),
		Currency: p.Limit.Currency().Code(), State: p.State.String(), DaysLeft: p.DaysLeft, Projected: p.Projected.Amount(),
		Complete: p.Complete(), Pending: newAmountBodies(p.Spent.Pending), CarriedPending: newAmountBodies(p.CarriedPending), Text: p.Text, Bar: p.Bar(),
	}
}

// budgetProgress answers GET /v1/budgets/progress; without a month it is the one at hand in the ledger's zone.
func (c *call) budgetProgress() error {
	p := params{values: c.query}
	month := p.month("month")
	if err := p.err(); err != nil {
		return err
	}
	var progress budget.MonthProgress
	err := c.view(func(r store.Reader) (err error) {
		progress, err = budget.ReadMonth(c.ctx, r, c.now, month)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: newProgressBody(progress)})
}

func newProgressBody(r budget.MonthProgress) progressBody {
	body := progressBody{Month: r.Month.String(), Title: r.Title, Data: make([]progressItem, len(r.ByCategory))}
	for i, item := range r.ByCategory {
		body.Data[i] = newProgressItem(item)
	}
	if r.Total != nil {
		body.Total = new(newProgressItem(*r.Total))
	}
	return body
}

// historyBody is the progress of several months.
type historyBody struct {
	Data []progressBody `json:"data"`
}

// budgetHistory answers GET /v1/budgets/history; without a to it is the month at hand in the ledger's zone, without a from the eleventh
// before it.
func (c *call) budgetHistory() error {
	p := params{values: c.query}
	from, to := p.month("from"), p.month("to")
	if err := p.err(); err != nil {
		return err
	}
	var months []budget.MonthProgress
	err := c.report(&p, func(r store.Reader, now time.Time) (err error) {
		months, err = budget.History(c.ctx, r, now, from, to)
		return err
	})
	if err != nil {
		return err
	}
	body := historyBody{Data: make([]progressBody, len(months))}
	for i, month := range months {
		body.Data[i] = newProgressBody(month)
	}
	return c.send(result{status: http.StatusOK, body: body})
}
