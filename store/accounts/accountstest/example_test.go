package accountstest_test

import (
	"testing"

	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/accounts/accountstest"
	"github.com/spendwise/spendwise/store/memstore"
)

// Run is called from a test of the package that implements the store.
func ExampleRun() {
	// func TestAccounts(t *testing.T)
	_ = func(t *testing.T) {
		accountstest.Run(t, func(*testing.T) accounts.Store { return memstore.NewAccounts() })
	}
}
