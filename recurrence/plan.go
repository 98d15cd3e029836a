package recurrence

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// A PlannedOccurrence is an occurrence of a rule that is not posted yet.
type PlannedOccurrence struct {
	Rule Rule
	Date expense.Date
}

// Plan returns the occurrences that the rules will post on the given dates, ordered by date and then by the bytes of
// the rules' ids. It leaves out paused rules, skipped occurrences, and occurrences whose expense exists already or was
// deleted: a device may have added it in advance.
func Plan(ctx context.Context, r expense.Reader, rules []Rule, dates expense.Range) ([]PlannedOccurrence, error) {
	var planned []PlannedOccurrence
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
				planned = append(planned, PlannedOccurrence{Rule: rule, Date: date})
			}
		}
	}
	known := make(map[uuid.UUID]bool)
	for chunk := range slices.Chunk(planned, MaxBatch) {
		ids := make([]uuid.UUID, len(chunk))
		for i, p := range chunk {
			ids[i] = expense.OccurrenceID(p.Rule.ID, p.Date)
		}
		found, err := r.KnownExpenseIDs(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("expenses of planned occurrences: %w", err)
		}
		for _, id := range found {
			known[id] = true
		}
	}
	planned = slices.DeleteFunc(planned, func(p PlannedOccurrence) bool {
		return known[expense.OccurrenceID(p.Rule.ID, p.Date)]
	})
	slices.SortFunc(planned, func(a, b PlannedOccurrence) int {
		return cmp.Or(a.Date.Compare(b.Date), bytes.Compare(a.Rule.ID[:], b.Rule.ID[:]))
	})
	return planned, nil
}
