package memstore

import (
	"cmp"
	"context"
	"iter"

	"github.com/spendwise/spendwise/expense"
)

// A quoteKey identifies a quote.
type quoteKey struct {
	source   expense.Source
	date     expense.Date
	currency expense.Currency
}

func compareQuoteKeys(a, b quoteKey) int {
	return cmp.Or(cmp.Compare(a.source, b.source), a.date.Compare(b.date),
		cmp.Compare(a.currency.Code(), b.currency.Code()))
}

// PutQuotes implements [store.Store].
func (s *Store) PutQuotes(ctx context.Context, quotes ...expense.Quote) ([]expense.Quote, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed []expense.Quote
	for _, quote := range quotes {
		key := quoteKey{quote.Source, quote.Date, quote.Currency}
		stored, ok := s.quotes.get(key)
		switch {
		case !ok:
			s.quotes = s.quotes.with(key, quote)
		case stored.Value != quote.Value:
			changed = append(changed, quote)
		}
	}
	return changed, nil
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		s.mu.Lock()
		quotes := s.quotes
		s.mu.Unlock()
		for key, quote := range quotes.all() {
			if err := ctx.Err(); err != nil {
				yield(expense.Quote{}, err)
				return
			}
			if key.source == source && !key.date.Before(from) && !yield(quote, nil) {
				return
			}
		}
	}
}
