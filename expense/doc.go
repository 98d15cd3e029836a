// Package expense holds the values of an expense ledger and the use cases that change it.
//
// The values are [Money], [Currency], [Date], [Month], [Category], [Expense] and [Rate]. They validate themselves: a
// Parse function returns an error that is [ErrInvalid] for a malformed value.
//
// A ledger is everything that one owner stores: settings, categories, expenses, budgets and recurring rules. The use
// cases, such as [Add], [Change] and [MergeCategories], are functions over the interfaces [Reader] and [Tx], which
// every store implements. Do not bypass a use case: it validates everything before its first write.
//
// The package uses no SQL, no HTTP and no clock. Callers pass in the store, the exchange rates and the current time
// ([Env]).
package expense
