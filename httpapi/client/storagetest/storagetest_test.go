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

func TestMemory(t *testing.T) {
	if err := storagetest.Check(t.Context(), memory, nil); err != nil {
		t.Error(err)
	}
}

func TestSQLite(t *testing.T) {
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

// A broken Storage is a good one with one fault put over it.
type broken struct {
	client.Storage
	update func(ctx context.Context, fn func(client.Tx) error) error // nil: the good one's
	tx     func(client.Tx) client.Tx
}

func (b *broken) over(fn func(client.Tx) error) func(client.Tx) error {
	if b.tx == nil {
		return fn
	}
	return func(tx client.Tx) error { return fn(b.tx(tx)) }
}

func (b *broken) View(ctx context.Context, fn func(client.Tx) error) error {
	return b.Storage.View(ctx, b.over(fn))
}

func (b *broken) Update(ctx context.Context, fn func(client.Tx) error) error {
	if b.update != nil {
		return b.update(ctx, fn)
	}
	return b.Storage.Update(ctx, b.over(fn))
}

// A faulty Tx does one thing wrong.
type faulty struct {
	client.Tx
	fault string
}

func (tx faulty) SetValue(ctx context.Context, name string, value []byte) error {
	if tx.fault == "keeps a value that is removed" && value == nil {
		return nil
	}
	return tx.Tx.SetValue(ctx, name, value)
}

func (tx faulty) Value(ctx context.Context, name string) ([]byte, error) {
	value, err := tx.Tx.Value(ctx, name)
	if tx.fault == "gives an empty value for none" && value == nil {
		value = []byte{}
	}
	return value, err
}

func (tx faulty) Row(ctx context.Context, key client.RowKey) (client.Row, error) {
	row, err := tx.Tx.Row(ctx, key)
	switch tx.fault {
	case "says nothing of a row that is not there":
		err = nil
	case "keeps versions as floats":
		row.Version = expense.Version(float32(row.Version))
	}
	return row, err
}

func (tx faulty) Rows(ctx context.Context, t client.Type) ([]client.Row, error) {
	rows, err := tx.Tx.Rows(ctx, t)
	if tx.fault == "orders rows by nothing" && len(rows) > 1 {
		rows[0], rows[1] = rows[1], rows[0]
	}
	return rows, err
}

func (tx faulty) PutRows(ctx context.Context, rows ...client.Row) error {
	for _, row := range rows {
		if _, err := tx.Tx.Row(ctx, row.RowKey); err == nil && tx.fault == "leaves a row that is there" {
			continue
		}
		if err := tx.Tx.PutRows(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (tx faulty) DeleteRows(ctx context.Context, keys ...client.RowKey) error {
	for _, key := range keys {
		if _, err := tx.Tx.Row(ctx, key); err != nil && tx.fault == "stumbles over a row that is gone" {
			return err
		}
	}
	return tx.Tx.DeleteRows(ctx, keys...)
}

func (tx faulty) DeleteRowsBefore(ctx context.Context, generation int64) error {
	if tx.fault == "deletes this generation too" {
		generation++
	}
	return tx.Tx.DeleteRowsBefore(ctx, generation)
}

func (tx faulty) Mutations(ctx context.Context, query client.MutationQuery) ([]client.Mutation, error) {
	switch tx.fault {
	case "looks at no limit":
		query.Limit = 0
	case "looks at no states":
		query.States = nil
	case "finds the rows of all types":
		query.Key.Type = ""
	}
	found, err := tx.Tx.Mutations(ctx, query)
	for i := range found {
		if tx.fault == "forgets what was seen" {
			found[i].BaseRow = nil
		}
	}
	return found, err
}

func (tx faulty) PutMutations(ctx context.Context, mutations ...client.Mutation) error {
	for i := range mutations {
		if tx.fault == "makes of nothing the word null" && mutations[i].Data == nil {
			mutations[i].Data = []byte("null")
		}
	}
	return tx.Tx.PutMutations(ctx, mutations...)
}

func (tx faulty) DeleteMutations(ctx context.Context, ids ...string) error {
	if tx.fault == "deletes the first mutation only" && len(ids) > 1 {
		ids = ids[:1]
	}
	return tx.Tx.DeleteMutations(ctx, ids...)
}

// TestBrokenStorages holds the suite to what it is for: each fault is found, and told by the sentence that it breaks.
func TestBrokenStorages(t *testing.T) {
	for fault, sentence := range map[string]string{
		"keeps a value that is removed":           "Tx.SetValue:",
		"gives an empty value for none":           "Tx.Value:",
		"says nothing of a row that is not there": "Tx.Row:",
		"keeps versions as floats":                "Tx.Row:",
		"orders rows by nothing":                  "Tx.Rows:",
		"leaves a row that is there":              "Tx.PutRows:",
		"stumbles over a row that is gone":        "Tx.DeleteRows:",
		"deletes this generation too":             "Tx.DeleteRowsBefore:",
		"looks at no limit":                       "Tx.Mutations:",
		"looks at no states":                      "Tx.Mutations:",
		"finds the rows of all types":             "Tx.Mutations:",
		"forgets what was seen":                   "Tx.PutMutations:",
		"makes of nothing the word null":          "Tx.PutMutations:",
		"deletes the first mutation only":         "Tx.DeleteMutations:",
	} {
		t.Run(fault, func(t *testing.T) {
			found(t, sentence, func() (client.Storage, error) {
				return &broken{Storage: client.NewMemoryStorage(), tx: func(tx client.Tx) client.Tx { return faulty{tx, fault} }}, nil
			}, nil)
		})
	}
	t.Run("keeps what an Update wrote that failed", func(t *testing.T) {
		found(t, "Storage.Update: When", func() (client.Storage, error) {
			good := client.NewMemoryStorage()
			return &broken{Storage: good, update: func(ctx context.Context, fn func(client.Tx) error) error {
				var failed error
				err := good.Update(ctx, func(tx client.Tx) error {
					failed = fn(tx)
					return nil
				})
				if err != nil {
					return err
				}
				return failed
			}}, nil
		}, nil)
	})
	t.Run("loses everything with its process", func(t *testing.T) {
		found(t, "Storage.Update: When", memory, func(client.Storage) (client.Storage, error) { return memory() })
	})
	t.Run("lets Updates overlap", func(t *testing.T) {
		found(t, "Storage.Update: Update runs fn, alone.", func() (client.Storage, error) { return &overlapping{MemoryStorage: client.NewMemoryStorage()}, nil }, nil)
	})
	t.Run("reads what others are writing", func(t *testing.T) {
		found(t, "Storage.View:", func() (client.Storage, error) { return &glimpsing{MemoryStorage: client.NewMemoryStorage()}, nil }, nil)
	})
}

func found(t *testing.T, sentence string, open func() (client.Storage, error), reopen func(client.Storage) (client.Storage, error)) {
	t.Helper()
	if err := storagetest.Check(t.Context(), open, reopen); err == nil || !strings.Contains("\n"+err.Error(), "\n"+sentence) {
		t.Errorf("the suite does not tell it by %q:\n%v", sentence, err)
	}
}

// overlapping runs each Update over what is there when it begins, and writes all of it at its end.
type overlapping struct{ *client.MemoryStorage }

func (s *overlapping) Update(ctx context.Context, fn func(client.Tx) error) error {
	var writes []func(client.Tx) error
	err := s.View(ctx, func(tx client.Tx) error { return fn(later{tx, &writes}) })
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

type later struct {
	client.Tx
	writes *[]func(client.Tx) error
}

func (tx later) SetValue(ctx context.Context, name string, value []byte) error {
	*tx.writes = append(*tx.writes, func(tx client.Tx) error { return tx.SetValue(ctx, name, value) })
	return nil
}

// glimpsing reads each thing by itself.
type glimpsing struct{ *client.MemoryStorage }

func (s *glimpsing) View(_ context.Context, fn func(client.Tx) error) error {
	return fn(piecemeal{s: s})
}

type piecemeal struct {
	client.Tx
	s *glimpsing
}

func (tx piecemeal) Value(ctx context.Context, name string) (value []byte, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		value, err = tx.Value(ctx, name)
		return err
	})
	return value, err
}

func (tx piecemeal) Row(ctx context.Context, key client.RowKey) (row client.Row, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		row, err = tx.Row(ctx, key)
		return err
	})
	return row, err
}

func (tx piecemeal) Rows(ctx context.Context, t client.Type) (rows []client.Row, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		rows, err = tx.Rows(ctx, t)
		return err
	})
	return rows, err
}

func (tx piecemeal) Mutations(ctx context.Context, query client.MutationQuery) (found []client.Mutation, err error) {
	err = tx.s.MemoryStorage.View(ctx, func(tx client.Tx) error {
		found, err = tx.Mutations(ctx, query)
		return err
	})
	return found, err
}
