package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/expense"
)

// An operation is one kind of request. share is its percentage of the load.
type operation struct {
	name  string
	share int
	do    func(ctx context.Context, d *driver, u *user) (status int, err error)
}

// operations returns the request mix: 60 % reads, 30 % writes, 5 % reports, 5 % sync.
func operations() []operation {
	get := func(path string) func(context.Context, *driver, *user) (int, error) {
		return func(ctx context.Context, d *driver, u *user) (int, error) {
			status, _, err := d.request(ctx, u, http.MethodGet, path, nil, "")
			return status, err
		}
	}
	return []operation{
		{"page of 50", 30, get("/v1/expenses")},
		{"page of a month", 10, func(ctx context.Context, d *driver, u *user) (int, error) {
			month := expense.DateOf(time.Now(), time.UTC).Month().Add(-rand.IntN(3))
			return get(fmt.Sprintf("/v1/expenses?date_from=%s&date_to=%s", month.First(), month.Last()))(ctx, d, u)
		}},
		{"budget progress", 10, get("/v1/budgets/progress")},
		{"categories", 10, get("/v1/categories")},
		{"add", 30, add},
		{"monthly report", 4, get("/v1/reports/monthly")},
		{"yearly report", 1, get(fmt.Sprintf("/v1/reports/yearly?year=%d", time.Now().Year()))},
		{"sync pull", 3, pull},
		{"sync push", 2, push},
	}
}

// A write is an expense that the load has sent. The expense's notes contain key.
type write struct {
	user         *user
	key          string
	acknowledged bool
}

// A driver sends requests on a schedule, without waiting for earlier responses. It measures latencies from the
// scheduled time, so a stall counts for every request that was due during the stall (no coordinated omission).
type driver struct {
	users      []*user
	first      expense.Date  // all writes have this date or a later one
	retry      time.Duration // how long a failed write is retried with its idempotency key; 0 is no retry
	clients    []*http.Client
	urls       []string
	nextServer atomic.Uint64

	mu          sync.Mutex
	seen        map[string]*series
	writes      []*write
	timings     []timing
	unexpected  map[string]int // texts of responses other than success or a complete 503, with counts
	inFlight    atomic.Int64
	maxInFlight atomic.Int64
}

// A series holds the results of one operation.
type series struct {
	latency        *hdrhistogram.Histogram // microseconds, of successful responses
	ok             int
	refused        int // complete 503 responses
	unanswered     int
	otherResponses int
}

func newSeries() *series {
	return &series{latency: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)}
}

// failures returns the number of requests without a successful response or a complete 503.
func (s *series) failures() int { return s.unanswered + s.otherResponses }

// A timing records when a request was due and completed, and whether it succeeded.
type timing struct {
	due, end time.Time
	ok       bool
}

// responseTimeout is longer than the server's time limit of 30 seconds for a request.
const responseTimeout = 40 * time.Second

func newDriver(users []*user, servers []*server) *driver {
	d := &driver{
		users: users, first: expense.DateOf(time.Now(), time.UTC).AddDays(-1),
		seen: map[string]*series{}, unexpected: map[string]int{},
	}
	for _, s := range servers {
		d.clients = append(d.clients, &http.Client{
			Timeout: responseTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 0},
		})
		d.urls = append(d.urls, s.url)
	}
	return d
}

// run sends rate requests per second for duration, then waits for all responses.
func (d *driver) run(ctx context.Context, rate float64, duration time.Duration) {
	var group sync.WaitGroup
	defer group.Wait()
	began := time.Now()
	all := operations()
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) / rate * float64(time.Second)))
		if due.Sub(began) >= duration {
			return
		}
		if wait(ctx, time.Until(due)) != nil {
			return
		}
		op := pick(all)
		u := d.users[rand.IntN(len(d.users))]
		group.Go(func() {
			d.maxInFlight.Store(max(d.maxInFlight.Load(), d.inFlight.Add(1)))
			defer d.inFlight.Add(-1)
			status, err := op.do(ctx, d, u)
			d.record(op.name, due, status, err)
		})
	}
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func pick(all []operation) operation {
	n := rand.IntN(100)
	for _, op := range all {
		if n -= op.share; n < 0 {
			return op
		}
	}
	panic("the shares of the operations do not sum up to 100")
}

// record adds the result of a request.
func (d *driver) record(name string, due time.Time, status int, err error) {
	end := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seen[name]
	if s == nil {
		s = newSeries()
		d.seen[name] = s
	}
	ok := err == nil && status < 300
	d.timings = append(d.timings, timing{due, end, ok})
	switch {
	case ok:
		s.ok++
		if err := s.latency.RecordValue(end.Sub(due).Microseconds()); err != nil {
			panic(err) // the histogram's range exceeds every timeout
		}
	case err == nil && status == http.StatusServiceUnavailable:
		s.refused++
	default:
		if errors.Is(err, errUnanswered) {
			s.unanswered++
		} else {
			s.otherResponses++
		}
		text := fmt.Sprintf("%s: %d", name, status)
		if err != nil {
			text = fmt.Sprintf("%s: %v", name, err)
		}
		d.unexpected[text]++
	}
}

var (
	// errIncomplete503 reports a 503 response without the headers that a client needs to retry.
	errIncomplete503 = errors.New("a 503 without Retry-After or without a problem document")
	// errUnanswered reports a connection that was refused, broke or timed out.
	errUnanswered = errors.New("no response")
)

// prepare creates a request to the next server, round-robin, and returns the server's index.
func (d *driver) prepare(
	ctx context.Context, u *user, method, path string, content io.Reader,
) (*http.Request, int, error) {
	i := int(d.nextServer.Add(1)) % len(d.urls)
	request, err := http.NewRequestWithContext(ctx, method, d.urls[i]+path, content)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+u.token)
	return request, i, nil
}

// request sends one request. body is encoded as JSON unless it is nil; key is the idempotency key or "".
func (d *driver) request(ctx context.Context, u *user, method, path string, body any, key string) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(text)
	}
	request, i, err := d.prepare(ctx, u, method, path, content)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := d.clients[i].Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	answer, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("%w: %w", errUnanswered, err)
	}
	if response.StatusCode == http.StatusServiceUnavailable &&
		(response.Header.Get("Retry-After") == "" || response.Header.Get("Content-Type") != "application/problem+json") {
		return response.StatusCode, answer, errIncomplete503
	}
	return response.StatusCode, answer, nil
}

// write sends a request that writes expenses, and returns the result of the first attempt. Until d.retry has passed, it
// repeats a failed request unchanged, as a client does.
func (d *driver) write(ctx context.Context, writes []*write, send func() (status int, err error)) (int, error) {
	d.mu.Lock()
	d.writes = append(d.writes, writes...)
	d.mu.Unlock()
	status, err := send()
	acknowledged := err == nil && status < 300
	until := time.Now().Add(d.retry)
	for pause := 100 * time.Millisecond; !acknowledged && time.Now().Before(until); pause = min(2*pause, 2*time.Second) {
		if wait(ctx, pause) != nil {
			break
		}
		retryStatus, retryErr := send()
		acknowledged = retryErr == nil && retryStatus < 300
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range writes {
		w.acknowledged = acknowledged
	}
	return status, err
}

// add adds an expense with an idempotency key.
func add(ctx context.Context, d *driver, u *user) (int, error) {
	w := &write{user: u, key: uuid.Must(uuid.NewV7()).String()}
	body := map[string]string{"amount": fmt.Sprintf("%d.%02d", 1+rand.IntN(90), rand.IntN(100)), "notes": w.key}
	return d.write(ctx, []*write{w}, func() (int, error) {
		status, _, err := d.request(ctx, u, http.MethodPost, "/v1/expenses", body, w.key)
		return status, err
	})
}

// each calls do for every user, with limited concurrency.
func (d *driver) each(ctx context.Context, do func(context.Context, *driver, *user) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, u := range d.users {
		group.Go(func() error { return do(inner, d, u) })
	}
	return group.Wait()
}

// openApp sends the requests that an app sends when its user opens it.
func openApp(ctx context.Context, d *driver, u *user) error {
	for _, path := range [...]string{"/v1/expenses", "/v1/budgets/progress", "/v1/categories", "/v1/reports/monthly"} {
		status, answer, err := d.request(ctx, u, http.MethodGet, path, nil, "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("GET %s: %d: %s", path, status, answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fetchCursor sets the user's cursor to the end of the change feed. An event stream starts with that cursor if the
// client sends an invalid one.
func fetchCursor(ctx context.Context, d *driver, u *user) (err error) {
	request, i, err := d.prepare(ctx, u, http.MethodGet, "/v1/sync/events", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Last-Event-ID", "none")
	response, err := d.clients[i].Do(request)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if cursor, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			u.cursor.Store(&cursor)
			return nil
		}
	}
	return fmt.Errorf("GET /v1/sync/events: %s without a cursor", response.Status)
}

// firstPullEvery is the number of pulls of which one is the first of a new device or installation.
const firstPullEvery = 100

// pull requests the changes after the device's cursor. A new device requests the first page.
func pull(ctx context.Context, d *driver, u *user) (int, error) {
	path := "/v1/sync?limit=500"
	if cursor := u.cursor.Load(); cursor != nil && rand.IntN(firstPullEvery) > 0 {
		path += "&cursor=" + *cursor
	}
	status, answer, err := d.request(ctx, u, http.MethodGet, path, nil, "")
	if err != nil || status != http.StatusOK {
		return status, err
	}
	var page struct {
		Cursor string `json:"cursor"`
	}
	if err := json.Unmarshal(answer, &page); err != nil {
		return status, err
	}
	u.cursor.Store(&page.Cursor)
	return status, nil
}

// push sends ten new expenses, like a device that was offline.
func push(ctx context.Context, d *driver, u *user) (int, error) {
	var writes []*write
	var mutations []map[string]any
	for range 10 {
		w := &write{user: u, key: uuid.Must(uuid.NewV7()).String()}
		writes = append(writes, w)
		mutations = append(mutations, map[string]any{
			"mutation_id": w.key, "type": "expense", "op": "put", "id": uuid.Must(uuid.NewV7()),
			"data": map[string]string{"amount": "3.20", "notes": w.key},
		})
	}
	return d.write(ctx, writes, func() (int, error) {
		status, answer, err := d.request(ctx, u, http.MethodPost, "/v1/sync", map[string]any{"mutations": mutations}, "")
		if err != nil || status != http.StatusOK {
			return status, err
		}
		return status, applied(answer, len(mutations))
	})
}

// applied returns an error unless the response of a push reports all n mutations as applied.
func applied(answer []byte, n int) error {
	var results struct {
		Results []struct {
			Status string `json:"status"`
		} `json:"results"`
	}
	if err := json.Unmarshal(answer, &results); err != nil {
		return err
	}
	if got := len(results.Results); got != n {
		return fmt.Errorf("%d results for %d mutations", got, n)
	}
	for _, result := range results.Results {
		if result.Status != "applied" {
			return fmt.Errorf("a mutation was %s", result.Status)
		}
	}
	return nil
}

// print prints a table of results with a line per operation.
func (d *driver) print(title string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Println("\n" + title)
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "operation\tok\t503\tother\tper second\tp50 ms\tp95 ms\tp99 ms\tmax ms\t")
	first, last := time.Now(), time.Time{}
	for _, m := range d.timings {
		if m.due.Before(first) {
			first = m.due
		}
		if m.end.After(last) {
			last = m.end
		}
	}
	seconds := max(last.Sub(first).Seconds(), 0.001)
	line := func(name string, s *series) {
		ms := func(micros int64) float64 { return float64(micros) / 1000 }
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, s.ok, s.refused,
			s.failures(), float64(s.ok)/seconds,
			ms(s.latency.ValueAtQuantile(50)), ms(s.latency.ValueAtQuantile(95)), ms(s.latency.ValueAtQuantile(99)),
			ms(s.latency.Max()))
	}
	for _, op := range operations() {
		if s := d.seen[op.name]; s != nil {
			line(op.name, s)
		}
	}
	line("all", d.sum(nil))
	_ = table.Flush() // writing to a buffer does not fail
	fmt.Print(text.String())
	for _, text := range slices.Sorted(maps.Keys(d.unexpected)) {
		fmt.Printf("  %d times %s\n", d.unexpected[text], text)
	}
}

// sum merges the series of the named operations, or of all if names is nil. The caller holds d.mu or has ended the
// load.
func (d *driver) sum(names []string) *series {
	sum := newSeries()
	for name, s := range d.seen {
		if names == nil || slices.Contains(names, name) {
			sum.latency.Merge(s.latency)
			sum.ok, sum.refused = sum.ok+s.ok, sum.refused+s.refused
			sum.unanswered += s.unanswered
			sum.otherResponses += s.otherResponses
		}
	}
	return sum
}

// reset clears the results, but not the writes.
func (d *driver) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.timings, d.unexpected = map[string]*series{}, nil, map[string]int{}
	d.maxInFlight.Store(0)
}

// quantile returns a latency percentile of the named operations, or of all.
func (d *driver) quantile(q float64, names ...string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.sum(names).latency.ValueAtQuantile(q)) * time.Microsecond
}

// checkWrites checks all writes in the store: an acknowledged write must exist exactly once, any other at most once.
func (l *lab) checkWrites(ctx context.Context, d *driver, name string) (err error) {
	db, err := open(ctx, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	byUser := map[*user][]*write{}
	acknowledged := 0
	for _, w := range d.writes {
		byUser[w.user] = append(byUser[w.user], w)
		if w.acknowledged {
			acknowledged++
		}
	}
	l.say("checking %d writes of %d users in the store", len(d.writes), len(byUser))
	lost, duplicated := 0, 0
	query := expense.Query{Filter: expense.Filter{Dates: expense.Range{From: d.first}}}
	for u, writes := range byUser {
		count := map[string]int{}
		for e, err := range db.Reader(u.owner).Expenses(ctx, query) {
			if err != nil {
				return err
			}
			count[e.Notes]++
		}
		for _, w := range writes {
			if w.acknowledged && count[w.key] == 0 {
				lost++
			}
			if count[w.key] > 1 {
				duplicated++
			}
		}
	}
	l.check(lost == 0 && duplicated == 0, "of %d writes, %d acknowledged: %d lost, %d duplicated",
		len(d.writes), acknowledged, lost, duplicated)
	return nil
}
