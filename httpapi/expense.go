package httpapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store"
)

const expensesPath = "/v1/expenses"

// postExpense handles POST /v1/expenses.
func (c *call) postExpense() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.ExpenseInput) (result, error) {
		added, err := expense.Add(ctx, tx, c.env(), in.Draft())
		return expenseResult(added), err
	})
}

// expenseResult returns the result of a use case that created or replaced an expense.
func expenseResult(added expense.PutResult) result {
	e := added.Expense
	res := createdResult(added.Created, expensesPath, e.ID, e.Version, wire.NewExpense(e))
	if added.Created {
		res.events = []Event{ExpensesAdded{Source: SourceRequest, Count: 1}}
	}
	return res
}

// putExpense handles PUT /v1/expenses/{id}.
func (c *call) putExpense() error {
	id, err := expense.ParseID(c.Param("id"))
	c.params().addError("id", err)
	cond := c.condition()
	doc, err := read[wire.ExpenseInput](c)
	if err != nil {
		return err
	}
	draft := doc.value.Draft()
	if draft.ID != "" && !strings.EqualFold(draft.ID, c.Param("id")) {
		c.errs.AddNew(problem.FieldError{
			Pointer: "#/id", Code: "other_id",
			Detail: fmt.Sprintf("The id %s is not the id in the path; give that id or leave the member out.",
				expense.QuoteText(draft.ID)),
		})
	}
	if draft.ID = ""; id != uuid.Nil {
		draft.ID = id.String()
	}
	return c.write(doc.raw, func(ctx context.Context, tx store.Tx) (result, error) {
		added, err := expense.Replace(ctx, tx, c.env(), draft, cond)
		return expenseResult(added), problem.ConflictIfGone(err)
	})
}

// patchExpense handles PATCH /v1/expenses/{id}.
func (c *call) patchExpense() error {
	return change(c, func(
		ctx context.Context, tx store.Tx, id uuid.UUID, in wire.ExpensePatch, cond expense.Precondition,
	) (result, error) {
		changed, err := expense.Change(ctx, tx, c.env(), id, in.Patch(), cond)
		return result{version: changed.Version, body: wire.NewExpense(changed)}, err
	})
}

// deleteExpense handles DELETE /v1/expenses/{id}.
func (c *call) deleteExpense() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return expense.Delete(ctx, tx, id, cond)
	})
}

// getExpense handles GET /v1/expenses/{id}.
func (c *call) getExpense() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	e, err := c.api.store.Reader(c.owner).Expense(c.ctx, id)
	if err != nil {
		return problem.WithRow("expense", id, err)
	}
	return c.get(e.Version, wire.NewExpense(e))
}

// filterParams returns the names of the parameters that [params.filter] reads.
func filterParams() []string {
	return []string{
		"date_from", "date_to", "category_id*", "currency", "amount_min", "amount_max", "q", "rule_id", "pending",
	}
}

// filter reads the parameters that filter expenses.
func (p params) filter() expense.Filter {
	f := expense.Filter{
		Dates: p.dateRange(false), Currency: p.currency("currency"), RuleID: p.id("rule_id"),
		Pending: p.boolean("pending"),
	}
	for _, text := range p.values["category_id"] {
		id, err := expense.ParseID(text)
		p.addError("category_id", err)
		f.Categories = append(f.Categories, id)
	}
	f.AmountMin, f.AmountMax = p.amount("amount_min", f.Currency), p.amount("amount_max", f.Currency)
	p.checkAmountRange()
	f.Text, _ = p.given("q")
	if utf8.RuneCountInString(f.Text) > expense.MaxNotesLength {
		p.fail("q", "too_long", "The search text has %d characters; give at most %d.",
			utf8.RuneCountInString(f.Text), expense.MaxNotesLength)
	}
	if strings.ContainsFunc(f.Text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		p.fail("q", "control_character",
			"The search text %s contains a control character, which notes cannot contain; remove it.", expense.QuoteText(f.Text))
	}
	return f
}

// checkAmountRange adds an error if amount_min is greater than amount_max, whatever the currency is.
func (p params) checkAmountRange() {
	least, _ := p.given("amount_min")
	most, _ := p.given("amount_max")
	smallest, err := expense.ParseDecimal(least)
	if err != nil {
		return // absent, or p.amount has reported it
	}
	if largest, err := expense.ParseDecimal(most); err == nil && smallest.GreaterThan(largest) {
		p.fail("amount_min", "backwards", "The minimum %s is greater than the maximum %s; swap them.", least, most)
	}
}

// sort reads the order of a list of expenses. The default is newest first.
func (p params) sort() expense.Sort {
	text, ok := p.given("sort")
	switch {
	case !ok || text == "-date":
		return expense.NewestFirst
	case text == "date":
		return expense.OldestFirst
	case text == "-amount":
		return expense.LargestFirst
	case text == "amount":
		return expense.SmallestFirst
	case text == "-created":
		return expense.NewestCreatedFirst
	case text == "created":
		return expense.OldestCreatedFirst
	}
	p.fail("sort", "unknown_value",
		"The order %s is unknown; give date, amount or created, with a minus sign before it for descending order.",
		expense.QuoteText(text))
	return expense.NewestFirst
}

// listScope returns the scope of the cursors of a list of expenses: a cursor is valid only for the same filter and
// order.
func listScope(f expense.Filter, sort expense.Sort) string {
	ids := make([]string, len(f.Categories))
	for i, id := range f.Categories {
		ids[i] = id.String()
	}
	slices.Sort(ids)
	pending := "any"
	if f.Pending != nil {
		pending = strconv.FormatBool(*f.Pending)
	}
	return fmt.Sprintf("expenses %d %s %s %q %s %s %s %s %s %q",
		sort, f.Dates.From, f.Dates.To, slices.Compact(ids), f.Currency, f.AmountMin, f.AmountMax, f.RuleID, pending, f.Text)
}

// listExpenses handles GET /v1/expenses. It reads one row more than the page holds, to know whether there is a next
// page.
func (c *call) listExpenses() error {
	p := c.params()
	query := expense.Query{Filter: p.filter(), Sort: p.sort()}
	scope := listScope(query.Filter, query.Sort)
	if after := p.cursor(scope); after != nil {
		var ok bool
		if query.After, ok = decodePosition(after); !ok {
			p.errs.Add(errCursor(c.query.Get("cursor")))
		}
	}
	size := p.limit(defaultLimit, maxLimit)
	if err := p.err(); err != nil {
		return err
	}
	query.Limit = size + 1
	data, next, last := make([]wire.Expense, 0, size), "", expense.Position{}
	for e, err := range c.api.store.Reader(c.owner).Expenses(c.ctx, query) {
		if err != nil {
			return err
		}
		if len(data) == size {
			next = encodeCursor(scope, encodePosition(last))
			break
		}
		data, last = append(data, wire.NewExpense(e)), query.Sort.Position(e)
	}
	return sendPage(c, expensesPath, data, next)
}
