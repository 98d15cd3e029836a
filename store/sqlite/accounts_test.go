package sqlite_test

import (
	"testing"

	"github.com/spendwise/spendwise/store/accounts"
	"github.com/spendwise/spendwise/store/accounts/accountstest"
	"github.com/spendwise/spendwise/store/sqlite"
)

func TestAccounts(t *testing.T) {
	accountstest.Run(t, func(t *testing.T) accounts.Store {
		return open(t, sqlite.SynchronousNormal()).(*sqlite.Store).Accounts()
	})
}
