package replica_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/memstore"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
	"github.com/spendwise/spendwise/store/replica"
)

var (
	linearSteps   = flag.Int("linear-steps", 60, "requests of each client in TestReplica_HistoriesAreLinearizable")
	linearClients = flag.Int("linear-clients", 6, "number of clients in TestReplica_HistoriesAreLinearizable")
)

// linearRows is the number of rows that the clients write.
const linearRows = 5

// A linearRow is a row of the model. Amounts, in cents, and notes are numbers that are written once in a history.
type linearRow struct {
	version, guard, amount, notes int
	gone                          bool
}

// A linearLedger is the model: a ledger that runs one request after the other. Its version is dense, so it orders the
// writes.
type linearLedger struct {
	version int
	rows    [linearRows]linearRow
}

// A linearChange is a change of a row. The base 0 is none.
type linearChange struct {
	op            string // put, notes, amount, delete
	row, base, to int
}

// A linearOp is a request.
type linearOp struct {
	kind    string // read a row, pull all rows, cas (a change with a precondition), push changes
	row     int
	changes []linearChange
}

// A linearAnswer is the response: a status and the row for each change, or all rows.
type linearAnswer struct {
	text   string
	ledger linearLedger
}

func (r linearRow) String() string {
	switch {
	case r.gone:
		return "gone"
	case r.version == 0:
		return "none"
	}
	return fmt.Sprintf("v%d %d n%d", r.version, r.amount, r.notes)
}

// change applies one change by the rules of the contract. Rows that it writes get the version next.
func (l *linearLedger) change(c linearChange, next int) (text string, wrote bool) {
	row := &l.rows[c.row]
	status := "applied"
	switch {
	case c.op == "delete" && (row.gone || row.version == 0):
		return "unchanged", false
	case c.op == "delete":
		*row = linearRow{version: next, gone: true}
		return "applied", true
	case row.gone:
		return "conflict gone", false
	case c.op == "put" && row.version == 0:
		*row = linearRow{version: next, guard: next, amount: c.to}
		return status + " " + row.String(), true
	case c.op == "put":
		return "conflict conflict " + row.String(), false
	case row.version == 0 && c.base != 0:
		return "conflict gone", false
	case row.version == 0:
		return "rejected not_found", false
	case c.op == "amount" && c.base != 0 && c.base != row.version && row.guard > c.base:
		return "conflict conflict " + row.String(), false
	case c.base != 0 && c.base != row.version:
		status = "merged"
	}
	row.version = next
	if c.op == "notes" {
		row.notes = c.to
	} else {
		row.amount, row.guard = c.to, next
	}
	return status + " " + row.String(), true
}

// run runs a whole request and returns its response.
func (l linearLedger) run(op linearOp) (linearLedger, string) {
	row := l.rows[op.row]
	missing := row.gone || row.version == 0
	switch {
	case op.kind != "push" && missing:
		return l, "missing"
	case op.kind == "read":
		return l, row.String()
	case op.kind == "cas" && row.version != op.changes[0].base:
		return l, fmt.Sprint("stale ", row.version)
	}
	var texts []string
	wrote := false
	for _, c := range op.changes {
		text, did := l.change(c, l.version+1)
		texts, wrote = append(texts, text), wrote || did
	}
	if wrote {
		l.version++
	}
	if op.kind == "cas" {
		return l, l.rows[op.row].String()
	}
	return l, strings.Join(texts, ", ")
}

// visible returns the ledger as a first pull shows it: without deleted rows and guards.
func (l linearLedger) visible() linearLedger {
	for i := range l.rows {
		if l.rows[i].guard = 0; l.rows[i].gone {
			l.rows[i] = linearRow{}
		}
	}
	return l
}

func linearModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return linearLedger{version: 1} },
		Step: func(state, input, output any) (bool, any) {
			ledger, op, answer := state.(linearLedger), input.(linearOp), output.(linearAnswer)
			if op.kind == "pull" {
				return answer.ledger == ledger.visible(), ledger
			}
			next, text := ledger.run(op)
			return text == answer.text, next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
}

// A linearClient sends requests to one of several stores of the same database, and records when each began and ended.
type linearClient struct {
	t      *testing.T
	id     int
	random *rand.Rand
	stores []store.Store
	next   *atomic.Int64 // the next amount or note
	start  time.Time
	seen   [linearRows]int // the last version that the client knows of each row
	ops    []porcupine.Operation
}

func (c *linearClient) store() store.Store { return c.stores[c.random.IntN(len(c.stores))] }

// rowOf returns the row that a response shows.
func rowOf(e expense.Expense) linearRow {
	notes := 0
	if e.Notes != "" {
		notes, _ = strconv.Atoi(e.Notes)
	}
	return linearRow{version: int(e.Version), amount: int(e.Amount.Minor()), notes: notes}
}

func (c linearChange) fields() fields {
	if c.op == "notes" {
		return fields{"notes": strconv.Itoa(c.to)}
	}
	return fields{"amount": fmt.Sprintf("%d.%02d", c.to/100, c.to%100)}
}

// step sends one random request.
func (c *linearClient) step() {
	op := linearOp{row: c.random.IntN(linearRows)}
	change := func() linearChange {
		change := linearChange{row: c.random.IntN(linearRows), to: int(c.next.Add(1))}
		switch roll := c.random.IntN(100); {
		case c.seen[change.row] == 0:
			change.op = "put"
			return change
		case roll < 2:
			change.op = "delete"
		case roll < 60:
			change.op = "amount"
		default:
			change.op = "notes"
		}
		if c.random.IntN(5) > 0 {
			change.base = c.seen[change.row]
		}
		return change
	}
	switch roll := c.random.IntN(20); {
	case roll < 5:
		op.kind = "read"
	case roll < 6:
		op.kind = "pull"
	case roll < 12 && c.seen[op.row] != 0:
		op.kind = "cas"
		op.changes = []linearChange{{op: "amount", row: op.row, base: c.seen[op.row], to: int(c.next.Add(1))}}
	default:
		op.kind = "push"
		for range 1 + c.random.IntN(3) {
			op.changes = append(op.changes, change())
		}
	}
	called := time.Since(c.start)
	answer, err := c.send(op)
	if err != nil {
		c.t.Errorf("%+v: %v", op, err)
	}
	c.ops = append(c.ops, porcupine.Operation{
		ClientId: c.id, Input: op, Call: called.Nanoseconds(), Output: answer, Return: time.Since(c.start).Nanoseconds(),
	})
}

// send sends a request until its response arrives.
func (c *linearClient) send(op linearOp) (linearAnswer, error) {
	ctx := c.t.Context()
	switch op.kind {
	case "read":
		e, err := c.store().Reader("anna").Expense(ctx, id(op.row+1))
		return c.single(op.row, e, err)
	case "cas":
		var changed expense.Expense
		err := c.store().Update(ctx, "anna", func(tx store.Tx) (err error) {
			cond := expense.Precondition{Versions: []expense.Version{expense.Version(op.changes[0].base)}}
			patch := expense.Patch{Amount: op.changes[0].fields().get("amount")}
			changed, err = expense.Change(ctx, tx, env(), id(op.row+1), patch, cond)
			return err
		})
		return c.single(op.row, changed, err)
	case "pull":
		return c.pull(ctx)
	}
	req := replica.PushRequest{Encode: encodeLinear}
	for _, ch := range op.changes {
		verb := ch.op
		if verb == "amount" || verb == "notes" {
			verb = "patch"
		}
		m := mutation(fmt.Sprint("m", ch.to), ref(store.ExpenseRow, ch.row+1), change(store.ExpenseRow, verb, ch.fields()))
		req.Mutations = append(req.Mutations, based(m, expense.Version(ch.base)))
	}
	for c.random.IntN(3) == 0 {
		// This request fails half-way, or its response is lost.
		cut, cancel := context.WithTimeout(ctx, time.Duration(c.random.IntN(4000))*time.Microsecond)
		_, _ = replica.Push(cut, c.store(), "anna", env(), req)
		cancel()
	}
	results, err := replica.Push(ctx, c.store(), "anna", env(), req)
	if err != nil {
		return linearAnswer{}, err
	}
	texts := make([]string, len(results))
	for i, result := range results {
		texts[i] = string(result.Response)
		// A replayed result has no row, but its answer shows it.
		if _, row, shown := strings.Cut(texts[i], " v"); shown {
			version, _, _ := strings.Cut(row, " ")
			if c.seen[op.changes[i].row], err = strconv.Atoi(version); err != nil {
				return linearAnswer{}, err
			}
		}
	}
	return linearAnswer{text: strings.Join(texts, ", ")}, nil
}

// encodeLinear encodes a result as the model does.
func encodeLinear(r replica.Result) ([]byte, error) {
	text := status(r)
	if e, ok := r.Row.(expense.Expense); ok {
		text += " " + rowOf(e).String()
	}
	return []byte(text), nil
}

// single returns the response about one row as the model does.
func (c *linearClient) single(row int, e expense.Expense, err error) (linearAnswer, error) {
	if stale, ok := errors.AsType[*expense.StaleError](err); ok {
		return linearAnswer{text: fmt.Sprint("stale ", stale.Current)}, nil
	}
	switch {
	case errors.Is(err, expense.ErrNotFound):
		return linearAnswer{text: "missing"}, nil
	case err != nil:
		return linearAnswer{}, err
	}
	c.seen[row] = int(e.Version)
	return linearAnswer{text: rowOf(e).String()}, nil
}

// pull fetches all rows in one page. The version of the ledger comes from the digest: if both do not have the same
// cursor, pull tries again.
func (c *linearClient) pull(ctx context.Context) (linearAnswer, error) {
	for {
		st := c.store()
		digest, err := replica.ReadDigest(ctx, st, "anna")
		if err != nil {
			return linearAnswer{}, err
		}
		page, err := replica.Pull(ctx, st, "anna", replica.PullRequest{Limit: replica.MaxPageSize})
		if err != nil {
			return linearAnswer{}, err
		}
		if page.Cursor != digest.Cursor {
			continue
		}
		ledger := linearLedger{version: int(digest.Version)}
		for _, change := range page.Changes {
			e, ok := change.Row.(expense.Expense)
			for i := range linearRows {
				if ok && e.ID == id(i+1) {
					ledger.rows[i] = rowOf(e)
				}
			}
		}
		return linearAnswer{ledger: ledger}, nil
	}
}

// TestReplica_HistoriesAreLinearizable lets clients read, change with a precondition, pull and push the same few rows
// at once. Some pushes fail half-way and are sent again. porcupine compares the history with a ledger that runs one
// request after the other. For longer:
//
//	go test ./store/replica -run Linearizable -linear-steps 2000 -linear-clients 8 -timeout 0
func TestReplica_HistoriesAreLinearizable(t *testing.T) {
	t.Run("memstore", func(t *testing.T) { playLinear(t, newLedger(t, memstore.New()).st) })
	t.Run("sqlite", func(t *testing.T) {
		playLinear(t, newLedger(t, openSQLite(t, filepath.Join(t.TempDir(), "ledger.db"))).st)
	})
	t.Run("two instances on one postgres", func(t *testing.T) {
		dsn := pgtest.New(t)
		first, second := newLedger(t, openPostgres(t, dsn)).st, openPostgres(t, dsn)
		t.Cleanup(func() {
			if err := second.Close(); err != nil {
				t.Error(err)
			}
		})
		playLinear(t, first, second)
	})
}

func playLinear(t *testing.T, stores ...store.Store) {
	var next atomic.Int64
	clients := make([]*linearClient, *linearClients)
	start := time.Now()
	var running sync.WaitGroup
	for i := range clients {
		clients[i] = &linearClient{
			t: t, id: i, stores: stores, next: &next, start: start,
			random: rand.New(rand.NewPCG(uint64(i), 7)), //nolint:gosec // a seed
		}
	}
	for _, c := range clients {
		running.Go(func() {
			for range *linearSteps {
				c.step()
			}
		})
	}
	running.Wait()
	var history []porcupine.Operation
	for _, c := range clients {
		history = append(history, c.ops...)
	}
	result, info := porcupine.CheckOperationsVerbose(linearModel(), history, 5*time.Minute)
	if result == porcupine.Ok {
		return
	}
	file := filepath.Join(t.ArtifactDir(), "history.html")
	if err := porcupine.VisualizePath(linearModel(), info, file); err != nil {
		t.Error(err)
	}
	t.Errorf("the history of %d requests is %s; %s shows it", len(history), result, file)
}

// TestLinearModel_FindsLostUpdate checks the checker.
func TestLinearModel_FindsLostUpdate(t *testing.T) {
	at := func(call, end int64, op linearOp, text string) porcupine.Operation {
		return porcupine.Operation{Input: op, Call: call, Output: linearAnswer{text: text}, Return: end}
	}
	push := func(op string, base, to int) linearOp {
		return linearOp{kind: "push", changes: []linearChange{{op: op, base: base, to: to}}}
	}
	history := []porcupine.Operation{
		at(1, 2, push("put", 0, 100), "applied v2 100 n0"),
		at(3, 6, push("amount", 2, 200), "applied v3 200 n0"),
		at(4, 7, push("amount", 2, 300), "conflict conflict v3 200 n0"),
		at(8, 9, linearOp{kind: "read"}, "v3 200 n0"),
	}
	if !porcupine.CheckOperations(linearModel(), history) {
		t.Error("a history of one change and one conflict is refused")
	}
	history[2] = at(4, 7, push("amount", 2, 300), "applied v4 300 n0")
	history[3] = at(8, 9, linearOp{kind: "read"}, "v4 300 n0")
	if porcupine.CheckOperations(linearModel(), history) {
		t.Error("two changes on one version were both applied, and the model accepts it")
	}
}
