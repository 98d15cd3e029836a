package httpapi

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const rulesPath = "/v1/recurrences"

// postRule handles POST /v1/recurrences.
func (c *call) postRule() error {
	return create(c, func(ctx context.Context, tx store.Tx, in wire.RuleInput) (result, error) {
		added, err := recurrence.Add(ctx, tx, c.env(), in.Draft())
		return c.ruleResult(tx, added.Created, added.Rule, err)
	})
}

// ruleResult returns the result of a use case that created or changed a rule.
func (c *call) ruleResult(tx store.Tx, created bool, r recurrence.Rule, err error) (result, error) {
	if err != nil {
		return result{}, err
	}
	rules, err := c.withNextDates(tx, r)
	if err != nil {
		return result{}, err
	}
	return createdResult(created, rulesPath, r.ID, r.Version, rules[0].body()), nil
}

// ruleWithNext is a rule and the date of the next expense that the server will post for it.
//
// The stored Next can be earlier: a device may already have written the expense of that occurrence, and Next moves on
// only when the occurrence is due. Synchronisation sends the stored Next, because a row must not change without a new
// version.
type ruleWithNext struct {
	recurrence.Rule
	next expense.Date
}

func (c *call) withNextDates(r expense.Reader, rules ...recurrence.Rule) ([]ruleWithNext, error) {
	dates, err := recurrence.NextDates(c.ctx, r, c.env(), rules...)
	if err != nil {
		return nil, err
	}
	withNext := make([]ruleWithNext, len(rules))
	for i, rule := range rules {
		withNext[i] = ruleWithNext{Rule: rule, next: dates[i]}
	}
	return withNext, nil
}

func (r ruleWithNext) body() wire.Rule {
	body := wire.NewRule(r.Rule)
	body.NextDate = textOrNull(r.next.String())
	return body
}

// patchRule handles PATCH /v1/recurrences/{id}. With from_date the rule ends the day before, and the response is the
// new rule that continues from that date.
func (c *call) patchRule() error {
	return change(c, func(
		ctx context.Context, tx store.Tx, id uuid.UUID, in wire.RulePatch, cond expense.Precondition,
	) (result, error) {
		cond = c.catchUp.adjust(cond)
		if from := in.FromDate.Pointer(); from != nil {
			continued, err := recurrence.Split(ctx, tx, c.env(), id, *from, in.Draft(), cond)
			return c.ruleResult(tx, true, continued, err)
		}
		changed, err := recurrence.Change(ctx, tx, c.env(), id, in.Draft(), cond)
		return c.ruleResult(tx, false, changed, err)
	})
}

// deleteRule handles DELETE /v1/recurrences/{id}. The expenses that the rule posted remain.
func (c *call) deleteRule() error {
	return c.remove(func(ctx context.Context, tx store.Tx, id uuid.UUID, cond expense.Precondition) error {
		return recurrence.Delete(ctx, tx, c.env(), id, c.catchUp.adjust(cond))
	})
}

// getRule handles GET /v1/recurrences/{id}.
func (c *call) getRule() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	var rules []ruleWithNext
	err = c.view(func(r store.Reader) error {
		rule, err := r.Rule(c.ctx, id)
		if err != nil {
			return problem.WithRow("recurrence", id, err)
		}
		rules, err = c.withNextDates(r, rule)
		return err
	})
	if err != nil {
		return err
	}
	rule := rules[0]
	if rule.next != rule.Next {
		// The next date can change without a new version, so a client that has this version may have another next date: do
		// not respond 304.
		return c.send(result{version: rule.Version, body: rule.body()})
	}
	return c.get(rule.Version, rule.body())
}

// listRules handles GET /v1/recurrences. The order is by id.
func (c *call) listRules() error {
	return sendList(c, list[ruleWithNext, wire.Rule]{
		scope: "recurrences", path: rulesPath, body: ruleWithNext.body, key: func(r ruleWithNext) []byte { return r.ID[:] },
		read: func(r store.Reader) ([]ruleWithNext, error) {
			rules, err := r.Rules(c.ctx)
			if err != nil {
				return nil, err
			}
			return c.withNextDates(r, rules...)
		},
	})
}

// skipInput is the body of a request to skip an occurrence.
type skipInput struct {
	Date *string `json:"date" validate:"required,min=1"`
}

// skipRule handles POST /v1/recurrences/{id}/skip.
func (c *call) skipRule() error {
	return change(c, func(
		ctx context.Context, tx store.Tx, id uuid.UUID, in skipInput, cond expense.Precondition,
	) (result, error) {
		rule, err := recurrence.SkipOccurrence(ctx, tx, c.env(), id, orEmpty(in.Date), cond)
		return c.ruleResult(tx, false, rule, err)
	})
}

// previewBody lists the next occurrences of a rule.
type previewBody struct {
	Data []wire.Occurrence `json:"data"`
}

// previewRule handles GET /v1/recurrences/{id}/preview. It lists 10 occurrences unless the parameter count says another
// number.
func (c *call) previewRule() error {
	id, err := c.id()
	if err != nil {
		return err
	}
	p := c.params()
	count := 10
	if text, given := p.given("count"); given {
		if count, err = strconv.Atoi(text); err != nil || count < 1 || count > recurrence.MaxPreview {
			p.fail("count", "out_of_range", "The count %s is out of range; give a number from 1 to %d.",
				expense.QuoteText(text), recurrence.MaxPreview)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	var planned []recurrence.PlannedOccurrence
	err = c.view(func(r store.Reader) (err error) {
		planned, err = recurrence.Preview(c.ctx, r, c.env(), id, count)
		return err
	})
	if err != nil {
		return err
	}
	return c.send(result{body: previewBody{Data: wire.NewOccurrences(planned)}})
}
