// Package wire defines how the resources of a ledger look outside the process: one JSON form per resource, and the
// columns of the CSV format. The HTTP API, its client, the NDJSON export, backups and the CSV import and export share
// these forms.
//
// Amounts, rates and dates are JSON strings: an amount is a decimal with a point, such as "12.50"; a date is
// YYYY-MM-DD; a month is YYYY-MM; an instant is RFC 3339 in UTC with at most six decimals of a second. Ids are UUIDs in
// their usual form of 36 lower-case characters.
package wire
