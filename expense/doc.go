// Package expense defines the data types of an expense ledger and the operations that change it, the use cases.
//
// The values are [Money], [Currency], [Date], [Month], [Category], [Expense] and [Rate]. Their Parse functions validate
// the input. "The error is [ErrInvalid]" means that [errors.Is] reports true for it.
//
// A ledger is everything that one owner stores: settings, categories, expenses, budgets and recurring rules. The use
// cases, such as [Add], [Change] and [MergeCategories], are functions over the interfaces [Reader] and [Tx], which
// every store implements. Do not bypass a use case: it validates everything before its first write.
//
// The package uses no SQL, no HTTP and no clock. Callers pass in the store, the exchange rates and the current time
// ([Env]).
package expense
