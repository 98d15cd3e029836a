// Package statement imports CSV files into a ledger: the files of banks, of other programs, and those of
// export.WriteCSV.
//
// A [Mapping] says which columns of the file hold the date, the amount and the other fields; [Presets] returns mappings
// for common files. [Rows] reads a file by a mapping, and [Import] adds the rows to a ledger:
//
//	rows := statement.Rows(file, mapping)
//	result, err := statement.Import(ctx, st, owner, env, rows, statement.Options{})
//
// Importing the same file again adds nothing, because each line gets an id that depends on its content. [Result] lists
// each line that failed and why.
package statement
