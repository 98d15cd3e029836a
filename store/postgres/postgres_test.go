package postgres_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/ledgertest"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/storetest"
)

const owner expense.OwnerID = "ann"

// open returns a migrated store in a new database.
func open(t testing.TB, opts ...postgres.Option) store.Store {
	t.Helper()
	return openAt(t, pgtest.New(t), opts...)
}

// openAt returns a migrated store in the database at dsn.
func openAt(t testing.TB, dsn string, opts ...postgres.Option) store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), dsn, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// TestStore runs the conformance suite. It needs its time because a fifth of the checks create a database each.
func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t) })
}

// newLedger creates a ledger of owner with the starter categories.
func newLedger(t testing.TB, st store.Store) expense.InitialLedger {
	t.Helper()
	return ledgertest.Create(t, st, owner, day, expense.SettingsDraft{})
}

var day = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

func coffee(ledger expense.InitialLedger) expense.Expense {
	money, date := expense.MustMoney("3.20", "EUR"), expense.MustDate("2026-03-02")
	return expense.Expense{
		ID: uuid.Must(uuid.NewV7()), Amount: money, Date: date, CategoryID: ledger.Categories[0].ID, Notes: "coffee",
		Rate: expense.Rate{Value: expense.MustFactor("1"), Date: date, Source: expense.SourceIdentity}, Home: money,
		CreatedAt: day, UpdatedAt: day,
	}
}

func TestUpdate_UnavailableUntilDatabaseRecovers(t *testing.T) {
	link := pgtest.NewLink(t, pgtest.New(t))
	st := openAt(t, link.DSN())
	ledger := newLedger(t, st)
	ctx := t.Context()
	add := func() error {
		return st.Update(ctx, owner, func(tx store.Tx) error {
			_, err := tx.PutExpenses(ctx, coffee(ledger))
			return err
		})
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	link.Cut()
	_, settings := st.Reader(owner).Settings(ctx)
	view := st.View(ctx, owner, func(r store.Reader) error {
		_, err := r.BudgetSnapshot(ctx)
		return err
	})
	for name, err := range map[string]error{"Update": add(), "Ping": st.Ping(ctx), "Settings": settings, "View": view} {
		if !errors.Is(err, expense.ErrUnavailable) {
			t.Errorf("%s without a database: %v, want ErrUnavailable", name, err)
		}
	}
	if _, err := postgres.Open(ctx, link.DSN()); !errors.Is(err, expense.ErrUnavailable) {
		t.Errorf("Open without a database: %v, want ErrUnavailable", err)
	}
	link.Mend(t)
	if err := add(); err != nil {
		t.Errorf("Update after the database came back: %v", err)
	}
	if err := st.Ping(ctx); err != nil {
		t.Errorf("Ping after the database came back: %v", err)
	}
}

func TestUpdate_RetriesConnectionLostBeforeCommit(t *testing.T) {
	link := pgtest.NewLink(t, pgtest.New(t))
	st := openAt(t, link.DSN())
	ledger := newLedger(t, st)
	ctx := t.Context()
	runs := 0
	err := st.Update(ctx, owner, func(tx store.Tx) error {
		if runs++; runs == 1 {
			link.Cut()
			link.Mend(t)
		}
		_, err := tx.PutExpenses(ctx, coffee(ledger))
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("Update ran %d times and returned %v, want 2 and nil", runs, err)
	}
}

func TestOpen_LiteralsAreIndependentOfDSN(t *testing.T) {
	dsn := pgtest.New(t) + "&standard_conforming_strings=off&client_encoding=LATIN1"
	st := openAt(t, dsn)
	ledger := newLedger(t, st)
	e := coffee(ledger)
	e.Notes = `\' OR 1=1 -- größe`
	err := st.Update(t.Context(), owner, func(tx store.Tx) error {
		_, err := tx.PutExpenses(t.Context(), e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := st.Reader(owner).Expense(t.Context(), e.ID)
	if err != nil || got.Notes != e.Notes {
		t.Errorf("notes = %q, %v, want %q", got.Notes, err, e.Notes)
	}
}

func TestSchema_OwnerIsFirstInEveryKeyAndIndex(t *testing.T) {
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `
		SELECT t.relname, i.relname, coalesce(a.attname, '') FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
		JOIN pg_class t ON t.oid = x.indrelid LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0]
		WHERE t.relnamespace = 'public'::regnamespace
		UNION ALL
		SELECT t.relname, c.conname, a.attname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
		JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1] WHERE c.contype = 'f'`)
	if err != nil {
		t.Fatal(err)
	}
	// These tables do not belong to a ledger: rates, migrations, signing keys, e-mail addresses. The indexes find expired
	// rows.
	exempt := regexp.MustCompile(`^spendwise_(quotes|migrations|keys|emails|failures)$|_(expiry|ended|due)$`)
	count := 0
	for rows.Next() {
		var table, index, first string
		if err := rows.Scan(&table, &index, &first); err != nil {
			t.Fatal(err)
		}
		count++
		if first != "owner" && !exempt.MatchString(table) && !exempt.MatchString(index) {
			t.Errorf("first column of %s of %s = %s, want owner", index, table, first)
		}
		if !strings.HasPrefix(table, "spendwise_") {
			t.Errorf("table %s does not have the prefix spendwise_", table)
		}
	}
	if err := rows.Err(); err != nil || count < 20 {
		t.Errorf("found %d keys and indexes, %v", count, err)
	}
}

func Example() {
	ctx := context.Background()
	// Either host may be the primary. The store connects to the one that accepts writes.
	st, err := postgres.Open(ctx, "postgres://spendwise@db1,db2/spendwise?target_session_attrs=read-write")
	if err != nil {
		log.Fatal(err)
	}
	defer st.Close()
	if err := st.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
}

// TestOpen_PoolerRefusesParameter opens a store through a pooler that accepts no plan_cache_mode, as PgBouncer does.
func TestOpen_PoolerRefusesParameter(t *testing.T) {
	link := pgtest.NewLink(t, pgtest.New(t))
	config, err := pgx.ParseConfig(link.DSN())
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var refused, accepted atomic.Int64
	serve := func(client net.Conn) error {
		defer client.Close()
		header := make([]byte, 4)
		if _, err := io.ReadFull(client, header); err != nil {
			return err
		}
		startup := make([]byte, binary.BigEndian.Uint32(header)-4)
		if _, err := io.ReadFull(client, startup); err != nil {
			return err
		}
		if bytes.Contains(startup, []byte("plan_cache_mode")) {
			refused.Add(1)
			answer := pgproto3.ErrorResponse{
				Severity: "FATAL", Code: "08P01", Message: "unsupported startup parameter: plan_cache_mode",
			}
			text, err := answer.Encode(nil)
			_, failed := client.Write(text)
			return errors.Join(err, failed)
		}
		accepted.Add(1)
		server, err := net.Dial("tcp", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))))
		if err != nil {
			return err
		}
		defer server.Close()
		if _, err := server.Write(append(header, startup...)); err != nil {
			return err
		}
		go func() { _, _ = io.Copy(server, client) }()
		_, err = io.Copy(client, server)
		return err
	}
	var group errgroup.Group
	group.Go(func() error {
		for {
			client, err := listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return nil
			} else if err != nil {
				return err
			}
			group.Go(func() error { return serve(client) })
		}
	})
	t.Cleanup(func() { // after openAt has closed the store
		if err := errors.Join(listener.Close(), group.Wait()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Logf("a connection ended with: %v", err)
		}
	})
	port := strconv.Itoa(int(config.Port))
	_, listening, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	st := openAt(t, strings.Replace(link.DSN(), port, listening, 1))
	if err := st.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if refused.Load() == 0 || accepted.Load() == 0 {
		t.Errorf("the pooler refused %d connections and accepted %d", refused.Load(), accepted.Load())
	}
}
