// Package export takes a ledger out, and brings one in: expenses as CSV and NDJSON, a whole ledger as a backup that [Restore] reads,
// a report for people as a PDF, pictures of reports; and it reads the CSV of other programs by a [Mapping], of which [Presets] has
// the usual ones. What it exports it imports, losing nothing; what it imports twice is there once. Exports write as they
// read and hold no rows, but for the PDF, which holds at most [MaxReport].
//
//	err := export.WriteCSV(w, ledger.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}), export.CSVOptions{
//		CategoryName: export.CategoryNames(categories),
//	})
package export
