package format

import (
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// Columns are the columns of OFX, QIF, MT940 and CAMT. Amounts have a point as decimal sign, and money that goes
// out is negative; only QIF files may differ.
var Columns = []string{"Date", "Amount", "Currency", "Payee", "Memo", "Category", "ID", "Status"}

// A booking is one transaction of a format that is not a table.
type booking struct {
	line                                                      int
	date, amount, currency, payee, memo, category, id, status string
}

func (b *booking) record() Record {
	return Record{Line: b.line, Fields: []string{b.date, b.amount, b.currency, b.payee, b.memo, b.category, b.id,
		b.status}}
}

// maxText is the maximum length of one element of a format that is not a table, in bytes. The rest is cut off.
const maxText = 4096

// appendText appends a part to a text, separated by a blank, as far as maxText allows.
func appendText(text *string, part string) {
	if part = strings.Join(strings.Fields(part), " "); part == "" || len(*text)+len(part) >= maxText {
		return
	}
	if *text != "" {
		*text += " "
	}
	*text += part
}

// Broken returns a record with a fault.
func Broken(line int, code, detail string) Record {
	return Record{Line: line, Fault: &expense.InvalidError{Code: code, Detail: detail}}
}

// header returns the record with the names of the columns.
func bookingHeader() Record { return Record{Line: 1, Fields: Columns} }
