package wire_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/wire"
)

// AppendLine writes the same bytes as encoding/json.
func TestExpense_AppendLine(t *testing.T) {
	type backupLine struct {
		Type string `json:"type"`
		wire.Expense
		Version *int `json:"version,omitempty"`
	}
	rapid.Check(t, func(t *rapid.T) {
		special := rapid.SampledFrom([]rune("a\"\\<&>\u2028\x00\x7f\n é漢"))
		text := rapid.OneOf(rapid.String(), rapid.StringOf(special), rapid.Just("\xff"))
		optional := func(name string) *string {
			if rapid.Bool().Draw(t, name+" is null") {
				return nil
			}
			return new(text.Draw(t, name))
		}
		instant := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, "instant")).UTC()
		e := wire.Expense{
			ID: uuid.New(), Amount: "12.50", Currency: "EUR", Date: "2026-03-01", CategoryID: uuid.New(),
			Notes:      text.Draw(t, "notes"),
			Occurrence: optional("occurrence"), Rate: optional("rate"), RateDate: optional("rate_date"),
			RateSource: optional("rate_source"), HomeAmount: optional("home_amount"), HomeCurrency: "USD",
			Pending: rapid.Bool().Draw(t, "pending"), Version: expense.Version(rapid.Int64Min(1).Draw(t, "version")),
			CreatedAt: instant, UpdatedAt: instant.Add(time.Hour),
		}
		if rapid.Bool().Draw(t, "has a rule") {
			e.RuleID = new(uuid.New())
		}
		for _, test := range []struct {
			lineType string
			value    any
		}{{"", e}, {"expense", backupLine{Type: "expense", Expense: e}}} {
			var want bytes.Buffer
			encoder := json.NewEncoder(&want)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(test.value); err != nil {
				t.Fatal(err)
			}
			if got := e.AppendLine(nil, test.lineType); !bytes.Equal(got, want.Bytes()) {
				t.Fatalf("got  %s\nwant %s", got, want.Bytes())
			}
		}
	})
}
