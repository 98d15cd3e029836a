package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// A Storage stores the state of a device: the local copy of the ledger, the position in the change feed, the queue of
// mutations and the session. It belongs to one account. [MemoryStorage] and the package sqlitestorage implement it; the
// package storagetest checks other implementations. A Storage is safe for concurrent use, but functions passed to View
// and Update must not call the Storage.
type Storage interface {
	// View runs fn on a consistent snapshot: all reads see the same committed state.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn in an exclusive transaction: Updates never overlap. If fn returns nil, Update commits all writes of
	// fn durably or returns an error. If fn fails or panics, or Update returns an error, no write of fn remains.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close releases the resources of the Storage. Committed writes remain.
	Close() error
}

// A Tx reads and writes within one View or Update. Within a View it must not be used for writes. Neither the Tx nor its
// caller may modify a slice after passing it to the other.
type Tx interface {
	// Value returns the value stored under name, or nil if there is none.
	Value(ctx context.Context, name string) ([]byte, error)

	// SetValue stores a value under name. A nil value deletes it.
	SetValue(ctx context.Context, name string, value []byte) error

	// Row returns the row with this key. It returns ErrNotFound if there is none.
	Row(ctx context.Context, key RowKey) (Row, error)

	// Rows returns all rows of a type, ordered by id.
	Rows(ctx context.Context, t Type) ([]Row, error)

	// PutRows stores rows and replaces those with the same keys.
	PutRows(ctx context.Context, rows ...Row) error

	// DeleteRows deletes the rows with these keys. Keys without a row are ignored.
	DeleteRows(ctx context.Context, keys ...RowKey) error

	// DeleteRowsBefore deletes all rows of earlier generations.
	DeleteRowsBefore(ctx context.Context, generation int64) error

	// Mutations returns the mutations that match the query, ordered by Seq.
	Mutations(ctx context.Context, query MutationQuery) ([]Mutation, error)

	// PutMutations stores mutations and replaces those with the same ids.
	PutMutations(ctx context.Context, mutations ...Mutation) error

	// DeleteMutations deletes the mutations with these ids. Ids without a mutation are ignored.
	DeleteMutations(ctx context.Context, ids ...string) error
}

// A Type is the type of a row, as named by the API.
type Type string

// The types of rows.
const (
	AlertType    Type = "alert"
	BudgetType   Type = "budget"
	CategoryType Type = "category"
	ExpenseType  Type = "expense"
	RuleType     Type = "recurrence"
	SettingsType Type = "settings"
)

// types returns all types in alphabetical order.
func types() []Type {
	return []Type{AlertType, BudgetType, CategoryType, ExpenseType, RuleType, SettingsType}
}

// settingsKey returns the key of the only row of type settings.
func settingsKey() RowKey { return RowKey{SettingsType, "settings"} }

// A RowKey identifies a row.
type RowKey struct {
	Type Type
	ID   string
}

// A Row is a row as the server last sent it in the change feed. Only a pull changes it.
type Row struct {
	RowKey
	Version    expense.Version
	Generation int64           // number of the full pull that read the row; a full pull deletes the rows of earlier ones
	Data       json.RawMessage // resource as in the API's responses
}

// An Op is the operation of a mutation.
type Op string

// The operations.
const (
	Put    Op = "put"
	Patch  Op = "patch"
	Delete Op = "delete"
)

// A State is the progress of a mutation.
type State uint8

// The states. Mutations from Acknowledged on have a MutationResult.
const (
	Queued       State = iota + 1 // never sent
	Sent                          // sent at least once without a response; its content is final
	Acknowledged                  // applied by the server; kept until a pull has returned the result
	Conflicted                    // conflicts with a change of another device and waits for a Decision
	Rejected                      // refused by the server permanently and not dismissed yet
)

// A Mutation is a change made on this device. A Storage may store it as JSON, from which it decodes to an equal value.
// The tags keep the member names of mutations that earlier releases have stored.
type Mutation struct {
	Key          RowKey
	ID           string // the same in every attempt; the server's idempotency key
	Seq          int64  // position in the queue
	Op           Op
	BaseVersion  expense.Version // version of the row that the change is based on; 0: none
	BaseMutation string          // mutation of this device that the change is based on, instead of BaseVersion
	Data         json.RawMessage `json:",omitempty"` // draft or patch; nil for a deletion
	State        State
	Reissues     int             `json:"Tries"`          // how often it was reissued after a conflict
	BaseRow      json.RawMessage `json:"Seen,omitempty"` // row before the mutation, as the user saw it; nil: none
	Predicted    bool            // queued by PredictPostings; the server's row replaces it without a conflict
	CreatedAt    time.Time       `json:"Made"` // by the device's clock
	Result       *MutationResult
}

// A MutationResult is the server's result of a mutation.
type MutationResult struct {
	MutationID string          `json:"mutation_id"`
	Status     string          `json:"status"`
	Version    expense.Version `json:"version,omitempty"`
	Resource   json.RawMessage `json:"resource,omitempty"` // row after the mutation
	Problem    *Problem        `json:"problem,omitempty"`
}

// A MutationQuery selects mutations. A zero field does not restrict the result.
type MutationQuery struct {
	Key    RowKey  // row; with an empty ID, all rows of the type
	States []State // any of these states
	Limit  int     // at most this many
}

// Matches reports whether m satisfies Key and States.
func (q MutationQuery) Matches(m Mutation) bool {
	if q.Key.Type != "" && q.Key.Type != m.Key.Type || q.Key.ID != "" && q.Key.ID != m.Key.ID {
		return false
	}
	for _, state := range q.States {
		if state == m.State {
			return true
		}
	}
	return len(q.States) == 0
}
