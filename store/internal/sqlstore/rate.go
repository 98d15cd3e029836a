package sqlstore

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/uptrace/bun"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/internal/sqldb"
)

// A quoteRow is a published exchange rate, which all ledgers share.
type quoteRow struct {
	bun.BaseModel `bun:"table:spendwise_quotes,alias:q"`

	Source   string `bun:",pk"`
	Date     int64  `bun:",pk"`
	Currency string `bun:",pk"`
	Value    string
}

func newQuoteRow(quote expense.Quote) quoteRow {
	return quoteRow{
		Source: string(quote.Source), Date: int64(quote.Date.Int()), Currency: quote.Currency.Code(),
		Value: quote.Value.String(),
	}
}

// key returns the row without its value.
func (row quoteRow) key() quoteRow {
	row.Value = ""
	return row
}

func (row *quoteRow) quote() (expense.Quote, error) {
	var d sqldb.Decoder
	return expense.Quote{
		Source: expense.Source(row.Source), Date: d.Date(row.Date), Currency: d.Currency(row.Currency),
		Value: d.Factor(row.Value),
	}, d.Err
}

const (
	quotesRead    = 5000   // rows of a query
	quotesWritten = 20_000 // rows of a transaction
	quotesBatch   = 1000   // rows of a statement
)

// PutQuotes implements [store.Store]. It writes in several transactions, so that a long history blocks no ledger for
// long.
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
		stored, err := s.storedQuotes(ctx, quotes)
		if err != nil {
			return nil, err
		}
		var changed []expense.Quote
		var rows []quoteRow
		for _, quote := range quotes {
			row := newQuoteRow(quote)
			value, ok := stored[row.key()]
			switch {
			case !ok:
				stored[row.key()] = quote.Value
				rows = append(rows, row)
			case value != quote.Value:
				changed = append(changed, quote)
			}
		}
		if len(rows) == 0 {
			return changed, nil
		}
		inserted := int64(0)
		err = s.Atomically(ctx, func(session *sqldb.Session) error {
			inserted = 0
			for batch := range slices.Chunk(rows, quotesBatch) {
				n, err := session.Change(ctx, session.NewInsert().Model(&batch).On("CONFLICT DO NOTHING"))
				if err != nil {
					return err
				}
				inserted += n
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		// Fewer rows: another instance has stored some of the quotes in the meantime. Compare their values too.
		if inserted == int64(len(rows)) {
			return changed, nil
		}
	}
}

// storedQuotes returns the stored values of the sources and days of quotes, by the key of their row.
func (s *Store) storedQuotes(ctx context.Context, quotes []expense.Quote) (map[quoteRow]expense.Factor, error) {
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
	stored := make(map[quoteRow]expense.Factor)
	for source, span := range spans {
		for quote, err := range s.quotes(ctx, source, span) {
			if err != nil {
				return nil, err
			}
			stored[newQuoteRow(quote).key()] = quote.Value
		}
	}
	return stored, nil
}

// Quotes implements [store.Store].
func (s *Store) Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	return s.quotes(ctx, source, expense.Range{From: from})
}

func (s *Store) quotes(ctx context.Context, source expense.Source, span expense.Range) iter.Seq2[expense.Quote, error] {
	return func(yield func(expense.Quote, error) bool) {
		last := quoteRow{Date: int64(span.From.Int())}
		for {
			var rows []quoteRow
			_, err := s.Single().Find(ctx, s.Reading().NewSelect().Model(&rows).Where("source = ?", string(source)).
				Where("(date, currency) > (?, ?)", last.Date, last.Currency).
				Where("date <= ?", cmp.Or(span.To.Int(), lastDate)).Order("date", "currency").Limit(quotesRead))
			if err != nil {
				yield(expense.Quote{}, err)
				return
			}
			for _, last = range rows {
				quote, err := last.quote()
				if !yield(quote, err) || err != nil {
					return
				}
			}
			if len(rows) < quotesRead {
				return
			}
		}
	}
}
