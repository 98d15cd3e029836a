package storetest_test

import (
	"testing"

	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/storetest"
)

// A store proves itself in one test of its own package. Put your store in the place of memstore.
func ExampleRun() {
	// func TestStore(t *testing.T)
	_ = func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store { return memstore.New() })
	}
}
