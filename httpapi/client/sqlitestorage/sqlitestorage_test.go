package sqlitestorage_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/sqlitestorage"
)

func open(t *testing.T, path string) *sqlitestorage.Storage {
	t.Helper()
	s, err := sqlitestorage.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func update(t *testing.T, s client.Storage, fn func(context.Context, client.Tx) error) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx client.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

func TestUpdate_IsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.db")
	s := open(t, path)
	lunch := client.RowKey{Type: client.ExpenseType, ID: "a"}
	failed := errors.New("no")
	err := s.Update(t.Context(), func(tx client.Tx) error {
		ctx := t.Context()
		return errors.Join(
			tx.PutRows(ctx, client.Row{RowKey: lunch, Version: 1, Data: []byte(`{}`)}), tx.SetValue(ctx, "x", []byte("y")),
			tx.PutMutations(ctx, client.Mutation{ID: "m", Key: lunch, State: client.Queued}), failed,
		)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	update(t, s, func(ctx context.Context, tx client.Tx) error {
		_, err := tx.Row(ctx, lunch)
		value, _ := tx.Value(ctx, "x")
		mutations, _ := tx.Mutations(ctx, client.MutationQuery{})
		if !errors.Is(err, expense.ErrNotFound) || value != nil || len(mutations) > 0 {
			t.Errorf("an Update that failed left %v, %q, %v", err, value, mutations)
		}
		return nil
	})
}

func TestOpen_ReadsDataOfEarlierProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.db")
	lunch, food := client.RowKey{Type: client.ExpenseType, ID: "b"}, client.RowKey{Type: client.CategoryType, ID: "a"}
	update(t, open(t, path), func(ctx context.Context, tx client.Tx) error {
		return errors.Join(
			tx.PutRows(ctx, client.Row{RowKey: lunch, Version: 1, Data: []byte(`{"a":1}`)},
				client.Row{RowKey: food, Generation: 1, Data: []byte(`{}`)}),
			tx.PutMutations(ctx,
				client.Mutation{ID: "2", Seq: 2, Key: lunch, State: client.Sent, Data: []byte(`{}`),
					Result: &client.MutationResult{Status: "applied"}},
				client.Mutation{ID: "1", Seq: 1, Key: lunch, State: client.Queued},
				client.Mutation{ID: "3", Seq: 3, Key: food, State: client.Queued}),
			tx.SetValue(ctx, "schema", []byte("mine")),
		)
	})
	update(t, open(t, path), func(ctx context.Context, tx client.Tx) error {
		row, err := tx.Row(ctx, lunch)
		if err != nil || row.RowKey != lunch || row.Version != 1 || string(row.Data) != `{"a":1}` {
			t.Errorf("the row is %v (%v)", row, err)
		}
		value, err := tx.Value(ctx, "schema")
		if err != nil || string(value) != "mine" {
			t.Errorf("the value is %q (%v)", value, err)
		}
		for want, query := range map[string]client.MutationQuery{
			"123": {}, "12": {Key: lunch}, "13": {States: []client.State{client.Queued}}, "1": {Limit: 1},
			"3": {Key: client.RowKey{Type: client.CategoryType}},
			"2": {Key: lunch, States: []client.State{client.Sent, client.Rejected}},
		} {
			found, err := tx.Mutations(ctx, query)
			ids := ""
			for _, m := range found {
				ids += m.ID
			}
			if err != nil || ids != want {
				t.Errorf("%+v finds %s, want %s (%v)", query, ids, want, err)
			}
		}
		err = tx.DeleteRowsBefore(ctx, 1)
		rows, more := tx.Rows(ctx, client.CategoryType)
		if _, gone := tx.Row(ctx, lunch); err != nil || more != nil || !errors.Is(gone, expense.ErrNotFound) ||
			len(rows) != 1 || rows[0].RowKey != food {
			t.Errorf("what is left of the generations: %v (%v, %v, %v)", rows, err, more, gone)
		}
		return errors.Join(tx.DeleteRows(ctx, food, lunch), tx.DeleteMutations(ctx, "1", "none"),
			tx.SetValue(ctx, "schema", nil))
	})
}

func TestOpen_CreatesPrivateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "device.db")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has the mode %v (%v)", info.Mode(), err)
	}
	for _, path := range []string{"", ":memory:", t.TempDir(), filepath.Join(t.TempDir(), "no", "such", "folder")} {
		if s, err := sqlitestorage.Open(t.Context(), path); err == nil {
			t.Errorf("%q is opened", path)
			s.Close()
		}
	}
}

func ExampleOpen() {
	ctx := context.Background()
	storage, err := sqlitestorage.Open(ctx, filepath.Join(os.TempDir(), "device.db"))
	if err != nil {
		return
	}
	defer storage.Close()
	_, _ = client.New("https://ledger.example.com", client.WithStorage(storage))
}
