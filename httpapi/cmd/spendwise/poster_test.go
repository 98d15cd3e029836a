package main_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

var (
	posters      = flag.Duration("posters", 2*time.Second, "duration of TestPoster_KilledProcessesPostOnce")
	posterDays   = flag.Int("poster-days", 100, "occurrences that each of its 20 first rules has at the start")
	firstOfMonth = flag.Int("first-of-month", 200, "number of ledgers with five due rules each in BenchmarkPoster")
)

// A ledgers is the test's own connection to a database that servers use as well.
type ledgers struct {
	store.Store
	t testing.TB
}

func openLedgers(t testing.TB, database string) ledgers {
	t.Helper()
	var st interface {
		store.Store
		Migrate(ctx context.Context) error
	}
	var err error
	if path, ok := strings.CutPrefix(database, "sqlite:"); ok {
		st, err = sqlite.Open(t.Context(), path)
	} else {
		st, err = postgres.Open(t.Context(), database)
	}
	if err == nil {
		err = st.Migrate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return ledgers{st, t}
}

// make creates a ledger in a time zone.
func (l ledgers) make(owner expense.OwnerID, zone string) {
	l.t.Helper()
	ledgertest.Create(l.t, l, owner, time.Now(), expense.SettingsDraft{TimeZone: &zone})
}

func (l ledgers) update(owner expense.OwnerID, fn func(tx store.Tx) error) {
	l.t.Helper()
	if err := l.Update(l.t.Context(), owner, fn); err != nil {
		l.t.Fatal(err)
	}
}

// A planted is a rule that the test has added, with the ids of its expenses that the test has deleted.
type planted struct {
	owner   expense.OwnerID
	rule    recurrence.Rule
	deleted map[uuid.UUID]bool
}

// plant adds a daily rule that became due the given number of days ago.
func (l ledgers) plant(owner expense.OwnerID, days int) *planted {
	l.t.Helper()
	p := &planted{owner: owner, deleted: map[uuid.UUID]bool{}}
	start := expense.DateOf(time.Now(), time.UTC).AddDays(-days).String()
	l.update(owner, func(tx store.Tx) error {
		added, err := recurrence.Add(l.t.Context(), tx, expense.Env{Now: time.Now()}, recurrence.Draft{
			Amount: new("1.50"), Freq: new("daily"), Start: &start,
		})
		p.rule = added.Rule
		return err
	})
	return p
}

// posted returns the expenses of a rule by occurrence. It reports occurrences that were posted twice.
func (l ledgers) posted(p *planted) map[expense.Date]expense.Expense {
	l.t.Helper()
	found := map[expense.Date]expense.Expense{}
	query := expense.Query{Filter: expense.Filter{RuleID: p.rule.ID}}
	for e, err := range l.Reader(p.owner).Expenses(l.t.Context(), query) {
		if err != nil {
			l.t.Fatal(err)
		}
		if _, twice := found[e.Occurrence]; twice {
			l.t.Errorf("the occurrence of %s was posted twice", e.Occurrence)
		}
		found[e.Occurrence] = e
	}
	return found
}

// verify checks that every due occurrence of a rule was posted exactly once and that the rule's cursor is correct. It
// returns the number of expenses.
func (l ledgers) verify(p *planted) int {
	l.t.Helper()
	settings, err := l.Reader(p.owner).Settings(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	rule, err := l.Reader(p.owner).Rule(l.t.Context(), p.rule.ID)
	if err != nil {
		l.t.Fatal(err)
	}
	today := settings.Today(time.Now())
	if rule.Next != today.AddDays(1) || rule.LastError != "" {
		l.t.Errorf("on %s a daily rule's cursor is on %s, %q", today, rule.Next, rule.LastError)
	}
	posted := l.posted(p)
	count := len(posted)
	for date := p.rule.Start; date.Before(rule.Next); date = date.AddDays(1) {
		id := expense.OccurrenceID(rule.ID, date)
		e, there := posted[date]
		if there == p.deleted[id] || there && (e.ID != id || e.Date != date) {
			l.t.Errorf("the occurrence of %s: there %t, deleted by the user %t, %+v", date, there, p.deleted[id], e)
		}
		delete(posted, date)
	}
	if len(posted) > 0 {
		l.t.Errorf("%d occurrences were posted that the rule does not have, or not yet", len(posted))
	}
	return count
}

// TestPoster_KilledProcessesPostOnce runs posters in separate processes, four on PostgreSQL and one on SQLite, and
// kills them at random times while rules are added and posted expenses are deleted. It needs its time because each
// process must post between two kills.
func TestPoster_KilledProcessesPostOnce(t *testing.T) {
	t.Parallel()
	for _, engine := range []struct {
		name     string
		posters  int
		database func(t *testing.T) (database, dataDir string)
	}{
		{"sqlite", 1, func(t *testing.T) (string, string) {
			dir := t.TempDir()
			return "sqlite:" + filepath.Join(dir, "ledger.db"), dir
		}},
		{"postgres", 4, func(t *testing.T) (string, string) { return pgtest.New(t), t.TempDir() }},
	} {
		t.Run(engine.name, func(t *testing.T) {
			database, dataDir := engine.database(t)
			l := openLedgers(t, database)
			zones := []string{"UTC", "Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata"}
			var owners []expense.OwnerID
			for i := range 20 {
				owners = append(owners, expense.OwnerID(fmt.Sprintf("owner %d", i)))
				l.make(owners[i], zones[i%len(zones)])
			}
			var rules []*planted
			for _, owner := range owners {
				rules = append(rules, l.plant(owner, *posterDays))
			}

			end := time.Now().Add(*posters)
			var running sync.WaitGroup
			killed := make([]int, engine.posters)
			for i := range engine.posters {
				s := start(t, dataDir, "--database", database, "--tick", "20ms")
				running.Go(func() {
					for time.Now().Before(end) {
						time.Sleep(time.Duration(rand.Int64N(int64(600 * time.Millisecond))))
						s.kill()
						killed[i]++
						s.start()
					}
				})
			}
			for time.Now().Before(end) {
				rules = append(rules, l.plant(owners[rand.IntN(len(owners))], rand.IntN(*posterDays)))
				l.deleteOne(rules[rand.IntN(len(rules))])
				time.Sleep(20 * time.Millisecond)
			}
			running.Wait()
			// This round runs concurrently with the remaining posters and ends when nothing is due.
			s := &server{t: t, dataDir: dataDir}
			if out, err := s.run("", "tick", "--database", database); err != nil {
				t.Errorf("tick: %s, %v", out, err)
			}
			count := 0
			for _, p := range rules {
				count += l.verify(p)
			}
			t.Logf("%d rules, %d expenses, posters killed %v times", len(rules), count, killed)
		})
	}
}

// deleteOne deletes an expense that the rule has posted, if there is one.
func (l ledgers) deleteOne(p *planted) {
	for _, e := range l.posted(p) {
		l.update(p.owner, func(tx store.Tx) error { return expense.Delete(l.t.Context(), tx, e.ID, expense.Precondition{}) })
		p.deleted[e.ID] = true
		return
	}
}

// TestPoster_CatchesUpAfterDowntime starts a server after forty days of downtime. It posts one expense per occurrence
// with the rate of its date. Restarts, catch-ups and edits of the rule do not post deleted expenses again.
func TestPoster_CatchesUpAfterDowntime(t *testing.T) {
	engines(t, func(t *testing.T, database, dataDir string) {
		s := start(t, dataDir, "--database", database, "--tick", "0")
		c := s.register(`,"home_currency":"EUR"`)
		added := c.must(t, http.StatusCreated, "POST", "/v1/recurrences",
			`{"amount":"100","currency":"JPY","freq":"daily","start_date":"2026-01-10","until_date":"2026-02-18"}`)
		path, dates := "/v1/recurrences/"+added.text("id"), 40
		if lag := c.must(t, http.StatusOK, "GET", "/readyz",
			"")["recurring"].(map[string]any)["lag_seconds"].(float64); lag < 3600 {
			t.Errorf("readyz shows a lag of %v s with occurrences due since January", lag)
		}
		if err := s.stop(); err != nil {
			t.Fatalf("stopping: %v\n%s", err, s.log)
		}
		tick := func(want string) {
			t.Helper()
			if out, err := s.run("", "tick", "--database", database); err != nil || strings.TrimSpace(out) != want {
				t.Errorf("tick: %q, %v, want %q", out, err, want)
			}
		}
		tick("posted 40 expenses in 1 ledgers")
		tick("posted 0 expenses in 0 ledgers")

		s.args = append(s.args[:len(s.args)-1], "100ms")
		s.start()
		c.url = s.url
		list := func() []answer {
			all := c.expenses(t)
			slices.SortFunc(all, func(a, b answer) int { return strings.Compare(a.text("date"), b.text("date")) })
			return all
		}
		all := list()
		if len(all) != dates {
			t.Fatalf("%d expenses, want %d", len(all), dates)
		}
		for i, e := range all {
			want := expense.MustDate("2026-01-10").AddDays(i)
			rated, err := expense.ParseDate(e.text("rate_date"))
			weekend := want.Weekday() == time.Saturday || want.Weekday() == time.Sunday
			if e.text("date") != want.String() || e.text("occurrence") != want.String() ||
				e.text("rule_id") != added.text("id") ||
				err != nil || !weekend && rated != want || weekend && want.Sub(rated) > 2 {
				t.Errorf("the expense of %s is %v", want, e)
			}
		}
		gone := all[7].text("id")
		c.must(t, http.StatusNoContent, "DELETE", "/v1/expenses/"+gone, "")
		c.must(t, http.StatusOK, "PATCH", path, `{"until_date":null,"amount":"120","start_date":"2026-01-01"}`)
		c.must(t, http.StatusOK, "PATCH", path, `{"freq":"weekly","weekdays":["sat"]}`)
		s.kill()
		s.start()
		c.url = s.url
		time.Sleep(300 * time.Millisecond)
		if after := list(); slices.ContainsFunc(after, func(e answer) bool { return e.text("id") == gone }) ||
			slices.ContainsFunc(after,
				func(e answer) bool { return e.text("date") <= "2026-02-18" && e.text("amount") != "100" }) {
			t.Errorf("after edits and a restart: %v", after)
		}
	})
}

// BenchmarkPoster measures two servers on one PostgreSQL that post the due rules of many ledgers while they serve 100
// requests per second. Run it with -benchtime 1x. It fails if an occurrence was not posted.
func BenchmarkPoster(b *testing.B) {
	for b.Loop() {
		benchmarkPoster(b)
	}
}

func benchmarkPoster(b *testing.B) {
	b.StopTimer()
	const rulesEach, rate = 5, 100
	database := pgtest.New(b)
	l := openLedgers(b, database)
	var seeding sync.WaitGroup
	for worker := range 8 {
		seeding.Go(func() {
			for i := worker; i < *firstOfMonth; i += 8 {
				if err := l.seedMonthly(expense.OwnerID(fmt.Sprintf("ledger-%06d", i)), rulesEach); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	seeding.Wait()

	// Start both servers without a ticker first. The measurement begins when both have restarted with one.
	dataDir := b.TempDir()
	var servers []*server
	for range 2 {
		servers = append(servers, start(b, dataDir, "--database", database, "--rate-limits", "off", "--tick", "0"))
	}
	var clients []*client
	for _, s := range servers {
		for range 8 {
			clients = append(clients, s.register(`,"home_currency":"EUR"`))
		}
	}
	for _, s := range servers {
		s.kill()
		s.args = append(s.args[:len(s.args)-1], "5s")
	}
	b.StartTimer()
	for i, s := range servers {
		s.start()
		for _, c := range clients[i*8 : i*8+8] {
			c.url = s.url
		}
	}
	done := make(chan struct{})
	latencies, failed := pace(clients, rate, done)
	for {
		lag, err := jobs.MeasurePostingLag(b.Context(), l, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		if lag == (jobs.PostingLag{}) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	b.StopTimer()
	close(done)
	all := <-latencies
	reportPercentiles(b, all)
	b.ReportMetric(float64(*firstOfMonth*rulesEach), "rules/op")
	b.ReportMetric(float64(*failed), "failed")
	for i := range *firstOfMonth {
		total := 0
		for _, err := range l.Reader(expense.OwnerID(fmt.Sprintf("ledger-%06d", i))).Expenses(b.Context(), expense.Query{}) {
			if err != nil {
				b.Fatal(err)
			}
			total++
		}
		if total != rulesEach {
			b.Fatalf("ledger %d has %d expenses, want %d", i, total, rulesEach)
		}
	}
	b.StartTimer()
}

// seedMonthly creates a ledger with rules that are due since the first of this month.
func (l ledgers) seedMonthly(owner expense.OwnerID, rules int) error {
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return err
	}
	ledger := expense.NewInitialLedger(owner, settings, time.Now())
	first := settings.Today(time.Now()).Month().First()
	if _, err := l.CreateLedger(l.t.Context(), owner, ledger); err != nil {
		return err
	}
	batch := make([]recurrence.Rule, rules)
	for i := range batch {
		batch[i] = recurrence.Rule{
			ID: uuid.Must(uuid.NewV7()), Amount: expense.MustMoney("12.50", "EUR"), CategoryID: ledger.Categories[i].ID,
			Notes: "subscription",
			Freq:  recurrence.Monthly, Interval: 1, Start: first, Next: first, CreatedAt: time.Now(), UpdatedAt: time.Now(),
		}
	}
	return l.Update(l.t.Context(), owner, func(tx store.Tx) error {
		_, err := tx.PutRules(l.t.Context(), batch...)
		return err
	})
}

// pace sends adds and reads at a rate per second until done is closed, without waiting for earlier responses.
func pace(clients []*client, rate int, done <-chan struct{}) (<-chan []time.Duration, *int) {
	requests := []struct{ method, path, body string }{
		{"POST", "/v1/expenses", `{"amount":"12.50","category":"Food","notes":"Lunch with a friend"}`},
		{"GET", "/v1/expenses?limit=50", ""},
		{"GET", "/v1/budgets/progress", ""},
		{"GET", "/v1/recurrences", ""},
	}
	result, failed := make(chan []time.Duration, 1), new(int)
	go func() {
		var mu sync.Mutex
		var all []time.Duration
		var open sync.WaitGroup
		ticks := time.NewTicker(time.Second / time.Duration(rate))
		defer ticks.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				open.Wait()
				result <- all
				return
			case <-ticks.C:
			}
			c, request := clients[n%len(clients)], requests[n/len(clients)%len(requests)]
			open.Go(func() {
				began := time.Now()
				status, _ := c.raw(request.method, request.path, request.body)
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				all = append(all, took)
				if status < 200 || status > 299 {
					*failed++
				}
			})
		}
	}()
	return result, failed
}

// TestTick_FailsIfRuleCannotBePosted checks that the command fails if a rule could not be posted.
func TestTick_FailsIfRuleCannotBePosted(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	l := openLedgers(t, database)
	l.make("ada", "UTC")
	p := l.plant("ada", 1)
	l.update("ada", func(tx store.Tx) error {
		category, err := tx.CategoryByName(t.Context(), "Travel")
		if err != nil {
			return err
		}
		category.Archived = true
		rule := p.rule
		rule.CategoryID = category.ID
		_, err = tx.PutCategories(t.Context(), category)
		_, moved := tx.PutRules(t.Context(), rule)
		return errors.Join(err, moved)
	})
	s := &server{t: t, dataDir: dir}
	out, err := s.run("", "tick", "--database", database)
	if err == nil || out != "posted 0 expenses in 1 ledgers\n" ||
		!strings.Contains(err.Error(), "1 rules could not be posted") {
		t.Errorf("tick: %q, %v", out, err)
	}
	// The command retries the rule at once, although a server would wait for the retry delay.
	out, err = s.run("", "tick", "--database", database)
	rule, read := l.Reader("ada").Rule(t.Context(), p.rule.ID)
	if err == nil || out != "posted 0 expenses in 1 ledgers\n" || read != nil || rule.Failures != 2 {
		t.Errorf("tick again: %q, %v; the rule is %+v, %v", out, err, rule, read)
	}
}
