package storagetest_test

import (
	"context"
	"fmt"

	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/httpapi/client/storagetest"
)

// Check needs no reopen function if the content of a Storage is lost when the process ends.
func ExampleCheck() {
	open := func() (client.Storage, error) { return client.NewMemoryStorage(), nil }
	if err := storagetest.Check(context.Background(), open, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the storage keeps all guarantees")
	// Output: the storage keeps all guarantees
}
