package recurrence

import (
	"iter"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// Occurrences yields the civil dates of the rule from one day to another, both included, in order; a zero from is the start,
// a zero to the end of the rule or of the calendar. Nothing but the rule decides them, so a paused rule has them too, and the
// k-th does not depend on the one before. Any day is reached at once, whatever lies between it and the start.
func (r Rule) Occurrences(from, to expense.Date) iter.Seq[expense.Date] {
	return func(yield func(expense.Date) bool) {
		if r.Start.IsZero() {
			return
		}
		if to.IsZero() || !r.Until.IsZero() && r.Until.Before(to) {
			to = r.Until
		}
		s := r.series()
		slot := s.find(from)
		for index := s.before(slot); r.Count == 0 || index < r.Count; slot++ {
			date, falls := s.at(slot)
			if date.IsZero() || !to.IsZero() && date.After(to) {
				return
			}
			if !falls {
				continue
			}
			index++
			if !date.Before(from) && !yield(date) {
				return
			}
		}
	}
}

// NextAfter returns the first occurrence after a day, or after the zero Date the first of all; the zero Date if there is none.
func (r Rule) NextAfter(day expense.Date) expense.Date {
	from := day.AddDays(1)
	if from.IsZero() && !day.IsZero() {
		return expense.Date{} // day is the calendar's last
	}
	for date := range r.Occurrences(from, expense.Date{}) {
		return date
	}
	return expense.Date{}
}

// A series is a rule as a row of slots, from 0 on, one for each date on which it might fall: a day, one of a week's
// weekdays, or a month. A year is twelve months.
type series struct {
	start   expense.Date
	step    int // days, weeks or months from one slot, or one week's slots, to the next
	monthly bool
	skip    bool
	day     int          // monthly: the day, or one beyond every month's for the last
	monday  expense.Date // weekly: the Monday of the start's week
	offsets [7]int       // weekly: the weekdays, as days after Monday
	width   int          // weekly: how many weekdays
	late    int          // how many of the first slots come before the start
}

// beyond is a day that every month lacks.
const beyond = 32

func (r Rule) series() series {
	s := series{start: r.Start, step: min(max(r.Interval, 1), MaxInterval)}
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
				s.late++
			}
		}
	case Monthly, Yearly:
		s.monthly, s.day, s.skip = true, r.Start.Day(), r.OnMissing == SkipMonth
		if r.Freq == Yearly {
			s.step *= 12
		} else if r.MonthDay == LastDay {
			s.day, s.skip = beyond, false
		} else if r.MonthDay > 0 {
			s.day = r.MonthDay
		}
		if _, falls := s.at(0); !falls {
			s.late = s.monthsWith(1)
		}
	}
	return s
}

// at returns the date of a slot, and whether the rule falls on it: it does not before the start, nor in a month that is skipped,
// for which the date is the month's last. Beyond the calendar the date is zero.
func (s *series) at(slot int) (expense.Date, bool) {
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

// find returns a slot on or before the first that is not before a day, and at most a week's slots away from it.
func (s *series) find(day expense.Date) int {
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

// before returns on how many of the slots before one the rule falls.
func (s *series) before(slot int) int {
	return s.monthsWith(slot) - min(slot, s.late)
}

// monthsWith returns how many of the first n slots have a date; those of months that lack the day have none.
func (s *series) monthsWith(n int) int {
	if !s.monthly || !s.skip || s.day <= 28 {
		return n
	}
	// After so many slots the months of the year repeat, so many years later.
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

// multiples counts the multiples of m among the first n of first, first+step, first+2·step …
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
