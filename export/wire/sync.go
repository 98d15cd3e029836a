package wire

import (
	"encoding/json"

	"github.com/spendwise/spendwise/expense"
)

// Mutation is the JSON form of one mutation of a push: a change of one row that a device made.
type Mutation struct {
	MutationID string `json:"mutation_id"` // the idempotency key of the mutation
	Type       string `json:"type"`        // of the row: expense, category, budget, recurrence, alert or settings
	Op         string `json:"op"`          // put, patch or delete
	ID         string `json:"id"`          // of the row
	// BaseVersion is the version of the row that the change is based on, and BaseMutation an earlier mutation of the same
	// device that it is based on. At most one of them is given.
	BaseVersion  *expense.Version `json:"base_version,omitempty"`
	BaseMutation *string          `json:"base_mutation,omitempty"`
	// Data is the input of a put, such as [ExpenseInput], or a patch, such as [ExpensePatch]. A deletion has none.
	Data json.RawMessage `json:"data,omitempty"`
}
