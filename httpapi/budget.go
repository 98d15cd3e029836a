package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
)

const budgetsPath = "/v1/budgets"

// postBudget answers POST /v1/budgets.
func (c *call) postBudget() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.BudgetInput) (result, error) {
		added, err := budget.Add(ctx, tx, c.env(), in.Draft())
		return createdResult(added.Created, budgetsPath, added.Budget.ID, added.Budget.Version, wire.NewBudget(added.Budget)), c.addingBudget(err)
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
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in wire.BudgetPatch, cond expense.Precondition) (result, error) {
		changed, err := budget.Change(ctx, tx, c.env(), id, in.Patch(), cond)
		return result{status: http.StatusOK, version: changed.Version, body: wire.NewBudget(changed)}, err
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
	return c.get(b.Version, wire.NewBudget(b))
}

// listBudgets answers GET /v1/budgets, ordered by id.
func (c *call) listBudgets() error {
	return sendList(c, list[budget.Budget, wire.Budget]{
		scope: "budgets", path: budgetsPath, body: wire.NewBudget, key: func(b budget.Budget) []byte { return b.ID[:] },
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
