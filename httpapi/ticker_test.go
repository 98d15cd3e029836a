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
	"github.com/spendwise/spendwise/store/memstore"
)

// addDaily makes a ledger in a zone, with a daily rule from a day on.
func addDaily(t testing.TB, st store.Store, zone string, start expense.Date) expense.Zone {
	t.Helper()
	settings, err := expense.NewSettings(expense.SettingsDraft{TimeZone: &zone})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.CreateLedger(t.Context(), "anna", expense.NewInitialLedger("anna", settings, time.Now())); err != nil {
		t.Fatal(err)
	}
	err = st.Update(t.Context(), "anna", func(tx store.Tx) error {
		_, err := recurrence.Add(t.Context(), tx, expense.Env{Now: time.Now()}, recurrence.Draft{
			Amount: new("1"), Freq: new("daily"), Start: new(start.String()),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return settings.Zone
}

func posted(t testing.TB, st store.Store) []expense.Expense {
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

// runTicker runs a ticker over st; stop ends it and waits for its end.
func runTicker(t testing.TB, st store.Store, every time.Duration) (ticker *httpapi.Ticker, stop func()) {
	t.Helper()
	ticker, err := httpapi.NewTicker(st, httpapi.TickerConfig{Interval: every})
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

func TestAnOccurrenceIsPostedAsItsDayBegins(t *testing.T) {
	for _, test := range []struct {
		zone, change string // a day on which the clock changes, or any
		midnight     string // when the day of the change begins, or is to begin, in UTC
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
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // has no midnight: it begins at 01:00
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"},     // nor has this one
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},   // has two: the first counts
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
				all := posted(t, st)
				if len(all) < 5 {
					t.Fatalf("%d occurrences in a week", len(all))
				}
				for i, e := range all {
					day := first.AddDays(i)
					if e.Date != day || e.Occurrence != day {
						t.Errorf("the %d-th occurrence is that of %s, dated %s", i, e.Occurrence, e.Date)
					}
					begins := time.Date(day.Year(), day.MonthOfYear(), day.Day(), 0, 0, 0, 0, zone.Location())
					if day == change {
						var err error
						if begins, err = time.Parse(time.RFC3339, test.midnight); err != nil {
							t.Fatal(err)
						}
					}
					if late := e.CreatedAt.Sub(begins); late < 0 || late >= time.Minute {
						t.Errorf("%s, which begins at %s, was posted at %s", day, begins.UTC(), e.CreatedAt)
					}
				}
			})
		})
	}
}

// slowStore is a store whose rounds take their time.
type slowStore struct {
	*memstore.Store
	takes  time.Duration
	rounds atomic.Int32
	now    atomic.Int32 // how many rounds run at the moment
	most   atomic.Int32
}

func (s *slowStore) DueOwners(ctx context.Context, now time.Time) iter.Seq2[store.DueOwner, error] {
	return func(yield func(store.DueOwner, error) bool) {
		s.rounds.Add(1)
		s.most.Store(max(s.most.Load(), s.now.Add(1)))
		defer s.now.Add(-1)
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			yield(store.DueOwner{}, ctx.Err())
		}
	}
}

func TestATickIsSkippedWhileARoundRuns(t *testing.T) {
	for _, test := range []struct {
		takes  time.Duration
		rounds int32 // begun in ten minutes and a half
	}{
		{time.Second, 11}, {150 * time.Second, 4}, {59 * time.Second, 11}, {time.Hour, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			st := &slowStore{Store: memstore.New(), takes: test.takes}
			_, stop := runTicker(t, st, time.Minute)
			time.Sleep(10*time.Minute + 30*time.Second)
			if got := st.rounds.Load(); got != test.rounds || st.most.Load() != 1 {
				t.Errorf("rounds of %s: %d began, %d at once; want %d, one at a time", test.takes, got, st.most.Load(), test.rounds)
			}
			before := time.Now()
			stop()
			if took := time.Since(before); took != 0 || st.now.Load() != 0 {
				t.Errorf("stopping took %s", took)
			}
		})
	}
}

// lookedInto is a store with so many budgets that looking into them takes an hour.
type lookedInto struct {
	*memstore.Store
	looks atomic.Int32
}

func (s *lookedInto) BudgetOwners(ctx context.Context) iter.Seq2[store.BudgetOwner, error] {
	return func(yield func(store.BudgetOwner, error) bool) {
		s.looks.Add(1)
		select {
		case <-time.After(time.Hour):
		case <-ctx.Done():
			yield(store.BudgetOwner{}, ctx.Err())
		}
	}
}

func TestALongLookForAlertsHoldsUpNoPosting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &lookedInto{Store: memstore.New()}
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC).AddDays(1))
		_, stop := runTicker(t, st, time.Minute)
		// Into the next day, and into a look: each takes an hour and waits for the next tick.
		time.Sleep(24*time.Hour + 30*time.Second)
		if all := posted(t, st); len(all) != 1 || st.looks.Load() != 24 {
			t.Errorf("half a minute into the day %d occurrences were posted and %d looks begun, want 1 and 24", len(all),
				st.looks.Load())
		}
		before := time.Now()
		stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("stopping took %s", took)
		}
	})
}

// What is posted may reach a threshold: its alert does not wait for the next tick.
func TestTheAlertOfWhatWasPostedComesWithIt(t *testing.T) {
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
			t.Errorf("a second after the posting there are %d alerts, %v", len(alerts), err)
		}
		stop()
	})
}

func TestATickerGoesOnAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &failingStore{Store: memstore.New()}
		addDaily(t, st, "UTC", expense.DateOf(time.Now(), time.UTC))
		st.down.Store(true)
		ticker, stop := runTicker(t, st, time.Minute)
		wantLag := func(want time.Duration) {
			t.Helper()
			if lag, err := ticker.Lag(t.Context()); err != nil || lag.OldestAge != want || lag.Overdue != want {
				t.Errorf("the ticker's lag is %+v, %v, want %s", lag, err, want)
			}
		}
		wantLag(0)
		time.Sleep(5*time.Minute + time.Second)
		wantLag(5*time.Minute + time.Second)
		st.down.Store(false)
		time.Sleep(time.Minute)
		wantLag(0)
		stop()
		if all := posted(t, st); len(all) != 1 {
			t.Errorf("%d occurrences were posted when the store was back, want 1", len(all))
		}
	})
}

// failingStore is a store whose database can be gone.
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
