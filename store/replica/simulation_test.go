package replica_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/replica"
)

var (
	syncSeeds = flag.Int("sync-seeds", 2, "number of histories in TestSyncSimulation, each with its own seed")
	syncFirst = flag.Uint64("sync-seed", 1, "seed of the first history")
	syncSteps = flag.Int("sync-steps", 1000, "number of steps in each history")
)

// A world is a server that is killed and restored now and then, and devices that edit offline and talk to it over a bad
// network.
type world struct {
	*restorableLedger
	random   *rand.Rand
	copy     []byte           // a backup; nil until there is one
	made     int              // ids that were made
	results  []replica.Result // the answer to a mutation is an index into this list
	amounts  map[replica.RowRef]acknowledged
	failures map[string]int
	// restored is the version with which the ledger began after the last restore. Results with older versions no longer
	// hold.
	restored expense.Version
}

// An acknowledged amount is what the server has confirmed last of an expense or a rule.
type acknowledged struct {
	version expense.Version
	amount  string // "" after a delete
}

// A device has a copy of the ledger and a queue of mutations.
type device struct {
	*world
	name     string
	rows     map[replica.RowRef]any
	cursor   replica.Cursor
	received map[replica.RowRef]bool // rows of the first pull, while it is incomplete; else nil
	queue    []replica.Mutation
	mine     []uuid.UUID           // expenses that the device added
	reliable bool                  // the network does not fail
	late     []replica.PushRequest // requests that the network delays
}

var errLost = errors.New("the network has lost the response")

// amountOf returns the amount of a row that only edits of the user change.
func amountOf(row any) (string, expense.Version, bool) {
	switch row := row.(type) {
	case expense.Expense:
		return row.Amount.String(), row.Version, true
	case recurrence.Rule:
		return row.Amount.String(), row.Version, true
	}
	return "", 0, false
}

func versionOf(row any) expense.Version {
	if row == nil {
		return 0
	}
	return expense.Version(reflect.ValueOf(row).FieldByName("Version").Int())
}

func (w *world) acknowledge(ref replica.RowRef, row any) {
	amount, version, ok := amountOf(row)
	if ok && version >= w.amounts[ref].version {
		w.amounts[ref] = acknowledged{version, amount}
	}
}

func (w *world) restoreBackup() {
	w.restore(w.copy)
	clear(w.amounts)
	w.restored = w.state().Version
	changes, _ := w.pull(replica.Cursor{}, 0)
	for _, change := range changes {
		w.acknowledge(replica.RowRef{Type: change.Type, ID: change.ID}, change.Row)
	}
}

func (w *world) newID() uuid.UUID {
	w.made++
	return uuid.MustParse(fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012x", w.made))
}

func (w *world) pick(list ...string) string { return list[w.random.IntN(len(list))] }

// any returns a row of a type, or a zero id if the device has none.
func (d *device) any(t store.RowType) replica.RowRef {
	refs := slices.SortedFunc(maps.Keys(d.rows), func(a, b replica.RowRef) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	refs = slices.DeleteFunc(refs, func(r replica.RowRef) bool { return r.Type != t })
	if len(refs) == 0 {
		return replica.RowRef{Type: t}
	}
	return refs[d.random.IntN(len(refs))]
}

// anyExpense returns an expense that the device has, or one that it added some time ago.
func (d *device) anyExpense() replica.RowRef {
	row := d.any(store.ExpenseRow)
	if len(d.mine) > 0 && (row.ID == uuid.Nil || d.random.IntN(3) == 0) {
		row.ID = d.mine[d.random.IntN(len(d.mine))]
	}
	return row
}

// edit adds a random mutation to the queue.
func (d *device) edit() {
	amount := fmt.Sprintf("%d.%02d", 1+d.random.IntN(500), d.random.IntN(100))
	category := d.any(store.CategoryRow).ID.String()
	fresh := func(t store.RowType) replica.RowRef { return replica.RowRef{Type: t, ID: d.newID()} }
	switch roll := d.random.IntN(26); {
	case roll < 7:
		data := fields{"amount": amount, "currency": d.pick("EUR", "USD", "JPY")}
		if data["currency"] == "JPY" {
			data["amount"] = strconv.Itoa(1 + d.random.IntN(5000))
		}
		if d.random.IntN(2) == 0 {
			data["category_id"] = category
		}
		row := fresh(store.ExpenseRow)
		if d.mine = append(d.mine, row.ID); len(d.mine) > 20 {
			d.mine = d.mine[1:]
		}
		d.enqueue(row, "put", data)
	case roll < 11:
		d.enqueue(d.anyExpense(), "patch", fields{"amount": amount})
	case roll < 12:
		d.enqueue(d.anyExpense(), "patch", fields{"amount": amount, "currency": d.pick("EUR", "USD")})
	case roll < 15:
		d.enqueue(d.anyExpense(), "patch", fields{"notes": d.name + amount})
	case roll < 17:
		d.enqueue(d.anyExpense(), "delete", nil)
	case roll < 18:
		d.enqueue(fresh(store.CategoryRow), "put", fields{"name": d.pick("Pets", "Gifts", "pets", "GIFTS", "Garden", "food")})
	case roll < 19 && d.random.IntN(2) == 0:
		d.enqueue(d.any(store.CategoryRow), "patch", fields{"name": d.pick("Pets", "Fun", "Food")})
	case roll < 19:
		d.enqueue(d.any(store.CategoryRow), "delete", nil)
	case roll < 20:
		d.enqueue(replica.RowRef{Type: store.SettingsRow}, "patch", fields{"locale": d.pick("de", "en", "fr")})
	case roll == 20:
		data := fields{"amount": amount, "from_month": "2026-03", "alert_at": "0.50 1.00"}
		if d.random.IntN(4) > 0 {
			data["category_id"] = category
		}
		d.enqueue(fresh(store.BudgetRow), "put", data)
	case roll == 21:
		d.enqueue(d.any(store.BudgetRow), d.pick("patch", "patch", "delete"), fields{"amount": amount})
	case roll == 22:
		d.enqueue(fresh(store.RuleRow), "put", fields{
			"amount": amount, "currency": d.pick("EUR", "USD"), "freq": d.pick("daily", "weekly", "monthly"),
			"start_date": fmt.Sprintf("2026-03-%02d", 5+d.random.IntN(6)), "category_id": category,
		})
	case roll == 23:
		data := fields{d.pick("amount", "amount", "notes"): amount}
		if d.random.IntN(3) == 0 {
			data = fields{"paused": d.pick("true", "false")}
		}
		d.enqueue(d.any(store.RuleRow), d.pick("patch", "patch", "delete"), data)
	case roll == 24:
		d.predict()
	default:
		d.enqueue(d.any(store.AlertRow), "patch", nil)
	}
}

// predict adds the expense of a due occurrence without waiting for the server.
func (d *device) predict() {
	rule, ok := d.rows[d.any(store.RuleRow)].(recurrence.Rule)
	if !ok || rule.Paused || rule.Next.IsZero() || rule.Next.After(expense.MustDate("2026-03-08")) {
		return
	}
	d.enqueue(replica.RowRef{Type: store.ExpenseRow, ID: expense.OccurrenceID(rule.ID, rule.Next)}, "put", fields{
		"amount": rule.Amount.Amount(), "currency": rule.Amount.Currency().Code(), "date": rule.Next.String(),
		"category_id": rule.CategoryID.String(), "rule_id": rule.ID.String(), "occurrence": rule.Next.String(),
	})
}

// enqueue adds a mutation. Its base is the device's last mutation of the row in the queue, or the version that the
// device has.
func (d *device) enqueue(row replica.RowRef, op string, data fields) {
	if row.ID == uuid.Nil && row.Type != store.SettingsRow {
		return // there is no such row
	}
	m := mutation(d.newID().String(), row, change(row.Type, op, data))
	m.BaseVersion = versionOf(d.rows[row])
	for _, earlier := range d.queue {
		if earlier.Row == row {
			m.BaseVersion, m.BaseMutation = 0, earlier.ID
		}
	}
	d.queue = append(d.queue, m)
}

// send pushes mutations; the network may lose or repeat the request, or lose the response.
func (d *device) send(mutations []replica.Mutation) ([]replica.Result, error) {
	req := replica.PushRequest{Cursor: d.cursor, Mutations: mutations, Encode: d.encode}
	roll := 100
	if !d.reliable {
		roll = d.random.IntN(100)
	}
	push := func() ([]replica.Result, error) {
		return replica.Push(d.t.Context(), d.st, d.owner, env(), req)
	}
	switch {
	case roll < 5:
		return nil, errLost
	case roll < 10:
		d.late = append(d.late, req)
		return nil, errLost
	case roll < 25:
		_, _ = push() // and once more below
	case roll < 35:
		_, _ = push()
		return nil, errLost
	case roll < 40:
		ctx, cancel := context.WithCancel(d.t.Context())
		cancel()
		if _, err := replica.Push(ctx, d.st, d.owner, env(), req); err == nil {
			d.t.Fatal("a push with a cancelled context has succeeded")
		}
		return nil, errLost
	}
	results, err := push()
	for i, result := range results {
		results[i] = d.decode(result)
	}
	return results, err
}

// encode and decode stand for the encoding of a server: a replayed result shows the row of the first one.
func (w *world) encode(r replica.Result) ([]byte, error) {
	w.results = append(w.results, r)
	return []byte(strconv.Itoa(len(w.results) - 1)), nil
}

func (w *world) decode(r replica.Result) replica.Result {
	index, err := strconv.Atoi(string(r.Response))
	w.check(err)
	return w.results[index]
}

// pushQueue sends the first mutations of the queue and handles their results.
func (d *device) pushQueue() error {
	if d.cursor == (replica.Cursor{}) {
		return d.pullAll(false) // without a cursor, a delayed push would be applied after a restore
	}
	batch := slices.Clone(d.queue[:min(len(d.queue), 1+d.random.IntN(20))])
	if len(batch) == 0 {
		return nil
	}
	results, err := d.send(batch)
	if _, expired := errors.AsType[*replica.CursorExpiredError](err); expired {
		return d.pullAll(true)
	}
	if err != nil {
		return err
	}
	d.queue = d.queue[len(batch):]
	for i, result := range results {
		row := batch[i].Row
		if result.Err == nil {
			d.confirm(row, result)
			continue
		}
		d.failures[fmt.Sprint(row.Type, " ", status(result))]++
		keepMine := result.Row != nil && result.Status == replica.Conflict && d.random.IntN(3) == 0
		if keepMine && !slices.ContainsFunc(d.queue, func(m replica.Mutation) bool { return m.Row == row }) {
			m := mutation(d.newID().String(), row, batch[i].Change)
			d.queue = append(d.queue, based(m, result.Version))
		}
	}
	return nil
}

// confirm records what the server has acknowledged.
func (w *world) confirm(row replica.RowRef, result replica.Result) {
	hasAmount := row.Type == store.ExpenseRow || row.Type == store.RuleRow
	switch {
	case !hasAmount, result.Version != 0 && result.Version <= w.restored:
	case result.Row != nil:
		w.acknowledge(row, result.Row)
	case result.Version != 0 && result.Version >= w.amounts[row].version:
		w.amounts[row] = acknowledged{version: result.Version}
	}
}

// pullAll fetches all changes. With anew it fetches every row, and drops those that do not come.
func (d *device) pullAll(anew bool) error {
	if anew {
		d.cursor = replica.Cursor{}
	}
	for {
		if d.cursor == (replica.Cursor{}) {
			d.received = map[replica.RowRef]bool{}
		}
		if !d.reliable && d.random.IntN(10) == 0 {
			return errLost
		}
		req := replica.PullRequest{After: d.cursor, Limit: 1 + d.random.IntN(40)}
		page, err := replica.Pull(d.t.Context(), d.st, d.owner, req)
		if _, expired := errors.AsType[*replica.CursorExpiredError](err); expired {
			d.cursor = replica.Cursor{}
			continue
		}
		if err != nil {
			return err
		}
		for _, change := range page.Changes {
			row := replica.RowRef{Type: change.Type, ID: change.ID}
			if change.Deleted {
				delete(d.rows, row)
				continue
			}
			d.rows[row] = change.Row
			if d.received != nil {
				d.received[row] = true
			}
		}
		if d.cursor = page.Cursor; !page.HasMore {
			break
		}
	}
	if d.received != nil {
		maps.DeleteFunc(d.rows, func(row replica.RowRef, _ any) bool { return !d.received[row] })
		d.received = nil
	}
	return nil
}

// arrive delivers some of the requests that the network has delayed. Nobody waits for their responses.
func (d *device) arrive() {
	for _, req := range d.late {
		if d.random.IntN(2) == 0 {
			_, err := replica.Push(d.t.Context(), d.st, d.owner, env(), req)
			if _, expired := errors.AsType[*replica.CursorExpiredError](err); !expired {
				d.check(err)
			}
		}
	}
	d.late = nil
}

// talk runs a request, which only the network may fail.
func (d *device) talk(fn func() error) {
	if err := fn(); err != nil && !errors.Is(err, errLost) {
		d.t.Fatal(err)
	}
}

// serverJobs posts due rules and raises alerts, as a server does.
func (w *world) serverJobs() {
	w.update(func(tx store.Tx) error {
		_, err := recurrence.Post(w.t.Context(), tx, env())
		return err
	})
	w.update(func(tx store.Tx) error {
		_, err := budget.RaiseAlerts(w.t.Context(), tx, noon)
		return err
	})
}

// TestSyncSimulation plays histories of five devices. More of them:
//
//	go test ./store/replica -run SyncSimulation -sync-seeds 200 -sync-steps 10000 -timeout 0
//
// The simulation of the same name in package httpapi plays such histories with the Go client, over HTTP and JSON.
func TestSyncSimulation(t *testing.T) {
	for i := range *syncSeeds {
		seed := *syncFirst + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { simulate(t, seed) })
	}
}

func simulate(t *testing.T, seed uint64) {
	w := &world{
		restorableLedger: openRestorable(t, filepath.Join(t.TempDir(), "ledger.db")),
		random:           rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // a seed makes it repeatable
		amounts:          map[replica.RowRef]acknowledged{}, failures: map[string]int{},
	}
	defer func() { w.check(w.st.Close()) }()
	devices := make([]*device, 5)
	for i := range devices {
		devices[i] = &device{world: w, name: fmt.Sprint("d", i), rows: map[replica.RowRef]any{}}
	}
	for range *syncSteps {
		d := devices[w.random.IntN(len(devices))]
		switch roll := w.random.IntN(1000); {
		case roll < 700:
			d.edit()
		case roll < 800:
			d.talk(func() error { return d.pullAll(false) })
		case roll < 960:
			d.talk(d.pushQueue)
		case roll < 980:
			w.serverJobs()
		case roll < 990:
			d.arrive()
		case roll < 995:
			w.reopen(nil) // killed, and started again
		case roll < 998 || w.copy == nil:
			w.copy = w.backup()
		default:
			w.restoreBackup()
		}
	}
	for _, d := range devices {
		d.arrive()
		d.reliable = true
		for len(d.queue) > 0 {
			d.talk(d.pushQueue)
		}
	}
	w.compare(devices)
}

// compare checks that every device equals the server, that the server kept what it acknowledged, and that the ledger
// keeps the guarantees of the store.
func (w *world) compare(devices []*device) {
	changes, _ := w.pull(replica.Cursor{}, 0)
	want := map[replica.RowRef]any{}
	for _, change := range changes {
		want[replica.RowRef{Type: change.Type, ID: change.ID}] = change.Row
	}
	digest, err := replica.ReadDigest(w.t.Context(), w.st, w.owner)
	w.check(err)
	for _, d := range devices {
		d.talk(func() error { return d.pullAll(false) })
		if len(d.rows) != len(want) {
			w.t.Errorf("%s has %d rows, the server %d", d.name, len(d.rows), len(want))
		}
		lines := map[store.RowType][]string{}
		for row, content := range d.rows {
			if !reflect.DeepEqual(content, want[row]) {
				w.t.Fatalf("%s has %v as\n%v, the server as\n%v", d.name, row, content, want[row])
			}
			lines[row.Type] = append(lines[row.Type], fmt.Sprintf("%s %d\n", row.TextID(), versionOf(content)))
		}
		for rowType, theirs := range digest.Types {
			own := lines[rowType]
			slices.Sort(own)
			hash := sha256.New()
			for _, line := range own {
				hash.Write([]byte(line))
			}
			if theirs.Count != len(own) || theirs.Hash != hex.EncodeToString(hash.Sum(nil)) {
				w.t.Errorf("the digest of %s is %v, and not that of the %d rows of %s", rowType, theirs, len(own), d.name)
			}
		}
	}
	for row, at := range w.amounts {
		amount, _, exists := amountOf(want[row])
		if exists != (at.amount != "") || amount != at.amount {
			w.t.Errorf("%v was acknowledged at version %d with %q, and is %v", row, at.version, at.amount, want[row])
		}
	}
	for row, content := range want {
		// The server may have posted an expense of a rule by itself.
		if e, ok := content.(expense.Expense); ok && e.RuleID == uuid.Nil && w.amounts[row] == (acknowledged{}) {
			w.t.Errorf("%v exists, and no device received it", row)
		}
	}
	deviations, err := jobs.Verify(w.t.Context(), w.st, w.owner)
	if err != nil || len(deviations) > 0 {
		w.t.Errorf("the ledger deviates from the guarantees of the store: %v, %v", deviations, err)
	}
	counts := map[string]int{}
	for row := range want {
		counts[row.Type.String()]++
	}
	w.t.Logf("at the end %v; failures %v", counts, w.failures)
}
