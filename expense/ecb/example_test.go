package ecb_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

// Example looks up the rate from rupees to dollars on a Sunday: the rate of Friday applies.
func Example() {
	rates, err := ecb.EmbeddedTable()
	if err != nil {
		log.Fatal(err)
	}
	inr, usd := expense.MustCurrency("INR"), expense.MustCurrency("USD")
	rate, ok := expense.LookupRate(rates, inr, usd, expense.MustDate("2026-03-01"))
	fmt.Println(rate.Value, rate.Date, rate.Source, ok)
	// Output: 0.0109793016215512391 2026-02-27 ecb true
}

func ExampleTable_Rate() {
	table := new(ecb.Table)
	table.Add(expense.Quote{
		Source: ecb.Source, Date: expense.MustDate("2026-03-05"),
		Currency: expense.MustCurrency("USD"), Value: expense.MustFactor("1.25"),
	})
	rate, ok := table.Rate(expense.MustCurrency("USD"), expense.MustCurrency("EUR"), expense.MustDate("2026-03-06"))
	fmt.Println(rate.Value, rate.Date, ok)
	// Output: 0.8 2026-03-05 true
}

func ExampleTable_Add() {
	table := new(ecb.Table)
	quote := expense.Quote{
		Source: ecb.Source, Date: expense.MustDate("2026-03-05"),
		Currency: expense.MustCurrency("USD"), Value: expense.MustFactor("1.1618"),
	}
	fmt.Println(len(table.Add(quote).New), "new")
	quote.Value = expense.MustFactor("1.17")
	for _, conflict := range table.Add(quote).Conflicts {
		fmt.Println("not added:", conflict.Currency, conflict.Value)
	}
	// Output:
	// 1 new
	// not added: USD 1.17
}

func ExampleParseCSV() {
	file, err := ecb.ParseCSV(strings.NewReader("Date,USD,JPY,BGN,\n2026-03-05,1.1618,183.03,N/A,\n"))
	if err != nil {
		log.Fatal(err)
	}
	for _, quote := range file.Quotes {
		fmt.Println(quote.Date, quote.Currency, quote.Value)
	}
	// Output:
	// 2026-03-05 JPY 183.03
	// 2026-03-05 USD 1.1618
}

func ExampleParseXML() {
	file, err := ecb.ParseXML(strings.NewReader(`<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
		xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
		<Cube><Cube time="2026-03-05"><Cube currency="USD" rate="1.1618"/></Cube></Cube></gesmes:Envelope>`))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.Quotes[0].Date, file.Quotes[0].Currency, file.Quotes[0].Value)
	// Output: 2026-03-05 USD 1.1618
}

// offline responds to every request with the file of one day.
type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) {
	file := renderXML([]expense.Quote{quote("2026-03-06", "USD", "1.16")})
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(file))}, nil
}

func ExampleFetcher() {
	table, err := ecb.EmbeddedTable()
	if err != nil {
		log.Fatal(err)
	}
	store := newMemory() // in a program: a store.Store
	if err := table.Load(context.Background(), store); err != nil {
		log.Fatal(err)
	}
	fetcher, err := ecb.NewFetcher(table, store, ecb.Config{
		Client: &http.Client{Transport: offline{}},
		Now:    clockAt("2026-03-06T20:00:00Z"),
	})
	if err != nil {
		log.Fatal(err)
	}
	// A server calls fetcher.Run in a goroutine, which calls Fetch after each publication.
	added, err := fetcher.Fetch(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(added), table.LatestDate())
	// Output: 1 2026-03-06
}
