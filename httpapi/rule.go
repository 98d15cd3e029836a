package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
)

const rulesPath = "/v1/recurrences"

// ruleBody is a recurring expense as answers carry it.
type ruleBody struct {
	ID         string          `json:"id"`
	Amount     string          `json:"amount"`
	Currency   string          `json:"currency"`
	CategoryID string          `json:"category_id"`
	Notes      string          `json:"notes"`
	Freq       string          `json:"freq"`
	Interval   int             `json:"interval"`
	Weekdays   []string        `json:"weekdays"`  // none: the start's, where the rule is weekly
	MonthDay   any             `json:"month_day"` // a number, "last", or null: the start's, where the rule is monthly
	OnMissing  string          `json:"on_missing"`
	StartDate  string          `json:"start_date"`
	UntilDate  *string         `json:"until_date"`
	Count      *int            `json:"count"`
	RRULE      string          `json:"rrule"`
	Paused     bool            `json:"paused"`
	NextDate   *string         `json:"next_date"`
	Skipped    []string        `json:"skipped_dates"`
	LastError  *string         `json:"last_error"`
	RetryAt    *time.Time      `json:"retry_at"`
	Version    expense.Version `json:"version"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

// newRuleBody shows a rule as it is kept: its next date is the cursor.
func newRuleBody(r recurrence.Rule) ruleBody {
	body := ruleBody{
		ID: r.ID.String(), Amount: r.Amount.Amount(), Currency: r.Amount.Currency().Code(), CategoryID: r.CategoryID.String(), Notes: r.Notes,
		Freq: r.Freq.String(), Interval: r.Interval, Weekdays: r.Weekdays.Names(), OnMissing: r.OnMissing.String(),
		StartDate: r.Start.String(), UntilDate: textOrNull(r.Until.String()), RRULE: r.RRULE(), Paused: r.Paused,
		NextDate: textOrNull(r.Next.String()), Skipped: []string{}, LastError: textOrNull(r.LastError),
		Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	switch r.MonthDay {
	case 0:
	case recurrence.LastDay:
		body.MonthDay = "last"
	default:
		body.MonthDay = r.MonthDay
	}
	if r.Count != 0 {
		body.Count = &r.Count
	}
	for date := range r.Skipped.All() {
		body.Skipped = append(body.Skipped, date.String())
	}
	if !r.RetryAt.IsZero() {
		body.RetryAt = &r.RetryAt
	}
	return body
}

// A monthDay is a number from 1 to 31, or "last", as the domain reads it.
type monthDay string

// UnmarshalJSONFrom reads a number or a text. A number in quotes is neither: it stays quoted, and the domain refuses it.
func (m *monthDay) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() == '0' {
		value, err := dec.ReadValue()
		*m = monthDay(value)
		return err
	}
	var text string
	if err := json.UnmarshalDecode(dec, &text); err != nil {
		return err
	}
	if *m = monthDay(text); text != "last" {
		*m = monthDay(strconv.Quote(text))
	}
	return nil
}

// ruleInput is a recurring expense as POST takes it.
type ruleInput struct {
	ID         *string   `json:"id" validate:"omitnil,min=1"`
	Amount     *string   `json:"amount" validate:"required,min=1"`
	Currency   *string   `json:"currency" validate:"omitnil,min=1"`
	CategoryID *string   `json:"category_id" validate:"omitnil,min=1"`
	Category   *string   `json:"category" validate:"omitnil,min=1"`
	Notes      *string   `json:"notes"`
	Freq       *string   `json:"freq" validate:"omitnil,min=1"`
	Interval   *int      `json:"interval"`
	Weekdays   []string  `json:"weekdays" validate:"max=7"`
	MonthDay   *monthDay `json:"month_day"`
	OnMissing  *string   `json:"on_missing" validate:"omitnil,min=1"`
	StartDate  *string   `json:"start_date" validate:"required,min=1"`
	UntilDate  *string   `json:"until_date" validate:"omitnil,min=1"`
	Count      *int      `json:"count"`
	RRULE      *string   `json:"rrule" validate:"omitnil,min=1"`
	Paused     *bool     `json:"paused"`
}

func (in ruleInput) draft() recurrence.Draft {
	return recurrence.Draft{
		ID: in.ID, Amount: in.Amount, Currency: in.Currency, CategoryID: in.CategoryID, Category: in.Category, Notes: in.Notes,
		Freq: in.Freq, Interval: in.Interval, Weekdays: in.Weekdays, MonthDay: (*string)(in.MonthDay), OnMissing: in.OnMissing,
		Start: in.StartDate, Until: in.UntilDate, Count: in.Count, RRULE: in.RRULE, Paused: in.Paused,
	}
}

func (in ruleInput) check() []fieldError { return checkCount(in.Count) }

// checkCount finds a limit of no occurrences at all: to the domain it is no limit.
func checkCount(count *int) []fieldError {
	if count == nil || *count != 0 {
		return nil
	}
	return []fieldError{{
		Pointer: "#/count", Code: "out_of_range",
		Detail: fmt.Sprintf("This is a number from 1 to %d; leave it out, or give null, where there is no limit.", recurrence.MaxCount),
	}}
}

// rulePatch is a merge patch of a recurring expense; with from_date it concerns what comes from that day on.
type rulePatch struct {
	Amount     member[string]   `json:"amount"`
	Currency   member[string]   `json:"currency"`
	CategoryID member[string]   `json:"category_id"`
	Category   member[string]   `json:"category"`
	Notes      member[string]   `json:"notes"`
	Freq       member[string]   `json:"freq"`
	Interval   member[int]      `json:"interval"`
	Weekdays   member[[]string] `json:"weekdays"`
	MonthDay   member[monthDay] `json:"month_day"`
	OnMissing  member[string]   `json:"on_missing"`
	StartDate  member[string]   `json:"start_date"`
	UntilDate  member[string]   `json:"until_date"`
	Count      member[int]      `json:"count"`
	RRULE      member[string]   `json:"rrule"`
	Paused     member[bool]     `json:"paused"`
	FromDate   member[string]   `json:"from_date"`
}

func (in rulePatch) check() []fieldError {
	faults := slices.Concat(
		in.Amount.check("amount", isText), in.Currency.check("currency", isText), in.CategoryID.check("category_id", isText|mayBeNull),
		in.Category.check("category", isText), in.Freq.check("freq", isText), in.Interval.check("interval", 0),
		in.OnMissing.check("on_missing", isText), in.StartDate.check("start_date", isText),
		in.UntilDate.check("until_date", isText|mayBeNull), in.RRULE.check("rrule", isText), in.Paused.check("paused", 0),
		in.FromDate.check("from_date", isText),
	)
	if !in.Count.Null {
		faults = append(faults, checkCount(in.Count.pointer())...)
	}
	return faults
}

func (in rulePatch) draft() recurrence.Draft {
	draft := recurrence.Draft{
		Amount: in.Amount.pointer(), Currency: in.Currency.pointer(), CategoryID: in.CategoryID.pointer(), Category: in.Category.pointer(),
		Notes: in.Notes.pointer(), Freq: in.Freq.pointer(), Interval: in.Interval.pointer(), MonthDay: (*string)(in.MonthDay.pointer()),
		OnMissing: in.OnMissing.pointer(), Start: in.StartDate.pointer(), Until: in.UntilDate.pointer(), Count: in.Count.pointer(),
		RRULE: in.RRULE.pointer(), Paused: in.Paused.pointer(),
	}
	if in.Weekdays.Given {
		draft.Weekdays = append([]string{}, in.Weekdays.Value...)
	}
	return draft
}

// postRule answers POST /v1/recurrences.
func (c *call) postRule() error {
	return create(c, func(ctx context.Context, tx store.Tx, in ruleInput) (result, error) {
		added, err := recurrence.Add(ctx, tx, c.env(), in.draft())
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

func (r shownRule) body() ruleBody {
	body := newRuleBody(r.Rule)
	body.NextDate = textOrNull(r.next.String())
	return body
}

// patchRule answers PATCH /v1/recurrences/{id}: it changes what is still to be posted. With from_date the rule ends the day
// before, and the answer is the new one that goes on from there.
func (c *call) patchRule() error {
	return change(c, func(ctx context.Context, tx store.Tx, id uuid.UUID, in rulePatch, cond expense.Precondition) (result, error) {
		cond = c.catchUp.adjust(cond)
		if from := in.FromDate.pointer(); from != nil {
			fresh, err := recurrence.Split(ctx, tx, c.env(), id, *from, in.draft(), cond)
			return c.ruleMade(tx, true, fresh, err)
		}
		changed, err := recurrence.Change(ctx, tx, c.env(), id, in.draft(), cond)
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
	return sendList(c, list[shownRule, ruleBody]{
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
