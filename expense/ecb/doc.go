// Package ecb knows the euro foreign exchange reference rates (source: European Central Bank). It parses the files that the
// bank publishes, embeds their history since 1999, answers from memory as an [expense.Rates], and keeps that current over
// HTTP. What was published once is never overwritten: a price that changes upstream is logged, and the kept one stays.
//
//	rates, err := ecb.EmbeddedTable()
//	if err != nil {
//		return err
//	}
//	rate, ok := expense.LookupRate(rates, inr, usd, expense.MustDate("2026-03-01")) // a Sunday: the price of Friday
package ecb

import "github.com/spendwise/spendwise/expense"

// Source is the source of every price of this package: so many units of a currency for one euro.
const Source expense.Source = "ecb"

// euro is the pivot: every price is one of a currency against it.
var euro = expense.MustCurrency("EUR")

// one is the price of the pivot.
var one = expense.MustFactor("1")
