package jsonstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/examples/customstore/jsonstore"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func open(t *testing.T, folder string) *jsonstore.Store {
	t.Helper()
	st, err := jsonstore.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

const owner = expense.OwnerID("anna/é")

var (
	now    = time.Date(2026, time.March, 14, 12, 0, 0, 123456000, time.UTC)
	record = store.IdempotencyRecord{
		IdempotencyKey: store.IdempotencyKey{Scope: "POST /v1/expenses", Key: "k"}, Fingerprint: []byte{0, 0xff},
		Retention: store.RetentionTombstones, Payload: []byte("{}\n"), CreatedAt: now,
	}
)

// fill creates a ledger with rows of every type, a tombstone and an idempotency record, and stores a quote. It returns
// the id of the expense that it deleted.
func fill(t *testing.T, st *jsonstore.Store) uuid.UUID {
	t.Helper()
	ctx := t.Context()
	settings, err := expense.NewSettings(expense.SettingsDraft{TimeZone: new("Europe/Berlin"), Locale: new("de")})
	must(t, err)
	ledger := expense.NewInitialLedger(owner, settings, now)
	_, err = st.CreateLedger(ctx, owner, ledger)
	must(t, err)
	deleted := uuid.MustParse("0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70")
	must(t, st.Update(ctx, owner, func(tx store.Tx) error {
		env := expense.Env{Now: now}
		for _, draft := range []expense.Draft{
			{Amount: "12.50", Currency: "EUR", Category: "Food", Notes: new("<bread> & \"café\"\n\u2028")},
			{Amount: "-3.250", Currency: "KWD", Date: "2026-02-28", Rate: "2.98765432101234567"},
			{Amount: "1000", Currency: "JPY", Category: "Travel"}, // pending
			{Amount: "1", Currency: "EUR", ID: deleted.String()},
		} {
			if _, err := expense.Add(ctx, tx, env, draft); err != nil {
				return err
			}
		}
		if err := expense.Delete(ctx, tx, deleted, expense.Precondition{}); err != nil {
			return err
		}
		food := ledger.Categories[0].ID.String()
		if _, err := budget.Add(ctx, tx, env, budget.Draft{CategoryID: food, Amount: "500"}); err != nil {
			return err
		}
		_, err := tx.PutRules(ctx, recurrence.Rule{
			ID: uuid.New(), Amount: expense.MustMoney("9.99", "EUR"), CategoryID: ledger.Settings.DefaultCategory,
			Freq: recurrence.Monthly, Interval: 1, MonthDay: recurrence.LastDay,
			Start: expense.MustDate("2026-01-31"), Next: expense.MustDate("2026-03-31"), CreatedAt: now, UpdatedAt: now,
		})
		return errors.Join(err, tx.PutIdempotencyRecord(ctx, record))
	}))
	_, err = st.PutQuotes(ctx, expense.Quote{
		Source: "ecb", Date: expense.MustDate("2026-03-13"),
		Currency: expense.MustCurrency("JPY"), Value: expense.MustFactor("163.25"),
	})
	must(t, err)
	return deleted
}

// dump returns all ledgers and quotes of the store as text.
func dump(t *testing.T, st *jsonstore.Store) string {
	t.Helper()
	ctx := t.Context()
	var b strings.Builder
	for owner, err := range st.Owners(ctx) {
		must(t, err)
		must(t, st.Update(ctx, owner, func(tx store.Tx) error {
			snapshot, err := tx.BudgetSnapshot(ctx)
			must(t, err)
			rules, err := tx.Rules(ctx)
			must(t, err)
			stored, err := tx.IdempotencyRecord(ctx, record.IdempotencyKey)
			must(t, err)
			fmt.Fprintf(&b, "%s\n%+v\n%+v\n%+v\n", owner, snapshot, rules, stored)
			for e, err := range tx.Expenses(ctx, expense.Query{}) {
				must(t, err)
				fmt.Fprintf(&b, "%+v\n", e)
			}
			return nil
		}))
	}
	for quote, err := range st.Quotes(ctx, "ecb", expense.Date{}) {
		must(t, err)
		fmt.Fprintf(&b, "%+v\n", quote)
	}
	return b.String()
}

func TestOpen_ReadsWhatWasCommitted(t *testing.T) {
	folder := t.TempDir()
	first := open(t, folder)
	deleted := fill(t, first)
	want := dump(t, first)
	must(t, first.Close())

	st := open(t, folder)
	if got := dump(t, st); got != want {
		t.Errorf("opened again the store holds\n%s\nwant\n%s", got, want)
	}
	if _, err := st.Reader(owner).Expense(t.Context(), deleted); !errors.Is(err, expense.ErrGone) {
		t.Errorf("the deleted expense gives %v, want one that is %q", err, expense.ErrGone)
	}
	settings, err := st.Reader(owner).Settings(t.Context())
	must(t, err)
	must(t, st.Update(t.Context(), owner, func(tx store.Tx) error {
		version, err := tx.PutSettings(t.Context(), settings)
		if version != 3 {
			t.Errorf("the first write takes version %d, want 3: creation took 1 and the filling 2", version)
		}
		return err
	}))
}

func TestOpen_IgnoresHalfWrittenFiles(t *testing.T) {
	folder := t.TempDir()
	first := open(t, folder)
	fill(t, first)
	want := dump(t, first)
	for _, path := range files(t, folder) {
		must(t, os.WriteFile(path+".tmp", []byte(`{"Version": 9`), 0o600))
	}
	st := open(t, folder)
	if got := dump(t, st); got != want {
		t.Errorf("beside half-written files the store holds\n%s\nwant\n%s", got, want)
	}
	addCoffee(t, st, owner)
}

func TestOpen_RejectsDamagedFile(t *testing.T) {
	folder := t.TempDir()
	fill(t, open(t, folder))
	for _, path := range files(t, folder) {
		content, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(content), "JPY", "???")), 0o600))
	}
	_, err := jsonstore.Open(folder)
	if err == nil || errors.Is(err, expense.ErrNotFound) || errors.Is(err, expense.ErrInvalid) {
		t.Errorf("Open with a damaged ledger: %v, want an error that is neither ErrNotFound nor ErrInvalid", err)
	}
}

func TestStore_IsUnavailableWithoutItsFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "ledgers")
	st := open(t, folder)
	fill(t, st)
	must(t, os.RemoveAll(folder))
	if err := st.Ping(t.Context()); !errors.Is(err, expense.ErrUnavailable) {
		t.Errorf("Ping: %v, want one that is %q", err, expense.ErrUnavailable)
	}
	err := st.Update(t.Context(), owner, coffee(t.Context()))
	if !errors.Is(err, expense.ErrUnavailable) {
		t.Errorf("Update: %v, want one that is %q", err, expense.ErrUnavailable)
	}
}

func addCoffee(t *testing.T, st *jsonstore.Store, owner expense.OwnerID) {
	t.Helper()
	must(t, st.Update(t.Context(), owner, coffee(t.Context())))
}

func coffee(ctx context.Context) func(store.Tx) error {
	return func(tx store.Tx) error {
		_, err := expense.Add(ctx, tx, expense.Env{Now: now}, expense.Draft{Amount: "3.20"})
		return err
	}
}

// files returns the paths of the files in the folder.
func files(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*"))
	must(t, err)
	if len(paths) == 0 {
		t.Fatal("the folder is empty")
	}
	return paths
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
