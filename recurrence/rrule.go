package recurrence

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// maxRRule is how many bytes an RRULE has at most.
const maxRRule = 256

// weekdayCodes are RFC 5545's names of the days, Monday first.
var weekdayCodes = [...]string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}

// freqNames are RFC 5545's names of the frequencies.
var freqNames = [...]string{Daily: "DAILY", Weekly: "WEEKLY", Monthly: "MONTHLY", Yearly: "YEARLY"}

// RRULE returns when the rule falls as the value of an RFC 5545 RRULE, whose DTSTART is the rule's start. A rule that clamps a
// day which a month may lack says so by RFC 7529: RSCALE=GREGORIAN and SKIP=BACKWARD. The rule must be valid.
func (r Rule) RRULE() string {
	var b strings.Builder
	clamps := r.OnMissing == ClampToMonthEnd && r.mayMiss()
	if clamps {
		b.WriteString("RSCALE=GREGORIAN;")
	}
	b.WriteString("FREQ=" + freqNames[r.Freq])
	if r.Interval != 1 {
		fmt.Fprintf(&b, ";INTERVAL=%d", r.Interval)
	}
	if r.Weekdays != 0 {
		separator := ";BYDAY="
		for i, code := range weekdayCodes {
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

// mayMiss reports whether the rule's day is one that a month of the rule may lack.
func (r Rule) mayMiss() bool {
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

// ParseRRULE reads the value of an RRULE, with or without its name before it, and returns a rule that starts on start and falls
// on the same dates. What it reads is what [Rule.RRULE] writes: of RFC 5545 FREQ from DAILY to YEARLY, INTERVAL, BYDAY with
// WEEKLY, one BYMONTHDAY with MONTHLY, UNTIL as a date, COUNT and WKST; of RFC 7529 RSCALE=GREGORIAN with SKIP=OMIT, which
// is also meant when it is not given, or BACKWARD. The error is ErrInvalid and lists every fault.
func ParseRRULE(text string, start expense.Date) (Rule, error) {
	var faults expense.ValidationErrors
	r := Rule{Start: start, Interval: 1}
	parts := splitRRULE(&faults, text)
	if parts == nil {
		return Rule{}, faults.Err()
	}
	malformed := func(name, form string) {
		faults.Add("rrule", "malformed", "%s=%.40s is not %s", name, parts[name], form)
	}
	for i, name := range freqNames {
		if name != "" && name == parts["FREQ"] {
			r.Freq = Freq(i)
		}
	}
	if r.Freq == 0 && (parts["FREQ"] != "" || faults.Err() == nil) {
		faults.Add("rrule", "unsupported", "a rule has a FREQ of DAILY, WEEKLY, MONTHLY or YEARLY")
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
			day := weekday(code)
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
			malformed("UNTIL", "a date of the calendar, YYYYMMDD without a time, as the start is")
		}
		r.Until = until
	}
	if value, given := parts["WKST"]; given && (weekday(value) < 0 || value != "MO" && r.Freq == Weekly && r.Interval > 1) {
		faults.Add("rrule", "unsupported", "WKST=%.40s is not supported: weeks begin on Monday", value)
	}
	r.readSkip(&faults, parts)
	if r.Freq != 0 { // without one, nothing else can be judged
		var found expense.ValidationErrors
		r.validateDates(&found)
		takeNew(&faults, found.Err())
	}
	if err := faults.Err(); err != nil {
		return Rule{}, err
	}
	return r, nil
}

// splitRRULE returns the parts of an RRULE by their names, all in capitals.
func splitRRULE(faults *expense.ValidationErrors, text string) map[string]string {
	if len(text) > maxRRule {
		faults.Add("rrule", "too_long", "an RRULE has at most %d bytes", maxRRule)
		return nil
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.ToUpper(text), "RRULE:"), ";") {
		name, value, _ := strings.Cut(part, "=")
		_, twice := parts[name]
		switch {
		case name == "" || value == "":
			faults.Add("rrule", "malformed", "%.40q is no part of an RRULE such as FREQ=MONTHLY;BYMONTHDAY=31", part)
		case twice:
			faults.Add("rrule", "malformed", "%.40s is there twice", name)
		case !isRRULEPart(name):
			faults.Add("rrule", "unsupported", "%.40s is not supported", name)
		}
		parts[name] = value
	}
	return parts
}

func isRRULEPart(name string) bool {
	switch name {
	case "FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "UNTIL", "COUNT", "WKST", "RSCALE", "SKIP":
		return true
	}
	return false
}

// readSkip reads what a month does that lacks the day. Where none can, a rule clamps, so that equal rules are equal values.
func (r *Rule) readSkip(faults *expense.ValidationErrors, parts map[string]string) {
	scale, scaled := parts["RSCALE"]
	if scaled && scale != "GREGORIAN" {
		faults.Add("rrule", "unsupported", "RSCALE=%.40s is not supported: the calendar is GREGORIAN", scale)
	}
	skip, given := parts["SKIP"]
	switch {
	case given && !scaled:
		faults.Add("rrule", "malformed", "SKIP goes with RSCALE=GREGORIAN (RFC 7529)")
	case given && skip != "OMIT" && skip != "BACKWARD":
		faults.Add("rrule", "unsupported", "SKIP=%.40s is not supported: a month that lacks the day has none (OMIT), or its last (BACKWARD)", skip)
	case skip != "BACKWARD" && r.mayMiss():
		r.OnMissing = SkipMonth
	}
}

// weekday returns the place of a day in the week, Monday 0; -1 if the code names none.
func weekday(code string) int {
	for i, known := range weekdayCodes {
		if known == code {
			return i
		}
	}
	return -1
}

// parseBasicDate reads YYYYMMDD.
func parseBasicDate(text string) (expense.Date, error) {
	if len(text) != 8 {
		return expense.Date{}, fmt.Errorf("%q has not eight digits: %w", text, expense.ErrInvalid)
	}
	return expense.ParseDate(text[:4] + "-" + text[4:6] + "-" + text[6:])
}
