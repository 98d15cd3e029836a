// Package recurrence says when an expense comes again: rules, and the civil dates of their occurrences.
package recurrence

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A Rule is a recurring expense: what is spent, and on which civil dates.
type Rule struct {
	ID         uuid.UUID
	Amount     expense.Money
	CategoryID uuid.UUID
	Notes      string

	Freq      Freq
	Interval  int          // every so many days, weeks, months or years; at least 1
	Weekdays  Weekdays     // weekly: on these days; none: on the start's
	MonthDay  int          // monthly: 1 to 31, or LastDay; 0: the start's
	OnMissing OnMissing    // what a month does that lacks the day
	Start     expense.Date // the anchor
	Until     expense.Date // the last day an occurrence may have; zero: no end
	Count     int          // how many occurrences there are; 0: no limit. Not together with Until

	Paused    bool
	Next      expense.Date // the first occurrence that is not posted yet; zero: there is none
	Version   expense.Version
	Guard     expense.Version // of the last change of anything but Notes, Paused and Next; set by the store
	CreatedAt time.Time       // UTC, whole microseconds
	UpdatedAt time.Time       // UTC, whole microseconds
}

// A Freq is the unit that a rule's interval counts.
type Freq uint8

// The frequencies.
const (
	Daily Freq = iota + 1
	Weekly
	Monthly
	Yearly
)

// Weekdays is a set of days of the week: bit 0 is Monday, bit 6 Sunday.
type Weekdays uint8

// LastDay is the MonthDay of a rule that falls on the last day of each month.
const LastDay = -1

// OnMissing says what happens in a month that lacks the rule's day.
type OnMissing uint8

// What a month does that lacks the day.
const (
	Clamp OnMissing = iota // the month's last day instead
	Skip                   // no occurrence in that month
)

// SameGuarded reports whether everything of r but Notes, Paused and Next is as in other; versions and times are no part of it.
func (r Rule) SameGuarded(other Rule) bool {
	return r.unguarded() == other.unguarded()
}

func (r Rule) unguarded() Rule {
	r.Notes, r.Paused, r.Next = "", false, expense.Date{}
	r.Version, r.Guard, r.CreatedAt, r.UpdatedAt = 0, 0, time.Time{}, time.Time{}
	return r
}

// Reader is what the use cases of this package read of one owner's ledger.
type Reader interface {
	// Rule returns one rule; ErrNotFound if there never was such a one, ErrGone if it was deleted.
	Rule(ctx context.Context, id uuid.UUID) (Rule, error)

	// Rules returns all rules, ordered by id, byte by byte.
	Rules(ctx context.Context) ([]Rule, error)
}

// Tx is what the use cases of this package do to one owner's ledger, under the promises of [expense.Tx].
type Tx interface {
	expense.Tx
	Reader

	// PutRules writes rules; a reference to a category that the ledger does not hold is an error that dooms the Update.
	PutRules(ctx context.Context, rules ...Rule) (expense.Version, error)

	// DeleteRule leaves a tombstone; expenses that the rule posted stay and keep its id.
	DeleteRule(ctx context.Context, id uuid.UUID) (expense.Version, error)
}
