package recurrence

import (
	"iter"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// Occurrences yields the dates of the rule between from and to, both included, in ascending order. If from is zero, it
// begins at the start of the rule. If to is zero, it ends at the end of the rule or of the calendar. The dates depend
// only on the fields from Freq to Count, so posted, skipped and paused occurrences are included. Occurrences does not
// iterate over the dates before from.
func (r Rule) Occurrences(from, to expense.Date) iter.Seq[expense.Date] {
	return func(yield func(expense.Date) bool) {
		if r.Start.IsZero() {
			return
		}
		if to.IsZero() || !r.Until.IsZero() && r.Until.Before(to) {
			to = r.Until
		}
		s := r.slots()
		slot := s.slotNear(from)
		for count := s.occurrencesBefore(slot); r.Count == 0 || count < r.Count; slot++ {
			date, occurs := s.date(slot)
			if date.IsZero() || !to.IsZero() && date.After(to) {
				return
			}
			if !occurs {
				continue
			}
			count++
			if !date.Before(from) && !yield(date) {
				return
			}
		}
	}
}

// NextAfter returns the first occurrence after day, or the first of all for the zero Date. It returns the zero Date if
// there is none.
func (r Rule) NextAfter(day expense.Date) expense.Date {
	from := day.AddDays(1)
	if from.IsZero() && !day.IsZero() {
		return expense.Date{} // day is the last day of the calendar
	}
	for date := range r.Occurrences(from, expense.Date{}) {
		return date
	}
	return expense.Date{}
}

// slots numbers the candidate dates of a rule from 0. So the date of a slot, and the slot near a date, can be computed
// without iterating over the slots before it. A daily rule has a slot for each interval of days, a weekly rule one for
// each of its weekdays in each interval of weeks, and a monthly or yearly rule one for each interval of months. A slot
// is not an occurrence if it is before the start, or if its month does not have the day and is skipped.
type slots struct {
	start       expense.Date
	step        int // days, weeks or months of an interval
	monthly     bool
	skip        bool
	day         int          // monthly: the day of the month; beyondMonth for the last day
	monday      expense.Date // weekly: the Monday of the start's week
	offsets     [7]int       // weekly: the weekdays, as days after Monday
	width       int          // weekly: the number of weekdays; 0 for other rules
	beforeStart int          // the number of slots before the start
}

// beyondMonth is a day that no month has.
const beyondMonth = 32

func (r Rule) slots() slots {
	s := slots{start: r.Start, step: min(max(r.Interval, 1), MaxInterval)}
	switch r.Freq {
	case Daily:
	case Weekly:
		s.monday = r.Start.WeekStart()
		first := r.Start.Sub(s.monday)
		for offset := range 7 {
			if r.Weekdays&(1<<offset) == 0 && (r.Weekdays&(1<<7-1) != 0 || offset != first) {
				continue
			}
			s.offsets[s.width] = offset
			s.width++
			if offset < first {
				s.beforeStart++
			}
		}
	case Monthly, Yearly:
		s.monthly, s.day, s.skip = true, r.Start.Day(), r.OnMissing == SkipMonth
		if r.Freq == Yearly {
			s.step *= 12
		} else if r.MonthDay == LastDay {
			s.day, s.skip = beyondMonth, false
		} else if r.MonthDay > 0 {
			s.day = r.MonthDay
		}
		if _, occurs := s.date(0); !occurs {
			s.beforeStart = s.slotsWithDate(1)
		}
	}
	return s
}

// date returns the date of a slot, and whether it is an occurrence. The date of a skipped month is its last day. The
// date of a slot beyond the calendar is zero.
func (s *slots) date(slot int) (expense.Date, bool) {
	var date expense.Date
	switch {
	case s.monthly:
		month := s.start.Month().Add(slot * s.step)
		if month.IsZero() {
			return expense.Date{}, false
		}
		days := month.Days()
		if s.skip && s.day > days {
			return month.Last(), false
		}
		date = month.First().AddDays(min(s.day, days) - 1)
	case s.width > 0:
		date = s.monday.AddDays(7*s.step*(slot/s.width) + s.offsets[slot%s.width])
	default:
		date = s.start.AddDays(slot * s.step)
	}
	return date, !date.Before(s.start)
}

// slotNear returns a slot that is not after the first slot on or after day, and at most one interval before it.
func (s *slots) slotNear(day expense.Date) int {
	if !day.After(s.start) {
		return 0
	}
	switch {
	case s.monthly:
		return day.Month().Sub(s.start.Month()) / s.step
	case s.width > 0:
		return day.Sub(s.monday) / (7 * s.step) * s.width
	default:
		return day.Sub(s.start) / s.step
	}
}

// occurrencesBefore returns the number of occurrences in the slots before slot.
func (s *slots) occurrencesBefore(slot int) int {
	return s.slotsWithDate(slot) - min(slot, s.beforeStart)
}

// slotsWithDate returns how many of the first n slots have a date, that is, are not in a skipped month. The months of
// the slots repeat after a cycle, so it counts each month of the cycle once and multiplies. Only 29 February depends
// on the year.
func (s *slots) slotsWithDate(n int) int {
	if !s.monthly || !s.skip || s.day <= 28 {
		return n
	}
	cycle := 12 / gcd(s.step, 12)
	years := cycle * s.step / 12
	count := 0
	for slot := range min(n, cycle) {
		month := s.start.Month().Add(slot * s.step)
		times := (n - slot + cycle - 1) / cycle
		switch {
		case month.MonthOfYear() != time.February:
			if s.day <= month.Days() {
				count += times
			}
		case s.day == 29:
			count += multiples(month.Year(), years, 4, times) - multiples(month.Year(), years, 100, times) +
				multiples(month.Year(), years, 400, times)
		}
	}
	return count
}

// multiples returns how many of the n numbers first, first+step, first+2·step … are multiples of m.
func multiples(first, step, m, n int) int {
	period := m / gcd(step, m)
	for i := range min(period, n) {
		if (first+i*step)%m == 0 {
			return (n-1-i)/period + 1
		}
	}
	return 0
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
