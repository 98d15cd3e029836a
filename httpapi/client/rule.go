package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
	"github.com/spendwise/spendwise/recurrence"
)

// Rule is a recurring rule of the local copy. Version is 0 until the server has acknowledged the rule. RRULE is empty
// while the schedule has local changes that the server has not acknowledged; NextDate is then not known either.
type Rule struct {
	wire.Rule

	Unacknowledged bool `json:"$unacknowledged"` // the server has not acknowledged all local changes yet
}

// MonthDay is a day of the month, "1" to "31" or "last".
type MonthDay = wire.MonthDay

// RuleDraft is a new rule, or one that replaces the rule with its ID. Amount and StartDate are required, and the
// schedule: either Freq and the members after it, or RRULE. See [wire.RuleInput] for the defaults.
type RuleDraft struct {
	ID         uuid.UUID `json:"-"`
	Amount     string    `json:"amount"`
	Currency   string    `json:"currency,omitzero"`
	CategoryID uuid.UUID `json:"category_id,omitzero"`
	Category   string    `json:"category,omitzero"` // the name of a category, instead of CategoryID
	Notes      string    `json:"notes,omitzero"`
	Freq       string    `json:"freq,omitzero"`
	Interval   int       `json:"interval,omitzero"`
	Weekdays   []string  `json:"weekdays,omitzero"`
	MonthDay   MonthDay  `json:"month_day,omitzero"`
	OnMissing  string    `json:"on_missing,omitzero"`
	StartDate  string    `json:"start_date"`
	UntilDate  string    `json:"until_date,omitzero"`
	Count      int       `json:"count,omitzero"`
	RRULE      string    `json:"rrule,omitzero"`
	Paused     bool      `json:"paused,omitzero"`
}

func (d RuleDraft) change() (Type, Op) { return RuleType, Put }
func (d RuleDraft) rowID() uuid.UUID   { return d.ID }

// RulePatch changes members of a rule, for the occurrences that are not posted yet. The server rejects FromDate in
// synchronisation: to split a rule, set UntilDate and put a new rule.
type RulePatch wire.RulePatch

func (p RulePatch) change() (Type, Op) { return RuleType, Patch }

// Rules returns the table of the ledger's recurring rules.
func (c *Client) Rules() Table[Rule, RuleDraft, RulePatch] {
	return Table[Rule, RuleDraft, RulePatch]{c, RuleType}
}

// schedule returns the domain rule with the occurrences of r. Its Next is zero if r has no next occurrence.
func (r Rule) schedule() (recurrence.Rule, error) {
	start, err := expense.ParseDate(r.StartDate)
	if err != nil {
		return recurrence.Rule{}, fmt.Errorf("start_date: %w", err)
	}
	var rule recurrence.Rule
	if r.RRULE != "" {
		if rule, err = recurrence.ParseRRULE(r.RRULE, start); err != nil {
			return recurrence.Rule{}, err
		}
	} else if rule, err = r.parseMembers(start); err != nil {
		return recurrence.Rule{}, err
	}
	rule.Paused = r.Paused
	var skipped []expense.Date
	for _, text := range r.Skipped {
		date, err := expense.ParseDate(text)
		if err != nil {
			return recurrence.Rule{}, fmt.Errorf("skipped_dates: %w", err)
		}
		skipped = append(skipped, date)
	}
	rule.Skipped = recurrence.NewDateSet(skipped...)
	switch {
	case r.NextDate != nil:
		rule.Next, err = expense.ParseDate(*r.NextDate)
	case r.Version == 0:
		rule.Next = rule.NextAfter(expense.Date{})
	}
	return rule, err
}

// parseMembers returns the schedule of a rule without an RRULE, which the server has not seen yet.
func (r Rule) parseMembers(start expense.Date) (recurrence.Rule, error) {
	rule := recurrence.Rule{Interval: max(r.Interval, 1), Start: start}
	var errs expense.ValidationErrors
	var err error
	rule.Freq, err = recurrence.ParseFreq(r.Freq)
	_ = errs.AddError("freq", err)
	rule.Weekdays, err = recurrence.ParseWeekdays(r.Weekdays)
	_ = errs.AddError("weekdays", err)
	if r.OnMissing != "" {
		rule.OnMissing, err = recurrence.ParseOnMissing(r.OnMissing)
		_ = errs.AddError("on_missing", err)
	}
	if r.UntilDate != nil {
		rule.Until, err = expense.ParseDate(*r.UntilDate)
		_ = errs.AddError("until_date", err)
	}
	if r.Count != nil {
		rule.Count = *r.Count
	}
	if r.MonthDay != nil {
		rule.MonthDay, err = r.MonthDay.Parse()
		_ = errs.AddError("month_day", err)
	}
	return rule, errs.Err()
}

// maxPredicted limits the occurrences of one rule that one call of PredictPostings queues. The server posts the rest.
const maxPredicted = 100

// PredictPostings queues an expense for each due occurrence of a recurring rule whose expense the local copy does not
// contain yet, and returns these expenses. The server posts the same occurrences by itself. Use PredictPostings to show
// them on a device that is offline. A predicted expense has the same id as the server's, so both become one row. If the
// server's row differs or was deleted, the server's state wins without a conflict. PredictPostings skips rules that
// this release cannot interpret; only the server posts them.
func (c *Client) PredictPostings(ctx context.Context) ([]Expense, error) {
	var predicted []Expense
	err := c.storage.Update(ctx, func(tx Tx) error {
		predicted = nil
		settings, err := settingsOf(ctx, tx)
		if errors.Is(err, expense.ErrNotFound) {
			return nil // before the first pull there are no rules
		}
		if err != nil {
			return err
		}
		zone, err := expense.ParseZone(settings.TimeZone)
		if err != nil {
			return nil //nolint:nilerr // this release does not know the zone, so only the server posts
		}
		texts, err := visibleRows(ctx, tx, RuleType)
		if err != nil {
			return err
		}
		before, after := map[uuid.UUID]expense.Date{}, map[uuid.UUID]expense.Date{}
		if _, err := getValue(ctx, tx, predictedValue, &before); err != nil {
			return err
		}
		for _, text := range texts {
			var rule Rule
			if err := json.Unmarshal(text, &rule); err != nil {
				return fmt.Errorf("stored rule: %w", err)
			}
			posted, last, err := c.predict(ctx, tx, rule, before[rule.ID], zone.Today(c.now()))
			if err != nil {
				return err
			}
			predicted = append(predicted, posted...)
			if !last.IsZero() {
				after[rule.ID] = last
			}
		}
		return putValue(ctx, tx, predictedValue, after)
	})
	if len(predicted) > 0 {
		c.signalChange()
	}
	return predicted, err
}

// predict queues the due occurrences of one rule after the date last. It returns them and the last date that it
// processed. An occurrence that the user deletes is therefore not predicted again.
func (c *Client) predict(
	ctx context.Context, tx Tx, rule Rule, last, today expense.Date,
) ([]Expense, expense.Date, error) {
	schedule, err := rule.schedule()
	if err != nil || schedule.Paused || rule.LastError != nil {
		return nil, last, nil
	}
	var predicted []Expense
	for date := range schedule.RemainingOccurrences(last.AddDays(1)) {
		if date.After(today) || len(predicted) == maxPredicted {
			break
		}
		last = date
		key := RowKey{ExpenseType, expense.OccurrenceID(rule.ID, date).String()}
		queued, err := tx.Mutations(ctx, MutationQuery{Key: key, Limit: 1})
		if err != nil {
			return nil, last, err
		}
		if _, err := tx.Row(ctx, key); err == nil || len(queued) > 0 {
			continue
		} else if !errors.Is(err, expense.ErrNotFound) {
			return nil, last, err
		}
		text, err := c.enqueue(ctx, tx, Mutation{Key: key, Op: Put, Predicted: true}, ExpenseDraft{
			Amount: rule.Amount, Currency: rule.Currency, Date: date.String(), CategoryID: rule.CategoryID, Notes: rule.Notes,
			RuleID: rule.ID, Occurrence: date.String(),
		})
		if err != nil {
			return nil, last, err
		}
		var row Expense
		if err := json.Unmarshal(text, &row); err != nil {
			return nil, last, err
		}
		predicted = append(predicted, row)
	}
	return predicted, last, nil
}

// overlayRule removes the members of a rule that no longer apply after a change of its schedule.
func overlayRule(row, change jsonObject) {
	reschedules := false
	for _, name := range []string{
		"freq", "interval", "weekdays", "month_day", "on_missing", "start_date", "until_date", "count",
	} {
		reschedules = reschedules || change[name] != nil
	}
	if reschedules && change["rrule"] == nil {
		delete(row, "rrule")
	}
	if change["freq"] != nil {
		for _, name := range []string{"weekdays", "month_day", "on_missing"} {
			if change[name] == nil {
				delete(row, name)
			}
		}
	}
}
