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

// maxFile is the maximum size of a file, in bytes. The whole history has 2 MB as CSV and 8 MB as XML.
const maxFile = 32 << 20

// A File is the content of one of the bank's files.
type File struct {
	// Quotes are the rates, ordered by date and currency code. There is at least one.
	Quotes []expense.Quote
	// UnknownCurrencies are the codes, in order, that [expense.ParseCurrency] does not know. Quotes does not contain their
	// rates. An unknown code is no error, so that a new currency does not block the rates of all others.
	UnknownCurrencies []string
}

// ParseZip parses an archive of the bank, such as eurofxref-hist.zip, which contains one CSV file; see [ParseCSV]. If
// the archive is malformed, the error is [expense.ErrInvalid].
func ParseZip(r io.ReaderAt, size int64) (File, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return File{}, malformed("the file is not a zip archive (%v)", err)
	}
	var table *zip.File
	for _, member := range archive.File {
		if !strings.HasSuffix(member.Name, ".csv") {
			continue
		}
		if table != nil {
			return File{}, malformed("the archive contains more than one CSV file")
		}
		table = member
	}
	if table == nil {
		return File{}, malformed("the archive contains no CSV file")
	}
	content, err := table.Open()
	if err != nil {
		return File{}, malformed("the CSV file in the archive cannot be decompressed (%v)", err)
	}
	file, err := ParseCSV(content)
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if corrupt || errors.Is(err, zip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = malformed("the CSV file in the archive is corrupt (%v)", err)
	}
	return file, errors.Join(err, content.Close())
}

// collector collects the parsed rates and rejects a day that occurs twice.
type collector struct {
	quotes  []expense.Quote
	unknown map[string]bool
	days    map[expense.Date]int // the line of each day
}

func newCollector() *collector {
	return &collector{unknown: map[string]bool{}, days: map[expense.Date]int{}}
}

// currency parses a currency code. It returns the zero Currency, and no error, for a well-formed code that is unknown.
func (c *collector) currency(at position, code string) (expense.Currency, error) {
	if len(code) != 3 || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return expense.Currency{}, at.errorf("%s is not a currency code; expected three capital letters", quote(code))
	}
	currency, err := expense.ParseCurrency(code)
	if err != nil {
		c.unknown[code] = true
		return expense.Currency{}, nil //nolint:nilerr // File.UnknownCurrencies reports an unknown code.
	}
	if currency == euro {
		return expense.Currency{}, at.errorf("EUR must not have a rate: it is the base currency of all rates")
	}
	return currency, nil
}

// day parses a date. It rejects a day that the file already had.
func (c *collector) day(at position, text string) (expense.Date, error) {
	date, err := expense.ParseDate(text)
	if err != nil {
		return expense.Date{}, at.errorf("%v", err)
	}
	if earlier, duplicate := c.days[date]; duplicate {
		return expense.Date{}, at.errorf("day %s is already on line %d", date, earlier)
	}
	c.days[date] = at.line
	return date, nil
}

// rate parses a rate and adds it to the quotes, unless the currency is unknown.
func (c *collector) rate(at position, date expense.Date, currency expense.Currency, text string) error {
	value, err := expense.ParseFactor(text)
	if err != nil {
		return at.errorf("%v", err)
	}
	if !currency.IsZero() {
		if len(c.quotes) == cap(c.quotes) {
			c.quotes = slices.Grow(c.quotes, len(c.quotes)+64) // doubles the capacity: the history has 250,000 rates
		}
		c.quotes = append(c.quotes, expense.Quote{Source: Source, Date: date, Currency: currency, Value: value})
	}
	return nil
}

// file returns the collected rates, sorted.
func (c *collector) file() (File, error) {
	if len(c.quotes) == 0 {
		return File{}, malformed("the file has no rate of a known currency")
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

// A position is a line and a column of a file, both counted from 1.
type position struct {
	line, column int
}

func (p position) errorf(format string, args ...any) error {
	return malformed("line %d, column %d: %s", p.line, p.column, fmt.Sprintf(format, args...))
}

// malformed returns an expense.ErrInvalid with a remedy.
func malformed(format string, args ...any) error {
	return &expense.InvalidError{
		Code:   "malformed_rates",
		Detail: fmt.Sprintf(format, args...) + "; download the file again from " + DefaultBaseURL,
	}
}

// quote quotes text for an error message. It truncates long text.
func quote(text string) string {
	const limit = 40
	if len(text) > limit {
		return fmt.Sprintf("%q…", text[:limit])
	}
	return fmt.Sprintf("%q", text)
}

// limitedReader reads at most limit bytes of r and fails if there are more. It stores the error of a failed read, so
// that a parser can distinguish a malformed file from an unreadable one.
type limitedReader struct {
	r     io.Reader
	left  int64
	limit int64
	err   error
}

func newLimitedReader(r io.Reader, limit int64) *limitedReader {
	return &limitedReader{r: r, left: limit, limit: limit}
}

func (b *limitedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, b.left = int(b.left), 0
		b.err = malformed("the file is larger than the limit of %d KiB", b.limit>>10)
		return n, b.err
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = fmt.Errorf("read exchange rates: %w", err)
	}
	return n, err
}
