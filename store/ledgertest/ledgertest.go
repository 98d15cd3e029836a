// Package ledgertest builds ledgers for tests. Its functions fail the test instead of returning an error.
package ledgertest

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

// T is the part of *testing.T that this package uses. *testing.B, *testing.F and *rapid.T implement it too.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Create creates owner's ledger with the starter categories. A zero draft creates a ledger in EUR and UTC. Create
// fails the test if the owner has a ledger already.
func Create(
	t T, st store.Store, owner expense.OwnerID, now time.Time, draft expense.SettingsDraft,
) expense.InitialLedger {
	t.Helper()
	settings, err := expense.NewSettings(draft)
	if err != nil {
		t.Fatalf("settings of %s: %v", owner, err)
	}
	ledger := expense.NewInitialLedger(owner, settings, now)
	if created, err := st.CreateLedger(context.Background(), owner, ledger); err != nil || !created {
		t.Fatalf("create the ledger of %s: created %t, %v", owner, created, err)
	}
	return ledger
}

// CategoryID returns the id of a starter category.
func CategoryID(t T, ledger expense.InitialLedger, name string) uuid.UUID {
	t.Helper()
	for _, category := range ledger.Categories {
		if category.Name == name {
			return category.ID
		}
	}
	t.Fatalf("no starter category has the name %q", name)
	return uuid.Nil
}
