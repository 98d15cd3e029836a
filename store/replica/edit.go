package replica

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

// An Edit says what a mutation does to its row: one of the types of this package, as a value. Push rejects a pointer.
type Edit interface {
	// apply calls the use case that makes the change. If it returns an error, the outcome holds the current row if the
	// result should show it.
	apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error)
}

// The edits of rows. They apply to Mutation.Row.
type (
	// PutExpense adds an expense or replaces all its fields. A field that Draft does not set gets its default. Draft.ID
	// is ignored.
	PutExpense struct{ Draft expense.Draft }
	// PatchExpense changes the fields of an expense that Patch sets.
	PatchExpense struct{ Patch expense.Patch }
	// PutCategory adds a category or replaces all its fields. A field that Draft does not set gets its default. Draft.ID
	// is ignored.
	PutCategory struct{ Draft expense.CategoryDraft }
	// PatchCategory changes the fields of a category that Patch sets.
	PatchCategory struct{ Patch expense.CategoryPatch }
	// PutBudget adds a budget or replaces its fields. A field that Draft does not set gets its default, except Currency,
	// FromMonth and RolloverCap, which stay. The limits of past months stay too. Draft.ID is ignored.
	PutBudget struct{ Draft budget.Draft }
	// PatchBudget changes the fields of a budget that Patch sets.
	PatchBudget struct{ Patch budget.Patch }
	// PutRule adds a recurring rule or changes the fields that Draft sets. The other fields stay, because they depend on
	// each other and defaults could change the occurrences of the rule. Expenses that the rule has posted stay. Draft.ID
	// is ignored.
	PutRule struct{ Draft recurrence.Draft }
	// PatchRule changes the fields of a recurring rule that Draft sets. Draft.ID is ignored.
	PatchRule struct{ Draft recurrence.Draft }
	// MarkAlertRead marks an alert as read.
	MarkAlertRead struct{}
	// PutSettings changes the settings that Draft sets. It is a conflict if the settings have another version than the
	// base, and Draft would change them.
	PutSettings SettingsChange
	// PatchSettings changes the settings that Draft sets.
	PatchSettings SettingsChange
	// Delete deletes an expense, category, budget or rule. Deleting a row that does not exist is Unchanged.
	Delete struct{}
)

// A SettingsChange holds the arguments of [budget.ChangeSettingsAndLimits].
type SettingsChange struct {
	Draft     expense.SettingsDraft
	LimitRate string // units of the new home currency for one unit of the old one; "": the rate of Env.Rates
}

// changedType returns the type of the rows to which c applies, or 0 if c is not one of the types of this package, for
// example a pointer to one. A Delete applies to every type, so its result is that of the mutation's row.
func changedType(c Edit, row store.RowType) store.RowType {
	switch c.(type) {
	case PutExpense, PatchExpense:
		return store.ExpenseRow
	case PutCategory, PatchCategory:
		return store.CategoryRow
	case PutBudget, PatchBudget:
		return store.BudgetRow
	case PutRule, PatchRule:
		return store.RuleRow
	case MarkAlertRead:
		return store.AlertRow
	case PutSettings, PatchSettings:
		return store.SettingsRow
	case Delete:
		return row
	default:
		return 0
	}
}

// isPatch reports whether the change leaves the fields that it does not set as they are.
func isPatch(c Edit) bool {
	switch c.(type) {
	case PatchExpense, PatchCategory, PatchBudget, PatchRule, PatchSettings, MarkAlertRead:
		return true
	default:
		return false
	}
}

// An outcome is the row after a change, or the current row if the change failed.
type outcome struct {
	status  Status          // 0 if the change failed
	version expense.Version // of the row or its tombstone; 0: there is no row
	guard   expense.Version // of the guarded fields; 0: the type has none
	row     any
}

// outcomeOf returns an outcome with a row. A row without a version is not stored; its outcome has no row.
func outcomeOf(status Status, row any) outcome {
	o := outcome{status: status, row: row}
	switch row := row.(type) {
	case expense.Expense:
		o.version, o.guard = row.Version, row.Guard
	case expense.Category:
		o.version = row.Version
	case budget.Budget:
		o.version, o.guard = row.Version, row.Guard
	case budget.Alert:
		o.version = row.Version
	case recurrence.Rule:
		o.version, o.guard = row.Version, row.Guard
	case expense.Settings:
		o.version = row.Version
	}
	if o.version == 0 {
		o.row = nil
	}
	return o
}

// addOutcome returns the outcome of a use case that adds a row. replaced says whether resolveCategory replaced a
// reference. If the use case created no row, the row exists with the same content.
func addOutcome(replaced, created bool, row any, err error) (outcome, error) {
	switch {
	case err != nil:
		return outcome{}, err
	case !created:
		return outcomeOf(Unchanged, row), nil
	}
	return outcomeOf(mergedIf(replaced, Applied), row), nil
}

// changeOutcome returns the outcome of a use case that changes the row old, of a comparable type.
func changeOutcome(status Status, old, changed any, err error) (outcome, error) {
	switch {
	case err != nil:
		return outcomeOf(0, old), err
	case changed == old:
		status = Unchanged
	}
	return outcomeOf(status, changed), nil
}

// mergedIf returns Merged instead of Applied if replaced, which means that resolveCategory has replaced a reference.
func mergedIf(replaced bool, status Status) Status {
	if replaced && status == Applied {
		return Merged
	}
	return status
}

// resolveCategory returns the id of the category that a row gets for a reference, and whether it differs from the
// reference. current is the category that the row has.
//
//   - A reference to a merged category becomes the category that it was merged into.
//   - A reference to a deleted, archived or unknown category becomes the default category. The tombstone of an unknown
//     category may have been purged.
//   - A reference to current stays, and so does a malformed reference, which the use case rejects.
func (p *push) resolveCategory(
	ctx context.Context, reference string, current uuid.UUID,
) (id string, replaced bool, err error) {
	target, malformed := expense.ParseID(reference)
	if malformed != nil || target == current {
		return reference, false, nil //nolint:nilerr // the use case reports it together with other invalid fields
	}
	for range expense.MaxCategories {
		category, err := p.tx.Category(ctx, target)
		switch {
		case err == nil && !category.Archived:
			return target.String(), replaced, nil
		case errors.Is(err, expense.ErrGone):
			target, err = p.tx.MergedInto(ctx, target)
		default: // archived or unknown, unless the store failed
			target = uuid.Nil
		}
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			return "", false, fmt.Errorf("category %s: %w", reference, err)
		}
		if replaced = true; target == uuid.Nil {
			break
		}
	}
	settings, err := p.tx.Settings(ctx)
	if err != nil {
		return "", false, fmt.Errorf("settings: %w", err)
	}
	return settings.DefaultCategory.String(), true, nil
}

func (Delete) apply(ctx context.Context, p *push, row RowRef, _ baseVersion) (outcome, error) {
	var stored any
	var err error
	var remove func() error
	switch row.Type {
	case store.ExpenseRow:
		stored, err = p.tx.Expense(ctx, row.ID)
		remove = func() error { return expense.Delete(ctx, p.tx, row.ID, expense.Precondition{}) }
	case store.CategoryRow:
		stored, err = p.tx.Category(ctx, row.ID)
		remove = func() error { return expense.DeleteCategory(ctx, p.tx, row.ID, expense.Precondition{}) }
	case store.BudgetRow:
		stored, err = p.tx.Budget(ctx, row.ID)
		remove = func() error { return budget.Delete(ctx, p.tx, row.ID, expense.Precondition{}) }
	case store.RuleRow:
		stored, err = p.tx.Rule(ctx, row.ID)
		remove = func() error { return recurrence.Delete(ctx, p.tx, p.env, row.ID, expense.Precondition{}) }
	default:
		return outcome{}, &expense.InvalidError{
			Field: "op", Code: "not_applicable",
			Detail: fmt.Sprintf("a row of type %s cannot be deleted; change it with a patch", row.Type),
		}
	}
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return outcome{status: Unchanged}, nil
	case err != nil:
		return outcome{}, err
	}
	if err := remove(); err != nil {
		return outcomeOf(0, stored), err
	}
	return outcome{status: Applied, version: p.state.Version + 1}, nil
}

func (MarkAlertRead) apply(ctx context.Context, p *push, row RowRef, _ baseVersion) (outcome, error) {
	alerts, err := p.tx.Alerts(ctx, expense.Month{})
	if err != nil {
		return outcome{}, fmt.Errorf("alerts: %w", err)
	}
	status := Applied
	for _, alert := range alerts {
		if alert.ID == row.ID && !alert.ReadAt.IsZero() {
			status = Unchanged
		}
	}
	alert, err := budget.MarkAlertRead(ctx, p.tx, p.env, row.ID)
	return outcomeOf(status, alert), err
}
