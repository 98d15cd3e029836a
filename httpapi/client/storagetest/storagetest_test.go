package storagetest_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/sqlitestorage"
	"github.com/spendwise/spendwise/httpapi/client/storagetest"
)

func memory() (client.Storage, error) { return client.NewMemoryStorage(), nil }

func TestCheck_MemoryStorage(t *testing.T) {
	if err := storagetest.Check(t.Context(), memory, nil); err != nil {
		t.Error(err)
	}
}

func TestCheck_SQLiteStorage(t *testing.T) {
	dir, n := t.TempDir(), 0
	path := func() string { return filepath.Join(dir, strconv.Itoa(n)) }
	err := storagetest.Check(t.Context(), func() (client.Storage, error) {
		n++
		return sqlitestorage.Open(t.Context(), path())
	}, func(s client.Storage) (client.Storage, error) {
		if err := s.Close(); err != nil {
			return nil, err
		}
		return sqlitestorage.Open(t.Context(), path())
	})
	if err != nil {
		t.Error(err)
	}
}

// defectiveStorage wraps a correct Storage and adds one defect.
type defectiveStorage struct {
	client.Storage
	update func(ctx context.Context, fn func(client.Tx) error) error // nil: Update of Storage
	tx     func(client.Tx) client.Tx
}

func (s *defectiveStorage) wrap(fn func(client.Tx) error) func(client.Tx) error {
	if s.tx == nil {
		return fn
	}
	return func(tx client.Tx) error { return fn(s.tx(tx)) }
}

func (s *defectiveStorage) View(ctx context.Context, fn func(client.Tx) error) error {
	return s.Storage.View(ctx, s.wrap(fn))
}

func (s *defectiveStorage) Update(ctx context.Context, fn func(client.Tx) error) error {
	if s.update != nil {
		return s.update(ctx, fn)
	}
	return s.Storage.Update(ctx, s.wrap(fn))
}

// defectiveTx wraps a correct Tx and adds one defect.
type defectiveTx struct {
	client.Tx
	defect string
}

func (tx defectiveTx) SetValue(ctx context.Context, name string, value []byte) error {
	if tx.defect == "SetValue does not delete" && value == nil {
		return nil
	}
	return tx.Tx.SetValue(ctx, name, value)
}

func (tx defectiveTx) Value(ctx context.Context, name string) ([]byte, error) {
	value, err := tx.Tx.Value(ctx, name)
	if tx.defect == "Value returns an empty value for a missing one" && value == nil {
		value = []byte{}
	}
	return value, err
}

func (tx defectiveTx) Row(ctx context.Context, key client.RowKey) (client.Row, error) {
	row, err := tx.Tx.Row(ctx, key)
	switch tx.defect {
	case "Row does not return ErrNotFound":
		err = nil
	case "versions are stored as float32":
		row.Version = expense.Version(float32(row.Version))
	}
	return row, err
}

func (tx defectiveTx) Rows(ctx context.Context, t client.Type) ([]client.Row, error) {
	rows, err := tx.Tx.Rows(ctx, t)
	if tx.defect == "Rows are unsorted" && len(rows) > 1 {
		rows[0], rows[1] = rows[1], rows[0]
	}
	return rows, err
}

func (tx defectiveTx) PutRows(ctx context.Context, rows ...client.Row) error {
	for _, row := range rows {
		if _, err := tx.Tx.Row(ctx, row.RowKey); err == nil && tx.defect == "PutRows does not replace" {
			continue
		}
		if err := tx.Tx.PutRows(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (tx defectiveTx) DeleteRows(ctx context.Context, keys ...client.RowKey) error {
	for _, key := range keys {
		if _, err := tx.Tx.Row(ctx, key); err != nil && tx.defect == "DeleteRows fails for a missing row" {
			return err
		}
	}
	return tx.Tx.DeleteRows(ctx, keys...)
}

func (tx defectiveTx) DeleteRowsBefore(ctx context.Context, generation int64) error {
	if tx.defect == "DeleteRowsBefore deletes the given generation" {
		generation++
	}
	return tx.Tx.DeleteRowsBefore(ctx, generation)
}

func (tx defectiveTx) Mutations(ctx context.Context, query client.MutationQuery) ([]client.Mutation, error) {
	switch tx.defect {
	case "Mutations ignores Limit":
		query.Limit = 0
	case "Mutations ignores States":
		query.States = nil
	case "Mutations ignores the type":
		query.Key.Type = ""
	}
	found, err := tx.Tx.Mutations(ctx, query)
	for i := range found {
		if tx.defect == "a field of Mutation is lost" {
			found[i].BaseRow = nil
		}
	}
	return found, err
}

func (tx defectiveTx) PutMutations(ctx context.Context, mutations ...client.Mutation) error {
	for i := range mutations {
		if tx.defect == "nil data becomes null" && mutations[i].Data == nil {
			mutations[i].Data = []byte("null")
		}
	}
	return tx.Tx.PutMutations(ctx, mutations...)
}

func (tx defectiveTx) DeleteMutations(ctx context.Context, ids ...string) error {
	if tx.defect == "DeleteMutations deletes only one" && len(ids) > 1 {
		ids = ids[:1]
	}
	return tx.Tx.DeleteMutations(ctx, ids...)
}

// TestCheck_FindsBrokenStorages verifies that the suite detects each defect and that the error names the right check.
func TestCheck_FindsBrokenStorages(t *testing.T) {
	for defect, id := range map[string]string{
		"SetValue does not delete":                       "Tx.SetValue:",
		"Value returns an empty value for a missing one": "Tx.Value:",
		"Row does not return ErrNotFound":                "Tx.Row:",
		"versions are stored as float32":                 "Tx.Row:",
		"Rows are unsorted":                              "Tx.Rows:",
		"PutRows does not replace":                       "Tx.PutRows:",
		"DeleteRows fails for a missing row":             "Tx.DeleteRows:",
		"DeleteRowsBefore deletes the given generation":  "Tx.DeleteRowsBefore:",
		"Mutations ignores Limit":                        "Tx.Mutations:",
		"Mutations ignores States":                       "Tx.Mutations:",
		"Mutations ignores the type":                     "Tx.Mutations:",
		"a field of Mutation is lost":                    "Tx.PutMutations:",
		"nil data becomes null":                          "Tx.PutMutations:",
		"DeleteMutations deletes only one":               "Tx.DeleteMutations:",
	} {
		t.Run(defect, func(t *testing.T) {
			expectFailure(t, id, func() (client.Storage, error) {
				return &defectiveStorage{Storage: client.NewMemoryStorage(),
					tx: func(tx client.Tx) client.Tx { return defectiveTx{tx, defect} }}, nil
			}, nil)
		})
	}
	t.Run("Update commits after an error", func(t *testing.T) {
		expectFailure(t, "Storage.Update/atomic:", func() (client.Storage, error) {
			correct := client.NewMemoryStorage()
			return &defectiveStorage{Storage: correct, update: func(ctx context.Context, fn func(client.Tx) error) error {
				var fnErr error
				err := correct.Update(ctx, func(tx client.Tx) error {
					fnErr = fn(tx)
					return nil
				})
				if err != nil {
					return err
				}
				return fnErr
			}}, nil
		}, nil)
	})
	t.Run("nothing is left after reopening", func(t *testing.T) {
		expectFailure(t, "Storage.Update/durable:", memory, func(client.Storage) (client.Storage, error) { return memory() })
	})
	t.Run("Updates overlap", func(t *testing.T) {
		expectFailure(t, "Storage.Update/exclusive:", func() (client.Storage, error) {
			return &overlappingStorage{MemoryStorage: client.NewMemoryStorage()}, nil
		}, nil)
	})
	t.Run("View reads uncommitted changes", func(t *testing.T) {
		expectFailure(t, "Storage.View/snapshot:", func() (client.Storage, error) {
			return &uncommittedStorage{MemoryStorage: client.NewMemoryStorage()}, nil
		}, nil)
	})
}

func expectFailure(
	t *testing.T, id string, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error),
) {
	t.Helper()
	if err := storagetest.Check(t.Context(), open, reopen); err == nil || !strings.Contains("\n"+err.Error(), "\n"+id) {
		t.Errorf("no error begins with %q:\n%v", id, err)
	}
}

// overlappingStorage reads in a View and delays the writes of an Update until its end.
type overlappingStorage struct{ *client.MemoryStorage }

func (s *overlappingStorage) Update(ctx context.Context, fn func(client.Tx) error) error {
	var writes []func(client.Tx) error
	err := s.View(ctx, func(tx client.Tx) error { return fn(delayedTx{tx, &writes}) })
	if err != nil {
		return err
	}
	return s.MemoryStorage.Update(ctx, func(tx client.Tx) error {
		for _, write := range writes {
			if err := write(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

type delayedTx struct {
	client.Tx
	writes *[]func(client.Tx) error
}

func (tx delayedTx) SetValue(ctx context.Context, name string, value []byte) error {
	*tx.writes = append(*tx.writes, func(tx client.Tx) error { return tx.SetValue(ctx, name, value) })
	return nil
}

// uncommittedStorage runs each read of a View in a View of its own.
type uncommittedStorage struct{ *client.MemoryStorage }

func (s *uncommittedStorage) View(_ context.Context, fn func(client.Tx) error) error {
	return fn(uncommittedTx{s: s})
}

type uncommittedTx struct {
	client.Tx
	s *uncommittedStorage
}

func (tx uncommittedTx) Value(ctx context.Context, name string) (value []byte, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		value, err = tx.Value(ctx, name)
		return err
	})
	return value, err
}

func (tx uncommittedTx) Row(ctx context.Context, key client.RowKey) (row client.Row, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		row, err = tx.Row(ctx, key)
		return err
	})
	return row, err
}

func (tx uncommittedTx) Rows(ctx context.Context, t client.Type) (rows []client.Row, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		rows, err = tx.Rows(ctx, t)
		return err
	})
	return rows, err
}

func (tx uncommittedTx) Mutations(
	ctx context.Context, query client.MutationQuery,
) (found []client.Mutation, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		found, err = tx.Mutations(ctx, query)
		return err
	})
	return found, err
}
