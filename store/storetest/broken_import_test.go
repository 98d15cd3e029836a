package storetest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
)

// forgetsUndo returns a store that does not store UndoneAt.
func forgetsUndo() store.Store {
	return broken{Store: memstore.New(), tx: func(_ expense.OwnerID, tx store.Tx) store.Tx { return undoTx{tx} }}
}

type undoTx struct{ store.Tx }

func (tx undoTx) PutImport(ctx context.Context, record store.Import) error {
	record.UndoneAt = time.Time{}
	return tx.Tx.PutImport(ctx, record)
}

// findsOneRow returns a store whose ImportedRows returns one row for each identity.
func findsOneRow() store.Store {
	return broken{Store: memstore.New(),
		reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader { return oneRowReader{r} }}
}

type oneRowReader struct{ store.Reader }

func (r oneRowReader) ImportedRows(
	ctx context.Context, identities ...store.RowIdentity,
) ([]store.ImportedRow, error) {
	all, err := r.Reader.ImportedRows(ctx, identities...)
	var first []store.ImportedRow
	seen := make(map[store.RowIdentity]bool)
	for _, row := range all {
		if !seen[row.Identity] {
			seen[row.Identity], first = true, append(first, row)
		}
	}
	return first, err
}

// followsOneMerge returns a store whose MergedCategory does not follow later merges.
func followsOneMerge() store.Store {
	return broken{Store: memstore.New(),
		reader: func(_ context.Context, _ expense.OwnerID, r store.Reader) store.Reader { return oneMergeReader{r} }}
}

type oneMergeReader struct{ store.Reader }

func (r oneMergeReader) MergedCategory(ctx context.Context, name string) (expense.Category, error) {
	category, err := r.Reader.MergedCategory(ctx, name)
	if err == nil && category.Name != "Middle" {
		return expense.Category{}, fmt.Errorf("merged category %q: %w", name, expense.ErrNotFound)
	}
	return category, err
}
