package statement_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement"
)

// fuzzFile checks that a file is inspected or refused with an ErrInvalid, and that the rows are consistent.
func fuzzFile(t *testing.T, text []byte, m statement.Mapping) {
	t.Helper()
	in, err := statement.Inspect(t.Context(), bytes.NewReader(text), m, euro)
	if err != nil {
		if !errors.Is(err, expense.ErrInvalid) {
			t.Fatalf("Inspect: %v", err)
		}
		return
	}
	for _, row := range in.Rows {
		switch {
		case row.Status == statement.Failed && len(row.Failures) == 0, row.Status == statement.Ignored && row.Reason == "",
			row.Status == statement.Add && (row.Date.IsZero() || row.Amount.IsZero() || len(row.Failures) > 0):
			t.Fatalf("inconsistent row %+v", row)
		}
	}
	proposed, err := json.Marshal(answer(t, in, nil))
	if err != nil {
		t.Fatal(err)
	}
	again, err := statement.ParseMapping(proposed)
	if err != nil {
		t.Fatalf("the proposed mapping %s is invalid: %v", proposed, err)
	}
	if in, err := statement.Inspect(t.Context(), bytes.NewReader(text), again, euro); err == nil && len(in.Questions) > 0 {
		t.Fatalf("the answered mapping %s leaves questions %+v", proposed, in.Questions)
	}
}

func FuzzInspect(f *testing.F) {
	files, err := filepath.Glob("testdata/samples/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) { fuzzFile(t, text, statement.Mapping{}) })
}

// fuzzParser fuzzes the parser of a format: what the format begins with stands before each input.
func fuzzParser(f *testing.F, start, seed string) {
	f.Helper()
	f.Add([]byte(strings.TrimPrefix(sampleText(f, seed), start)))
	f.Fuzz(func(t *testing.T, text []byte) { fuzzFile(t, append([]byte(start), text...), statement.Mapping{}) })
}

func FuzzOFX(f *testing.F)   { fuzzParser(f, "<OFX>", "bank.ofx") }
func FuzzQIF(f *testing.F)   { fuzzParser(f, "!Type:Bank\n", "money.qif") }
func FuzzMT940(f *testing.F) { fuzzParser(f, ":20:STARTUMSE\n:25:1\n", "bank.sta") }
func FuzzCAMT(f *testing.F) {
	fuzzParser(f, "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.053.001.02\">", "camt.xml")
}

func FuzzWorkbook(f *testing.F) {
	f.Add([]byte(`<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Date</t></is></c></row></sheetData>` +
		`</worksheet>`))
	f.Fuzz(func(t *testing.T, sheet []byte) { fuzzFile(t, workbookOf(t, sheet), statement.Mapping{}) })
}

func FuzzCells(f *testing.F) {
	f.Add("2026-02-01", "-5.00", "EUR", ".")
	f.Add("Dec 24, 2025", "R$ -1.045,90", "R$", ",")
	f.Fuzz(func(t *testing.T, date, amount, currency, decimal string) {
		if decimal != "." {
			decimal = ","
		}
		text, err := json.Marshal([]string{date, amount, currency})
		if err != nil || strings.ContainsAny(string(text), "|") {
			t.Skip()
		}
		fuzzFile(t, []byte("Date|Amount|Currency\n2026-01-31|-1|EUR\n"+date+"|"+amount+"|"+currency+"\n"),
			statement.Mapping{Amount: statement.AmountColumn{Decimal: decimal}})
	})
}

func FuzzMapping(f *testing.F) {
	f.Add([]byte(`{"date":{"column":"Date","layout":"DD/MM/YYYY"},"amount":{"column":"#3"},` +
		`"categories":{"a":"b"},"header_line":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := statement.ParseMapping(text)
		if err != nil {
			if !errors.Is(err, expense.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := statement.ParseMapping(again); err != nil {
			t.Fatalf("%s: %v", again, err)
		}
	})
}
