package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Conflict is a change that contradicts one which came first: nothing of it was done, and a person decides.
type Conflict struct{ Mutation Mutation }

// Problem says why.
func (c Conflict) Problem() *Problem { return c.Mutation.Result.Problem }

// Gone reports that the row was deleted. To keep one's own change then means a new row, with a new id.
func (c Conflict) RowDeleted() bool {
	p := c.Problem()
	return p != nil && (p.Code == "gone" || p.Code == "not_found")
}

// Server decodes the row as the server has it into a pointer to an [Expense], [Category], …; ErrNotFound if it has none.
func (c Conflict) ServerRow(row any) error {
	if len(c.Mutation.Result.Resource) == 0 {
		return fmt.Errorf("%s %s on the server: %w", c.Mutation.Key.Type, c.Mutation.Key.ID, expense.ErrNotFound)
	}
	return json.Unmarshal(c.Mutation.Result.Resource, row)
}

// Mine decodes the row as this device meant it to be; ErrNotFound if the change deletes it.
func (c Conflict) LocalRow(row any) error {
	if c.Mutation.Op == Delete {
		return fmt.Errorf("%s %s: deleted here: %w", c.Mutation.Key.Type, c.Mutation.Key.ID, expense.ErrNotFound)
	}
	text, err := c.Mutation.apply(c.Mutation.BaseRow)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, row)
}

// A Rejection is a change that the server refused for good.
type Rejection struct{ Mutation Mutation }

// Problem says why.
func (r Rejection) Problem() *Problem { return r.Mutation.Result.Problem }

// A Decision says what becomes of a change that conflicts. The zero Decision leaves it to be decided later.
type Decision struct {
	keep   keep
	edited Change
}

type keep uint8

const (
	keepServer keep = iota + 1
	keepLocal
	keepEdited
)

// KeepServer drops the device's change.
func KeepServer() Decision { return Decision{keep: keepServer} }

// KeepLocal makes the device's change once more, on top of what the server has.
func KeepLocal() Decision { return Decision{keep: keepLocal} }

// KeepEdited makes another change in its place, on top of what the server has: a draft or a patch of the row's type.
func KeepEdited(change Change) Decision { return Decision{keep: keepEdited, edited: change} }

// Conflicts returns the conflicts that nobody has decided, in the order in which the changes were made.
func (c *Client) Conflicts(ctx context.Context) ([]Conflict, error) {
	var conflicts []Conflict
	err := c.storage.View(ctx, func(tx Tx) error {
		conflicts = nil
		found, err := tx.Mutations(ctx, MutationQuery{States: []State{Conflicted}})
		for _, m := range found {
			conflicts = append(conflicts, Conflict{m})
		}
		return err
	})
	return conflicts, err
}

// Rejections returns what was rejected and not dismissed, in the order in which the changes were made.
func (c *Client) Rejections(ctx context.Context) ([]Rejection, error) {
	var rejections []Rejection
	err := c.storage.View(ctx, func(tx Tx) error {
		rejections = nil
		found, err := tx.Mutations(ctx, MutationQuery{States: []State{Rejected}})
		for _, m := range found {
			rejections = append(rejections, Rejection{m})
		}
		return err
	})
	return rejections, err
}

// Pending returns the changes that the server has not acknowledged, in order.
func (c *Client) QueuedMutations(ctx context.Context) ([]Mutation, error) {
	var pending []Mutation
	err := c.storage.View(ctx, func(tx Tx) (err error) {
		pending, err = tx.Mutations(ctx, MutationQuery{States: []State{Queued, Sent}})
		return err
	})
	return pending, err
}

// Dismiss takes a rejected change off the list, by its mutation's id; ErrNotFound if it is not there.
func (c *Client) DismissRejection(ctx context.Context, mutation string) error {
	return c.storage.Update(ctx, func(tx Tx) error {
		if _, _, err := find(ctx, tx, mutation, Rejected); err != nil {
			return err
		}
		return tx.DeleteMutations(ctx, mutation)
	})
}

// Resolve decides a conflict, by its mutation's id; ErrNotFound if it is decided already.
func (c *Client) ResolveConflict(ctx context.Context, mutation string, decision Decision) error {
	err := c.storage.Update(ctx, func(tx Tx) error {
		m, queued, err := find(ctx, tx, mutation, Conflicted)
		if err != nil {
			return err
		}
		m.Reissues = 0 // a person is asked as often as it takes
		return c.decide(ctx, tx, queued, m, decision)
	})
	if err == nil {
		c.wake()
	}
	return err
}

// find returns a mutation in a state, and all of its row.
func find(ctx context.Context, tx Tx, id string, state State) (Mutation, []Mutation, error) {
	found, err := tx.Mutations(ctx, MutationQuery{States: []State{state}})
	if err != nil {
		return Mutation{}, nil, err
	}
	for _, m := range found {
		if m.ID == id {
			queued, err := tx.Mutations(ctx, MutationQuery{Key: m.Key})
			return m, queued, err
		}
	}
	return Mutation{}, nil, fmt.Errorf("mutation %s: %w", id, expense.ErrNotFound)
}

// decide stores what was decided about a conflict.
func (c *Client) decide(ctx context.Context, tx Tx, queued []Mutation, m Mutation, d Decision) error {
	switch d.keep {
	case keepServer:
		return tx.DeleteMutations(ctx, m.ID)
	case keepEdited:
		t, op := d.edited.change()
		if t != m.Key.Type {
			return fmt.Errorf("a change of type %s cannot settle a conflict of type %s", t, m.Key.Type)
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
		return c.revive(ctx, tx, queued, m)
	}
	return c.reissue(ctx, tx, queued, m, m.Result.Version)
}

// revive makes a new row of one that was deleted, because ids are not used again: as the device last showed it, with all the
// changes of it that are waiting, which are done with that. So they end as one row, however many of them conflict.
func (c *Client) revive(ctx context.Context, tx Tx, queued []Mutation, decided Mutation) error {
	var row json.RawMessage
	var done []string
	deleted := false
	for _, m := range queued {
		if m.ID == decided.ID {
			m = decided
		}
		if m.State == Acknowledged || m.State == Rejected {
			continue
		}
		if len(done) == 0 {
			row = m.BaseRow
		}
		done = append(done, m.ID)
		if deleted = deleted || m.Op == Delete; deleted {
			continue
		}
		var err error
		if row, err = m.apply(row); err != nil {
			return err
		}
	}
	if err := tx.DeleteMutations(ctx, done...); err != nil || deleted {
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

// draftOf returns what makes a row like this one.
func draftOf(t Type, text json.RawMessage) (any, error) {
	row, err := parseMembers(text)
	if err != nil {
		return nil, err
	}
	var d any
	switch t {
	case ExpenseType:
		var e ExpenseDraft
		err = json.Unmarshal(text, &e)
		e.RuleID, e.Occurrence = uuid.Nil, "" // the occurrence stays deleted
		if row.text("rate_source") != string(expense.SourceUser) {
			e.Rate = "" // the rate table's
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
			draft.Amount, draft.FromMonth = budget.Entries[n-1].Amount, budget.Entries[n-1].FromMonth
		}
		d = draft
	default:
		err = fmt.Errorf("a row of type %s is not made by a device", t)
	}
	return d, err
}
