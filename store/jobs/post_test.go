package jobs_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/sqlite"
)

// TestPostDue_ConcurrentCallsPostOnce calls PostDue several times concurrently on each store.
func TestPostDue_ConcurrentCallsPostOnce(t *testing.T) {
	const instances, days = 4, 20
	for name, openStore := range map[string]func(*testing.T) (store.Store, error){
		"memstore": func(*testing.T) (store.Store, error) { return memstore.New(), nil },
		"sqlite": func(t *testing.T) (store.Store, error) {
			st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
			if err == nil {
				err = st.Migrate(t.Context())
			}
			return st, err
		},
		"postgres": func(t *testing.T) (store.Store, error) { return postgres.Open(t.Context(), pgtest.New(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			st, err := openStore(t)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := st.Close(); err != nil {
					t.Error(err)
				}
			})
			owners := []expense.OwnerID{"ann", "bob", "cem", "dia", "eve"}
			for _, owner := range owners {
				createLedger(t, st, "UTC", owner)
				putDailyRule(t, st, owner, days)
			}
			var posters sync.WaitGroup
			for range instances {
				posters.Go(func() {
					if _, err := jobs.PostDue(t.Context(), st, expense.Env{Now: noon}); err != nil {
						t.Errorf("PostDue: %v", err)
					}
				})
			}
			posters.Wait()
			for _, owner := range owners {
				posted := 0
				for _, err := range st.Reader(owner).Expenses(t.Context(), expense.Query{}) {
					if err != nil {
						t.Fatal(err)
					}
					posted++
				}
				if posted != days {
					t.Errorf("owner %s has %d expenses, want %d", owner, posted, days)
				}
			}
		})
	}
}

// putDailyRule adds a daily rule with due occurrences on the last days up to today. It does not post them.
func putDailyRule(t *testing.T, st store.Store, owner expense.OwnerID, days int) {
	t.Helper()
	until := expense.MustDate("2026-03-31")
	err := st.Update(t.Context(), owner, func(tx store.Tx) error {
		settings, err := tx.Settings(t.Context())
		if err != nil {
			return err
		}
		start := until.AddDays(1 - days)
		_, err = tx.PutRules(t.Context(), recurrence.Rule{
			ID: expense.OccurrenceID(settings.DefaultCategory, start), Amount: expense.MustMoney("5", "EUR"),
			CategoryID: settings.DefaultCategory, Freq: recurrence.Daily, Interval: 1, Start: start, Next: start, Until: until,
			CreatedAt: noon, UpdatedAt: noon,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
