// Package wire defines the external formats of the resources of a ledger: one JSON form per resource, and the columns
// of the CSV format. The HTTP API, its Go client, the NDJSON export, backups and the CSV import and export share these
// forms.
//
// A resource has up to three types. [Expense], for example, is an expense in a response or a file. [ExpenseInput] is
// the body of a request that creates or replaces an expense. [ExpensePatch] is a merge patch (RFC 7396). A function
// such as [NewExpense] converts a domain value to its JSON form; the methods Parse, Draft and Patch convert back.
//
// All JSON forms have these formats in common:
//   - An amount is a string that holds a decimal with a point, such as "12.50", in units of the currency beside it.
//   - A currency is a code of ISO 4217, such as "EUR".
//   - A date is a string YYYY-MM-DD, a month is a string YYYY-MM. Both are civil: they have no time zone.
//   - An instant is a string of RFC 3339 in UTC with at most six decimals of a second.
//   - An id is a UUID in its usual form of 36 lower-case characters.
//   - A version is the version of the ledger at which the row was last written. It is the row's ETag.
//
// A member that can be null is a pointer, so that null and the zero value differ.
package wire
