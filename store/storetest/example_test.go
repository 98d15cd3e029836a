package storetest_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/storetest"
)

// Run is called from a test of the package that implements the store.
func ExampleRun() {
	// func TestStore(t *testing.T)
	_ = func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
	}
}
