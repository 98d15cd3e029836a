package sqlstore

import (
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// DueOwners is the statement that finds owners with due rules.
const DueOwners = dueOwners

// TotalsText returns the statement of a TotalsQuery and its arguments.
func TotalsText(owner expense.OwnerID, query expense.TotalsQuery) (string, []any) {
	return totalsOf(string(owner), query)
}

// ExtremesText returns the statement that reads the first expenses by amount, and its arguments.
func ExtremesText(owner expense.OwnerID, span expense.Range, sort expense.Sort, limit int) (string, []any) {
	return extremesOf(string(owner), span, sort, limit)
}

// FeedTexts returns the statements that read a page of the change feed, and the arguments of each.
func FeedTexts(owner expense.OwnerID, query store.ChangeQuery) (texts []string, args [][]any) {
	for _, part := range feedOf(string(owner), query) {
		texts, args = append(texts, part.text), append(args, part.args)
	}
	return texts, args
}
