package postgres_test

import (
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

func TestInstancesHearOfEachOthersChanges(t *testing.T) {
	dsn := pgtest.New(t)
	here, there := openAt(t, dsn), openAt(t, dsn)
	newLedger(t, here)
	heard := make(chan expense.OwnerID, 100)
	stop := there.(store.Watcher).Watch(func(owner expense.OwnerID) { heard <- owner })
	defer stop()
	stopHere := here.(store.Watcher).Watch(func(expense.OwnerID) {})
	defer stopHere()

	// Either line may not be open yet: a hint that is lost is no fault, so the change is made again until one is heard.
	deadline := time.After(time.Minute)
	for {
		if err := here.NewEpoch(t.Context(), owner); err != nil {
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
