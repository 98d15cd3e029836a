package postgres_test

import (
	"database/sql"
	"errors"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // opens the database without the store

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

func TestWatch_NotifiesOtherInstances(t *testing.T) {
	dsn := pgtest.New(t)
	st := openAt(t, dsn) // has no watcher, as in a process that only imports or runs jobs
	newLedger(t, st)
	checkNotification(t, dsn, func() error { return st.StartEpoch(t.Context(), owner) })
}

// TestWatch_NotifiesBeforeClose closes the store right after its first commit, as a short command does.
func TestWatch_NotifiesBeforeClose(t *testing.T) {
	dsn := pgtest.New(t)
	newLedger(t, openAt(t, dsn))
	checkNotification(t, dsn, func() error {
		st, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			return err
		}
		return errors.Join(st.StartEpoch(t.Context(), owner), st.Close(), st.Close())
	})
}

// TestWatch_ReopensLostConnection terminates the database sessions that listen, as a failover or an administrator
// does.
func TestWatch_ReopensLostConnection(t *testing.T) {
	dsn := pgtest.New(t)
	st, watcher := openAt(t, dsn), openAt(t, dsn)
	newLedger(t, st)
	notified := make(chan expense.OwnerID, 100)
	defer watcher.(store.Watcher).Watch(func(owner expense.OwnerID) { notified <- owner })()
	change := func() error { return st.StartEpoch(t.Context(), owner) }
	waitForNotification(t, notified, change)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var terminated int
	err = db.QueryRowContext(t.Context(), `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()
		AND query LIKE ANY (ARRAY['LISTEN %', '%pg_notify(%'])`).Scan(&terminated)
	if err != nil || terminated == 0 {
		t.Fatalf("terminated %d sessions, error %v", terminated, err)
	}
	for len(notified) > 0 {
		<-notified
	}
	waitForNotification(t, notified, change)
}

// checkNotification commits a change in one instance until a watcher in another instance reports it.
func checkNotification(t *testing.T, dsn string, change func() error) {
	t.Helper()
	notified := make(chan expense.OwnerID, 100)
	defer openAt(t, dsn).(store.Watcher).Watch(func(owner expense.OwnerID) { notified <- owner })()
	waitForNotification(t, notified, change)
}

// waitForNotification repeats a change until notified receives the owner.
func waitForNotification(t *testing.T, notified <-chan expense.OwnerID, change func() error) {
	t.Helper()
	// The connection may not listen yet. Notifications may be lost, so the change is repeated until one arrives.
	deadline := time.After(time.Minute)
	for {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-notified:
			if got != owner {
				t.Errorf("notified of %q, want %q", got, owner)
			}
			return
		case <-time.After(200 * time.Millisecond):
		case <-deadline:
			t.Fatal("no notification of a commit of another instance")
		}
	}
}

func TestWatch_NotifiesOwnChangesAtOnce(t *testing.T) {
	st := open(t)
	newLedger(t, st)
	notified := make(chan expense.OwnerID, 1)
	defer st.(store.Watcher).Watch(func(owner expense.OwnerID) { notified <- owner })()
	if err := st.StartEpoch(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-notified:
		if got != owner {
			t.Errorf("notified of %q, want %q", got, owner)
		}
	default:
		t.Error("no notification before StartEpoch returned")
	}
}
