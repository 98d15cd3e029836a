// Package backup writes a whole ledger as one NDJSON file and restores it.
//
// [Write] writes the settings and every category, recurring rule, budget, alert and expense of a ledger. [Restore]
// makes the same ledger of an empty one: ids, times and exchange rates are those of the file. The last line of a file
// holds the number of rows and a SHA-256 checksum, so that Restore refuses a file that is cut off or changed.
//
// A backup holds what the owner sees. It does not hold versions, tombstones, idempotency records or accounts.
package backup
