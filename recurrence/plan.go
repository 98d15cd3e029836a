package recurrence

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/spendwise/spendwise/expense"
)

// A Planned is an occurrence that is still to come.
type Planned struct {
	Rule Rule
	Date expense.Date
}

// Plan returns what rules will still post on some days: their occurrences from each rule's Next on, in order of their dates and
// then of the rules' ids. A paused rule plans nothing.
func Plan(rules []Rule, dates expense.Range) []Planned {
	var planned []Planned
	for _, rule := range rules {
		if rule.Paused || rule.Next.IsZero() {
			continue
		}
		from := dates.From
		if rule.Next.After(from) {
			from = rule.Next
		}
		for date := range rule.Occurrences(from, dates.To) {
			if !rule.Skipped.Contains(date) {
				planned = append(planned, Planned{Rule: rule, Date: date})
			}
		}
	}
	slices.SortFunc(planned, func(a, b Planned) int {
		return cmp.Or(a.Date.Compare(b.Date), bytes.Compare(a.Rule.ID[:], b.Rule.ID[:]))
	})
	return planned
}
