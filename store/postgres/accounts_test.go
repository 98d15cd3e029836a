package postgres_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/storetest"
)

func TestAccounts(t *testing.T) {
	storetest.RunAccounts(t, func(t *testing.T) store.Accounts { return open(t).(*postgres.Store).Accounts() })
}
