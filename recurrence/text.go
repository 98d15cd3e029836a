package recurrence

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
)

var (
	freqWords    = [...]string{Daily: "daily", Weekly: "weekly", Monthly: "monthly", Yearly: "yearly"}
	missingWords = [...]string{ClampToMonthEnd: "clamp", SkipMonth: "skip"}
	weekdayWords = [...]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
)

// ParseFreq reads daily, weekly, monthly or yearly. The error is ErrInvalid.
func ParseFreq(text string) (Freq, error) {
	for i, word := range freqWords {
		if word == text && word != "" {
			return Freq(i), nil
		}
	}
	return 0, invalid("unknown_value", "a frequency is daily, weekly, monthly or yearly, not %.40q", text)
}

// String returns the frequency's word, or "" for none.
func (f Freq) String() string {
	if int(f) >= len(freqWords) {
		return ""
	}
	return freqWords[f]
}

// ParseOnMissing reads clamp or skip. The error is ErrInvalid.
func ParseOnMissing(text string) (OnMissing, error) {
	for i, word := range missingWords {
		if word == text {
			return OnMissing(i), nil
		}
	}
	return 0, invalid("unknown_value", "a month that lacks the day is treated by clamp or skip, not %.40q", text)
}

// String returns clamp or skip.
func (o OnMissing) String() string {
	if int(o) >= len(missingWords) {
		return ""
	}
	return missingWords[o]
}

// ParseWeekdays reads names of days from mon to sun. The error is ErrInvalid.
func ParseWeekdays(names []string) (Weekdays, error) {
	var days Weekdays
	for _, name := range names {
		found := false
		for i, word := range weekdayWords {
			if word == name {
				found, days = true, days|1<<i
			}
		}
		if !found {
			return 0, invalid("unknown_value", "a weekday is one of %s, not %.40q", strings.Join(weekdayWords[:], ", "), name)
		}
	}
	return days, nil
}

// Has reports whether day is one of the weekdays.
func (w Weekdays) Has(day time.Weekday) bool { return w&(1<<((day+6)%7)) != 0 }

// Names returns the weekdays' names, Monday's first.
func (w Weekdays) Names() []string {
	names := make([]string, 0, len(weekdayWords))
	for i, word := range weekdayWords {
		if w&(1<<i) != 0 {
			names = append(names, word)
		}
	}
	return names
}

// parseMonthDay reads a day from 1 to 31, or last; an empty text is the start's day. The error is ErrInvalid.
func parseMonthDay(text string) (int, error) {
	switch text {
	case "":
		return 0, nil
	case "last":
		return LastDay, nil
	}
	day, err := strconv.Atoi(text)
	if err != nil || day < 1 || day > 31 {
		return 0, invalid("out_of_range", "a day of the month is a number from 1 to 31, or \"last\", not %.40s", text)
	}
	return day, nil
}

func invalid(code, detail string, args ...any) error {
	return &expense.InvalidError{Code: code, Detail: fmt.Sprintf(detail, args...)}
}
