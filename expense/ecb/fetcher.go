package ecb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// DefaultBaseURL is where the bank serves its files.
const DefaultBaseURL = "https://www.ecb.europa.eu/stats/eurofxref/"

const (
	defaultInterval = 24 * time.Hour
	defaultTimeout  = time.Minute
	firstRetry      = time.Minute
	lastRetry       = time.Hour
	userAgent       = "spendwise (+https://github.com/spendwise/spendwise)"

	// publication is when, on a working day, a file of the day is sure to be out: the bank publishes at about 16:00 Central
	// European Time, which is 15:00 UTC in winter and 14:00 in summer.
	publication = 15*time.Hour + 15*time.Minute
	// spread is how long after publication a fetch may wait, so that not all instances of the world ask at once.
	spread = 30 * time.Minute

	// longestClosure is how many days may lie between two prices; Easter and Christmas make 5.
	longestClosure = 7
	// batchDays is how many days go to the store in one call: about a thousand prices.
	batchDays = 30
	// loggedChanges bounds how many changed prices of one file are logged one by one.
	loggedChanges = 20
)

// A Store is where published prices are kept for all instances. The store of a ledger is one.
type Store interface {
	// PutQuotes keeps prices, all or none. One that is kept already is never overwritten: the returned ones differ from what
	// is kept, as they were given.
	PutQuotes(ctx context.Context, quotes ...expense.Quote) (changed []expense.Quote, err error)

	// Quotes yields the kept prices of source from the day from on, ordered by date and currency code.
	Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error]
}

// A Config is what a [Fetcher] can be told. The zero Config is the bank's own server, asked once a day.
type Config struct {
	Client   *http.Client     // nil: http.DefaultClient
	BaseURL  string           // the folder of the bank's files, or of a mirror; "": DefaultBaseURL
	Interval time.Duration    // the longest time between two fetches that went well; 0: 24 hours
	Timeout  time.Duration    // for one file, from request to last byte; 0: a minute
	Logger   *slog.Logger     // nil: nothing is logged
	Now      func() time.Time // nil: time.Now

	// Arrived is called after each fetch that brought prices, when the store and the table have them: pending expenses may be
	// converted now. The next fetch waits for it to return, so it must not call Fetch. nil: nothing is called.
	OnNewQuotes func(ctx context.Context, quotes []expense.Quote)
}

// A Fetcher keeps a table, and the store behind it, current from the bank's files.
type Fetcher struct {
	table  *Table
	store  Store
	config Config
	base   *url.URL

	fetching   sync.Mutex
	validators map[string]validators // by file name
	reported   map[string]bool       // unknown codes that were logged
}

// validators are what a conditional request names: the file as it was when last taken in.
type validators struct {
	etag, modified string
}

// NewFetcher returns a fetcher that has not begun: [Fetcher.Run] does. Load the table from the store before. The error says
// what is wrong with the configuration.
func NewFetcher(table *Table, store Store, config Config) (*Fetcher, error) {
	if config.BaseURL == "" {
		config.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(config.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("%s is not the http or https address of a folder such as %s",
			quote(config.BaseURL), DefaultBaseURL)
	}
	if config.Interval < 0 || config.Timeout < 0 {
		return nil, errors.New("the interval and the timeout of the exchange rates must not be negative")
	}
	if config.Client == nil {
		config.Client = http.DefaultClient
	}
	if config.Interval == 0 {
		config.Interval = defaultInterval
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Fetcher{
		table: table, store: store, config: config, base: base,
		validators: map[string]validators{}, reported: map[string]bool{},
	}, nil
}

// Run fetches until ctx is done: at once if the table lacks the last working day's prices, then shortly after each
// publication, and never later than the interval after the last time. A fetch that fails is tried again after a minute, then
// after twice as long each time, up to an hour or the interval. Run returns when ctx is done and nothing is under way any more.
func (f *Fetcher) Run(ctx context.Context) {
	failures := 0
	wait := time.Duration(0)
	if now := f.config.Now(); f.missing(now) == 0 {
		wait = f.untilNext(now)
	}
	for {
		if !sleep(ctx, wait) {
			return
		}
		_, err := f.Fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(backoff(failures), f.config.Interval)
			failures++
			f.config.Logger.WarnContext(ctx, "exchange rates could not be fetched; what is known stays in use",
				"error", err, "failures", failures, "retry_in", wait.Round(time.Second).String())
		default:
			failures = 0
			wait = f.untilNext(f.config.Now())
		}
	}
}

// Fetch asks the bank once, and returns the prices that are new. It takes the smallest file that leaves no hole: the daily
// one, that of 90 days, or the whole history. New prices go to the store first, then into the table. Calls wait for each other.
func (f *Fetcher) Fetch(ctx context.Context) ([]expense.Quote, error) {
	f.fetching.Lock()
	defer f.fetching.Unlock()

	var arrived []expense.Quote
	settled := f.settled()
	for _, source := range f.sources() {
		file, modified, err := f.download(ctx, source)
		if err != nil {
			return nil, err
		}
		if !modified.changed {
			break
		}
		if !source.whole && workingDays(settled, file.Quotes[0].Date) > 1 {
			continue // it begins too late: the days between would be lost
		}
		arrived, err = f.take(ctx, file)
		f.announce(ctx, arrived)
		if err != nil {
			return arrived, err
		}
		f.validators[source.name] = modified.validators
		break
	}
	return arrived, nil
}

func (f *Fetcher) announce(ctx context.Context, arrived []expense.Quote) {
	if len(arrived) == 0 {
		return
	}
	f.config.Logger.InfoContext(ctx, "exchange rates arrived", "prices", len(arrived), "newest", f.table.LatestDate())
	if f.config.OnNewQuotes != nil {
		f.config.OnNewQuotes(ctx, arrived)
	}
}

// A source is one of the bank's files.
type source struct {
	name  string
	limit int64 // in bytes, several times what it has
	parse func(content []byte) (File, error)
	whole bool // it holds everything, so it never leaves a hole
}

// sources returns the files to try, in order: those too small to reach back to what the table has are left out.
func (f *Fetcher) sources() []source {
	parseXML := func(content []byte) (File, error) { return ParseXML(bytes.NewReader(content)) }
	parseZip := func(content []byte) (File, error) { return ParseZip(bytes.NewReader(content), int64(len(content))) }
	all := []source{
		{name: "eurofxref-daily.xml", limit: 256 << 10, parse: parseXML},
		{name: "eurofxref-hist-90d.xml", limit: 4 << 20, parse: parseXML},
		{name: "eurofxref-hist.zip", limit: 16 << 20, parse: parseZip, whole: true},
	}
	switch missing := f.missing(f.config.Now()); {
	case missing <= 1:
		return all
	case missing <= 60:
		return all[1:]
	default:
		return all[2:]
	}
}

// missing returns how many working days have been published that the table lacks.
func (f *Fetcher) missing(now time.Time) int {
	published := expense.DateOf(now.Add(-publication), time.UTC)
	return workingDays(f.settled(), published)
}

// settled returns the last day up to which the table has no hole; the zero Date when it is empty.
func (f *Fetcher) settled() expense.Date {
	days := f.table.days()
	for i := 1; i < len(days); i++ {
		if days[i].Sub(days[i-1]) > longestClosure {
			return days[i-1]
		}
	}
	return f.table.LatestDate()
}

// workingDays counts the days from Monday to Friday after after, up to until. The bank has a few holidays too: to count one
// of them asks for a larger file than is needed, never for one too small.
func workingDays(after, until expense.Date) int {
	if after.IsZero() {
		after = expense.MustDate("1999-01-03") // the eve of the first price
	}
	count := 0
	for day := after.AddDays(1); !day.After(until); day = day.AddDays(1) {
		if weekday := day.Weekday(); weekday != time.Saturday && weekday != time.Sunday {
			count++
		}
	}
	return count
}

// untilNext returns how long to wait after a fetch that went well.
func (f *Fetcher) untilNext(now time.Time) time.Duration {
	next := now.UTC().Truncate(24 * time.Hour).Add(publication)
	for !next.After(now) || next.Weekday() == time.Saturday || next.Weekday() == time.Sunday {
		next = next.Add(24 * time.Hour)
	}
	return min(f.config.Interval, next.Sub(now)+rand.N(spread))
}

// backoff returns how long to wait after so many failures before: twice as long each time, by chance up to half less.
func backoff(failures int) time.Duration {
	wait := min(lastRetry, firstRetry<<min(failures, 16))
	return wait - rand.N(wait/2)
}

// sleep waits and reports true, or false as soon as ctx is done.
func sleep(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// take keeps what is new in file, oldest first and whole days at a time: a failure half-way leaves no hole behind.
func (f *Fetcher) take(ctx context.Context, file File) ([]expense.Quote, error) {
	f.reportUnknown(ctx, file.UnknownCurrencies)
	var fresh, changed, arrived []expense.Quote
	for _, quote := range file.Quotes {
		switch kept := f.table.price(quote.Currency, quote.Date); {
		case kept.IsZero():
			fresh = append(fresh, quote)
		case kept != quote.Value:
			changed = append(changed, quote)
		}
	}
	for len(fresh) > 0 {
		batch := firstDays(fresh, batchDays)
		differing, err := f.store.PutQuotes(ctx, batch...)
		if err != nil {
			return arrived, fmt.Errorf("keeping exchange rates: %w", err)
		}
		f.table.Add(without(batch, differing)...)
		if len(differing) > 0 {
			// Another instance has kept what was published before: that is what holds, here too.
			if err := f.table.load(ctx, f.store, batch[0].Date); err != nil {
				return arrived, fmt.Errorf("reading kept exchange rates: %w", err)
			}
			changed = append(changed, differing...)
		}
		for _, quote := range batch {
			quote.Value = f.table.price(quote.Currency, quote.Date)
			arrived = append(arrived, quote)
		}
		fresh = fresh[len(batch):]
	}
	f.reportChanged(ctx, changed)
	return arrived, nil
}

// firstDays returns the quotes of the first n days; quotes are ordered by day.
func firstDays(quotes []expense.Quote, n int) []expense.Quote {
	for i := 1; i < len(quotes); i++ {
		if quotes[i].Date != quotes[i-1].Date {
			if n--; n == 0 {
				return quotes[:i]
			}
		}
	}
	return quotes
}

func without(quotes, excluded []expense.Quote) []expense.Quote {
	if len(excluded) == 0 {
		return quotes
	}
	return slices.DeleteFunc(slices.Clone(quotes), func(q expense.Quote) bool { return slices.Contains(excluded, q) })
}

func (f *Fetcher) reportUnknown(ctx context.Context, codes []string) {
	for _, code := range codes {
		if !f.reported[code] {
			f.reported[code] = true
			f.config.Logger.WarnContext(ctx, "the bank publishes a currency that this release does not know; it is left out",
				"currency", code)
		}
	}
}

func (f *Fetcher) reportChanged(ctx context.Context, changed []expense.Quote) {
	for _, quote := range changed[:min(len(changed), loggedChanges)] {
		f.config.Logger.WarnContext(ctx, "a published exchange rate changed upstream; the kept one stays",
			"currency", quote.Currency, "date", quote.Date,
			"published", quote.Value, "kept", f.table.price(quote.Currency, quote.Date))
	}
	if more := len(changed) - loggedChanges; more > 0 {
		f.config.Logger.WarnContext(ctx, "more published exchange rates changed upstream; the kept ones stay", "prices", more)
	}
}

// modification says what a request found.
type modification struct {
	changed    bool
	validators validators
}

// download gets and parses one file, unless the server says that it is the one that was taken in last time.
func (f *Fetcher) download(ctx context.Context, source source) (File, modification, error) {
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()

	address := f.base.JoinPath(source.name).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return File{}, modification{}, fmt.Errorf("asking for %s: %w", address, err)
	}
	request.Header.Set("User-Agent", userAgent)
	known := f.validators[source.name]
	if known.etag != "" {
		request.Header.Set("If-None-Match", known.etag)
	}
	if known.modified != "" {
		request.Header.Set("If-Modified-Since", known.modified)
	}
	response, err := f.config.Client.Do(request)
	if err != nil {
		return File{}, modification{}, err // a url.Error, which names the address
	}
	defer response.Body.Close() //nolint:errcheck // the body was read; there is nothing to lose.

	switch {
	case response.StatusCode == http.StatusNotModified && known != validators{}:
		return File{}, modification{}, nil
	case response.StatusCode != http.StatusOK:
		return File{}, modification{}, fmt.Errorf("%s answered %s", address, response.Status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return File{}, modification{}, fmt.Errorf("%s answered with a web page, not with exchange rates: is there a proxy between?",
			address)
	}
	content, err := io.ReadAll(bound(response.Body, source.limit))
	if err != nil {
		return File{}, modification{}, fmt.Errorf("reading %s: %w", address, err)
	}
	file, err := source.parse(content)
	if err != nil {
		return File{}, modification{}, fmt.Errorf("%s: %w", address, err)
	}
	// No zone is a day ahead of UTC. What is kept once is kept for ever, so a price from the future must not get in.
	today := expense.DateOf(f.config.Now(), time.UTC)
	if newest := file.Quotes[len(file.Quotes)-1].Date; newest.After(today.AddDays(1)) {
		return File{}, modification{}, fmt.Errorf("%s has prices of %s, but today is %s; none was taken: check this machine's clock",
			address, newest, today)
	}
	return file, modification{changed: true, validators: validators{
		etag: response.Header.Get("ETag"), modified: response.Header.Get("Last-Modified"),
	}}, nil
}
