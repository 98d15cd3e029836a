// Package statement imports files of banks and of other programs into a ledger: CSV, XLSX, OFX, QIF, MT940 and CAMT.
//
// [Inspect] finds out how the rows of a file become expenses. It returns a [Mapping], and a [Question] for each
// ambiguity. [Import] completes a mapping in the same way and adds the rows:
//
//	in, err := statement.Inspect(ctx, file, statement.Mapping{}, settings)
//	// show in.Questions and in.Rows to a person, merge the chosen answers into in.Mapping
//	result, err := statement.Import(ctx, st, owner, env, file, mapping, statement.Options{})
//
// Importing the same rows again adds nothing, because the ledger remembers the identity of each imported row. [Undo]
// removes what an import added.
package statement
