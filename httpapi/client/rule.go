package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// A Rule is a recurring expense as the API tells it.
type Rule struct {
	ID         uuid.UUID       `json:"id"`
	Amount     string          `json:"amount"`
	Currency   string          `json:"currency"`
	CategoryID uuid.UUID       `json:"category_id"`
	Notes      string          `json:"notes"`
	Freq       string          `json:"freq"`
	Interval   int             `json:"interval"`
	Weekdays   []string        `json:"weekdays"`
	MonthDay   MonthDay        `json:"month_day"` // empty: the start's
	OnMissing  string          `json:"on_missing"`
	StartDate  string          `json:"start_date"`
	UntilDate  string          `json:"until_date"` // empty: no end
	Count      int             `json:"count"`      // 0: no limit
	RRULE      string          `json:"rrule"`      // of RFC 5545; empty where the rule was changed here and not sent yet
	Paused     bool            `json:"paused"`
	NextDate   string          `json:"next_date"` // empty: there is none, or the server has not said yet
	Skipped    []string        `json:"skipped_dates"`
	LastError  string          `json:"last_error"`
	RetryAt    time.Time       `json:"retry_at"`
	Version    expense.Version `json:"version"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
	Unsent     bool            `json:"$unsent"`
}

// A MonthDay is a day of the month, "1" to "31", or "last". In JSON the days are numbers.
type MonthDay string

// MarshalJSON writes a number, or last.
func (d MonthDay) MarshalJSON() ([]byte, error) {
	if number := json.Number(d); d != "" {
		if _, err := number.Int64(); err == nil {
			return json.Marshal(number)
		}
	}
	return json.Marshal(string(d))
}

// UnmarshalJSON reads a number, last, or null.
func (d *MonthDay) UnmarshalJSON(text []byte) error {
	var number json.Number
	if json.Unmarshal(text, &number) == nil && number != "" {
		*d = MonthDay(number)
		return nil
	}
	var day *string
	err := json.Unmarshal(text, &day)
	if *d = ""; day != nil {
		*d = MonthDay(*day)
	}
	return err
}

// A RuleDraft is a new rule, or one in place of another: Freq and what goes with it, or RRULE.
type RuleDraft struct {
	ID         uuid.UUID `json:"-"`
	Amount     string    `json:"amount"`
	Currency   string    `json:"currency,omitzero"`
	CategoryID uuid.UUID `json:"category_id,omitzero"`
	Category   string    `json:"category,omitzero"`
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

// A RulePatch changes members of a rule: what it has not posted yet.
type RulePatch struct {
	Amount     Optional[string]    `json:"amount,omitzero"`
	Currency   Optional[string]    `json:"currency,omitzero"`
	CategoryID Optional[uuid.UUID] `json:"category_id,omitzero"`
	Category   Optional[string]    `json:"category,omitzero"`
	Notes      Optional[string]    `json:"notes,omitzero"`
	Freq       Optional[string]    `json:"freq,omitzero"`
	Interval   Optional[int]       `json:"interval,omitzero"`
	Weekdays   Optional[[]string]  `json:"weekdays,omitzero"`
	MonthDay   Optional[MonthDay]  `json:"month_day,omitzero"`
	OnMissing  Optional[string]    `json:"on_missing,omitzero"`
	StartDate  Optional[string]    `json:"start_date,omitzero"`
	UntilDate  Optional[string]    `json:"until_date,omitzero"`
	Count      Optional[int]       `json:"count,omitzero"`
	RRULE      Optional[string]    `json:"rrule,omitzero"`
	Paused     Optional[bool]      `json:"paused,omitzero"`
}

func (p RulePatch) change() (Type, Op) { return RuleType, Patch }

// Rules are the ledger's recurring expenses.
func (c *Client) Rules() Table[Rule, RuleDraft, RulePatch] {
	return Table[Rule, RuleDraft, RulePatch]{c, RuleType}
}

// schedule returns on which days the rule falls, and from which on it is to be posted.
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
	case r.NextDate != "":
		rule.Next, err = expense.ParseDate(r.NextDate)
	case r.Version == 0:
		rule.Next = rule.NextAfter(expense.Date{})
	}
	return rule, err
}

// members reads the schedule of a rule that the server has not seen: its members, instead of the RRULE.
func (r Rule) parseMembers(start expense.Date) (recurrence.Rule, error) {
	rule := recurrence.Rule{Interval: max(r.Interval, 1), Start: start, Count: r.Count}
	var faults expense.ValidationErrors
	var err error
	rule.Freq, err = recurrence.ParseFreq(r.Freq)
	_ = faults.AddError("freq", err)
	rule.Weekdays, err = recurrence.ParseWeekdays(r.Weekdays)
	_ = faults.AddError("weekdays", err)
	if r.OnMissing != "" {
		rule.OnMissing, err = recurrence.ParseOnMissing(r.OnMissing)
		_ = faults.AddError("on_missing", err)
	}
	if r.UntilDate != "" {
		rule.Until, err = expense.ParseDate(r.UntilDate)
		_ = faults.AddError("until_date", err)
	}
	switch day, malformed := json.Number(r.MonthDay).Int64(); {
	case r.MonthDay == "":
	case r.MonthDay == "last":
		rule.MonthDay = recurrence.LastDay
	case malformed != nil || day < 1 || day > 31:
		faults.Add("month_day", "out_of_range", "a day of the month is a number from 1 to 31, or last")
	default:
		rule.MonthDay = int(day)
	}
	return rule, faults.Err()
}

// mostPredicted is how many occurrences of one rule are predicted at once; the server posts the rest by itself.
const maxPredicted = 100

// PredictDue queues the expenses of recurring rules whose dates have begun and that are not here yet, and returns them: what the
// server does by itself, for a device that cannot ask it. Each has the id that the server would give it, so that the two end as
// one; where the server's differs, or was deleted since, the server's stands, and nobody is asked. A rule that cannot be read is
// left to the server.
func (c *Client) PredictPostings(ctx context.Context) ([]Expense, error) {
	var predicted []Expense
	err := c.storage.Update(ctx, func(tx Tx) error {
		predicted = nil
		settings, err := settingsOf(ctx, tx)
		if errors.Is(err, expense.ErrNotFound) {
			return nil // there are no rules either
		}
		if err != nil {
			return err
		}
		zone, err := expense.ParseZone(settings.TimeZone)
		if err != nil {
			return nil //nolint:nilerr // when a day begins there, only the server knows
		}
		texts, err := visibleRows(ctx, tx, RuleType)
		if err != nil {
			return err
		}
		before, now := map[uuid.UUID]expense.Date{}, map[uuid.UUID]expense.Date{}
		if _, err := getValue(ctx, tx, predictedValue, &before); err != nil {
			return err
		}
		for _, text := range texts {
			var rule Rule
			if err := json.Unmarshal(text, &rule); err != nil {
				return fmt.Errorf("a stored rule: %w", err)
			}
			found, last, err := c.predict(ctx, tx, rule, before[rule.ID], zone.Today(c.now()))
			if err != nil {
				return err
			}
			predicted = append(predicted, found...)
			if !last.IsZero() {
				now[rule.ID] = last
			}
		}
		return putValue(ctx, tx, predictedValue, now)
	})
	if len(predicted) > 0 {
		c.signalChange()
	}
	return predicted, err
}

// predict queues what is due of one rule after a day, up to which it was predicted before, and returns the day up to which it is
// predicted now: one that the person has deleted since is not predicted again.
func (c *Client) predict(ctx context.Context, tx Tx, rule Rule, last, today expense.Date) ([]Expense, expense.Date, error) {
	schedule, err := rule.schedule()
	if err != nil || schedule.Paused || rule.LastError != "" {
		return nil, last, nil
	}
	var predicted []Expense
	for date := range schedule.RemainingOccurrences(last.AddDays(1)) {
		if date.After(today) || len(predicted) == maxPredicted {
			break
		}
		last = date
		key := RowKey{ExpenseType, expense.OccurrenceID(rule.ID, date).String()}
		known, err := tx.Mutations(ctx, MutationQuery{Key: key, Limit: 1})
		if err != nil {
			return nil, last, err
		}
		if _, err := tx.Row(ctx, key); err == nil || len(known) > 0 {
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

// overlayRule takes out of a rule what a change of its schedule leaves without a meaning.
func overlayRule(row, change jsonObject) {
	reschedules := false
	for _, name := range []string{"freq", "interval", "weekdays", "month_day", "on_missing", "start_date", "until_date", "count"} {
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
