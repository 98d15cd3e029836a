package postgres_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // to look at the database from beside

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

func TestInstancesHearOfEachOthersChanges(t *testing.T) {
	dsn := pgtest.New(t)
	here := openAt(t, dsn) // nobody watches it: so it is with a process that imports, or posts what is due
	newLedger(t, here)
	hears(t, dsn, func() error { return here.StartEpoch(t.Context(), owner) })
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
		return errors.Join(st.StartEpoch(t.Context(), owner), st.Close(), st.Close())
	})
}

// TestALineThatWasCutIsOpenedAgain ends the sessions that listen, as a failover or an administrator does.
func TestALineThatWasCutIsOpenedAgain(t *testing.T) {
	dsn := pgtest.New(t)
	here, there := openAt(t, dsn), openAt(t, dsn)
	newLedger(t, here)
	heard := make(chan expense.OwnerID, 100)
	defer there.(store.Watcher).Watch(func(owner expense.OwnerID) { heard <- owner })()
	change := func() error { return here.StartEpoch(t.Context(), owner) }
	hear(t, heard, change)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var cut int
	err = db.QueryRowContext(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND query LIKE ANY (ARRAY['LISTEN %', '%pg_notify(%'])`).Scan(&cut)
	if err != nil || cut == 0 {
		t.Fatalf("%d lines were cut (%v)", cut, err)
	}
	for len(heard) > 0 {
		<-heard
	}
	hear(t, heard, change)
}

// hears makes a change in one process until another one, which watches, has heard of it.
func hears(t *testing.T, dsn string, change func() error) {
	t.Helper()
	heard := make(chan expense.OwnerID, 100)
	defer openAt(t, dsn).(store.Watcher).Watch(func(owner expense.OwnerID) { heard <- owner })()
	hear(t, heard, change)
}

// hear makes a change until it is heard of.
func hear(t *testing.T, heard <-chan expense.OwnerID, change func() error) {
	t.Helper()
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
	if err := st.StartEpoch(t.Context(), owner); err != nil {
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
