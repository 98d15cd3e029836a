package sqlstore

import "github.com/spendwise/spendwise/expense"

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
