package recurrence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
)

var (
	freqNames      = [...]string{Daily: "daily", Weekly: "weekly", Monthly: "monthly", Yearly: "yearly"}
	onMissingNames = [...]string{ClampToMonthEnd: "clamp", SkipMonth: "skip"}
	weekdayNames   = [...]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
)

// ParseFreq parses "daily", "weekly", "monthly" or "yearly". The error is ErrInvalid.
func ParseFreq(text string) (Freq, error) {
	for i, name := range freqNames {
		if name == text && name != "" {
			return Freq(i), nil
		}
	}
	return 0, invalid("unknown_value", "frequency %s is unknown; give daily, weekly, monthly or yearly",
		expense.QuoteText(text))
}

// String returns the name of the frequency, or "" for an unknown one.
func (f Freq) String() string {
	if int(f) >= len(freqNames) {
		return ""
	}
	return freqNames[f]
}

// ParseOnMissing parses "clamp" or "skip". The error is ErrInvalid.
func ParseOnMissing(text string) (OnMissing, error) {
	for i, name := range onMissingNames {
		if name == text {
			return OnMissing(i), nil
		}
	}
	return 0, invalid("unknown_value", "the value %s of on_missing is unknown; give clamp or skip",
		expense.QuoteText(text))
}

// String returns "clamp" or "skip", or "" for an unknown value.
func (o OnMissing) String() string {
	if int(o) >= len(onMissingNames) {
		return ""
	}
	return onMissingNames[o]
}

// ParseWeekdays parses the names "mon" to "sun". The error is ErrInvalid and lists each unknown name under the field
// "weekdays/" with its index.
func ParseWeekdays(names []string) (Weekdays, error) {
	var errs expense.ValidationErrors
	var days Weekdays
	for i, name := range names {
		day := slices.Index(weekdayNames[:], name)
		if day < 0 {
			errs.Add("weekdays/"+strconv.Itoa(i), "unknown_value", "weekday %s is unknown; give one of %s",
				expense.QuoteText(name), strings.Join(weekdayNames[:], ", "))
			continue
		}
		days |= 1 << day
	}
	if err := errs.Err(); err != nil {
		return 0, err
	}
	return days, nil
}

// Has reports whether the set contains day.
func (w Weekdays) Has(day time.Weekday) bool { return w&(1<<((day+6)%7)) != 0 }

// Names returns the names of the weekdays, from Monday on.
func (w Weekdays) Names() []string {
	names := make([]string, 0, len(weekdayNames))
	for i, name := range weekdayNames {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// parseMonthDay parses a number from 1 to 31 or "last". An empty text is 0, the day of the start. The error is
// ErrInvalid.
func parseMonthDay(text string) (int, error) {
	switch text {
	case "":
		return 0, nil
	case "last":
		return LastDay, nil
	}
	day, err := strconv.Atoi(text)
	if err != nil || day < 1 || day > 31 {
		return 0, invalid("out_of_range", "day of the month %.40s is out of range; give a number from 1 to 31, or last",
			text)
	}
	return day, nil
}

func invalid(code, detail string, args ...any) error {
	return &expense.InvalidError{Code: code, Detail: fmt.Sprintf(detail, args...)}
}
