package recurrence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

const maxRRULEBytes = 256

// rruleDays are the names of the weekdays in RFC 5545, from Monday on.
var rruleDays = [...]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

// rruleFreqs are the names of the frequencies in RFC 5545.
var rruleFreqs = [...]string{Daily: "DAILY", Weekly: "WEEKLY", Monthly: "MONTHLY", Yearly: "YEARLY"}

// rruleParts are the supported parts of an RRULE.
var rruleParts = [...]string{
	"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "UNTIL", "COUNT", "WKST", "RSCALE", "SKIP",
}

// RRULE returns the schedule as the value of an RRULE of RFC 5545 with DTSTART at the rule's start. If the rule clamps
// a day that some months do not have, the value has RSCALE=GREGORIAN and SKIP=BACKWARD of RFC 7529. The rule must be
// valid.
func (r Rule) RRULE() string {
	var b strings.Builder
	clamps := r.OnMissing == ClampToMonthEnd && r.mayLackDay()
	if clamps {
		b.WriteString("RSCALE=GREGORIAN;")
	}
	b.WriteString("FREQ=" + rruleFreqs[r.Freq])
	if r.Interval != 1 {
		fmt.Fprintf(&b, ";INTERVAL=%d", r.Interval)
	}
	if r.Weekdays != 0 {
		separator := ";BYDAY="
		for i, code := range rruleDays {
			if r.Weekdays&(1<<i) != 0 {
				b.WriteString(separator + code)
				separator = ","
			}
		}
	}
	if r.MonthDay != 0 {
		fmt.Fprintf(&b, ";BYMONTHDAY=%d", r.MonthDay)
	}
	if clamps {
		b.WriteString(";SKIP=BACKWARD")
	}
	if !r.Until.IsZero() {
		fmt.Fprintf(&b, ";UNTIL=%08d", r.Until.Int())
	}
	if r.Count != 0 {
		fmt.Fprintf(&b, ";COUNT=%d", r.Count)
	}
	return b.String()
}

// mayLackDay reports whether some months do not have the rule's day.
func (r Rule) mayLackDay() bool {
	switch {
	case r.Freq == Yearly:
		return r.Start.MonthOfYear() == 2 && r.Start.Day() == 29
	case r.Freq != Monthly || r.MonthDay == LastDay:
		return false
	case r.MonthDay == 0:
		return r.Start.Day() > 28
	}
	return r.MonthDay > 28
}

// ParseRRULE parses the value of an RRULE, with or without the prefix "RRULE:", and returns a rule with its schedule
// that starts on start. It supports these parts:
//
//   - FREQ: DAILY, WEEKLY, MONTHLY or YEARLY
//   - INTERVAL
//   - BYDAY with WEEKLY, without numbers
//   - BYMONTHDAY with MONTHLY, one value from 1 to 31, or -1
//   - UNTIL as a date without a time, or COUNT
//   - WKST=MO; other values only if they have no effect
//   - RSCALE=GREGORIAN with SKIP=BACKWARD or SKIP=OMIT, the default, of RFC 7529
//
// The error is ErrInvalid with all field errors.
func ParseRRULE(text string, start expense.Date) (Rule, error) {
	var errs expense.ValidationErrors
	r := Rule{Start: start, Interval: 1}
	parts := splitRRULE(&errs, text)
	if parts == nil {
		return Rule{}, errs.Err()
	}
	malformed := func(name, form string) {
		errs.Add("rrule", "malformed", "the part %s is malformed; give %s", expense.QuoteText(name+"="+parts[name]), form)
	}
	for i, name := range rruleFreqs {
		if name != "" && name == parts["FREQ"] {
			r.Freq = Freq(i)
		}
	}
	if r.Freq == 0 && (parts["FREQ"] != "" || errs.Err() == nil) {
		errs.Add("rrule", "unsupported", "the frequency %s is not supported; give DAILY, WEEKLY, MONTHLY or YEARLY",
			expense.QuoteText(parts["FREQ"]))
	}
	const dayForm = "a day from 1 to 31, or -1 for the last"
	number := func(name string, least, most, absent int) int {
		value, given := parts[name]
		if !given {
			return absent
		}
		n, err := strconv.Atoi(value)
		if err != nil || n == 0 || value[0] == '+' || n < least || n > most {
			form := fmt.Sprintf("a number from %d to %d", least, most)
			if least < 0 {
				form = dayForm
			}
			malformed(name, form)
			return absent
		}
		return n
	}
	r.Interval = number("INTERVAL", 1, MaxInterval, 1)
	r.Count = number("COUNT", 1, MaxCount, 0)
	r.MonthDay = number("BYMONTHDAY", -1, 31, 0)
	if value, given := parts["BYDAY"]; given {
		for code := range strings.SplitSeq(value, ",") {
			day := slices.Index(rruleDays[:], code)
			if day < 0 {
				malformed("BYDAY", "a list of MO, TU, WE, TH, FR, SA, SU")
				break
			}
			r.Weekdays |= 1 << day
		}
	}
	if value, given := parts["UNTIL"]; given {
		until, err := parseBasicDate(value)
		if err != nil {
			malformed("UNTIL", "a date YYYYMMDD without a time, because the start is a date")
		}
		r.Until = until
	}
	value, given := parts["WKST"]
	if given && (!slices.Contains(rruleDays[:], value) || value != "MO" && r.Freq == Weekly && r.Interval > 1) {
		errs.Add("rrule", "unsupported", "the part %s is not supported; give MO, or leave it out",
			expense.QuoteText("WKST="+value))
	}
	r.parseSkip(&errs, parts)
	if r.Freq != 0 { // the other checks depend on the frequency
		r.addScheduleErrors(&errs)
	}
	if err := errs.Err(); err != nil {
		return Rule{}, err
	}
	return r, nil
}

// splitRRULE returns the values of the parts by their names, both in upper case. It returns nil if text is too long.
func splitRRULE(errs *expense.ValidationErrors, text string) map[string]string {
	if len(text) > maxRRULEBytes {
		errs.Add("rrule", "too_long", "the RRULE has %d bytes; give at most %d", len(text), maxRRULEBytes)
		return nil
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.ToUpper(text), "RRULE:"), ";") {
		name, value, _ := strings.Cut(part, "=")
		_, twice := parts[name]
		switch {
		case name == "" || value == "":
			errs.Add("rrule", "malformed", "the part %s is malformed; give it the form NAME=VALUE", expense.QuoteText(part))
		case twice:
			errs.Add("rrule", "malformed", "the RRULE has the part %s twice; give it once", expense.QuoteText(name))
		case !slices.Contains(rruleParts[:], name):
			errs.Add("rrule", "unsupported", "the part %s is not supported; give only %s",
				expense.QuoteText(name), strings.Join(rruleParts[:], ", "))
		}
		parts[name] = value
	}
	return parts
}

// parseSkip sets OnMissing. If every month has the rule's day, it stays ClampToMonthEnd, so that rules with the same
// dates are equal.
func (r *Rule) parseSkip(errs *expense.ValidationErrors, parts map[string]string) {
	scale, scaled := parts["RSCALE"]
	if scaled && scale != "GREGORIAN" {
		errs.Add("rrule", "unsupported", "the scale %s is not supported; give GREGORIAN", expense.QuoteText(scale))
	}
	skip, given := parts["SKIP"]
	switch {
	case given && !scaled:
		errs.Add("rrule", "malformed", "the part %s needs RSCALE=GREGORIAN (RFC 7529); add it",
			expense.QuoteText("SKIP="+skip))
	case given && skip != "OMIT" && skip != "BACKWARD":
		errs.Add("rrule", "unsupported",
			"the part %s is not supported; give OMIT or BACKWARD", expense.QuoteText("SKIP="+skip))
	case skip != "BACKWARD" && r.mayLackDay():
		r.OnMissing = SkipMonth
	}
}

// parseBasicDate parses a date of the form YYYYMMDD.
func parseBasicDate(text string) (expense.Date, error) {
	if len(text) != 8 {
		return expense.Date{}, fmt.Errorf("%q does not have eight digits: %w", text, expense.ErrInvalid)
	}
	return expense.ParseDate(text[:4] + "-" + text[4:6] + "-" + text[6:])
}
