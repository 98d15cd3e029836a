package httpapi

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store"
)

const budgetsPath = "/v1/budgets"

// postBudget handles POST /v1/budgets.
func (c *call) postBudget() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.BudgetInput) (result, error) {
		added, err := budget.Add(ctx, tx, c.env(), in.Draft())
		b := added.Budget
		return createdResult(added.Created, budgetsPath, b.ID, b.Version, wire.NewBudget(b)), c.explainExistingBudget(err)
	})
}

// explainExistingBudget returns a problem that says how to change the existing budget if err is a [budget.ExistsError],
// else err.
func (c *call) explainExistingBudget(err error) error {
	exists, ok := errors.AsType[*budget.ExistsError](err)
	if !ok {
		return err
	}
	ended, reopen := "", ""
	if exists.Ended() {
		ended = fmt.Sprintf(", which ended in %s", exists.Existing.Until)
		reopen = `, "until_month": null`
	}
	p := problem.New(problem.CodeAlreadyExists,
		`There is already a budget for %s%s; to change its limit from a month on, PATCH `+
			`%s with {"amount": "%s", "from_month": "%s"%s}.`, exists.Scope, ended,
		c.api.url(budgetsPath+"/"+exists.Existing.ID.String()), exists.Requested.Limit.Amount(),
		exists.Requested.From, reopen)
	p.Cause = err
	return p
}

// patchBudget handles PATCH /v1/budgets/{id}.
func (c *call) patchBudget() error {
	return change(c, func(
		ctx context.Context, tx store.Tx, id uuid.UUID, in wire.BudgetPatch, cond expense.Precondition,
	) (result, error) {
		changed, err := budget.Change(ctx, tx, c.env(), id, in.Patch(), cond)
		return result{version: changed.Version, body: wire.NewBudget(changed)}, err
	})
}

// deleteBudget handles DELETE /v1/budgets/{id}.
func (c *call) deleteBudget() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return budget.Delete(ctx, tx, id, cond)
	})
}

// getBudget handles GET /v1/budgets/{id}.
func (c *call) getBudget() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	b, err := c.api.store.Reader(c.owner).Budget(c.ctx, id)
	if err != nil {
		return problem.WithRow("budget", id, err)
	}
	return c.get(b.Version, wire.NewBudget(b))
}

// listBudgets handles GET /v1/budgets. The order is by id.
func (c *call) listBudgets() error {
	return sendList(c, list[budget.Budget, wire.Budget]{
		scope: "budgets", path: budgetsPath, body: wire.NewBudget, key: func(b budget.Budget) []byte { return b.ID[:] },
		read: func(r store.Reader) ([]budget.Budget, error) {
			snapshot, err := r.BudgetSnapshot(c.ctx)
			return snapshot.Budgets, err
		},
	})
}

// budgetProgress handles GET /v1/budgets/progress. The default month is the current month in the ledger's time zone.
func (c *call) budgetProgress() error {
	p := c.params()
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
	return c.send(result{body: wire.NewProgress(progress)})
}

// historyBody is the progress of several months.
type historyBody struct {
	Data []wire.Progress `json:"data"`
}

// budgetHistory handles GET /v1/budgets/history. The default of month_to is the current month in the ledger's time
// zone, and that of month_from is eleven months before month_to.
func (c *call) budgetHistory() error {
	p := c.params()
	from, to := p.month("month_from"), p.month("month_to")
	var months []budget.MonthProgress
	err := c.report(func(r store.Reader, now time.Time) (err error) {
		months, err = budget.History(c.ctx, r, now, from, to)
		return err
	})
	if err != nil {
		return err
	}
	body := historyBody{Data: make([]wire.Progress, len(months))}
	for i, month := range months {
		body.Data[i] = wire.NewProgress(month)
	}
	return c.send(result{body: body})
}
