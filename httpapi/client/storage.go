package client

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// A Storage keeps what a device must not lose: the copy of the ledger, the place in its feed, the queue of changes, the session.
// It belongs to one account. [NewMemoryStorage] and the package sqlitestorage have one; the package storagetest proves one of your own.
// It is safe for concurrent use, but for functions that it was given: they do not call it.
type Storage interface {
	// View runs fn over one consistent state.
	View(ctx context.Context, fn func(Tx) error) error

	// Update runs fn, alone. When it returns nil, all that fn wrote is kept, come what may; when fn or the Storage fails, nothing
	// of it is.
	Update(ctx context.Context, fn func(Tx) error) error

	// Close gives back what the Storage holds open.
	Close() error
}

// A Tx reads and writes within one View or Update; in a View it is only read from. Slices that are handed over either way are
// nobody's to change.
type Tx interface {
	// Value returns what was set under a name, or nil.
	Value(ctx context.Context, name string) ([]byte, error)

	// SetValue sets it; nil removes it.
	SetValue(ctx context.Context, name string, value []byte) error

	// Row returns one row; ErrNotFound if there is none.
	Row(ctx context.Context, key RowKey) (Row, error)

	// Rows returns all rows of a type, ordered by id.
	Rows(ctx context.Context, t Type) ([]Row, error)

	// PutRows writes rows, in place of those that have their keys.
	PutRows(ctx context.Context, rows ...Row) error

	// DeleteRows removes rows; keys that there are no rows of are passed over.
	DeleteRows(ctx context.Context, keys ...RowKey) error

	// DeleteRowsBefore removes the rows of all generations before this one.
	DeleteRowsBefore(ctx context.Context, generation int64) error

	// Mutations returns those that a query asks for, ordered by Seq.
	Mutations(ctx context.Context, query MutationQuery) ([]Mutation, error)

	// PutMutations writes mutations, in place of those that have their ids.
	PutMutations(ctx context.Context, mutations ...Mutation) error

	// DeleteMutations removes mutations; ids that there are none of are passed over.
	DeleteMutations(ctx context.Context, ids ...string) error
}

// A Type is a type of row, as the contract names it.
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

// types lists them in the order of their names.
func types() []Type {
	return []Type{AlertType, BudgetType, CategoryType, ExpenseType, RuleType, SettingsType}
}

// settingsKey names the one row of its type.
func settingsKey() RowKey { return RowKey{SettingsType, "settings"} }

// A Key names a row.
type RowKey struct {
	Type Type
	ID   string
}

// A Row is a row as the server last told it in the feed. Nothing but the feed changes it.
type Row struct {
	RowKey
	Version    expense.Version
	Generation int64           // of the fetch that brought it: what a fetch of everything leaves behind is no more
	Data       json.RawMessage // as its resource's answers carry it
}

// An Op is what a mutation does to its row.
type Op string

// The operations.
const (
	Put    Op = "put"
	Patch  Op = "patch"
	Delete Op = "delete"
)

// A State is how far a mutation has come.
type State uint8

// The states. Those from Acknowledged on have an answer.
const (
	Queued       State = iota + 1 // it was never sent
	Sent                          // it was sent at least once, and nobody knows whether it arrived. What it says does not change any more
	Acknowledged                  // the server has it; it is kept until a pull has brought what came of it
	Conflicted                    // it contradicts what came first, and a person has not decided yet
	Rejected                      // the server refused it for good, and nobody has dismissed that yet
)

// A Mutation is a change that was made on this device. As JSON, which a Storage may keep it as, it comes back as it was.
type Mutation struct {
	Key          RowKey
	ID           string // the same in every attempt: the server remembers it
	Seq          int64  // its place in the queue
	Op           Op
	BaseVersion  expense.Version // of the row that it was made upon; 0: none
	BaseMutation string          // or the device's own mutation of the row that it was made upon
	Data         json.RawMessage `json:",omitempty"` // what is to be; nil for a deletion
	State        State
	Reissues     int             // how often it has been decided anew
	BaseRow      json.RawMessage `json:",omitempty"` // the row as it was shown when the mutation was made; nil: there was none
	Predicted    bool            // it says what the server does by itself, and gives way to it
	CreatedAt    time.Time       // by the device's clock, for people
	Result       *MutationResult
}

// A MutationResult is the server's answer to a mutation.
type MutationResult struct {
	MutationID string          `json:"mutation_id"`
	Status     string          `json:"status"`
	Version    expense.Version `json:"version,omitempty"`
	Resource   json.RawMessage `json:"resource,omitempty"` // the row as the answer leaves it
	Problem    *Problem        `json:"problem,omitempty"`
}

// A MutationQuery asks for mutations; members that are zero ask for all.
type MutationQuery struct {
	Key    RowKey  // of this row; with the type alone: of the rows of that type
	States []State // in one of these states
	Limit  int     // the first so many
}

// Matches reports whether the query asks for m.
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
