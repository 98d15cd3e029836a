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

// A Change is what a mutation does to its row: one of the types below.
type Change interface {
	// apply calls the use case. With an error it has written nothing, and the outcome is the row that the device should
	// see, if any.
	apply(ctx context.Context, p *push, row RowRef, base baseVersion) (outcome, error)
}

// The changes of rows. The ID in a draft is ignored; the row's is used.
type (
	// PutExpense adds an expense or replaces all its fields.
	PutExpense struct{ Draft expense.Draft }
	// PatchExpense changes the fields of an expense that Patch sets.
	PatchExpense struct{ Patch expense.Patch }
	// PutCategory adds a category or replaces all its fields.
	PutCategory struct{ Draft expense.CategoryDraft }
	// PatchCategory changes the fields of a category that Patch sets.
	PatchCategory struct{ Patch expense.CategoryPatch }
	// PutBudget adds a budget or replaces its fields. The limits of past months stay.
	PutBudget struct{ Draft budget.Draft }
	// PatchBudget changes the fields of a budget that Patch sets.
	PatchBudget struct{ Patch budget.Patch }
	// PutRule adds a recurring rule or changes the fields that Draft sets. Expenses that the rule has posted stay.
	PutRule struct{ Draft recurrence.Draft }
	// PatchRule changes the fields of a recurring rule that Draft sets.
	PatchRule struct{ Draft recurrence.Draft }
	// MarkAlertRead marks an alert as read.
	MarkAlertRead struct{}
	// PutSettings changes the settings that Draft sets. It is a conflict if the device has not seen the current settings
	// and they differ from Draft.
	PutSettings SettingsChange
	// PatchSettings changes the settings that Draft sets.
	PatchSettings SettingsChange
	// Delete deletes an expense, category, budget or rule. Deleting a row that does not exist is Unchanged.
	Delete struct{}
)

// A SettingsChange holds the arguments of [budget.ChangeSettingsAndLimits].
type SettingsChange struct {
	Draft     expense.SettingsDraft
	LimitRate string
}

// isPatch reports whether the change leaves the fields that it does not set as they are.
func isPatch(c Change) bool {
	switch c.(type) {
	case PatchExpense, PatchCategory, PatchBudget, PatchRule, PatchSettings, MarkAlertRead:
		return true
	default:
		return false
	}
}

// An outcome is the row as a change leaves it, or the row that stands against the change.
type outcome struct {
	status  Status
	version expense.Version // of the row or its tombstone; 0: there is no row
	guard   expense.Version // of the guarded fields; 0: the type has none
	row     any
}

// rowOutcome returns the outcome that shows a row. A row without a version is not stored, and is not shown.
func rowOutcome(status Status, row any) outcome {
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

// mergedIf returns Merged instead of Applied if a reference was moved to another category.
func mergedIf(moved bool, status Status) Status {
	if moved && status == Applied {
		return Merged
	}
	return status
}

// partialWrite returns an error that makes the whole push fail: a use case has written something before it failed with
// err. The use cases check everything first, so this is a bug in one of them.
func partialWrite(err error) error {
	return fmt.Errorf("failed after a partial write: %v", err) //nolint:errorlint // err must not pass for a final error
}

// category returns the category that a reference means now. A merged category is the one that it was merged into. A
// deleted, archived or unknown one is the default category; an unknown one may have been deleted so long ago that its
// tombstone is purged. The reference that the row has already stays as it is, and so does a malformed one, which the
// use case rejects.
func (p *push) category(ctx context.Context, reference string, current uuid.UUID) (id string, moved bool, err error) {
	target, malformed := expense.ParseID(reference)
	if malformed != nil || target == current {
		return reference, false, nil //nolint:nilerr // the use case reports it together with other invalid fields
	}
	for range expense.MaxCategories {
		category, err := p.tx.Category(ctx, target)
		switch {
		case err == nil && !category.Archived:
			return target.String(), moved, nil
		case errors.Is(err, expense.ErrGone):
			target, err = p.tx.MergedInto(ctx, target)
		default: // archived or unknown, unless the store failed
			target = uuid.Nil
		}
		if err != nil && !errors.Is(err, expense.ErrNotFound) {
			return "", false, fmt.Errorf("category %s: %w", reference, err)
		}
		if moved = true; target == uuid.Nil {
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
		remove = func() error {
			return p.posting(func(tx recurrence.Tx) error {
				return recurrence.Delete(ctx, tx, p.env, row.ID, expense.Precondition{})
			})
		}
	default:
		return outcome{}, &expense.InvalidError{
			Field: "op", Code: "not_applicable", Detail: fmt.Sprintf("a row of type %s cannot be deleted", row.Type),
		}
	}
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return outcome{status: Unchanged}, nil
	case err != nil:
		return outcome{}, fmt.Errorf("%s %s: %w", row.Type, row.ID, err)
	}
	if err := remove(); err != nil {
		return rowOutcome(0, stored), err
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
	return rowOutcome(status, alert), err
}
