package sqlstore

import (
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// DueOwners is the statement that finds whose rules are due.
const DueOwners = dueOwners

// TotalsText is the statement that a TotalsQuery runs.
func TotalsText(owner expense.OwnerID, query expense.TotalsQuery) (string, []any) {
	return totalsOf(string(owner), query)
}

// ExtremesText is the statement that reads the first few by amount.
func ExtremesText(owner expense.OwnerID, span expense.Range, sort expense.Sort, limit int) (string, []any) {
	return extremesOf(string(owner), span, sort, limit)
}

// FeedTexts are the statements that read a part of the feed, and what each is given.
func FeedTexts(owner expense.OwnerID, query store.ChangeQuery) (texts []string, args [][]any) {
	for _, part := range feedOf(string(owner), query) {
		texts, args = append(texts, part.text), append(args, part.args)
	}
	return texts, args
}
