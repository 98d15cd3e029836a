package sqlstore

import (
	"database/sql"

	"github.com/uptrace/bun/schema"
)

// A Dialect is everything in which two engines differ, as data. Nothing else in this package knows which engine it
// talks to.
type Dialect struct {
	Bun    schema.Dialect // how bun writes names and clauses
	System string         // what traces call the engine

	Folder    string // of the migrations: "postgres" or "sqlite"
	HasTable  string // a query that yields 1 if the table of migrations is there, else 0
	Exclusive string // locks out every other migration until the transaction ends; empty where BEGIN does so

	Leading []any // arguments that the driver wants before a statement's values
	Script  []any // the same for several statements in one text
	Prepare bool  // whether statements are prepared through database/sql; otherwise the driver keeps them

	Update   *sql.TxOptions // a transaction that writes one ledger
	Snapshot *sql.TxOptions // a transaction that sees one state and writes nothing
	Lock     string         // follows the SELECT that locks a ledger's row

	Contains string // a function of (text, part) that is positive where part occurs in text

	// Each is a format for the table of one column, value, that holds the ids given as the parameter %d; List is the
	// argument.
	Each string
	List func(ids []string) any

	// EachIn is a format for what is joined to Each: the rows x of the table %[1]s that the condition %[2]s finds for a
	// value. It is one look into the table's key for each, whatever the engine knows of a table that may have grown in
	// this very transaction.
	EachIn string

	// Source is the source of an INSERT of rows, and its arguments; BatchRows is how many rows one statement takes.
	Source    func(columns []Column, rows [][]any) (text string, args []any)
	BatchRows int

	// AddExpense is a format that makes one statement of two: the INSERT of one expense, the INSERT of its total up to
	// FROM, and the rest of that. Empty: they stay two.
	AddExpense string

	// Classify says what kind of trouble an error of the driver is.
	Classify func(error) Trouble
}

// A Column is a column of a table that rows are inserted into.
type Column struct {
	Name string
	Type string // in Postgres, for arrays of values
}

// Trouble is what an error of the driver means for the caller.
type Trouble uint8

// The kinds of trouble.
const (
	Fatal       Trouble = iota // the statement or the schema is wrong: trying again does not help
	Conflict                   // another transaction was in the way; this one left nothing behind
	Unavailable                // the database cannot be reached, or not written, at the moment
)
