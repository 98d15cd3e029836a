package httpapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const rulesPath = "/v1/recurrences"

// postRule answers POST /v1/recurrences.
func (c *call) postRule() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.RuleInput) (result, error) {
		added, err := recurrence.Add(ctx, tx, c.env(), in.Draft())
		return c.ruleMade(tx, added.Created, added.Rule, err)
	})
}

// ruleMade is the answer that shows a rule which a use case has made or changed.
func (c *call) ruleMade(tx store.Tx, created bool, r recurrence.Rule, err error) (result, error) {
	if err != nil {
		return result{}, err
	}
	shown, err := c.shownRules(tx, r)
	if err != nil {
		return result{}, err
	}
	return createdResult(created, rulesPath, r.ID, r.Version, shown[0].body()), nil
}

// A shownRule is a rule with the date on which it is really to be posted next: the cursor stays on one that a device has written
// ahead, until it is due. The feed has the rule as it is kept, for a row of one version is always the same there.
type shownRule struct {
	recurrence.Rule
	next expense.Date
}

func (c *call) shownRules(r expense.Reader, rules ...recurrence.Rule) ([]shownRule, error) {
	next, err := recurrence.NextDates(c.ctx, r, c.env(), rules...)
	if err != nil {
		return nil, err
	}
	shown := make([]shownRule, len(rules))
	for i, rule := range rules {
		shown[i] = shownRule{Rule: rule, next: next[i]}
	}
	return shown, nil
}

func (r shownRule) body() wire.Rule {
	body := wire.NewRule(r.Rule)
	body.NextDate = textOrNull(r.next.String())
	return body
}

// patchRule answers PATCH /v1/recurrences/{id}: it changes what is still to be posted. With from_date the rule ends the day
// before, and the answer is the new one that goes on from there.
func (c *call) patchRule() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in wire.RulePatch, cond expense.Precondition) (result, error) {
		cond = c.catchUp.adjust(cond)
		if from := in.FromDate.Pointer(); from != nil {
			fresh, err := recurrence.Split(ctx, tx, c.env(), id, *from, in.Draft(), cond)
			return c.ruleMade(tx, true, fresh, err)
		}
		changed, err := recurrence.Change(ctx, tx, c.env(), id, in.Draft(), cond)
		return c.ruleMade(tx, false, changed, err)
	})
}

// deleteRule answers DELETE /v1/recurrences/{id}; what the rule posted stays.
func (c *call) deleteRule() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return recurrence.Delete(ctx, tx, c.env(), id, c.catchUp.adjust(cond))
	})
}

// getRule answers GET /v1/recurrences/{id}.
func (c *call) getRule() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var shown []shownRule
	err = c.view(func(r store.Reader) error {
		rule, err := r.Rule(c.ctx, id)
		if err == nil {
			shown, err = c.shownRules(r, rule)
		}
		return err
	})
	if err != nil {
		return err
	}
	rule := shown[0]
	if rule.next != rule.Next {
		// The next date moves without a new version then: who has this one already may have it with another date.
		return c.send(result{status: http.StatusOK, version: rule.Version, body: rule.body()})
	}
	return c.get(rule.Version, rule.body())
}

// listRules answers GET /v1/recurrences, ordered by id.
func (c *call) listRules() error {
	return sendList(c, list[shownRule, wire.Rule]{
		scope: "recurrences", path: rulesPath, body: shownRule.body, key: func(r shownRule) []byte { return r.ID[:] },
		read: func(r store.Reader) ([]shownRule, error) {
			rules, err := r.Rules(c.ctx)
			if err != nil {
				return nil, err
			}
			return c.shownRules(r, rules...)
		},
	})
}

// skipInput names the occurrence that is left out.
type skipInput struct {
	Date *string `json:"date" validate:"required,min=1"`
}

// skipRule answers POST /v1/recurrences/{id}/skip.
func (c *call) skipRule() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in skipInput, cond expense.Precondition) (result, error) {
		rule, err := recurrence.SkipOccurrence(ctx, tx, c.env(), id, orEmpty(in.Date), cond)
		return c.ruleMade(tx, false, rule, err)
	})
}

// previewBody lists the next occurrences of a rule.
type previewBody struct {
	Data []occurrenceBody `json:"data"`
}

// occurrenceBody is an expense that is still to come.
type occurrenceBody struct {
	Date     string `json:"date"`
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
	RuleID   string `json:"rule_id"`
}

func newOccurrenceBody(p recurrence.PlannedOccurrence) occurrenceBody {
	return occurrenceBody{
		Date: p.Date.String(), Amount: p.Rule.Amount.Amount(), Currency: p.Rule.Amount.Currency().Code(), RuleID: p.Rule.ID.String(),
	}
}

// previewRule answers GET /v1/recurrences/{id}/preview, and writes nothing.
func (c *call) previewRule() error {
	const usual = 10
	id, err := c.id()
	if err != nil {
		return err
	}
	p := params{values: c.query}
	count := usual
	if text, given := p.given("count"); given {
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > recurrence.MaxPreview {
			p.fail("count", "out_of_range", "A preview has 1 to %d occurrences.", recurrence.MaxPreview)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	body := previewBody{Data: []occurrenceBody{}}
	err = c.view(func(r store.Reader) error {
		planned, err := recurrence.Preview(c.ctx, r, c.env(), id, count)
		for _, next := range planned {
			body.Data = append(body.Data, newOccurrenceBody(next))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(result{status: http.StatusOK, body: body})
}
