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
	ids := make([]uuid.UUID, len(planned))
	for i, p := range planned {
		ids[i] = expense.OccurrenceID(p.Rule.ID, p.Date)
	}
	known, err := knownIDs(ctx, r, ids)
	if err != nil {
		return nil, fmt.Errorf("expenses of planned occurrences: %w", err)
	}
	planned = slices.DeleteFunc(planned, func(p PlannedOccurrence) bool {
		return known[expense.OccurrenceID(p.Rule.ID, p.Date)]
	})
	slices.SortFunc(planned, func(a, b PlannedOccurrence) int {
		return cmp.Or(a.Date.Compare(b.Date), bytes.Compare(a.Rule.ID[:], b.Rule.ID[:]))
	})
	return planned, nil
}

// knownIDs returns those of ids that belong to an expense or to the tombstone of one. One query has at most MaxBatch
// ids.
func knownIDs(ctx context.Context, r expense.Reader, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	known := make(map[uuid.UUID]bool)
	for chunk := range slices.Chunk(ids, MaxBatch) {
		found, err := r.KnownExpenseIDs(ctx, chunk...)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			known[id] = true
		}
	}
	return known, nil
}
