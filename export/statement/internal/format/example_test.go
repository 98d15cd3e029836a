package format_test

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spendwise/spendwise/export/statement/internal/format"
)

func Example() {
	records := format.NewQIF(strings.NewReader("!Type:Bank\nD03/02/2026\nT-3.20\nPCafé\n^\n"))
	for {
		record, err := records.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("line %d: %q\n", record.Line, record.Fields)
	}
	// Output:
	// line 1: ["Date" "Amount" "Currency" "Payee" "Memo" "Category" "ID" "Status"]
	// line 2: ["03/02/2026" "-3.20" "" "Café" "" "" "" ""]
}
