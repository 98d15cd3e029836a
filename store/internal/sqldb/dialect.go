package sqldb

import (
	"database/sql"

	"github.com/google/uuid"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// A Dialect describes an SQL engine. The packages that use it do not check which engine it is: all differences are in
// the Dialect that packages sqlite and postgres provide.
type Dialect struct {
	Bun    SchemaDialect // how bun writes identifiers and values
	System string        // the name of the engine in traces

	Folder    string // of the migration files: "postgres" or "sqlite"
	HasTable  string // a query that returns 1 if the table of migrations exists, else 0
	Exclusive string // locks out other migrations until the transaction ends; empty if BEGIN does so

	Numbered bool  // placeholders are $1, $2, … instead of ?
	Leading  []any // arguments that the driver needs before those of a hot statement
	Script   []any // the same for a text of several statements
	Prepare  bool  // prepare hot statements through database/sql; otherwise the driver does so itself

	Update   *sql.TxOptions // of a transaction that writes one ledger
	Snapshot *sql.TxOptions // of a transaction that reads one snapshot
	Lock     string         // the lock of a SELECT ... FOR that locks rows; empty if a transaction that writes locks all

	Contains string // a function of (text, part); it returns a positive number if text contains part

	// IDTable is a table e with one column, value, that holds the ids of one argument. IDs makes the argument.
	IDTable string
	IDs     func(ids []uuid.UUID) any

	// IDLookup is a format for a join to IDTable. It returns the rows x of the table %[1]s for which the condition %[2]s
	// holds, and looks up each id in an index, also if the table has grown in the same transaction and the engine has no
	// statistics of it.
	IDLookup string

	// SpanTable returns a table q with the columns n, low and high, that holds spans, and its arguments.
	SpanTable func(spans []Span) (table string, args []any)

	// Source is the source of an INSERT of several rows, with its arguments. BatchRows is the maximum number of rows.
	Source    func(columns []Column, rows [][]any) (text string, args []any)
	BatchRows int

	// Combine sends the changes of an Update as one statement, because each statement is a round trip.
	Combine bool

	// Classify returns what an error of the driver means.
	Classify func(error) ErrorClass
}

// A SchemaDialect is a dialect of bun that can also write ids.
type SchemaDialect interface {
	schema.Dialect

	// AppendUUID appends the literal of an id to an SQL text.
	AppendUUID(b []byte, id uuid.UUID) []byte
}

// A Column is a column into which rows are inserted.
type Column struct {
	Name string
	Type string // the SQL type, which PostgreSQL needs for arrays
}

// A Span is a range of months or dates, both ends included, as their digits.
type Span struct{ N, Low, High int }

// An ErrorClass says what an error of the driver means for the caller.
type ErrorClass uint8

// The classes of errors.
const (
	Fatal       ErrorClass = iota // the statement or the schema is wrong; trying again does not help
	Conflict                      // another transaction was in the way; this one changed nothing
	Unavailable                   // the database cannot be reached, or cannot be written, at the moment
)

// Locking returns a query that locks its rows until the transaction ends.
func (d *Dialect) Locking(query *bun.SelectQuery) *bun.SelectQuery {
	if d.Lock == "" {
		return query
	}
	return query.For(d.Lock)
}
