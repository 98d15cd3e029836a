package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

const expensesPath = "/v1/expenses"

// expenseBody is an expense as answers carry it.
type expenseBody struct {
	ID           string          `json:"id"`
	Amount       string          `json:"amount"`
	Currency     string          `json:"currency"`
	Date         string          `json:"date"`
	CategoryID   string          `json:"category_id"`
	Notes        string          `json:"notes"`
	RuleID       *string         `json:"rule_id"`
	Occurrence   *string         `json:"occurrence"`
	Rate         *string         `json:"rate"`
	RateDate     *string         `json:"rate_date"`
	RateSource   *string         `json:"rate_source"`
	HomeAmount   *string         `json:"home_amount"`
	HomeCurrency string          `json:"home_currency"`
	Pending      bool            `json:"pending"`
	Version      expense.Version `json:"version"`
	CreatedAt    time.Time       `json:"created_at"`
	UpdatedAt    time.Time       `json:"updated_at"`
}

func newExpenseBody(e expense.Expense) expenseBody {
	body := expenseBody{
		ID: e.ID.String(), Amount: e.Amount.Amount(), Currency: e.Amount.Currency().Code(), Date: e.Date.String(),
		CategoryID: e.CategoryID.String(), Notes: e.Notes, RuleID: idOrNull(e.RuleID), Occurrence: textOrNull(e.Occurrence.String()),
		HomeCurrency: e.Home.Currency().Code(), Pending: e.Pending(), Version: e.Version, CreatedAt: e.CreatedAt, UpdatedAt: e.UpdatedAt,
	}
	if !body.Pending {
		texts := [...]string{e.Rate.Value.String(), e.Rate.Date.String(), string(e.Rate.Source), e.Home.Amount()}
		body.Rate, body.RateDate, body.RateSource, body.HomeAmount = &texts[0], &texts[1], &texts[2], &texts[3]
	}
	return body
}

// idOrNull and textOrNull write what there may be none of.
func idOrNull(id uuid.UUID) *string {
	if id == uuid.Nil {
		return nil
	}
	return new(id.String())
}

func textOrNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// expenseInput is an expense as POST and PUT take it.
type expenseInput struct {
	ID         *string `json:"id" validate:"omitnil,min=1"`
	Amount     *string `json:"amount" validate:"required,min=1"`
	Currency   *string `json:"currency" validate:"omitnil,min=1"`
	Date       *string `json:"date" validate:"omitnil,min=1"`
	CategoryID *string `json:"category_id" validate:"omitnil,min=1"`
	Category   *string `json:"category" validate:"omitnil,min=1"`
	Notes      *string `json:"notes"`
	Rate       *string `json:"rate" validate:"omitnil,min=1"`
	RuleID     *string `json:"rule_id" validate:"omitnil,min=1"`
	Occurrence *string `json:"occurrence" validate:"omitnil,min=1"`
}

func (in expenseInput) draft() expense.Draft {
	return expense.Draft{
		ID: orEmpty(in.ID), Amount: orEmpty(in.Amount), Currency: orEmpty(in.Currency), Date: orEmpty(in.Date),
		CategoryID: orEmpty(in.CategoryID), Category: orEmpty(in.Category), Notes: in.Notes, Rate: orEmpty(in.Rate),
		RuleID: orEmpty(in.RuleID), Occurrence: orEmpty(in.Occurrence),
	}
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// expensePatch is a merge patch of an expense.
type expensePatch struct {
	Amount     member[string] `json:"amount"`
	Currency   member[string] `json:"currency"`
	Date       member[string] `json:"date"`
	CategoryID member[string] `json:"category_id"`
	Category   member[string] `json:"category"`
	Notes      member[string] `json:"notes"`
	Rate       member[string] `json:"rate"`
}

func (in expensePatch) check() []fieldError {
	return slices.Concat(
		in.Amount.check("amount", isText), in.Currency.check("currency", isText), in.Date.check("date", isText),
		in.CategoryID.check("category_id", isText|mayBeNull), in.Category.check("category", isText),
		in.Rate.check("rate", isText|mayBeNull),
	)
}

func (in expensePatch) patch() expense.Patch {
	return expense.Patch{
		Amount: in.Amount.pointer(), Currency: in.Currency.pointer(), Date: in.Date.pointer(), CategoryID: in.CategoryID.pointer(),
		Category: in.Category.pointer(), Notes: in.Notes.pointer(), Rate: in.Rate.pointer(),
	}
}

// postExpense answers POST /v1/expenses.
func (c *call) postExpense() error {
	return create(c, func(ctx context.Context, tx store.Tx, in expenseInput) (result, error) {
		added, err := expense.Add(ctx, tx, c.env(), in.draft())
		return expenseMade(added), err
	})
}

func expenseMade(added expense.PutResult) result {
	res := createdResult(added.Created, expensesPath, added.Expense.ID, added.Expense.Version, newExpenseBody(added.Expense))
	if added.Created {
		res.events = []Event{ExpensesAdded{Source: SourceRequest, Count: 1}}
	}
	return res
}

// putExpense answers PUT /v1/expenses/{id}.
func (c *call) putExpense() error {
	id, err := expense.ParseID(c.Param("id"))
	if err != nil {
		return newFieldProblem(codeValidation, fieldError{Parameter: "id", Code: "malformed_id", Detail: "The id in the path must be a UUID."})
	}
	cond, err := condition(c.Request.Header)
	if err != nil {
		return err
	}
	doc, err := read[expenseInput](c)
	if err != nil {
		return err
	}
	draft := doc.value.draft()
	if draft.ID != "" && !strings.EqualFold(draft.ID, id.String()) {
		doc.addFieldErrors(fieldError{Pointer: "#/id", Code: "other_id", Detail: "The id must be that of the path, or left out."})
	}
	draft.ID = id.String()
	return c.write(doc.raw, doc.fieldErrors, func(ctx context.Context, tx store.Tx) (result, error) {
		added, err := expense.Replace(ctx, tx, c.env(), draft, cond)
		return expenseMade(added), conflictIfGone(err)
	})
}

// patchExpense answers PATCH /v1/expenses/{id}.
func (c *call) patchExpense() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in expensePatch, cond expense.Precondition) (result, error) {
		changed, err := expense.Change(ctx, tx, c.env(), id, in.patch(), cond)
		return result{status: http.StatusOK, version: changed.Version, body: newExpenseBody(changed)}, err
	})
}

// deleteExpense answers DELETE /v1/expenses/{id}.
func (c *call) deleteExpense() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return expense.Delete(ctx, tx, id, cond)
	})
}

// getExpense answers GET /v1/expenses/{id}.
func (c *call) getExpense() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	e, err := c.api.store.Reader(c.owner).Expense(c.ctx, id)
	if err != nil {
		return err
	}
	return c.get(e.Version, newExpenseBody(e))
}

// filterParams are the parameters that choose expenses.
func filterParams() []string {
	return []string{"date_from", "date_to", "category_id*", "currency", "amount_min", "amount_max", "q", "rule_id", "pending"}
}

// filter reads which expenses the query chooses.
func (p *params) filter() expense.Filter {
	f := expense.Filter{
		Dates: p.span("date_from", "date_to"), Currency: p.currency("currency"), RuleID: p.id("rule_id"), Pending: p.boolean("pending"),
	}
	for _, text := range p.values["category_id"] {
		id, err := expense.ParseID(text)
		p.take("category_id", err)
		f.Categories = append(f.Categories, id)
	}
	f.AmountMin, f.AmountMax = p.amount("amount_min", f.Currency), p.amount("amount_max", f.Currency)
	if least, most := f.AmountMin, f.AmountMax; least.Currency() == most.Currency() && least.Minor() > most.Minor() && !least.Currency().IsZero() {
		p.fail("amount_min", "backwards", "amount_min lies above amount_max, so nothing could lie between.")
	}
	f.Text, _ = p.given("q")
	if utf8.RuneCountInString(f.Text) > expense.MaxNotesLength {
		p.fail("q", "too_long", "A search has at most %d characters, as many as notes.", expense.MaxNotesLength)
	}
	if strings.ContainsFunc(f.Text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		p.fail("q", "control_character", "A search has no control characters, as notes have none.")
	}
	return f
}

// sort reads the order; newest first where none is given.
func (p *params) sort() expense.Sort {
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
	p.fail("sort", "unknown_value", "A list is sorted by date, amount or created, with a minus before it for descending.")
	return expense.NewestFirst
}

// listScope names the list of the expenses that f chooses in this order, for its cursors.
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

// listExpenses answers GET /v1/expenses: a page in one call of the store.
func (c *call) listExpenses() error {
	size, err := limit(c.query)
	if err != nil {
		return err
	}
	p := params{values: c.query}
	query := expense.Query{Filter: p.filter(), Sort: p.sort(), Limit: size + 1}
	if err := p.err(); err != nil {
		return err
	}
	scope := listScope(query.Filter, query.Sort)
	place, err := c.place(scope)
	if err == nil && place != nil {
		query.After, err = decodeKey(place)
	}
	if err != nil {
		return err
	}
	data, next, key := make([]expenseBody, 0, size), "", expense.Position{}
	for e, err := range c.api.store.Reader(c.owner).Expenses(c.ctx, query) {
		if err != nil {
			return err
		}
		if len(data) == size {
			next = encodeCursor(scope, encodeKey(key))
			break
		}
		data, key = append(data, newExpenseBody(e)), query.Sort.Position(e)
	}
	return sendPage(c, expensesPath, data, next)
}
