package httpapi_test

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/memstore"
)

// addDaily creates a ledger in a time zone, with a daily rule that begins at start. It returns the zone.
func addDaily(t testing.TB, st store.Store, zone string, start expense.Date) expense.Zone {
	t.Helper()
	ledger := ledgertest.Create(t, st, "anna", time.Now(), expense.SettingsDraft{TimeZone: &zone})
	err := st.Update(t.Context(), "anna", func(tx store.Tx) error {
		_, err := recurrence.Add(t.Context(), tx, expense.Env{Now: time.Now()}, recurrence.Draft{
			Amount: new("1"), Freq: new("daily"), Start: new(start.String()),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Settings.Zone
}

// postedExpenses returns the expenses of the ledger, the oldest first.
func postedExpenses(t testing.TB, st store.Store) []expense.Expense {
	t.Helper()
	var all []expense.Expense
	for e, err := range st.Reader("anna").Expenses(t.Context(), expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// runTicker runs a ticker over st. stop cancels its context and waits until it has stopped.
func runTicker(t testing.TB, st store.Store, interval time.Duration) (ticker *httpapi.Ticker, stop func()) {
	t.Helper()
	ticker, err := httpapi.NewTicker(st, httpapi.TickerConfig{Interval: interval})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { ticker.Run(ctx) })
	return ticker, func() {
		cancel()
		running.Wait()
	}
}

func TestTicker_PostsWhenDayBegins(t *testing.T) {
	for _, test := range []struct {
		zone, change string // change is a day, usually one on which the clock changes
		midnight     string // the start of that day in UTC
	}{
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z"},
		{"America/New_York", "2026-03-08", "2026-03-08T05:00:00Z"},
		{"America/New_York", "2026-11-01", "2026-11-01T04:00:00Z"},
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z"},
		{"Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z"},
		{"Asia/Kolkata", "2026-03-29", "2026-03-28T18:30:00Z"},
		{"Asia/Kolkata", "2026-10-25", "2026-10-24T18:30:00Z"},
		{"Pacific/Kiritimati", "2026-03-29", "2026-03-28T10:00:00Z"},
		{"Pacific/Kiritimati", "2026-10-25", "2026-10-24T10:00:00Z"},
		{"Pacific/Pago_Pago", "2026-03-29", "2026-03-29T11:00:00Z"},
		{"Pacific/Pago_Pago", "2026-10-25", "2026-10-25T11:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // the clock skips midnight; the day starts at 01:00
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"},     // as above
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},   // has two midnights; the day starts at the first one
	} {
		t.Run(test.zone+" "+test.change, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				change := expense.MustDate(test.change)
				first := change.AddDays(-2)
				time.Sleep(time.Until(first.AddDays(-1).StartIn(time.UTC).Add(-13 * time.Hour)))
				st := memstore.New()
				zone := addDaily(t, st, test.zone, first)
				_, stop := runTicker(t, st, time.Minute)
				time.Sleep(7 * 24 * time.Hour)
				stop()
				all := postedExpenses(t, st)
				if len(all) < 5 {
					t.Fatalf("%d occurrences were posted in a week, want at least 5", len(all))
				}
				for i, e := range all {
					day := first.AddDays(i)
					if e.Date != day || e.Occurrence != day {
						t.Errorf("expense %d has occurrence %s and date %s, want %s", i, e.Occurrence, e.Date, day)
					}
					start := time.Date(day.Year(), day.MonthOfYear(), day.Day(), 0, 0, 0, 0, zone.Location())
					if day == change {
						var err error
						if start, err = time.Parse(time.RFC3339, test.midnight); err != nil {
							t.Fatal(err)
						}
					}
					if delay := e.CreatedAt.Sub(start); delay < 0 || delay >= time.Minute {
						t.Errorf("the occurrence of %s was posted at %s, want within a minute of %s", day, e.CreatedAt, start.UTC())
					}
				}
			})
		})
	}
}

// A slowStore delays each posting round and counts the rounds.
type slowStore struct {
	*memstore.Store
	delay      time.Duration
	rounds     atomic.Int32
	running    atomic.Int32 // the number of running rounds
	maxRunning atomic.Int32
}

func (s *slowStore) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		s.rounds.Add(1)
		s.maxRunning.Store(max(s.maxRunning.Load(), s.running.Add(1)))
		defer s.running.Add(-1)
		select {
		case <-time.After(s.delay):
		case <-ctx.Done():
			yield(store.DueOwner{}, ctx.Err())
		}
	}
}

func TestTicker_SkipsTickDuringRound(t *testing.T) {
	for _, test := range []struct {
		delay  time.Duration
		rounds int32 // the number of rounds that start within 10 minutes and 30 seconds
	}{
		{time.Second, 11}, {150 * time.Second, 4}, {59 * time.Second, 11}, {time.Hour, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			st := &slowStore{Store: memstore.New(), delay: test.delay}
			_, stop := runTicker(t, st, time.Minute)
			time.Sleep(10*time.Minute + 30*time.Second)
			if got := st.rounds.Load(); got != test.rounds || st.maxRunning.Load() != 1 {
				t.Errorf("rounds of %s: %d started, at most %d at once; want %d, one at a time", test.delay, got,
					st.maxRunning.Load(), test.rounds)
			}
			before := time.Now()
			stop()
			if took := time.Since(before); took != 0 || st.running.Load() != 0 {
				t.Errorf("stopping took %s and left %d rounds running, want 0 and 0", took, st.running.Load())
			}
		})
	}
}

// A slowAlertsStore delays each alerting round by an hour and counts the rounds.
type slowAlertsStore struct {
	*memstore.Store
	rounds atomic.Int32
}

func (s *slowAlertsStore) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		s.rounds.Add(1)
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			yield(store.BudgetOwner{}, ctx.Err())
		}
	}
}

func TestTicker_AlertsDoNotBlockPosting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &slowAlertsStore{Store: memstore.New()}
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC).AddDays(1))
		_, stop := runTicker(t, st, time.Minute)
		// Sleep until 30 seconds into the next day. An alerting round is running then: each takes an hour, and the next one
		// starts at a tick.
		time.Sleep(24*time.Hour + 30*time.Second)
		if all := postedExpenses(t, st); len(all) != 1 || st.rounds.Load() != 24 {
			t.Errorf("30 s into the day %d occurrences were posted and %d alerting rounds started, want 1 and 24", len(all),
				st.rounds.Load())
		}
		before := time.Now()
		stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("stopping took %s, want 0", took)
		}
	})
}

// TestTicker_RaisesAlertsOfPostedExpenses tests that an alert for a posted expense does not wait for the next tick.
func TestTicker_RaisesAlertsOfPostedExpenses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New()
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC).AddDays(1))
		err := st.Update(t.Context(), "anna", func(tx store.Tx) error {
			_, err := budget.Add(t.Context(), tx, expense.Env{Now: time.Now()}, budget.Draft{
				Amount: "1", FromMonth: expense.DateOf(time.Now(), time.UTC).Month().String(),
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, stop := runTicker(t, st, time.Hour)
		time.Sleep(24*time.Hour + time.Second)
		alerts, err := st.Reader("anna").Alerts(t.Context(), expense.DateOf(time.Now(), time.UTC).Month())
		if err != nil || len(alerts) == 0 {
			t.Errorf("a second after the posting: %d alerts and error %v, want an alert", len(alerts), err)
		}
		stop()
	})
}

func TestTicker_ContinuesAfterError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &failingStore{Store: memstore.New()}
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC))
		st.down.Store(true)
		ticker, stop := runTicker(t, st, time.Minute)
		wantLag := func(want time.Duration) {
			t.Helper()
			if lag, err := ticker.Lag(t.Context()); err != nil || lag.OldestAge != want || lag.Overdue != want {
				t.Errorf("the ticker's lag is %+v (error %v), want %s", lag, err, want)
			}
		}
		wantLag(0)
		time.Sleep(5*time.Minute + time.Second)
		wantLag(5*time.Minute + time.Second)
		st.down.Store(false)
		time.Sleep(time.Minute)
		wantLag(0)
		stop()
		if all := postedExpenses(t, st); len(all) != 1 {
			t.Errorf("%d occurrences were posted after the store recovered, want 1", len(all))
		}
	})
}

// A failingStore returns expense.ErrUnavailable from Update while down is set.
type failingStore struct {
	*memstore.Store
	down atomic.Bool
}

func (s *failingStore) Update(ctx context.Context, owner expense.OwnerID, fn func(store.Tx) error) error {
	if s.down.Load() {
		return expense.ErrUnavailable
	}
	return s.Store.Update(ctx, owner, fn)
}
