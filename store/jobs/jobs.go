// Package jobs does periodic work in all ledgers of a store: it posts recurring expenses ([PostDue]), converts expenses
// that waited for an exchange rate ([ConvertPending]), raises budget alerts ([AlertRaiser]) and checks stored data
// ([Verify]).
//
// A host calls these functions from its own scheduler, for example once a minute. Every function may run on several
// instances at the same time. Every function may be interrupted at any moment: it changes each ledger in transactions
// of that ledger, and the next run continues. An error in one ledger does not stop the others, but [PostDue] and
// [RetryDue] stop if the store cannot be reached. The functions return the errors of the ledgers, joined.
package jobs
