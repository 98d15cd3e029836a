package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

func TestInstancesHearOfEachOthersChanges(t *testing.T) {
	dsn := pgtest.New(t)
	here := openAt(t, dsn) // nobody watches it: so it is with a process that imports, or posts what is due
	newLedger(t, here)
	hears(t, dsn, func() error { return here.NewEpoch(t.Context(), owner) })
}

// TestTheLastWordOfAProcessIsHeard closes the store right after its first commit, as a command does that ends with it.
func TestTheLastWordOfAProcessIsHeard(t *testing.T) {
	dsn := pgtest.New(t)
	newLedger(t, openAt(t, dsn))
	hears(t, dsn, func() error {
		st, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			return err
		}
		return errors.Join(st.NewEpoch(t.Context(), owner), st.Close(), st.Close())
	})
}

// hears makes a change in one process until another one, which watches, has heard of it.
func hears(t *testing.T, dsn string, change func() error) {
	t.Helper()
	heard := make(chan expense.OwnerID, 100)
	defer openAt(t, dsn).(store.Watcher).Watch(func(owner expense.OwnerID) { heard <- owner })()

	// The line may not be open yet: a hint that is lost is no fault, so the change is made again until one is heard.
	deadline := time.After(time.Minute)
	for {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-heard:
			if got != owner {
				t.Errorf("heard of %q, want %q", got, owner)
			}
			return
		case <-time.After(200 * time.Millisecond):
		case <-deadline:
			t.Fatal("an instance has not heard of what another one commits")
		}
	}
}

func TestAWatcherHearsOfItsOwnChangesAtOnce(t *testing.T) {
	st := open(t)
	newLedger(t, st)
	heard := make(chan expense.OwnerID, 1)
	defer st.(store.Watcher).Watch(func(owner expense.OwnerID) { heard <- owner })()
	if err := st.NewEpoch(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got != owner {
			t.Errorf("heard of %q, want %q", got, owner)
		}
	default:
		t.Error("a change is told after the call that made it has returned")
	}
}
