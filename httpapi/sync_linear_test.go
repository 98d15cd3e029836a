package httpapi_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/spendwise/spendwise/store/postgres"
	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var (
	linearSteps   = flag.Int("linear-steps", 60, "how many requests each client of TestHistoriesAreLinearizable sends")
	linearClients = flag.Int("linear-clients", 6, "how many clients it has, each by its own seed")
)

// linearRows is how many rows the clients fight for.
const linearRows = 5

// A linearRow is a row as the model keeps it: versions, amount and notes are numbers, each written once in a history.
type linearRow struct {
	version, guard, amount, notes int
	gone                          bool
}

// A linearLedger is the sequential ledger that a history is held to: its version is dense, and so decides the order of the writes.
type linearLedger struct {
	version int
	rows    [linearRows]linearRow
}

// A linearChange is one change of a row, base 0 being none; a linearOp is a request: a read of a row, a pull of everything, a PATCH with
// If-Match, or a push of some changes.
type linearChange struct {
	op            string // put, notes, amount, delete
	row, base, to int
}

type linearOp struct {
	kind    string // read, pull, cas, push
	row     int
	changes []linearChange
}

// A linearAnswer is what was told: a status and the row for each change or read, or the whole ledger.
type linearAnswer struct {
	told   string
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

// change does what the contract says of one change, at the version next if it writes.
func (l *linearLedger) change(c linearChange, next int) (told string, wrote bool) {
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

// run does a whole request and returns what a ledger that is alone in the world would answer.
func (l linearLedger) run(op linearOp) (linearLedger, string) {
	switch op.kind {
	case "read":
		row := l.rows[op.row]
		if row.gone || row.version == 0 {
			return l, "404"
		}
		return l, row.String()
	case "cas":
		row := l.rows[op.row]
		c := op.changes[0]
		switch {
		case row.gone || row.version == 0:
			return l, "404"
		case row.version != c.base:
			return l, fmt.Sprint("412 ", row.version)
		}
		_, _ = l.change(c, l.version+1)
		l.version++
		return l, l.rows[op.row].String()
	}
	var told []string
	wrote := false
	for _, c := range op.changes {
		text, did := l.change(c, l.version+1)
		told, wrote = append(told, text), wrote || did
	}
	if wrote {
		l.version++
	}
	return l, strings.Join(told, ", ")
}

func linearModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return linearLedger{version: 1} },
		Step: func(state, input, output any) (bool, any) {
			ledger, op, answer := state.(linearLedger), input.(linearOp), output.(linearAnswer)
			if op.kind == "pull" {
				return answer.ledger == ledger.seen(), ledger
			}
			next, told := ledger.run(op)
			return told == answer.told, next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v → %+v", input, output) },
	}
}

// seen is the ledger as a first pull shows it: of a row that is gone, or whose guard is not told, nothing.
func (l linearLedger) seen() linearLedger {
	for i := range l.rows {
		if l.rows[i].guard = 0; l.rows[i].gone {
			l.rows[i] = linearRow{}
		}
	}
	return l
}

// A linearClient sends requests to one of the servers and notes when each began and ended, and what it was told.
type linearClient struct {
	t      *testing.T
	id     int
	random *rand.Rand
	urls   []string
	fresh  *atomic.Int64
	start  time.Time
	seen   [linearRows]int // the versions that it saw last
	ops    []porcupine.Operation
}

// send sends a request to any of the servers; cut ends it early, as often as not before the answer.
func (c *linearClient) send(method, path, body, match string, cut bool) (int, map[string]any) {
	ctx := context.Background()
	if cut {
		limited, cancel := context.WithTimeout(ctx, time.Duration(c.random.IntN(4000))*time.Microsecond)
		defer cancel()
		ctx = limited
	}
	request, err := http.NewRequestWithContext(ctx, method, c.urls[c.random.IntN(len(c.urls))]+path, strings.NewReader(body))
	if err != nil {
		c.t.Error(err)
		return 0, nil
	}
	request.Header.Set("X-Owner", "anna")
	request.Header.Set("Content-Type", "application/json")
	if match != "" {
		request.Header.Set("If-Match", match)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if !cut {
			c.t.Error(err)
		}
		return 0, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var decoded map[string]any
	if err == nil {
		err = json.Unmarshal(text, &decoded)
	}
	if err != nil && !cut {
		c.t.Errorf("%s %s: %d %v %s", method, path, response.StatusCode, err, text)
	}
	return response.StatusCode, decoded
}

// linearRowOf reads a row as an answer shows it.
func linearRowOf(row map[string]any) (seen linearRow) {
	var whole, cents int
	_, err := fmt.Sscanf(fmt.Sprint(row["amount"]), "%d.%d", &whole, &cents)
	if notes := fmt.Sprint(row["notes"]); err == nil && notes != "" {
		_, err = fmt.Sscan(notes, &seen.notes)
	}
	if err != nil {
		panic(fmt.Sprintf("a row that no client wrote: %v: %v", row, err))
	}
	seen.version, seen.amount = version(row), whole*100+cents
	return seen
}

func linearPatch(change linearChange) string {
	if change.op == "notes" {
		return fmt.Sprintf(`{"notes":"%d"}`, change.to)
	}
	return fmt.Sprintf(`{"amount":"%d.%02d"}`, change.to/100, change.to%100)
}

func linearID(row int) string { return syncID(row + 1) }

// step sends one request of chance.
func (c *linearClient) step() {
	op := linearOp{row: c.random.IntN(linearRows)}
	change := func() linearChange {
		change := linearChange{row: c.random.IntN(linearRows), to: int(c.fresh.Add(1))}
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
		op.changes = []linearChange{{op: "amount", row: op.row, base: c.seen[op.row], to: int(c.fresh.Add(1))}}
	default:
		op.kind = "push"
		for range 1 + c.random.IntN(3) {
			op.changes = append(op.changes, change())
		}
	}
	called := time.Since(c.start)
	answer := c.do(op)
	c.ops = append(c.ops, porcupine.Operation{
		ClientId: c.id, Input: op, Call: called.Nanoseconds(), Output: answer, Return: time.Since(c.start).Nanoseconds(),
	})
}

// do sends a request until it has its answer, and returns what that says.
func (c *linearClient) do(op linearOp) linearAnswer {
	path := "/v1/expenses/" + linearID(op.row)
	switch op.kind {
	case "read":
		code, row := c.send("GET", path, "", "", false)
		return linearAnswer{told: c.told(code, op.row, row)}
	case "cas":
		code, row := c.send("PATCH", path, linearPatch(op.changes[0]), fmt.Sprintf(`"%d"`, op.changes[0].base), false)
		return linearAnswer{told: c.told(code, op.row, row)}
	case "pull":
		return linearAnswer{ledger: c.pull()}
	}
	mutations := make([]string, len(op.changes))
	for i, change := range op.changes {
		more, verb := "", change.op
		if change.base != 0 {
			more = fmt.Sprintf(`,"base_version":%d`, change.base)
		}
		switch change.op {
		case "amount", "notes":
			verb = "patch"
			fallthrough
		case "put":
			more += `,"data":` + linearPatch(change)
		}
		mutations[i] = mutate(fmt.Sprintf("m%d", change.to), "expense", verb, linearID(change.row), more)
	}
	body := `{"mutations":[` + strings.Join(mutations, ",") + `]}`
	for c.random.IntN(3) == 0 {
		_, _ = c.send("POST", "/v1/sync", body, "", true) // its answer is lost, or it never came
	}
	code, got := c.send("POST", "/v1/sync", body, "", false)
	if code != 200 {
		c.t.Errorf("a push: %d %v", code, got)
		return linearAnswer{}
	}
	var told []string
	for i, r := range got["results"].([]any) {
		result := r.(map[string]any)
		text := status(result)
		if row, ok := result["resource"].(map[string]any); ok {
			seen := linearRowOf(row)
			c.seen[op.changes[i].row] = seen.version
			text += " " + seen.String()
		}
		told = append(told, text)
	}
	return linearAnswer{told: strings.Join(told, ", ")}
}

// told writes the answer about one row down as the model does.
func (c *linearClient) told(code, row int, body map[string]any) string {
	switch code {
	case 200:
		seen := linearRowOf(body)
		c.seen[row] = seen.version
		return seen.String()
	case 412:
		return fmt.Sprint("412 ", body["current_version"])
	}
	return fmt.Sprint(code)
}

// pull fetches everything in one page. The version of the ledger is that of the cursor, which the digest tells: where the two
// requests do not agree on it, they are sent again.
func (c *linearClient) pull() linearLedger {
	for {
		_, digest := c.send("GET", "/v1/sync/digest", "", "", false)
		code, page := c.send("GET", "/v1/sync?limit=1000", "", "", false)
		if code != 200 || digest == nil {
			c.t.Errorf("a pull: %d %v", code, page)
			return linearLedger{}
		}
		if page["cursor"] != digest["cursor"] {
			continue
		}
		ledger := linearLedger{version: version(digest)}
		for _, raw := range page["changes"].([]any) {
			change := raw.(map[string]any)
			if change["type"] != "expense" {
				continue
			}
			for i := range linearRows {
				if change["id"] == linearID(i) {
					ledger.rows[i] = linearRowOf(change["data"].(map[string]any))
				}
			}
		}
		return ledger
	}
}

// TestHistoriesAreLinearizable lets clients read, compare and set, and push to the same few rows at once, some answers lost and
// sent again, and holds the history to a ledger that does one request after the other, with porcupine. For longer:
//
//	go test ./httpapi -run Linearizable -linear-steps 2000 -linear-clients 8 -timeout 0
func TestHistoriesAreLinearizable(t *testing.T) {
	for _, engine := range engines() {
		t.Run(engine.name, func(t *testing.T) {
			web := httptest.NewServer(serve(t, engine.open(t)).handler)
			t.Cleanup(web.Close)
			playLinear(t, web.URL)
		})
	}
	t.Run("two servers on one postgres", func(t *testing.T) {
		dsn := pgtest.New(t)
		var urls []string
		for range 2 {
			st, err := postgres.Open(t.Context(), dsn)
			if err != nil {
				t.Fatal(err)
			}
			web := httptest.NewServer(serve(t, closing(t, st)).handler)
			t.Cleanup(web.Close)
			urls = append(urls, web.URL)
		}
		playLinear(t, urls...)
	})
}

func playLinear(t *testing.T, urls ...string) {
	var fresh atomic.Int64
	clients := make([]*linearClient, *linearClients)
	start := time.Now()
	var running sync.WaitGroup
	for i := range clients {
		clients[i] = &linearClient{
			t: t, id: i, random: rand.New(rand.NewPCG(uint64(i), 7)), urls: urls, fresh: &fresh, start: start, //nolint:gosec // a seed
		}
	}
	clients[0].do(linearOp{kind: "read"}) // makes the ledger
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

// TestTheCheckOfHistoriesFindsAnUpdateThatWasLost holds the checker itself to what it is for.
func TestTheCheckOfHistoriesFindsAnUpdateThatWasLost(t *testing.T) {
	at := func(call, end int64, op linearOp, told string) porcupine.Operation {
		return porcupine.Operation{Input: op, Call: call, Output: linearAnswer{told: told}, Return: end}
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
		t.Error("two changes upon one version both went in, and nobody noticed")
	}
}
