// Package export writes the expenses of a ledger as files: CSV, NDJSON, a PDF report and SVG charts.
//
// [WriteCSV] and [WriteNDJSON] write while they read and hold no rows in memory. A PDF report holds at most
// [MaxReportExpenses] expenses. Package export/statement reads the CSV again, without loss; package export/backup
// writes and restores a whole ledger.
//
//	err := export.WriteCSV(w, ledger.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}), export.CSVOptions{
//		CategoryName: export.CategoryNames(categories),
//	})
package export
