package ecb

import (
	"archive/zip"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spendwise/spendwise/expense"
)

// maxFile bounds what a parser reads: the whole history is 2 MB as CSV and 8 MB as XML.
const maxFile = 32 << 20

// A File is what one of the bank's files holds.
type File struct {
	// Quotes are the prices, ordered by date and currency code. There is at least one.
	Quotes []expense.Quote
	// Unknown are the codes, in order, that the file has and the currency table has not. Their prices are left out, so that
	// one new currency does not keep the prices of all others away.
	UnknownCurrencies []string
}

// ParseZip reads an archive of the bank, such as eurofxref-hist.zip: the one CSV file in it, as [ParseCSV] does. The error
// is expense.ErrInvalid when the archive is not as the bank makes it.
func ParseZip(r io.ReaderAt, size int64) (File, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return File{}, malformed("this is not a zip archive of exchange rates (%v)", err)
	}
	var table *zip.File
	for _, member := range archive.File {
		if !strings.HasSuffix(member.Name, ".csv") {
			continue
		}
		if table != nil {
			return File{}, malformed("the archive holds more than one CSV file")
		}
		table = member
	}
	if table == nil {
		return File{}, malformed("the archive holds no CSV file")
	}
	content, err := table.Open()
	if err != nil {
		return File{}, malformed("the CSV file in the archive cannot be unpacked (%v)", err)
	}
	file, err := ParseCSV(content)
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, zip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = malformed("the CSV file in the archive is damaged (%v)", err)
	}
	return file, errors.Join(err, content.Close())
}

// collector gathers what a parser finds, and refuses what a file may not say twice.
type collector struct {
	quotes  []expense.Quote
	unknown map[string]bool
	days    map[expense.Date]int // the line on which each day was found
}

func newCollector() *collector {
	return &collector{unknown: map[string]bool{}, days: map[expense.Date]int{}}
}

// currency reads a column's or element's code; the zero Currency without an error is one that is not known.
func (c *collector) currency(at place, code string) (expense.Currency, error) {
	if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return expense.Currency{}, at.fault("%s is not a currency code of three capital letters", quote(code))
	}
	currency, err := expense.ParseCurrency(code)
	if err != nil {
		c.unknown[code] = true
		return expense.Currency{}, nil //nolint:nilerr // an unknown code is reported in File.UnknownCurrencies; it is no error.
	}
	if currency == euro {
		return expense.Currency{}, at.fault("EUR has a price, but it is what all prices are against")
	}
	return currency, nil
}

// day reads a date and refuses one that the file has had.
func (c *collector) day(at place, text string) (expense.Date, error) {
	date, err := expense.ParseDate(text)
	if err != nil {
		return expense.Date{}, at.fault("%v", err)
	}
	if earlier, twice := c.days[date]; twice {
		return expense.Date{}, at.fault("the day %s was on line %d already", date, earlier)
	}
	c.days[date] = at.line
	return date, nil
}

// price reads and keeps one price; an unknown currency's is checked and left out.
func (c *collector) price(at place, date expense.Date, currency expense.Currency, text string) error {
	value, err := expense.ParseFactor(text)
	if err != nil {
		return at.fault("%v", err)
	}
	if !currency.IsZero() {
		if len(c.quotes) == cap(c.quotes) {
			c.quotes = slices.Grow(c.quotes, len(c.quotes)+64) // doubles: the history has a quarter of a million
		}
		c.quotes = append(c.quotes, expense.Quote{Source: Source, Date: date, Currency: currency, Value: value})
	}
	return nil
}

// file returns what was gathered, in order.
func (c *collector) file() (File, error) {
	if len(c.quotes) == 0 {
		return File{}, malformed("the file holds no exchange rate of a known currency")
	}
	order := func(a, b expense.Quote) int {
		return cmp.Or(a.Date.Compare(b.Date), a.Currency.Compare(b.Currency))
	}
	if !slices.IsSortedFunc(c.quotes, order) {
		slices.SortFunc(c.quotes, order)
	}
	file := File{Quotes: c.quotes}
	for code := range c.unknown {
		file.UnknownCurrencies = append(file.UnknownCurrencies, code)
	}
	slices.Sort(file.UnknownCurrencies)
	return file, nil
}

// A place is a line and a column of a file, both from 1.
type place struct {
	line, column int
}

func (p place) fault(format string, args ...any) error {
	return malformed("line %d, column %d: %s", p.line, p.column, fmt.Sprintf(format, args...))
}

// malformed returns an expense.ErrInvalid that says what to do about it.
func malformed(format string, args ...any) error {
	return &expense.InvalidError{
		Code:   "malformed_rates",
		Detail: fmt.Sprintf(format, args...) + "; download the file again from " + DefaultBaseURL,
	}
}

// quote returns text for a message, cut to what a line can bear.
func quote(text string) string {
	const limit = 40
	if len(text) > limit {
		return fmt.Sprintf("%q…", text[:limit])
	}
	return fmt.Sprintf("%q", text)
}

// bounded reads at most left bytes of r and fails when there are more. It keeps the error that it failed with, so that a
// parser can tell a file that is wrong from one that cannot be read.
type bounded struct {
	r     io.Reader
	left  int64
	limit int64
	err   error
}

func bound(r io.Reader, limit int64) *bounded { return &bounded{r: r, left: limit, limit: limit} }

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		b.err = malformed("the file is larger than %d KiB, more than the bank ever published", b.limit>>10)
		return n, b.err
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = fmt.Errorf("reading the exchange rates: %w", err)
	}
	return n, err
}
