package ecb

import (
	"bytes"
	"context"
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

// DefaultBaseURL is the URL of the bank's folder of files.
const DefaultBaseURL = "https://www.ecb.europa.eu/stats/eurofxref/"

const (
	defaultInterval = 24 * time.Hour
	defaultTimeout  = time.Minute
	minRetryDelay   = time.Minute
	maxRetryDelay   = time.Hour
	userAgent       = "spendwise (+https://github.com/spendwise/spendwise)"

	// publicationTime is the time of day, in UTC, after which the file of a working day is available. The bank publishes
	// at about 16:00 Central European Time, which is 15:00 UTC in winter and 14:00 UTC in summer.
	publicationTime = 15*time.Hour + 15*time.Minute
	// maxFetchDelay is the maximum random delay of a fetch after publicationTime, so that not all instances send requests
	// at the same time.
	maxFetchDelay = 30 * time.Minute

	// maxGapDays is the maximum number of days between two days with rates. The longest regular gaps, at Easter and
	// Christmas, are 5 days.
	maxGapDays = 7
	// batchDays is the number of days that one call writes to the store: about 1,000 rates.
	batchDays = 30
	// maxLoggedConflicts is the maximum number of conflicting rates of one file that are logged one by one.
	maxLoggedConflicts = 20
)

// A Store stores rates for all instances. Every store.Store of this module is a Store.
type Store interface {
	// PutQuotes stores quotes, all or none. It never overwrites a stored rate. If a quote differs from the stored rate of
	// the same currency and day, PutQuotes returns the quote as a conflict.
	PutQuotes(ctx context.Context, quotes ...expense.Quote) (conflicts []expense.Quote, err error)

	// Quotes yields the stored rates of source on and after the day from, ordered by date and currency code.
	Quotes(ctx context.Context, source expense.Source, from expense.Date) iter.Seq2[expense.Quote, error]
}

// A Config configures a [Fetcher]. The zero Config fetches from the bank's server once a day.
type Config struct {
	Client   *http.Client     // nil: http.DefaultClient
	BaseURL  string           // the URL of the folder of the bank's files or of a mirror; empty: DefaultBaseURL
	Interval time.Duration    // the maximum time between two successful fetches; 0: 24 hours
	Timeout  time.Duration    // for downloading one file; 0: 1 minute
	Logger   *slog.Logger     // nil: no logging
	Now      func() time.Time // nil: time.Now

	// OnNewQuotes is called after each fetch that added rates to the store and the table, for example to convert pending
	// expenses. The next fetch waits until it returns, so it must not call Fetch. It may be nil.
	OnNewQuotes func(ctx context.Context, quotes []expense.Quote)
}

// A Fetcher downloads the bank's files and adds new rates to a store and a table.
type Fetcher struct {
	table  *Table
	store  Store
	config Config
	base   *url.URL

	fetching   sync.Mutex            // held by Fetch; guards the fields below
	validators map[string]validators // by file name
	reported   map[string]bool       // the unknown currency codes that were logged
}

// validators are the validators (RFC 9110) of a file that was processed, for conditional requests.
type validators struct {
	etag, modified string
}

// NewFetcher returns a Fetcher. Call [Table.Load] with the store before, and [Fetcher.Run] after. The error reports an
// invalid configuration.
func NewFetcher(table *Table, store Store, config Config) (*Fetcher, error) {
	if config.BaseURL == "" {
		config.BaseURL = DefaultBaseURL
	}
	base, err := url.Parse(config.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("base URL %s is not an http or https URL; give one such as %s",
			quote(config.BaseURL), DefaultBaseURL)
	}
	if config.Interval < 0 || config.Timeout < 0 {
		return nil, fmt.Errorf("interval %s or timeout %s is negative; give 0 for the default",
			config.Interval, config.Timeout)
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

// Run fetches until ctx is done. It fetches at once if the table lacks the rates of the last working day. Then it
// fetches shortly after each publication, and at the latest when Config.Interval has passed since the last fetch. It
// retries a failed fetch with exponential backoff. The delay is about 1 minute at first and at most 1 hour or
// Config.Interval, whichever is shorter. Run returns after ctx is done and the current fetch has ended.
func (f *Fetcher) Run(ctx context.Context) {
	failures := 0
	wait := time.Duration(0)
	if now := f.config.Now(); f.missingDays(now) == 0 {
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
			f.config.Logger.WarnContext(ctx, "fetching exchange rates failed; stored rates stay in use",
				"error", err, "failures", failures, "retry_in", wait.Round(time.Second).String())
		default:
			failures = 0
			wait = f.untilNext(f.config.Now())
		}
	}
}

// Fetch downloads rates once and returns the new ones. It downloads the smallest file that leaves no gap: the daily
// file, the file of 90 days, or the whole history. It adds new rates first to the store, then to the table. If Fetch
// returns an error, it also returns the rates that it added before. Concurrent calls run one after another.
func (f *Fetcher) Fetch(ctx context.Context) ([]expense.Quote, error) {
	f.fetching.Lock()
	defer f.fetching.Unlock()

	var added []expense.Quote
	completeUntil := f.completeUntil()
	for _, remote := range f.filesToTry() {
		file, modified, err := f.download(ctx, remote)
		if err != nil {
			return nil, err
		}
		if !modified.changed {
			break
		}
		if !remote.fullHistory && workingDays(completeUntil, file.Quotes[0].Date) > 1 {
			continue // the file begins too late and would leave a gap
		}
		added, err = f.add(ctx, file)
		f.reportAdded(ctx, added)
		if err != nil {
			return added, err
		}
		f.validators[remote.name] = modified.validators
		break
	}
	return added, nil
}

func (f *Fetcher) reportAdded(ctx context.Context, added []expense.Quote) {
	if len(added) == 0 {
		return
	}
	f.config.Logger.InfoContext(ctx, "exchange rates added", "prices", len(added), "newest", f.table.LatestDate())
	if f.config.OnNewQuotes != nil {
		f.config.OnNewQuotes(ctx, added)
	}
}

// A remoteFile is one of the bank's files.
type remoteFile struct {
	name        string
	limit       int64 // the maximum size in bytes, several times the current size
	parse       func(content []byte) (File, error)
	fullHistory bool // from 1999 on
}

// filesToTry returns the files to try, in order. It omits files that are too small for the missing days.
func (f *Fetcher) filesToTry() []remoteFile {
	parseXML := func(content []byte) (File, error) { return ParseXML(bytes.NewReader(content)) }
	parseZip := func(content []byte) (File, error) { return ParseZip(bytes.NewReader(content), int64(len(content))) }
	all := []remoteFile{
		{name: "eurofxref-daily.xml", limit: 256 << 10, parse: parseXML},
		{name: "eurofxref-hist-90d.xml", limit: 4 << 20, parse: parseXML},
		{name: "eurofxref-hist.zip", limit: 16 << 20, parse: parseZip, fullHistory: true},
	}
	switch missing := f.missingDays(f.config.Now()); {
	case missing <= 1:
		return all
	case missing <= 60:
		return all[1:]
	default:
		return all[2:]
	}
}

// missingDays returns the number of published working days that the table lacks.
func (f *Fetcher) missingDays(now time.Time) int {
	published := expense.DateOf(now.Add(-publicationTime), time.UTC)
	return workingDays(f.completeUntil(), published)
}

// completeUntil returns the last day up to which the table has no gap, or the zero Date if the table is empty.
func (f *Fetcher) completeUntil() expense.Date {
	days := f.table.days()
	for i := 1; i < len(days); i++ {
		if days[i].Sub(days[i-1]) > maxGapDays {
			return days[i-1]
		}
	}
	return f.table.LatestDate()
}

// workingDays returns the number of days from Monday to Friday that are later than after and not later than until. It
// counts bank holidays too. Therefore the Fetcher may choose a larger file than necessary, but never one that is too
// small.
func workingDays(after, until expense.Date) int {
	if after.IsZero() {
		after = expense.MustDate("1999-01-03") // the day before the first rate
	}
	count := 0
	for day := after.AddDays(1); !day.After(until); day = day.AddDays(1) {
		if weekday := day.Weekday(); weekday != time.Saturday && weekday != time.Sunday {
			count++
		}
	}
	return count
}

// untilNext returns the time to wait after a successful fetch.
func (f *Fetcher) untilNext(now time.Time) time.Duration {
	next := now.UTC().Truncate(24 * time.Hour).Add(publicationTime)
	for !next.After(now) || next.Weekday() == time.Saturday || next.Weekday() == time.Sunday {
		next = next.Add(24 * time.Hour)
	}
	return min(f.config.Interval, next.Sub(now)+rand.N(maxFetchDelay))
}

// backoff returns the time to wait before the next retry. It doubles with each failure and is reduced by up to half at
// random.
func backoff(failures int) time.Duration {
	wait := min(maxRetryDelay, minRetryDelay<<min(failures, 16))
	return wait - rand.N(wait/2)
}

// sleep waits and returns true. If ctx is done, it returns false at once.
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

// add adds the new rates of file. It adds the oldest first and whole days at once, so that a failure leaves no gap.
func (f *Fetcher) add(ctx context.Context, file File) ([]expense.Quote, error) {
	f.reportUnknown(ctx, file.UnknownCurrencies)
	var missing, conflicts, added []expense.Quote
	for _, quote := range file.Quotes {
		switch existing := f.table.rateOn(quote.Currency, quote.Date); {
		case existing.IsZero():
			missing = append(missing, quote)
		case existing != quote.Value:
			conflicts = append(conflicts, quote)
		}
	}
	for len(missing) > 0 {
		batch := firstDays(missing, batchDays)
		differing, err := f.store.PutQuotes(ctx, batch...)
		if err != nil {
			return added, fmt.Errorf("store exchange rates: %w", err)
		}
		f.table.Add(without(batch, differing)...)
		if len(differing) > 0 {
			// Another instance has stored other rates of these days. The store's rates apply.
			if err := f.table.load(ctx, f.store, batch[0].Date); err != nil {
				return added, fmt.Errorf("read stored exchange rates: %w", err)
			}
			conflicts = append(conflicts, differing...)
		}
		for _, quote := range batch {
			quote.Value = f.table.rateOn(quote.Currency, quote.Date)
			added = append(added, quote)
		}
		missing = missing[len(batch):]
	}
	f.reportConflicts(ctx, conflicts)
	return added, nil
}

// firstDays returns the quotes of the first n days. quotes are ordered by day.
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
			f.config.Logger.WarnContext(ctx,
				"the bank publishes a currency that this release does not know; its rates are ignored", "currency", code)
		}
	}
}

func (f *Fetcher) reportConflicts(ctx context.Context, conflicts []expense.Quote) {
	for _, quote := range conflicts[:min(len(conflicts), maxLoggedConflicts)] {
		f.config.Logger.WarnContext(ctx, "the bank changed a published exchange rate; the stored rate stays",
			"currency", quote.Currency, "date", quote.Date,
			"published", quote.Value, "kept", f.table.rateOn(quote.Currency, quote.Date))
	}
	if more := len(conflicts) - maxLoggedConflicts; more > 0 {
		f.config.Logger.WarnContext(ctx, "the bank changed more published exchange rates; the stored rates stay",
			"prices", more)
	}
}

// modification is the result of a conditional request.
type modification struct {
	changed    bool
	validators validators
}

// download downloads and parses a file, unless the server reports that it has not changed since the last time.
func (f *Fetcher) download(ctx context.Context, remote remoteFile) (File, modification, error) {
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()

	address := f.base.JoinPath(remote.name).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return File{}, modification{}, fmt.Errorf("request %s: %w", address, err)
	}
	request.Header.Set("User-Agent", userAgent)
	known := f.validators[remote.name]
	if known.etag != "" {
		request.Header.Set("If-None-Match", known.etag)
	}
	if known.modified != "" {
		request.Header.Set("If-Modified-Since", known.modified)
	}
	response, err := f.config.Client.Do(request)
	if err != nil {
		return File{}, modification{}, err // a url.Error, which states the URL
	}
	defer response.Body.Close() //nolint:errcheck // the body was read.

	switch {
	case response.StatusCode == http.StatusNotModified && known != validators{}:
		return File{}, modification{}, nil
	case response.StatusCode != http.StatusOK:
		return File{}, modification{}, fmt.Errorf("%s returned status %s", address, response.Status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && kind == "text/html" {
		return File{}, modification{}, fmt.Errorf(
			"%s returned an HTML page instead of exchange rates; check whether a proxy intercepts requests", address)
	}
	content, err := io.ReadAll(newLimitedReader(response.Body, remote.limit))
	if err != nil {
		return File{}, modification{}, fmt.Errorf("read %s: %w", address, err)
	}
	file, err := remote.parse(content)
	if err != nil {
		return File{}, modification{}, fmt.Errorf("%s: %w", address, err)
	}
	// A stored rate is never overwritten, so reject rates of the future. No time zone is more than a day ahead of UTC.
	today := expense.DateOf(f.config.Now(), time.UTC)
	if newest := file.Quotes[len(file.Quotes)-1].Date; newest.After(today.AddDays(1)) {
		return File{}, modification{}, fmt.Errorf(
			"%s has rates of %s, but today is %s; none was added: check the clock of this machine", address, newest, today)
	}
	return file, modification{changed: true, validators: validators{
		etag: response.Header.Get("ETag"), modified: response.Header.Get("Last-Modified"),
	}}, nil
}
