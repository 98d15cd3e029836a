package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// An operation is one kind of request and its share of the load, of 100.
type operation struct {
	name  string
	share int
	do    func(ctx context.Context, d *driver, u *user) (status int, err error)
}

// operations are the mix: 60 % reads, 30 % writes, 5 % reports, 5 % sync.
func operations() []operation {
	get := func(path func() string) func(context.Context, *driver, *user) (int, error) {
		return func(ctx context.Context, d *driver, u *user) (int, error) {
			status, _, err := d.request(ctx, u, http.MethodGet, path(), nil, "")
			return status, err
		}
	}
	fixed := func(path string) func() string { return func() string { return path } }
	return []operation{
		{"page of 50", 30, get(fixed("/v1/expenses"))},
		{"page of a month", 10, get(func() string {
			month := expense.DateOf(time.Now(), time.UTC).Month().Add(-rand.IntN(3))
			return fmt.Sprintf("/v1/expenses?date_from=%s&date_to=%s", month.First(), month.Last())
		})},
		{"budget progress", 10, get(fixed("/v1/budgets/progress"))},
		{"categories", 10, get(fixed("/v1/categories"))},
		{"add", 30, add},
		{"monthly report", 4, get(fixed("/v1/reports/monthly"))},
		{"yearly report", 1, get(func() string { return fmt.Sprintf("/v1/reports/yearly?year=%d", time.Now().Year()) })},
		{"sync pull", 3, pull},
		{"sync push", 2, push},
	}
}

// A write is an expense that the load wrote, known by its notes.
type write struct {
	user         *user
	key          string
	acknowledged bool
}

// A driver sends requests at the moments of a schedule, whether earlier ones were answered or not, and counts each answer's latency
// from its scheduled moment: a stall is felt by all who would have come during it (no coordinated omission).
type driver struct {
	users   []*user
	first   expense.Date  // no write has an earlier day
	retry   time.Duration // how long a refused write is tried again under its key; 0: not at all
	clients []*http.Client
	urls    []string
	turn    atomic.Uint64

	mu       sync.Mutex
	seen     map[string]*series
	writes   []*write
	moments  []moment
	strange  map[string]int // answers that are neither right nor a clear refusal
	inFlight atomic.Int64
	most     atomic.Int64
}

// A series is what was seen of one operation.
type series struct {
	latency    *hdrhistogram.Histogram // microseconds, of the right answers
	ok         int
	refused    int // clear 503s
	unanswered int
	wrong      int // every other answer
}

func newSeries() *series {
	return &series{latency: hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)}
}

// failures counts what was neither right nor a clear refusal.
func (s *series) failures() int { return s.unanswered + s.wrong }

// A moment is when a request was due, when it was over, and whether it was answered right.
type moment struct {
	due, end time.Time
	ok       bool
}

// answerTimeout is beyond the server's own limits: whoever waits longer got no answer.
const answerTimeout = 40 * time.Second

func newDriver(users []*user, servers []*server) *driver {
	d := &driver{users: users, first: expense.DateOf(time.Now(), time.UTC).AddDays(-1), seen: map[string]*series{}, strange: map[string]int{}}
	for _, s := range servers {
		d.clients = append(d.clients, &http.Client{Timeout: answerTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 0}})
		d.urls = append(d.urls, s.url)
	}
	return d
}

// run drives rate requests a second for a time and waits for what is still under way.
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
			d.most.Store(max(d.most.Load(), d.inFlight.Add(1)))
			defer d.inFlight.Add(-1)
			status, err := op.do(ctx, d, u)
			d.note(op.name, due, status, err)
		})
	}
}

// wait waits, less if the lab is interrupted.
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
	panic("the shares of the operations do not add up to 100")
}

func (d *driver) note(name string, due time.Time, status int, err error) {
	end := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.seen[name]
	if s == nil {
		s = newSeries()
		d.seen[name] = s
	}
	ok := err == nil && status < 300
	d.moments = append(d.moments, moment{due, end, ok})
	switch {
	case ok:
		s.ok++
		if err := s.latency.RecordValue(end.Sub(due).Microseconds()); err != nil {
			panic(err) // the bound is beyond every timeout
		}
	case err == nil && status == http.StatusServiceUnavailable:
		s.refused++
	default:
		if errors.Is(err, errUnanswered) {
			s.unanswered++
		} else {
			s.wrong++
		}
		text := fmt.Sprintf("%s: %d", name, status)
		if err != nil {
			text = fmt.Sprintf("%s: %v", name, err)
		}
		d.strange[text]++
	}
}

var (
	// errUnclear is a refusal that does not say what a client needs to know.
	errUnclear = errors.New("a 503 without Retry-After or without a problem document")
	// errUnanswered is a connection that was refused, broken or silent.
	errUnanswered = errors.New("no answer")
)

// prepare makes a request to the next server in turn, and says to which.
func (d *driver) prepare(ctx context.Context, u *user, method, path string, content io.Reader) (*http.Request, int, error) {
	i := int(d.turn.Add(1)) % len(d.urls)
	request, err := http.NewRequestWithContext(ctx, method, d.urls[i]+path, content)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Authorization", "Bearer "+u.token)
	return request, i, nil
}

// request sends one request.
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
		return response.StatusCode, answer, errUnclear
	}
	return response.StatusCode, answer, nil
}

// write sends something that writes expenses. Its first try is what the operation counts; after a refusal it is sent again as it was, by
// which the server knows it, as a client would.
func (d *driver) write(ctx context.Context, writes []*write, send func() (status int, err error)) (int, error) {
	d.mu.Lock()
	d.writes = append(d.writes, writes...)
	d.mu.Unlock()
	status, err := send()
	acknowledged := err == nil && status < 300
	for pause, until := 100*time.Millisecond, time.Now().Add(d.retry); !acknowledged && time.Now().Before(until); pause = min(2*pause, 2*time.Second) {
		if wait(ctx, pause) != nil {
			break
		}
		again, failure := send()
		acknowledged = failure == nil && again < 300
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, w := range writes {
		w.acknowledged = acknowledged
	}
	return status, err
}

// add adds an expense under a key.
func add(ctx context.Context, d *driver, u *user) (int, error) {
	w := &write{user: u, key: uuid.Must(uuid.NewV7()).String()}
	body := map[string]string{"amount": fmt.Sprintf("%d.%02d", 1+rand.IntN(90), rand.IntN(100)), "notes": w.key}
	return d.write(ctx, []*write{w}, func() (int, error) {
		status, _, err := d.request(ctx, u, http.MethodPost, "/v1/expenses", body, w.key)
		return status, err
	})
}

// each does something once for every user, a few of them at a time.
func (d *driver) each(ctx context.Context, do func(context.Context, *driver, *user) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, u := range d.users {
		group.Go(func() error { return do(inner, d, u) })
	}
	return group.Wait()
}

// look reads what an app shows when it is opened.
func look(ctx context.Context, d *driver, u *user) error {
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

// synchronised gives the user's device the cursor of one that has everything: a stream of events begins with it for whoever comes with a
// cursor that is of no use.
func synchronised(ctx context.Context, d *driver, u *user) (err error) {
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

// firstPulls is of how many pulls one is the first of a new device, or of an app installed anew: everybody several times a year.
const firstPulls = 100

// pull asks for what is new since the device's cursor; a new device fetches the first page.
func pull(ctx context.Context, d *driver, u *user) (int, error) {
	path := "/v1/sync?limit=500"
	if cursor := u.cursor.Load(); cursor != nil && rand.IntN(firstPulls) > 0 {
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

// push sends ten expenses as a device does that was offline.
func push(ctx context.Context, d *driver, u *user) (int, error) {
	var writes []*write
	var mutations []map[string]any
	for range 10 {
		w := &write{user: u, key: uuid.Must(uuid.NewV7()).String()}
		writes = append(writes, w)
		mutations = append(mutations, map[string]any{
			"mutation_id": w.key, "type": "expense", "op": "put", "id": uuid.Must(uuid.NewV7()), "data": map[string]string{"amount": "3.20", "notes": w.key},
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

// applied reports whether a push's answer says of each of its n mutations that it was applied.
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

// print shows what was seen, an operation a line.
func (d *driver) print(title string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Println("\n" + title)
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(table, "operation\tright\t503\tother\tper second\tp50 ms\tp95 ms\tp99 ms\tmax ms\t")
	first, last := time.Now(), time.Time{}
	for _, m := range d.moments {
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
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", name, s.ok, s.refused, s.failures(), float64(s.ok)/seconds,
			ms(s.latency.ValueAtQuantile(50)), ms(s.latency.ValueAtQuantile(95)), ms(s.latency.ValueAtQuantile(99)), ms(s.latency.Max()))
	}
	for _, op := range operations() {
		if s := d.seen[op.name]; s != nil {
			line(op.name, s)
		}
	}
	line("all", d.sum(nil))
	_ = table.Flush() // a buffer takes it
	fmt.Print(text.String())
	for _, text := range slices.Sorted(keys(d.strange)) {
		fmt.Printf("  %d times %s\n", d.strange[text], text)
	}
}

// sum adds up the series of the named operations, or of all.
func (d *driver) sum(names []string) *series {
	sum := newSeries()
	for name, s := range d.seen {
		if names == nil || slices.Contains(names, name) {
			sum.latency.Merge(s.latency)
			sum.ok, sum.refused, sum.unanswered, sum.wrong = sum.ok+s.ok, sum.refused+s.refused, sum.unanswered+s.unanswered, sum.wrong+s.wrong
		}
	}
	return sum
}

// reset forgets the latencies and counts, not the writes.
func (d *driver) reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen, d.moments, d.strange = map[string]*series{}, nil, map[string]int{}
	d.most.Store(0)
}

// quantile is a latency of the right answers to the named operations, or to all.
func (d *driver) quantile(q float64, names ...string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.sum(names).latency.ValueAtQuantile(q)) * time.Microsecond
}

// checkWrites asks the store itself what became of each write: one that was acknowledged is there once, another one at most once.
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
	l.say("asking the store about %d writes of %d users", len(d.writes), len(byUser))
	lost, doubled := 0, 0
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
				doubled++
			}
		}
	}
	l.check(lost == 0 && doubled == 0, "of %d writes, %d acknowledged: %d lost, %d doubled", len(d.writes), acknowledged, lost, doubled)
	return nil
}
