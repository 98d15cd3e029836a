package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Conflict is a mutation that the server has not applied, because another device changed the row after the base
// version.
type Conflict struct{ Mutation Mutation }

// Problem returns the server's reason.
func (c Conflict) Problem() *Problem { return c.Mutation.Result.Problem }

// RowDeleted reports whether the row has been deleted on the server. KeepLocal and KeepEdited then create a new row
// with a new id, because ids are never reused.
func (c Conflict) RowDeleted() bool {
	p := c.Problem()
	return p != nil && (p.Code == "gone" || p.Code == "not_found")
}

// ServerRow decodes the server's row into row, a pointer to an [Expense], [Category] or other row type. It returns
// ErrNotFound if the server has no such row.
func (c Conflict) ServerRow(row any) error {
	if len(c.Mutation.Result.Resource) == 0 {
		return fmt.Errorf("%s %s does not exist on the server: %w",
			c.Mutation.Key.Type, c.Mutation.Key.ID, expense.ErrNotFound)
	}
	return json.Unmarshal(c.Mutation.Result.Resource, row)
}

// LocalRow decodes the row as it would be after the mutation into row, a pointer to an [Expense], [Category] or other
// row type. It returns ErrNotFound if the mutation deletes the row.
func (c Conflict) LocalRow(row any) error {
	if c.Mutation.Op == Delete {
		return fmt.Errorf("%s %s was deleted on this device: %w", c.Mutation.Key.Type, c.Mutation.Key.ID, expense.ErrNotFound)
	}
	text, err := c.Mutation.apply(c.Mutation.BaseRow)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, row)
}

// A Rejection is a mutation that the server has refused permanently.
type Rejection struct{ Mutation Mutation }

// Problem returns the server's reason.
func (r Rejection) Problem() *Problem { return r.Mutation.Result.Problem }

// A Decision resolves a conflict. The zero Decision leaves it undecided.
type Decision struct {
	choice choice
	edited Change
}

type choice uint8

const (
	keepServer choice = iota + 1
	keepLocal
	keepEdited
)

// KeepServer discards the local mutation.
func KeepServer() Decision { return Decision{choice: keepServer} }

// KeepLocal applies the local mutation on top of the server's row.
func KeepLocal() Decision { return Decision{choice: keepLocal} }

// KeepEdited applies change instead of the local mutation on top of the server's row. change is a draft or patch for
// the same type of row.
func KeepEdited(change Change) Decision { return Decision{choice: keepEdited, edited: change} }

// Conflicts returns the undecided conflicts in the order in which the mutations were queued.
func (c *Client) Conflicts(ctx context.Context) ([]Conflict, error) {
	mutations, err := c.mutations(ctx, Conflicted)
	var conflicts []Conflict
	for _, m := range mutations {
		conflicts = append(conflicts, Conflict{m})
	}
	return conflicts, err
}

// Rejections returns the rejected mutations that have not been dismissed, in the order in which they were queued.
func (c *Client) Rejections(ctx context.Context) ([]Rejection, error) {
	mutations, err := c.mutations(ctx, Rejected)
	var rejections []Rejection
	for _, m := range mutations {
		rejections = append(rejections, Rejection{m})
	}
	return rejections, err
}

// QueuedMutations returns the mutations for which the server has sent no result yet, in the order in which they were
// queued.
func (c *Client) QueuedMutations(ctx context.Context) ([]Mutation, error) {
	return c.mutations(ctx, Queued, Sent)
}

// mutations returns the mutations in any of states, in the order in which they were queued.
func (c *Client) mutations(ctx context.Context, states ...State) (mutations []Mutation, err error) {
	err = c.storage.View(ctx, func(tx Tx) error {
		mutations, err = tx.Mutations(ctx, MutationQuery{States: states})
		return err
	})
	return mutations, err
}

// DismissRejection removes a rejected mutation from [Client.Rejections]. It returns ErrNotFound if the mutation is not
// rejected.
func (c *Client) DismissRejection(ctx context.Context, mutation string) error {
	return c.storage.Update(ctx, func(tx Tx) error {
		if _, _, err := findMutation(ctx, tx, mutation, Rejected); err != nil {
			return err
		}
		return tx.DeleteMutations(ctx, mutation)
	})
}

// ResolveConflict applies a decision to a conflicted mutation. It returns ErrNotFound if the mutation is not
// conflicted.
func (c *Client) ResolveConflict(ctx context.Context, mutation string, decision Decision) error {
	err := c.storage.Update(ctx, func(tx Tx) error {
		m, queued, err := findMutation(ctx, tx, mutation, Conflicted)
		if err != nil {
			return err
		}
		m.Reissues = 0 // maxReissues does not limit explicit decisions
		return c.applyDecision(ctx, tx, queued, m, decision)
	})
	if err == nil {
		c.signalChange()
	}
	return err
}

// findMutation returns the mutation with this id and state, and all mutations of the same row.
func findMutation(ctx context.Context, tx Tx, id string, state State) (Mutation, []Mutation, error) {
	mutations, err := tx.Mutations(ctx, MutationQuery{States: []State{state}})
	if err != nil {
		return Mutation{}, nil, err
	}
	for _, m := range mutations {
		if m.ID == id {
			queued, err := tx.Mutations(ctx, MutationQuery{Key: m.Key})
			return m, queued, err
		}
	}
	return Mutation{}, nil, fmt.Errorf("mutation %s: %w", id, expense.ErrNotFound)
}

// applyDecision stores the result of a decision.
func (c *Client) applyDecision(ctx context.Context, tx Tx, queued []Mutation, m Mutation, d Decision) error {
	switch d.choice {
	case keepServer:
		return tx.DeleteMutations(ctx, m.ID)
	case keepEdited:
		t, op := d.edited.change()
		if t != m.Key.Type {
			return fmt.Errorf("a change of type %s cannot resolve a conflict of type %s", t, m.Key.Type)
		}
		data, err := json.Marshal(d.edited)
		if err != nil {
			return err
		}
		m.Op, m.Data = op, data
	case keepLocal:
	default:
		return tx.PutMutations(ctx, m)
	}
	if (Conflict{m}).RowDeleted() && m.Op != Delete {
		return c.recreate(ctx, tx, queued, m)
	}
	return c.reissue(ctx, tx, queued, m, m.Result.Version)
}

// recreate replaces a row that was deleted on the server with a new row, because ids are never reused. The new row is
// the old one with all its unacknowledged mutations applied. recreate deletes these mutations, so it recreates a row
// once even if several of its mutations conflict.
func (c *Client) recreate(ctx context.Context, tx Tx, queued []Mutation, decided Mutation) error {
	var row json.RawMessage
	var replaced []string
	deleted := false
	for _, m := range queued {
		if m.ID == decided.ID {
			m = decided
		}
		if m.State == Acknowledged || m.State == Rejected {
			continue
		}
		if len(replaced) == 0 {
			row = m.BaseRow
		}
		replaced = append(replaced, m.ID)
		if deleted = deleted || m.Op == Delete; deleted {
			continue
		}
		var err error
		if row, err = m.apply(row); err != nil {
			return err
		}
	}
	if err := tx.DeleteMutations(ctx, replaced...); err != nil || deleted {
		return err
	}
	draft, err := draftOf(decided.Key.Type, row)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = c.enqueue(ctx, tx, Mutation{Key: RowKey{decided.Key.Type, id.String()}, Op: Put}, draft)
	return err
}

// draftOf returns a draft that creates a row with the same content.
func draftOf(t Type, text json.RawMessage) (any, error) {
	row, err := parseObject(text)
	if err != nil {
		return nil, err
	}
	var d any
	switch t {
	case ExpenseType:
		var e ExpenseDraft
		err = json.Unmarshal(text, &e)
		e.RuleID, e.Occurrence = uuid.Nil, "" // a deleted occurrence is not posted again
		if row.text("rate_source") != string(expense.SourceUser) {
			e.Rate = "" // the server sets it from the rate table
		}
		d = e
	case CategoryType:
		var category CategoryDraft
		err = json.Unmarshal(text, &category)
		d = category
	case RuleType:
		var rule RuleDraft
		err = json.Unmarshal(text, &rule)
		if rule.RRULE != "" {
			rule.Freq, rule.Interval, rule.Weekdays, rule.MonthDay, rule.OnMissing = "", 0, nil, "", ""
			rule.UntilDate, rule.Count = "", 0
		}
		d = rule
	case BudgetType:
		var draft BudgetDraft
		var budget Budget
		err = errors.Join(json.Unmarshal(text, &draft), json.Unmarshal(text, &budget))
		if n := len(budget.Entries); n > 0 {
			last := budget.Entries[n-1]
			draft.FromMonth = last.FromMonth
			if last.Amount != nil {
				draft.Amount = *last.Amount
			}
		}
		d = draft
	default:
		err = fmt.Errorf("a device cannot create rows of type %s", t)
	}
	return d, err
}
