// Package ecb provides the euro foreign exchange reference rates of the European Central Bank.
//
// It parses the bank's files, embeds the history since 1999 ([EmbeddedTable]), looks rates up in memory ([Table], an
// [expense.Rates]) and downloads new rates over HTTP ([Fetcher]). A stored rate is never overwritten: if the bank
// changes a published rate, the Fetcher logs the difference and keeps the stored rate.
//
//	rates, err := ecb.EmbeddedTable()
//	if err != nil {
//		return err
//	}
//	rate, ok := expense.LookupRate(rates, inr, usd, expense.MustDate("2026-03-01")) // a Sunday: the rate of Friday
package ecb

import "github.com/spendwise/spendwise/expense"

// Source is the source of all rates of this package. They are in units of a currency per euro.
const Source expense.Source = "ecb"

// euro is the base currency of all rates.
var euro = expense.MustCurrency("EUR")

// one is the rate of the euro into itself.
var one = expense.MustFactor("1")
