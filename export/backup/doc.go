// Package backup writes a whole ledger as one NDJSON file and restores it.
//
// [Write] writes the settings and every category, recurring rule, budget, alert and expense of a ledger. [Restore]
// writes them into an empty ledger, with the ids, times and exchange rates of the file. The last line of a file holds
// the number of rows and a SHA-256 checksum, so that Restore rejects a file that is cut off or changed.
//
// A backup holds the data that the owner has entered or sees. It does not hold versions, tombstones, idempotency
// records or accounts.
package backup
