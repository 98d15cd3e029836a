package store

import "fmt"

// A Guarantee names a property that every ledger must have.
type Guarantee string

// The guarantees.
const (
	GuaranteeTotals Guarantee = "totals" // totals equal the sums over the expenses
	// the change feed has each row once, in order, at a version that is not discarded
	GuaranteeVersions   Guarantee = "versions"
	GuaranteeIDs        Guarantee = "ids"        // the id of an occurrence's expense is derived from its rule and date
	GuaranteeReferences Guarantee = "references" // rows refer to existing rows
	GuaranteeConversion Guarantee = "conversion" // a home amount is the amount times the stored rate, rounded once
	GuaranteeRows       Guarantee = "rows"       // rows pass the validation of the use cases
)

// A Deviation is a place where a ledger breaks a guarantee.
type Deviation struct {
	Guarantee Guarantee
	Subject   string // the row or total concerned, for example "expense 0198…"
	Detail    string
}

// String returns the deviation as one line.
func (d Deviation) String() string {
	return fmt.Sprintf("%s: %s: %s", d.Guarantee, d.Subject, d.Detail)
}
