package ecb_test

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

// historyText is the text of the embedded file, read without the package under test.
var historyText = sync.OnceValues(func() (string, error) {
	file, err := os.Open("eurofxref-hist.csv.gz")
	if err != nil {
		return "", err
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(unpacked)
	return string(text), errors.Join(err, file.Close())
})

// realHistory returns the embedded file's text.
func realHistory(t testing.TB) string {
	t.Helper()
	text, err := historyText()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// historyFile is the embedded file, parsed by the package.
var historyFile = sync.OnceValues(func() (ecb.File, error) {
	text, err := historyText()
	if err != nil {
		return ecb.File{}, err
	}
	return ecb.ParseCSV(strings.NewReader(text))
})

// realQuotes returns the rates of the embedded file since a day. Tests share them and must not change them.
func realQuotes(t testing.TB, since string) []expense.Quote {
	t.Helper()
	file, err := historyFile()
	if err != nil {
		t.Fatal(err)
	}
	return file.Quotes[len(upTo(file.Quotes, expense.MustDate(since).AddDays(-1))):]
}

// upTo returns the quotes on or before day. quotes are ordered by date.
func upTo(quotes []expense.Quote, day expense.Date) []expense.Quote {
	end, _ := slices.BinarySearchFunc(quotes, day.AddDays(1), func(q expense.Quote, day expense.Date) int {
		return q.Date.Compare(day)
	})
	return quotes[:end]
}

// A scan is the content of the file, parsed in the simplest way: the cells as text, by day and code.
type scan struct {
	codes []string
	days  []string // oldest first
	cells map[string]map[string]string
}

func scanHistory(t testing.TB) scan {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(realHistory(t)))
	lines.Scan()
	s := scan{codes: strings.Split(strings.TrimSuffix(lines.Text(), ","), ",")[1:], cells: map[string]map[string]string{}}
	for lines.Scan() {
		values := strings.Split(lines.Text(), ",")
		s.days = append(s.days, values[0])
		s.cells[values[0]] = map[string]string{}
		for i, code := range s.codes {
			if value := values[i+1]; value != "N/A" {
				s.cells[values[0]][code] = value
			}
		}
	}
	slices.Reverse(s.days)
	return s
}

func table(quotes ...expense.Quote) *ecb.Table {
	table := new(ecb.Table)
	table.Add(quotes...)
	return table
}

func quote(day, code, value string) expense.Quote {
	return expense.Quote{
		Source: ecb.Source, Date: expense.MustDate(day),
		Currency: expense.MustCurrency(code), Value: expense.MustFactor(value),
	}
}

// A memory is a Store in memory.
type memory struct {
	mu    sync.Mutex
	kept  map[expense.Quote]expense.Factor // keyed by the quote without its value
	calls int
	fails map[int]error // by call of PutQuotes, from 1
}

func newMemory(quotes ...expense.Quote) *memory {
	m := &memory{kept: map[expense.Quote]expense.Factor{}, fails: map[int]error{}}
	for _, q := range quotes {
		m.kept[keyOf(q)] = q.Value
	}
	return m
}

func keyOf(q expense.Quote) expense.Quote {
	q.Value = expense.Factor{}
	return q
}

func (m *memory) PutQuotes(_ context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if err := m.fails[m.calls]; err != nil {
		return nil, err
	}
	for _, q := range quotes {
		switch kept, ok := m.kept[keyOf(q)]; {
		case !ok:
			m.kept[keyOf(q)] = q.Value
		case kept != q.Value:
			changed = append(changed, q)
		}
	}
	return changed, nil
}

func (m *memory) Quotes(_ context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error] {
	m.mu.Lock()
	defer m.mu.Unlock()
	var quotes []expense.Quote
	for q, value := range m.kept {
		if q.Source == source && !q.Date.Before(from) {
			q.Value = value
			quotes = append(quotes, q)
		}
	}
	slices.SortFunc(quotes, order)
	return func(yield func(expense.Quote, error) bool) {
		for _, q := range quotes {
			if !yield(q, nil) {
				return
			}
		}
	}
}

func (m *memory) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.kept)
}

// order compares quotes by date and currency code.
func order(a, b expense.Quote) int {
	return cmp.Or(a.Date.Compare(b.Date), a.Currency.Compare(b.Currency))
}
