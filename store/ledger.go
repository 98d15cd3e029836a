package store

import (
	"context"

	"github.com/spendwise/spendwise/expense"
)

// A Ledger is one owner's ledger as the use cases change it that need no more than [expense.Tx], such as export.Import.
type Ledger struct {
	store Store
	owner expense.OwnerID
}

// LedgerOf returns owner's ledger in st.
func LedgerOf(st Store, owner expense.OwnerID) Ledger { return Ledger{store: st, owner: owner} }

// Update is the store's Update of this ledger. The tx that fn gets is a [Tx]: a caller that needs more of it asserts so.
func (l Ledger) Update(ctx context.Context, fn func(expense.Tx) error) error {
	return l.store.Update(ctx, l.owner, func(tx Tx) error { return fn(tx) })
}
