package sqlstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/spendwise/spendwise/expense"
)

var quotesTable = &table{
	name:     "spendwise_quotes",
	columns:  columnsOf(`source text, date integer, currency text, value text`),
	conflict: " ON CONFLICT DO NOTHING",
}

const (
	// quotesRead and quotesWritten are how many prices are read in a statement, and written in a transaction.
	quotesRead    = 5000
	quotesWritten = 20000
)

// A quoteKey is what a price is kept under.
type quoteKey struct {
	source   expense.Source
	date     expense.Date
	currency expense.Currency
}

// PutQuotes writes in transactions of their own, so that a long history holds no ledger up for long.
func (s *Store) PutQuotes(ctx context.Context, quotes ...expense.Quote) ([]expense.Quote, error) {
	var changed []expense.Quote
	for chunk := range slices.Chunk(quotes, quotesWritten) {
		more, err := s.putQuotes(ctx, chunk)
		if err != nil {
			return nil, err
		}
		changed = append(changed, more...)
	}
	return changed, nil
}

func (s *Store) putQuotes(ctx context.Context, quotes []expense.Quote) ([]expense.Quote, error) {
	for {
		kept, err := s.keptQuotes(ctx, quotes)
		if err != nil {
			return nil, err
		}
		var changed []expense.Quote
		var rows [][]any
		for _, quote := range quotes {
			key := quoteKey{quote.Source, quote.Date, quote.Currency}
			value, ok := kept[key]
			switch {
			case !ok:
				kept[key] = quote.Value
				rows = append(rows, []any{string(quote.Source), int64(quote.Date.Int()), quote.Currency.Code(),
					quote.Value.String()})
			case value != quote.Value:
				changed = append(changed, quote)
			}
		}
		if len(rows) == 0 {
			return changed, nil
		}
		inserted := int64(0)
		err = s.atomically(ctx, func(session *session) error {
			inserted, err = session.insert(ctx, quotesTable, rows)
			return err
		})
		if err != nil {
			return nil, err
		}
		// Somebody else kept some of them since they were looked up: look again, whether what they kept is the same.
		if inserted == int64(len(rows)) {
			return changed, nil
		}
	}
}

// keptQuotes returns the prices that are kept of the sources and in the span of days that quotes are of.
func (s *Store) keptQuotes(ctx context.Context, quotes []expense.Quote) (map[quoteKey]expense.Factor, error) {
	spans := make(map[expense.Source]expense.Range)
	for _, quote := range quotes {
		span, ok := spans[quote.Source]
		if !ok || quote.Date.Before(span.From) {
			span.From = quote.Date
		}
		if !ok || quote.Date.After(span.To) {
			span.To = quote.Date
		}
		spans[quote.Source] = span
	}
	kept := make(map[quoteKey]expense.Factor)
	for source, span := range spans {
		for quote, err := range s.quotes(ctx, source, span) {
			if err != nil {
				return nil, err
			}
			kept[quoteKey{quote.Source, quote.Date, quote.Currency}] = quote.Value
		}
	}
	return kept, nil
}

// Quotes yields the prices of a source from a day on.
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return s.quotes(ctx, source, expense.Range{From: from})
}

func (s *Store) quotes(ctx context.Context, source expense.Source, span expense.Range) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		day, code, last := span.From.Int(), "", cmp.Or(span.To.Int(), lastDate)
		for {
			chunk := make([]expense.Quote, 0, quotesRead)
			err := s.outside().each(ctx, 3, func(r *row) {
				chunk = append(chunk, expense.Quote{Source: source, Date: r.date(0), Currency: r.currency(1), Value: r.factor(2)})
			}, `SELECT date, currency, value FROM spendwise_quotes WHERE source = $1 AND (date, currency) > ($2, $3)
				AND date <= $4
				ORDER BY date, currency LIMIT $5`, string(source), int64(day), code, int64(last), int64(quotesRead))
			if err != nil {
				yield(expense.Quote{}, err)
				return
			}
			for _, quote := range chunk {
				if !yield(quote, nil) {
					return
				}
				day, code = quote.Date.Int(), quote.Currency.Code()
			}
			if len(chunk) < quotesRead {
				return
			}
		}
	}
}
