package ecb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
)

func clockAt(text string) func() time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return at }
}

// A bank serves the three files with the rates published up to the current time of the synctest bubble. It publishes
// the rates of a day at 15:00 UTC. It is an http.RoundTripper, because a bubble must not use the network.
type bank struct {
	t      testing.TB
	quotes []expense.Quote // all that it will ever publish
	early  time.Duration   // by how much it publishes sooner than it should

	mu       sync.Mutex
	failing  bool
	requests []request
}

type request struct {
	at     time.Time
	file   string
	status int
}

func (b *bank) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	published := upTo(b.quotes, expense.DateOf(time.Now().Add(b.early-15*time.Hour), time.UTC))
	newest := published[len(published)-1].Date
	etag := fmt.Sprintf("%q", newest.String())

	response := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}
	switch {
	case b.failing:
		response.StatusCode, response.Status = http.StatusInternalServerError, "500 Internal Server Error"
	case r.Header.Get("If-None-Match") == etag:
		response.StatusCode, response.Status = http.StatusNotModified, "304 Not Modified"
	default:
		response.Header.Set("ETag", etag)
		response.Body = io.NopCloser(bytes.NewReader(render(b.t, name, published)))
	}
	b.requests = append(b.requests, request{at: time.Now(), file: name, status: response.StatusCode})
	return response, nil
}

// render returns the file with this name, with the rates published so far.
func render(t testing.TB, name string, published []expense.Quote) []byte {
	newest := published[len(published)-1].Date
	since := func(day expense.Date) []expense.Quote { return published[len(upTo(published, day.AddDays(-1))):] }
	switch name {
	case "eurofxref-daily.xml":
		return []byte(renderXML(since(newest)))
	case "eurofxref-hist-90d.xml":
		return []byte(renderXML(since(newest.AddDays(-90))))
	case "eurofxref-hist.zip":
		return archive(t, "eurofxref-hist.csv", renderCSV(published))
	default:
		t.Errorf("the file %q was asked for", name)
		return nil
	}
}

// seen returns the requests so far.
func (b *bank) seen() []request {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// count returns the number of requests for a file with a response status. "" and 0 match any.
func count(requests []request, file string, status int) int {
	n := 0
	for _, r := range requests {
		if (file == "" || r.file == file) && (status == 0 || r.status == status) {
			n++
		}
	}
	return n
}

func (b *bank) fail(failing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = failing
}

// sleepUntil advances the clock of the bubble.
func sleepUntil(t testing.TB, text string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(at))
	synctest.Wait()
}

// start runs a fetcher until the returned function is called, or the test ends.
func start(
	t *testing.T, upstream http.RoundTripper, table *ecb.Table, store ecb.Store, config ecb.Config,
) (stop func()) {
	t.Helper()
	config.Client = &http.Client{Transport: upstream}
	fetcher, err := ecb.NewFetcher(table, store, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		fetcher.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// mustBeCurrent fails unless table has exactly these rates.
func mustBeCurrent(t *testing.T, table *ecb.Table, want []expense.Quote) {
	t.Helper()
	if newest := want[len(want)-1].Date; table.LatestDate() != newest {
		t.Fatalf("the newest day is %s, want %s", table.LatestDate(), newest)
	}
	mustKeep(t, table, want...)
}

func TestRun_FetchesRatesOfEachDayOnce(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-01-12T09:00:00Z")
		upstream := &bank{t: t, quotes: all}
		old := upTo(all, expense.MustDate("2026-01-09"))
		table, store := table(old...), newMemory()
		var arrived []expense.Quote
		start(t, upstream, table, store, ecb.Config{OnNewQuotes: func(_ context.Context, quotes []expense.Quote) {
			mustKeep(t, table, quotes...)
			arrived = append(arrived, quotes...)
		}})

		sleepUntil(t, "2026-01-12T15:14:59Z")
		if seen := upstream.seen(); len(seen) != 0 {
			t.Fatalf("before the publication it asked %v, though nothing was missing", seen)
		}
		sleepUntil(t, "2026-01-12T15:45:00Z")
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-01-12")))

		sleepUntil(t, "2026-02-07T00:00:00Z") // a Saturday, after 20 working days
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-02-06")))
		seen := upstream.seen()
		if count(seen, "eurofxref-daily.xml", http.StatusOK) != 20 {
			t.Errorf("the daily file was taken %d times, want 20", count(seen, "eurofxref-daily.xml", http.StatusOK))
		}
		if count(seen, "eurofxref-daily.xml", 0) != len(seen) || len(seen) > 26 {
			t.Errorf("%d requests in 26 days, want at most one a day, all for the daily file: %v", len(seen), seen)
		}
		fresh := all[len(old):len(upTo(all, expense.MustDate("2026-02-06")))]
		if !slices.Equal(arrived, fresh) {
			t.Errorf("%d rates were reported, want %d", len(arrived), len(fresh))
		}
		if store.size() != len(fresh) {
			t.Errorf("the store has %d prices, want %d", store.size(), len(fresh))
		}
	})
}

func TestRun_SendsConditionalRequests(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-01-12T09:00:00Z")
		upstream := &bank{t: t, quotes: all}
		table := table(upTo(all, expense.MustDate("2026-01-08"))...)
		start(t, upstream, table, newMemory(), ecb.Config{Interval: time.Hour})

		sleepUntil(t, "2026-01-12T14:30:00Z")
		seen := upstream.seen()
		if count(seen, "", http.StatusOK) != 1 || count(seen, "", http.StatusNotModified) < 4 {
			t.Errorf("within five hours of one file it asked %v, want one 200 and then 304s", seen)
		}
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-01-09")))
	})
}

func TestRun_BacksOffOnErrors(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-01-12T09:00:00Z")
		upstream := &bank{t: t, quotes: all, failing: true}
		table := table(upTo(all, expense.MustDate("2026-01-08"))...)
		var log bytes.Buffer
		start(t, upstream, table, newMemory(), ecb.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})

		sleepUntil(t, "2026-01-12T18:00:00Z")
		seen := upstream.seen()
		for i := 1; i < len(seen); i++ {
			most := min(time.Hour, time.Minute<<(i-1))
			if gap := seen[i].at.Sub(seen[i-1].at); gap > most || gap < most/2 {
				t.Errorf("retry %d came after %s, want between %s and %s", i, gap, most/2, most)
			}
		}
		if len(seen) < 10 {
			t.Errorf("in nine hours it asked %d times, want more than that", len(seen))
		}
		upstream.fail(false)
		sleepUntil(t, "2026-01-12T19:00:01Z")
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-01-12")))
		if !strings.Contains(log.String(), "returned status 500 Internal Server Error") {
			t.Errorf("the log does not say why: %s", log.String())
		}
	})
}

func TestRun_FetchesMissedDaysAfterDowntime(t *testing.T) {
	for name, test := range map[string]struct{ have, file string }{
		"a day":               {"2026-02-02", "eurofxref-daily.xml"},
		"two days":            {"2026-01-30", "eurofxref-hist-90d.xml"},
		"three weeks":         {"2026-01-09", "eurofxref-hist-90d.xml"},
		"nearly three months": {"2025-11-14", "eurofxref-hist-90d.xml"},
		"half a year":         {"2025-08-01", "eurofxref-hist.zip"},
		"for ever":            {"1999-01-01", "eurofxref-hist.zip"},
	} {
		t.Run(name, func(t *testing.T) {
			all := realQuotes(t, "2025-07-01")
			synctest.Test(t, func(t *testing.T) {
				sleepUntil(t, "2026-02-03T20:00:00Z") // a Tuesday
				upstream := &bank{t: t, quotes: all}
				table := table(upTo(all, expense.MustDate(test.have))...)
				start(t, upstream, table, newMemory(), ecb.Config{})
				synctest.Wait()
				mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-02-03")))
				if seen := upstream.seen(); len(seen) != 1 || seen[0].file != test.file {
					t.Errorf("it asked %v, want %s alone", seen, test.file)
				}
			})
		})
	}
}

func TestRun_FillsGapInTable(t *testing.T) {
	all := realQuotes(t, "2025-07-01")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-03T20:00:00Z")
		holed := slices.DeleteFunc(slices.Clone(all), func(q expense.Quote) bool {
			return q.Date.Month() == expense.MustDate("2025-12-01").Month() || q.Date.After(expense.MustDate("2026-02-03"))
		})
		table := table(holed...)
		start(t, &bank{t: t, quotes: all}, table, newMemory(), ecb.Config{})
		synctest.Wait()
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-02-03")))
	})
}

func TestFetch_UsesLargerFileIfDailyFileIsAhead(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-04T14:30:00Z") // Wednesday's rates are published half an hour early; Tuesday's were missed
		upstream := &bank{t: t, quotes: all, early: time.Hour}
		table := table(upTo(all, expense.MustDate("2026-02-02"))...)
		start(t, upstream, table, newMemory(), ecb.Config{})
		synctest.Wait()
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-02-04")))
		if seen := upstream.seen(); len(seen) != 2 || seen[1].file != "eurofxref-hist-90d.xml" {
			t.Errorf("it asked %v, want the daily file and that of 90 days", seen)
		}
	})
}

func TestFetch_StoreErrorLeavesNoGap(t *testing.T) {
	all := realQuotes(t, "2025-07-01")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-03T20:00:00Z")
		old := upTo(all, expense.MustDate("2025-07-31"))
		table, store := table(old...), newMemory(old...)
		store.fails[3] = expense.ErrUnavailable
		stop := start(t, &bank{t: t, quotes: all}, table, store, ecb.Config{})
		synctest.Wait()
		half := table.LatestDate()
		if !half.After(expense.MustDate("2025-07-31")) || !half.Before(expense.MustDate("2026-02-03")) {
			t.Fatalf("after a failure half-way the newest day is %s", half)
		}
		mustBeCurrent(t, table, upTo(all, half))
		stop()

		// Another process starts with the rates that the first one stored.
		restarted := new(ecb.Table)
		if err := restarted.Load(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		mustBeCurrent(t, restarted, upTo(all, half))
		start(t, &bank{t: t, quotes: all}, restarted, store, ecb.Config{})
		synctest.Wait()
		mustBeCurrent(t, restarted, upTo(all, expense.MustDate("2026-02-03")))
	})
}

func TestRun_RetriesRatesThatStoreRejected(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-03T20:00:00Z")
		table, store := table(upTo(all, expense.MustDate("2026-02-02"))...), newMemory()
		store.fails[1] = expense.ErrUnavailable
		start(t, &bank{t: t, quotes: all}, table, store, ecb.Config{})
		synctest.Wait()
		if got, want := table.LatestDate(), expense.MustDate("2026-02-02"); got != want {
			t.Fatalf("the table has %s before the store has", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		mustBeCurrent(t, table, upTo(all, expense.MustDate("2026-02-03")))
	})
}

// TestFetch_InstancesAgreeThroughStore changes a published rate between the fetches of two instances.
func TestFetch_InstancesAgreeThroughStore(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-03T20:00:00Z")
		old := upTo(all, expense.MustDate("2026-02-02"))
		store := newMemory()
		first, second := table(old...), table(old...)
		start(t, &bank{t: t, quotes: all}, first, store, ecb.Config{})
		synctest.Wait()

		changed := slices.Clone(all)
		for i, q := range changed {
			if q.Currency.Code() == "USD" && q.Date == expense.MustDate("2026-02-03") {
				changed[i].Value = expense.MustFactor("9.99")
			}
		}
		var log bytes.Buffer
		var arrived []expense.Quote
		start(t, &bank{t: t, quotes: changed}, second, store, ecb.Config{
			Logger:      slog.New(slog.NewTextHandler(&log, nil)),
			OnNewQuotes: func(_ context.Context, quotes []expense.Quote) { arrived = quotes },
		})
		synctest.Wait()
		want := upTo(all, expense.MustDate("2026-02-03"))
		mustBeCurrent(t, first, want)
		mustBeCurrent(t, second, want)
		if fresh := want[len(old):]; !slices.Equal(arrived, fresh) {
			t.Errorf("the second instance received %v, want %v", arrived, fresh)
		}
		for _, part := range []string{
			"changed a published exchange rate", "currency=USD", "date=2026-02-03", "published=9.99",
		} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log does not say %q: %s", part, log.String())
			}
		}
	})
}

// disputed is a store that has other rates than the given ones, but fails to return them.
type disputed struct{ dead }

func (disputed) PutQuotes(_ context.Context, quotes ...expense.Quote) ([]expense.Quote, error) {
	return quotes, nil
}

func TestFetch_TableNeverHasRateThatDiffersFromStore(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-03T20:00:00Z")
		table := table(upTo(all, expense.MustDate("2026-02-02"))...)
		fetcher, err := ecb.NewFetcher(table, disputed{dead{expense.ErrUnavailable}}, ecb.Config{
			Client: &http.Client{Transport: &bank{t: t, quotes: all}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetcher.Fetch(t.Context()); !errors.Is(err, expense.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
		if got := table.LatestDate(); got != expense.MustDate("2026-02-02") {
			t.Errorf("the table has prices of %s", got)
		}
	})
}

func TestFetch_LogsAndIgnoresRateChangedUpstream(t *testing.T) {
	kept, fresh := quote("2026-02-02", "USD", "1.18"), quote("2026-02-03", "USD", "1.19")
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-02-04T12:00:00Z")
		var log bytes.Buffer
		table, store := table(quote("2026-01-30", "USD", "1.17"), kept), newMemory(kept)
		quotes := []expense.Quote{quote("2026-01-30", "USD", "1.17"), quote("2026-02-02", "USD", "1.5"), fresh}
		fetcher, err := ecb.NewFetcher(table, store, ecb.Config{
			Client: &http.Client{Transport: whole{&bank{t: t, quotes: quotes}}},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fetcher.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustKeep(t, table, kept, fresh)
		for _, part := range []string{"level=WARN", "currency=USD", "date=2026-02-02", "published=1.5", "kept=1.18"} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("the log does not say %q: %s", part, log.String())
			}
		}
	})
}

// whole serves the file of 90 days under the name of the daily file.
type whole struct{ *bank }

func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Path = strings.Replace(r.URL.Path, "daily", "hist-90d", 1)
	return w.bank.RoundTrip(r)
}

func TestRun_StopsWithContext(t *testing.T) {
	all := realQuotes(t, "2025-11-03")
	t.Run("while it sleeps", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sleepUntil(t, "2026-02-03T20:00:00Z")
			stop := start(t, &bank{t: t, quotes: all}, table(all...), newMemory(), ecb.Config{})
			synctest.Wait()
			begin := time.Now()
			stop()
			if waited := time.Since(begin); waited != 0 {
				t.Errorf("it took %s to stop", waited)
			}
		})
	})
	t.Run("while the bank is silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sleepUntil(t, "2026-02-03T20:00:00Z")
			stop := start(t, silent{}, new(ecb.Table), newMemory(), ecb.Config{})
			synctest.Wait()
			begin := time.Now()
			stop()
			if waited := time.Since(begin); waited != 0 {
				t.Errorf("it took %s to stop", waited)
			}
		})
	})
	t.Run("before it began", func(t *testing.T) {
		upstream := &bank{t: t, quotes: all}
		fetcher, err := ecb.NewFetcher(new(ecb.Table), newMemory(), ecb.Config{Client: &http.Client{Transport: upstream}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		fetcher.Run(ctx)
		if seen := upstream.seen(); len(seen) != 0 {
			t.Errorf("it asked %v", seen)
		}
	})
}

// silent never responds.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

func TestFetch_TimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetcher, err := ecb.NewFetcher(new(ecb.Table), newMemory(), ecb.Config{
			Client: &http.Client{Transport: silent{}}, Timeout: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := fetcher.Fetch(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want that the deadline was exceeded", err)
		}
		if waited := time.Since(begin); waited != 10*time.Second {
			t.Errorf("it gave up after %s, want 10s", waited)
		}
	})
}

func TestFetch_RejectsInvalidResponses(t *testing.T) {
	good := renderXML([]expense.Quote{quote("2026-02-03", "USD", "1.19")})
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter)
		want   string
	}{
		"a server's fault": {
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, "returned status 502 Bad Gateway",
		},
		"a missing file": {
			func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) }, "returned status 404 Not Found",
		},
		"nothing new to who asked for all": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotModified) },
			"returned status 304 Not Modified"},
		"an empty body": {func(http.ResponseWriter) {}, "has no Envelope"},
		"a web page": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, good)
		}, "check whether a proxy"},
		"garbage": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = w.Write([]byte{0xff, 0xfe, 0, 1, 2})
		}, "download the file again"},
		"a body without an end": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.CopyN(w, endless(" "), 64<<20)
		}, "larger than the limit of 256 KiB"},
		"a body cut short": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			w.Header().Set("Content-Length", "9999")
			_, _ = io.WriteString(w, good)
		}, "unexpected EOF"},
		"prices of the future": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, strings.ReplaceAll(good, "2026-02-03", "2026-02-05"))
		}, "has rates of 2026-02-05, but today is 2026-02-03"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) }))
			t.Cleanup(server.Close)
			table, store := table(quote("2026-02-02", "USD", "1.18")), newMemory()
			fetcher, err := ecb.NewFetcher(table, store, ecb.Config{
				Client: server.Client(), BaseURL: server.URL + "/stats", Now: clockAt("2026-02-03T20:00:00Z"),
				OnNewQuotes: func(context.Context, []expense.Quote) { t.Error("something is said to have arrived") },
			})
			if err != nil {
				t.Fatal(err)
			}
			arrived, err := fetcher.Fetch(t.Context())
			if err == nil || len(arrived) != 0 {
				t.Fatalf("Fetch() = %v, %v; want an error", arrived, err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not say %q", err, test.want)
			}
			if table.LatestDate() != expense.MustDate("2026-02-02") || store.size() != 0 {
				t.Errorf("the table has %s and the store %d prices, want nothing changed", table.LatestDate(), store.size())
			}
		})
	}
}

func TestFetch_SendsValidatorsOfLastResponse(t *testing.T) {
	var asked []http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Header)
		if r.URL.Path != "/mirror/eurofxref-daily.xml" {
			t.Errorf("it asked for %s", r.URL.Path)
		}
		if r.Header.Get("If-Modified-Since") != "" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "text/xml")
		w.Header().Set("Last-Modified", "Tue, 03 Feb 2026 14:56:00 GMT")
		w.Header().Set("ETag", `"abc"`)
		_, _ = io.WriteString(w, renderXML([]expense.Quote{quote("2026-02-03", "USD", "1.19")}))
	}))
	t.Cleanup(server.Close)
	store := newMemory()
	store.fails[1] = expense.ErrUnavailable
	fetcher, err := ecb.NewFetcher(table(quote("2026-02-02", "USD", "1.18")), store, ecb.Config{
		Client: server.Client(), BaseURL: server.URL + "/mirror/", Now: clockAt("2026-02-03T20:00:00Z"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		arrived int
		err     error
	}{{0, expense.ErrUnavailable}, {1, nil}, {0, nil}} {
		if arrived, err := fetcher.Fetch(t.Context()); len(arrived) != want.arrived || !errors.Is(err, want.err) {
			t.Fatalf("fetch %d: %v, %v; want %d prices, %v", i, arrived, err, want.arrived, want.err)
		}
	}
	if got := asked[1].Get("If-None-Match") + asked[1].Get("If-Modified-Since"); got != "" {
		t.Errorf("it asked for changes since a file that it could not keep: %s", got)
	}
	if got := asked[2].Get("If-None-Match"); got != `"abc"` {
		t.Errorf("If-None-Match = %s", got)
	}
	if got := asked[2].Get("If-Modified-Since"); got != "Tue, 03 Feb 2026 14:56:00 GMT" {
		t.Errorf("If-Modified-Since = %s", got)
	}
	if got := asked[0].Get("User-Agent"); !strings.HasPrefix(got, "spendwise") {
		t.Errorf("User-Agent = %s", got)
	}
}

func TestFetch_ReportsUnknownCurrencyOnce(t *testing.T) {
	day := "2026-02-03"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		_, _ = fmt.Fprintf(w, "%s<Cube time='%s'><Cube currency='QQQ' rate='2'/><Cube currency='USD' rate='1.19'/></Cube>%s",
			envelopeBegin, day, envelopeEnd)
	}))
	t.Cleanup(server.Close)
	var log bytes.Buffer
	fetcher, err := ecb.NewFetcher(table(quote("2026-02-02", "USD", "1.18")), newMemory(), ecb.Config{
		Client: server.Client(), BaseURL: server.URL, Now: clockAt("2026-02-03T20:00:00Z"),
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := fetcher.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(log.String(), "currency=QQQ"); got != 1 {
		t.Errorf("QQQ was logged %d times, want once: %s", got, log.String())
	}
}

func TestNewFetcher_RejectsInvalidConfig(t *testing.T) {
	for name, test := range map[string]struct {
		config ecb.Config
		want   string
	}{
		"an address without a host":  {ecb.Config{BaseURL: "/stats"}, "is not an http or https URL"},
		"an address of another kind": {ecb.Config{BaseURL: "file:///etc"}, "is not an http or https URL"},
		"an address that is none":    {ecb.Config{BaseURL: "https://a b/"}, "is not an http or https URL"},
		"a negative interval":        {ecb.Config{Interval: -1}, "is negative"},
		"a negative timeout":         {ecb.Config{Timeout: -1}, "is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ecb.NewFetcher(new(ecb.Table), newMemory(), test.config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v does not say %q", err, test.want)
			}
		})
	}
}
