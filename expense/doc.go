// Package expense says what was spent: Money, Currency, Date, Month, Category, Expense and Rate, the rules they obey, and
// the use cases that change a ledger. A ledger is everything one owner keeps; use cases are functions over the narrow
// interface they need ([Reader], [Tx]), which any store implements. Nothing here knows SQL, HTTP or a clock: the store,
// the rates and the time are passed in.
package expense
