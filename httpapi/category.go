package httpapi

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/store"
)

const categoriesPath = "/v1/categories"

// postCategory answers POST /v1/categories.
func (c *call) postCategory() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.CategoryInput) (result, error) {
		added, err := expense.AddCategory(ctx, tx, c.env(), in.Draft())
		return createdResult(added.Created, categoriesPath, added.Category.ID, added.Category.Version, wire.NewCategory(added.Category)), err
	})
}

// patchCategory answers PATCH /v1/categories/{id}.
func (c *call) patchCategory() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in wire.CategoryPatch, cond expense.Precondition) (result, error) {
		changed, err := expense.ChangeCategory(ctx, tx, c.env(), id, in.Patch(), cond)
		return result{status: http.StatusOK, version: changed.Version, body: wire.NewCategory(changed)}, err
	})
}

// deleteCategory answers DELETE /v1/categories/{id}.
func (c *call) deleteCategory() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return expense.DeleteCategory(ctx, tx, id, cond)
	})
}

// getCategory answers GET /v1/categories/{id}.
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
		return err
	}
	return c.get(category.Version, wire.NewCategory(category))
}

// listCategories answers GET /v1/categories, ordered by name.
func (c *call) listCategories() error {
	return sendList(c, list[expense.Category, wire.Category]{
		scope: "categories", path: categoriesPath, body: wire.NewCategory,
		key: func(category expense.Category) []byte { return []byte(expense.Fold(category.Name)) },
		read: func(r store.Reader) ([]expense.Category, error) {
			categories, err := r.Categories(c.ctx)
			if err == nil && len(categories) == 0 {
				err = expense.ErrNotFound // a ledger has its default category at least, so there is none
			}
			return categories, err
		},
	})
}

// mergeInput names the category that takes everything over.
type mergeInput struct {
	Into *string `json:"into" validate:"required,min=1"`
}

// mergeBody says what a merge did.
type mergeBody struct {
	From     string          `json:"from"`
	Into     string          `json:"into"`
	Expenses int             `json:"expenses"`
	Rules    int             `json:"rules"`
	Budget   *endedBudget    `json:"budget"`
	Version  expense.Version `json:"version"`
}

// endedBudget is the source's budget: it ends with a month, or was deleted because it had not begun by then.
type endedBudget struct {
	ID         string  `json:"id"`
	UntilMonth *string `json:"until_month"`
	Deleted    bool    `json:"deleted"`
}

// mergeCategory answers POST /v1/categories/{id}/merge.
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
	if err != nil {
		doc.addFieldErrors(fieldError{Pointer: "#/into", Code: "malformed_id", Detail: "This must be a category's id, a UUID."})
	}
	return c.write(doc.raw, doc.fieldErrors, func(ctx context.Context, tx store.Tx) (result, error) {
		merged, err := expense.MergeCategories(ctx, tx, c.env(), from, into)
		if err != nil {
			return result{}, err
		}
		body := mergeBody{
			From: from.String(), Into: into.String(), Expenses: merged.Expenses, Rules: merged.Rules, Version: merged.Version,
		}
		if merged.BudgetID != uuid.Nil {
			body.Budget = &endedBudget{
				ID: merged.BudgetID.String(), UntilMonth: textOrNull(merged.BudgetUntil.String()), Deleted: merged.BudgetUntil.IsZero(),
			}
		}
		return result{status: http.StatusOK, body: body}, nil
	})
}
