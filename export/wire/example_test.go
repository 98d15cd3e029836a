package wire_test

import (
	"encoding/json"
	"fmt"
	"log"

	"github.com/spendwise/spendwise/export/wire"
)

// Example encodes a merge patch: the absent members are left out, and null restores the default rate.
func Example() {
	patch := wire.ExpensePatch{Amount: wire.Set("12.50"), Rate: wire.Null[string]()}
	text, err := json.Marshal(patch)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output: {"amount":"12.50","rate":null}
}
