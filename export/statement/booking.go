package statement

import (
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// bookingColumns are the columns of OFX, QIF, MT940 and CAMT. Amounts have a point as decimal sign, and money that goes
// out is negative; only QIF files may differ.
var bookingColumns = []string{"Date", "Amount", "Currency", "Payee", "Memo", "Category", "ID", "Status"}

// A booking is one transaction of a format that is not a table.
type booking struct {
	line                                                      int
	date, amount, currency, payee, memo, category, id, status string
}

func (b *booking) record() record {
	return record{line: b.line, fields: []string{b.date, b.amount, b.currency, b.payee, b.memo, b.category, b.id,
		b.status}}
}

// bookingMapping is the mapping of bookingColumns. Dates are YYYY-MM-DD; for QIF, the inspector detects them.
func bookingMapping(format Format) Mapping {
	m := Mapping{
		Format: format, HeaderLine: new(1),
		Date:     DateColumn{Column: "Date", Layout: "YYYY-MM-DD"},
		Amount:   AmountColumn{Column: "Amount", Decimal: "."},
		Sign:     Sign{Expense: "negative"},
		Currency: Source{Column: "Currency"},
		Notes:    Columns{Columns: []string{"Payee", "Memo"}},
		ID:       Column{Column: "ID"},
		Except:   Choice{Column: "Status", Equals: []string{"pending", "transfer"}},
	}
	if format == QIF {
		m.Date.Layout, m.Amount.Decimal = "", ""
		m.Currency, m.ID = Source{}, Column{}
		m.Category = Source{Column: "Category"}
	}
	return m
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

// broken returns a record with a fault.
func broken(line int, code, detail string) record {
	return record{line: line, fault: &expense.InvalidError{Code: code, Detail: detail}}
}

// header returns the record with the names of the columns.
func bookingHeader() record { return record{line: 1, fields: bookingColumns} }
