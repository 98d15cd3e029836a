package export_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// exampleTime is the current time in the examples.
var exampleTime = time.Date(2026, time.March, 20, 12, 0, 0, 0, time.UTC)

// exampleStore returns a store with one ledger. It holds one expense, of March 2026.
func exampleStore(ctx context.Context, owner expense.OwnerID) (store.Store, error) {
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return nil, err
	}
	st, env := memstore.New(), expense.Env{Now: exampleTime}
	if _, err := st.CreateLedger(ctx, owner, expense.NewInitialLedger(owner, settings, env.Now)); err != nil {
		return nil, err
	}
	return st, st.Update(ctx, owner, func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, env, expense.Draft{
			ID: "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70", Amount: "1000", Currency: "JPY", Rate: "0.0064",
			Date: "2026-03-02", Category: "Food", Notes: new(`Coffee, "black"`),
		})
		return err
	})
}

// Example writes the expenses of a ledger as CSV.
func Example() {
	ctx := context.Background()
	st, err := exampleStore(ctx, "ada")
	if err != nil {
		log.Fatal(err)
	}
	var csv strings.Builder
	err = st.View(ctx, "ada", func(r store.Reader) error {
		categories, err := r.Categories(ctx)
		if err != nil {
			return err
		}
		options := export.CSVOptions{CategoryName: export.CategoryNames(categories)}
		return export.WriteCSV(&csv, r.Expenses(ctx, expense.Query{}), options)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(strings.ReplaceAll(csv.String(), "\r\n", "\n")) // RFC 4180 requires CRLF
	// Output:
	// id,date,amount,currency,category,notes,rate,rate_date,rate_source,home_amount,home_currency,rule_id
	// 0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70,2026-03-02,1000,JPY,Food,"Coffee, ""black""",0.0064,2026-03-02,user,6.40,EUR,
}

func ExampleReport_WritePDF() {
	ctx := context.Background()
	st, err := exampleStore(ctx, "ada")
	if err != nil {
		log.Fatal(err)
	}
	var pdf *export.Report
	err = st.View(ctx, "ada", func(r store.Reader) error {
		yearly, err := report.Yearly(ctx, r, exampleTime, 2026, 0)
		if err != nil {
			return err
		}
		pdf, err = export.ReadReport(ctx, r, yearly.Summary, export.ReportOptions{Owner: "ada@example.com", Now: exampleTime})
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	if err := pdf.WritePDF(&file); err != nil {
		log.Fatal(err)
	}
	fmt.Println(pdf.Name(), file.String()[:5])
	// Output: expenses-2026-01-01-2026-12-31 %PDF-
}

func ExampleMonthlyChart() {
	ctx := context.Background()
	st, err := exampleStore(ctx, "ada")
	if err != nil {
		log.Fatal(err)
	}
	monthly, err := report.Monthly(ctx, st.Reader("ada"), exampleTime, expense.MustMonth("2026-03"))
	if err != nil {
		log.Fatal(err)
	}
	var svg strings.Builder
	if err := export.MonthlyChart(&svg, monthly, nil, export.AutoTheme); err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(svg.String(), "March 2026"))
	// Output: true
}
