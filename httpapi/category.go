package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store"
)

const categoriesPath = "/v1/categories"

// postCategory handles POST /v1/categories.
func (c *call) postCategory() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.CategoryInput) (result, error) {
		added, err := expense.AddCategory(ctx, tx, c.env(), in.Draft())
		category := added.Category
		return createdResult(added.Created, categoriesPath, category.ID, category.Version, wire.NewCategory(category)), err
	})
}

// patchCategory handles PATCH /v1/categories/{id}.
func (c *call) patchCategory() error {
	return change(c, func(
		ctx context.Context, tx store.Tx, id uuid.UUID, in wire.CategoryPatch, cond expense.Precondition,
	) (result, error) {
		changed, err := expense.ChangeCategory(ctx, tx, c.env(), id, in.Patch(), cond)
		return result{version: changed.Version, body: wire.NewCategory(changed)}, err
	})
}

// deleteCategory handles DELETE /v1/categories/{id}.
func (c *call) deleteCategory() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return expense.DeleteCategory(ctx, tx, id, cond)
	})
}

// getCategory handles GET /v1/categories/{id}.
func (c *call) getCategory() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var category expense.Category
	err = c.withLedger(func() (err error) {
		category, err = c.api.store.Reader(c.owner).Category(c.ctx, id)
		return err
	})
	if err != nil {
		return problem.WithRow("category", id, err)
	}
	return c.get(category.Version, wire.NewCategory(category))
}

// listCategories handles GET /v1/categories. The order is by name.
func (c *call) listCategories() error {
	return sendList(c, list[expense.Category, wire.Category]{
		scope: "categories", path: categoriesPath, body: wire.NewCategory,
		key: func(category expense.Category) []byte { return []byte(expense.Fold(category.Name)) },
		read: func(r store.Reader) ([]expense.Category, error) {
			categories, err := r.Categories(c.ctx)
			if err == nil && len(categories) == 0 {
				err = expense.ErrNotFound // every ledger has its default category, so there is no ledger
			}
			return categories, err
		},
	})
}

// mergeInput is the body of a merge.
type mergeInput struct {
	Into *string `json:"into" validate:"required,min=1"` // the id of the category that remains
}

// mergeBody is the response to a merge.
type mergeBody struct {
	From     uuid.UUID       `json:"from"`
	Into     uuid.UUID       `json:"into"`
	Expenses int             `json:"expenses"` // the number of expenses that moved
	Rules    int             `json:"rules"`    // the number of recurring rules that moved
	Budget   *endedBudget    `json:"budget"`   // null: the merged category had no budget
	Version  expense.Version `json:"version"`
}

// endedBudget is the budget of the merged category. It ends before the month of the merge. If it had not begun, it is
// deleted.
type endedBudget struct {
	ID         uuid.UUID `json:"id"`
	UntilMonth *string   `json:"until_month"`
	Deleted    bool      `json:"deleted"`
}

// mergeCategory handles POST /v1/categories/{id}/merge.
func (c *call) mergeCategory() error {
	from, err := c.id()
	if err != nil {
		return err
	}
	doc, err := read[mergeInput](c)
	if err != nil {
		return err
	}
	into, err := expense.ParseID(orEmpty(doc.value.Into))
	for _, invalid := range expense.InvalidErrors(err) {
		e := problem.NewFieldError(invalid)
		e.Pointer = "#/into"
		c.errs.AddNew(e)
	}
	return c.write(doc.raw, func(ctx context.Context, tx store.Tx) (result, error) {
		merged, err := expense.MergeCategories(ctx, tx, c.env(), from, into)
		if err != nil {
			return result{}, err
		}
		body := mergeBody{From: from, Into: into, Expenses: merged.Expenses, Rules: merged.Rules, Version: merged.Version}
		if until := merged.BudgetUntil; merged.BudgetID != uuid.Nil {
			body.Budget = &endedBudget{ID: merged.BudgetID, UntilMonth: textOrNull(until.String()), Deleted: until.IsZero()}
		}
		return result{body: body}, nil
	})
}
