// Package export writes a ledger's expenses as CSV and reads them back, and reads the CSV of other programs by a [Mapping].
// What it exports it imports, losing nothing; what it imports twice is there once.
//
//	err := export.WriteCSV(w, ledger.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}), export.CSVOptions{
//		CategoryName: export.CategoryNames(categories),
//	})
package export
