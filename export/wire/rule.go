package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// Rule is the JSON form of a recurring rule, which posts the same expense on each of its occurrences.
type Rule struct {
	ID         uuid.UUID       `json:"id"`
	Amount     string          `json:"amount"`
	Currency   string          `json:"currency"`
	CategoryID uuid.UUID       `json:"category_id"`
	Notes      string          `json:"notes"`
	Freq       string          `json:"freq"`       // daily, weekly, monthly or yearly
	Interval   int             `json:"interval"`   // in units of freq: 2 with weekly is every second week
	Weekdays   []string        `json:"weekdays"`   // mon to sun; empty: the weekday of StartDate
	MonthDay   *MonthDay       `json:"month_day"`  // null: the day of StartDate
	OnMissing  string          `json:"on_missing"` // in a month without the day: clamp to its last day, or skip it
	StartDate  string          `json:"start_date"`
	UntilDate  *string         `json:"until_date"` // the last possible occurrence; null: no end
	Count      *int            `json:"count"`      // of occurrences since StartDate; null: no limit
	RRULE      string          `json:"rrule"`      // the same schedule in the form of RFC 5545
	Paused     bool            `json:"paused"`
	NextDate   *string         `json:"next_date"`     // the next occurrence that is not posted yet; null: there is none
	Skipped    []string        `json:"skipped_dates"` // occurrences that are not posted
	LastError  *string         `json:"last_error"`    // why NextDate could not be posted; null: no failure
	RetryAt    *time.Time      `json:"retry_at"`      // when posting is tried again; null without LastError
	Version    expense.Version `json:"version"`
	CreatedAt  time.Time       `json:"created_at"`
	UpdatedAt  time.Time       `json:"updated_at"`
}

// NewRule returns the JSON form of r.
func NewRule(r recurrence.Rule) Rule {
	w := Rule{
		ID: r.ID, Amount: r.Amount.Amount(), Currency: r.Amount.Currency().Code(), CategoryID: r.CategoryID, Notes: r.Notes,
		Freq: r.Freq.String(), Interval: r.Interval, Weekdays: r.Weekdays.Names(), OnMissing: r.OnMissing.String(),
		StartDate: r.Start.String(), UntilDate: orNull(r.Until.String()), Count: orNull(r.Count), RRULE: r.RRULE(),
		Paused: r.Paused, NextDate: orNull(r.Next.String()), Skipped: []string{}, LastError: orNull(r.LastError),
		RetryAt: orNull(r.RetryAt), Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}
	switch r.MonthDay {
	case 0:
	case recurrence.LastDay:
		w.MonthDay = new(LastDay)
	default:
		w.MonthDay = new(MonthDay(strconv.Itoa(r.MonthDay)))
	}
	for date := range r.Skipped.All() {
		w.Skipped = append(w.Skipped, date.String())
	}
	return w
}

// Parse returns the rule that w describes. The error is ErrInvalid and lists every member that cannot be read, and an
// RRULE that contradicts the other members. Parse does not validate the rule; see [recurrence.Rule.Validate].
func (w Rule) Parse() (recurrence.Rule, error) {
	var p parser
	r := recurrence.Rule{
		ID: w.ID, Amount: p.money("amount", w.Amount, w.Currency), CategoryID: w.CategoryID, Notes: w.Notes,
		Freq: parse(&p, "freq", w.Freq, recurrence.ParseFreq), Interval: w.Interval,
		Weekdays:  parse(&p, "weekdays", w.Weekdays, recurrence.ParseWeekdays),
		OnMissing: parse(&p, "on_missing", w.OnMissing, recurrence.ParseOnMissing),
		Start:     p.date("start_date", &w.StartDate), Until: p.date("until_date", w.UntilDate), Count: orZero(w.Count),
		Paused: w.Paused, Next: p.date("next_date", w.NextDate), LastError: orZero(w.LastError),
		RetryAt: p.instant("retry_at", w.RetryAt), Version: w.Version,
		CreatedAt: p.instant("created_at", &w.CreatedAt), UpdatedAt: p.instant("updated_at", &w.UpdatedAt),
	}
	if w.MonthDay != nil {
		r.MonthDay = parse(&p, "month_day", *w.MonthDay, MonthDay.Parse)
	}
	skipped := make([]expense.Date, len(w.Skipped))
	for i := range w.Skipped {
		skipped[i] = p.date("skipped_dates/"+strconv.Itoa(i), &w.Skipped[i])
	}
	r.Skipped = recurrence.NewDateSet(skipped...)
	if p.errs.Err() == nil && w.RRULE != r.RRULE() {
		p.errs.Add("rrule", "contradiction", "the RRULE contradicts the other members; it must be %s", r.RRULE())
	}
	return r, p.errs.Err()
}

// MonthDay is a day of the month, "1" to "31", or [LastDay]. In JSON a day is a number, and the last day is the string
// "last".
type MonthDay string

// LastDay is the last day of each month.
const LastDay MonthDay = "last"

// Parse returns the MonthDay of a [recurrence.Rule]: 1 to 31, or [recurrence.LastDay]. It returns ErrInvalid if d is
// neither a number from 1 to 31 nor [LastDay].
func (d MonthDay) Parse() (int, error) {
	if d == LastDay {
		return recurrence.LastDay, nil
	}
	day, err := strconv.Atoi(string(d))
	if err != nil || day < 1 || day > 31 {
		return 0, &expense.InvalidError{
			Code:   "out_of_range",
			Detail: fmt.Sprintf("%.20q is not a day of the month; give a number from 1 to 31, or last", string(d)),
		}
	}
	return day, nil
}

// MarshalJSON writes a number, or a string if d is not a number.
func (d MonthDay) MarshalJSON() ([]byte, error) {
	if _, err := strconv.Atoi(string(d)); err == nil {
		return []byte(d), nil
	}
	return json.Marshal(string(d))
}

// UnmarshalJSON reads a number or a string. It keeps the quotes of a string other than "last", so that validation
// rejects "15" and accepts 15.
func (d *MonthDay) UnmarshalJSON(text []byte) error {
	var number json.Number
	if text[0] != '"' && json.Unmarshal(text, &number) == nil {
		*d = MonthDay(number)
		return nil
	}
	var day string
	if err := json.Unmarshal(text, &day); err != nil {
		return err
	}
	if *d = MonthDay(day); *d != LastDay {
		*d = MonthDay(strconv.Quote(day))
	}
	return nil
}

// RuleInput is the JSON form of a recurring rule that is created. A member that is absent or null has its default. The
// schedule is given by Freq and the members after it, or by RRULE.
type RuleInput struct {
	ID         *string   `json:"id" validate:"omitnil,min=1"`          // default: a new UUID
	Amount     *string   `json:"amount" validate:"required,min=1"`     // required
	Currency   *string   `json:"currency" validate:"omitnil,min=1"`    // default: the home currency
	CategoryID *string   `json:"category_id" validate:"omitnil,min=1"` // default: Category, else the default category
	Category   *string   `json:"category" validate:"omitnil,min=1"`    // the name of a category, instead of CategoryID
	Notes      *string   `json:"notes"`
	Freq       *string   `json:"freq" validate:"omitnil,min=1"`
	Interval   *int      `json:"interval"`                            // default: 1
	Weekdays   []string  `json:"weekdays" validate:"max=7"`           // default: the weekday of StartDate
	MonthDay   *MonthDay `json:"month_day"`                           // default: the day of StartDate
	OnMissing  *string   `json:"on_missing" validate:"omitnil,min=1"` // default: clamp
	StartDate  *string   `json:"start_date" validate:"required,min=1"`
	UntilDate  *string   `json:"until_date" validate:"omitnil,min=1"` // default: no end
	Count      *int      `json:"count" validate:"omitnil,ne=0"`       // default: no limit
	RRULE      *string   `json:"rrule" validate:"omitnil,min=1"`
	Paused     *bool     `json:"paused"`
}

// RequestedID returns the id that the request gives, or nil.
func (in RuleInput) RequestedID() *string { return in.ID }

// Draft returns the draft that in describes.
func (in RuleInput) Draft() recurrence.Draft {
	return recurrence.Draft{
		ID: in.ID, Amount: in.Amount, Currency: in.Currency, CategoryID: in.CategoryID, Category: in.Category,
		Notes: in.Notes,
		Freq:  in.Freq, Interval: in.Interval, Weekdays: in.Weekdays, MonthDay: (*string)(in.MonthDay),
		OnMissing: in.OnMissing,
		Start:     in.StartDate, Until: in.UntilDate, Count: in.Count, RRULE: in.RRULE, Paused: in.Paused,
	}
}

// RulePatch is a merge patch of a recurring rule. It changes the occurrences that are not posted yet; with FromDate,
// only those from that date on.
type RulePatch struct {
	Amount     Optional[string]   `json:"amount,omitzero" patch:"nonempty"`
	Currency   Optional[string]   `json:"currency,omitzero" patch:"nonempty"`
	CategoryID Optional[string]   `json:"category_id,omitzero" patch:"nonempty,nullable"` // null: the default category
	Category   Optional[string]   `json:"category,omitzero" patch:"nonempty"`             // a name, instead of CategoryID
	Notes      Optional[string]   `json:"notes,omitzero" patch:"nullable"`
	Freq       Optional[string]   `json:"freq,omitzero" patch:"nonempty"`
	Interval   Optional[int]      `json:"interval,omitzero"`
	Weekdays   Optional[[]string] `json:"weekdays,omitzero" patch:"nullable"`
	MonthDay   Optional[MonthDay] `json:"month_day,omitzero" patch:"nullable"`
	OnMissing  Optional[string]   `json:"on_missing,omitzero" patch:"nonempty"`
	StartDate  Optional[string]   `json:"start_date,omitzero" patch:"nonempty"`
	UntilDate  Optional[string]   `json:"until_date,omitzero" patch:"nonempty,nullable"` // null: no end
	Count      Optional[int]      `json:"count,omitzero" patch:"nonzero,nullable"`       // null: no limit
	RRULE      Optional[string]   `json:"rrule,omitzero" patch:"nonempty"`
	Paused     Optional[bool]     `json:"paused,omitzero"`
	FromDate   Optional[string]   `json:"from_date,omitzero" patch:"nonempty"` // splits the rule; not in a push
}

// Draft returns the draft that in describes. It does not include FromDate.
func (in RulePatch) Draft() recurrence.Draft {
	draft := recurrence.Draft{
		Amount: in.Amount.Pointer(), Currency: in.Currency.Pointer(), CategoryID: in.CategoryID.Pointer(),
		Category: in.Category.Pointer(), Notes: in.Notes.Pointer(), Freq: in.Freq.Pointer(), Interval: in.Interval.Pointer(),
		MonthDay: (*string)(in.MonthDay.Pointer()), OnMissing: in.OnMissing.Pointer(), Start: in.StartDate.Pointer(),
		Until: in.UntilDate.Pointer(), Count: in.Count.Pointer(), RRULE: in.RRULE.Pointer(), Paused: in.Paused.Pointer(),
	}
	if in.Weekdays.Present {
		draft.Weekdays = append([]string{}, in.Weekdays.Value...)
	}
	return draft
}
