package httpapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/client"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
	"github.com/spendwise/spendwise/store/sqlite"
)

var (
	syncSeeds = flag.Int("sync-seeds", 1, "number of histories that TestSyncSimulation runs, each with its own seed")
	syncFirst = flag.Uint64("sync-seed", 1, "seed of the first history")
	syncSteps = flag.Int("sync-steps", 1000, "number of steps in each history")
)

// A simulation is a server that is restarted and restored from a backup now and then, and a record of the changes that
// it has acknowledged to its devices. Only a restore may discard them.
type simulation struct {
	t          *testing.T
	random     *rand.Rand
	file       string
	backup     string // the path of the last backup, or "" if there is none
	st         *sqlite.Store
	server     server
	ids        int                    // the number of ids that newID has returned
	amounts    map[string]ackedAmount // the last acknowledged amount of each expense and rule, by rowKey
	rejected   map[string]int         // the number of rejected and conflicting mutations, by type and status
	restoredAt int                    // the version after the last restore; lower ones may be of a discarded history
}

type ackedAmount struct {
	version int
	amount  string // "" if the row is deleted
}

// A device is a client and its unreliable connection to the server.
type device struct {
	*simulation
	name             string
	storage          *client.MemoryStorage
	client           *client.Client
	reliable         bool             // the connection does not fail
	connectionFailed bool             // a request has failed since the last call of run
	created          []uuid.UUID      // up to 20 expenses that the device has added
	delayed          []delayedRequest // requests for whose response the device no longer waits
}

type delayedRequest struct{ method, target, body string }

// open opens the database file and creates a server over it.
func (sim *simulation) open() {
	st, err := sqlite.Open(sim.t.Context(), sim.file, sqlite.SynchronousNormal())
	if err == nil {
		err = st.Migrate(sim.t.Context())
	}
	if err != nil {
		sim.t.Fatal(err)
	}
	sim.st, sim.server = st, serve(sim.t, st)
}

// swap closes the database, replaces the file to by a copy of from if the paths differ, and opens the database again.
func (sim *simulation) swap(from, to string) {
	if err := sim.st.Close(); err != nil {
		sim.t.Fatal(err)
	}
	if from != to {
		data, err := os.ReadFile(from)
		err = errors.Join(err, os.WriteFile(to, data, 0o600))
		for _, suffix := range []string{"-wal", "-shm"} {
			if removeErr := os.Remove(to + suffix); removeErr != nil && !os.IsNotExist(removeErr) {
				err = errors.Join(err, removeErr)
			}
		}
		if err != nil {
			sim.t.Fatal(err)
		}
	}
	sim.open()
}

// restore replaces the database with the backup and begins a new epoch.
func (sim *simulation) restore() {
	sim.swap(sim.backup, sim.file)
	if err := sim.st.StartEpoch(sim.t.Context(), "anna"); err != nil {
		sim.t.Fatal(err)
	}
	// The changes acknowledged since the backup are discarded. Read the amounts of the restored ledger instead.
	clear(sim.amounts)
	changes, _ := sim.server.pull("", 1000)
	state, err := sim.st.Reader("anna").State(sim.t.Context())
	if err != nil {
		sim.t.Fatal(err)
	}
	sim.restoredAt = int(state.Version)
	for _, change := range changes {
		if kind := change["type"].(string); hasAmount(kind) {
			sim.acknowledge(rowKey(kind, change["id"].(string)), change["data"].(map[string]any))
		}
	}
}

// rowKey returns the first three letters of a row's type, followed by its id.
func rowKey(kind, id string) string { return kind[:3] + " " + id }

// hasAmount reports whether rows of type kind have an amount that only edits of a device change.
func hasAmount(kind string) bool { return kind == "expense" || kind == "recurrence" }

// acknowledge records the amount of a row, unless a later version is recorded.
func (sim *simulation) acknowledge(key string, row map[string]any) {
	acked := ackedAmount{version: version(row), amount: fmt.Sprint(row["amount"], row["currency"])}
	if acked.version >= sim.amounts[key].version {
		sim.amounts[key] = acked
	}
}

func (sim *simulation) newID() string {
	sim.ids++
	return fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012x", sim.ids)
}

func (sim *simulation) pick(list ...string) string { return list[sim.random.IntN(len(list))] }

// start creates a new client over the device's storage, as if the process had crashed and started again.
func (d *device) start() {
	c, err := client.New("https://ledger.example.com",
		client.WithHTTPClient(&http.Client{Transport: d}), client.WithStorage(d.storage),
		client.WithTokens(client.StaticToken("anna")),
		client.WithClock(func() time.Time { return noon }), client.WithMaxAttempts(1),
		client.WithPageSize(1+d.random.IntN(40)), client.WithPushBatchSize(1+d.random.IntN(20)),
		client.WithConflictHandler(func(context.Context, client.Conflict) client.Decision {
			switch d.random.IntN(3) {
			case 0:
				return client.KeepServer()
			case 1:
				return client.KeepLocal()
			}
			return client.Decision{} // leaves the conflict undecided
		}))
	if err != nil {
		d.t.Fatal(err)
	}
	d.client = c
}

// rows returns the rows of the given types as the device last received them.
func (d *device) rows(types ...client.Type) (rows []client.Row) {
	err := d.storage.View(d.t.Context(), func(tx client.Tx) error {
		for _, t := range types {
			stored, err := tx.Rows(d.t.Context(), t)
			if err != nil {
				return err
			}
			rows = append(rows, stored...)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

// edit makes one random change on the device. It does not need the server.
func (d *device) edit() {
	ctx := d.t.Context()
	pick := func(t client.Type) uuid.UUID {
		rows := d.rows(t)
		if len(rows) == 0 {
			return uuid.Nil
		}
		return uuid.MustParse(rows[d.random.IntN(len(rows))].ID)
	}
	amount := fmt.Sprintf("%d.%02d", 1+d.random.IntN(500), d.random.IntN(100))
	id := uuid.MustParse(d.newID())
	var err error
	switch roll := d.random.IntN(26); {
	case roll >= 20:
		err = d.editPlan(roll, id, amount, pick)
	case roll < 7:
		draft := client.ExpenseDraft{ID: id, Amount: amount, Currency: d.pick("EUR", "USD", "JPY")}
		if d.random.IntN(2) == 0 {
			draft.CategoryID = pick(client.CategoryType)
		}
		if len(d.created) < 20 {
			d.created = append(d.created, id)
		} else {
			d.created[d.random.IntN(len(d.created))] = id
		}
		_, err = d.client.Expenses().Put(ctx, draft)
	case roll < 11:
		_, err = d.client.Expenses().Patch(
			ctx, d.idOrCreated(pick(client.ExpenseType)), client.ExpensePatch{Amount: client.Set(amount)},
		)
	case roll < 12:
		_, err = d.client.Expenses().Patch(ctx, d.idOrCreated(pick(client.ExpenseType)), client.ExpensePatch{
			Amount: client.Set(amount), Currency: client.Set(d.pick("EUR", "USD")),
		})
	case roll < 15:
		_, err = d.client.Expenses().Patch(
			ctx, d.idOrCreated(pick(client.ExpenseType)), client.ExpensePatch{Notes: client.Set(d.name + amount)},
		)
	case roll < 17:
		err = d.client.Expenses().Delete(ctx, d.idOrCreated(pick(client.ExpenseType)))
	case roll < 18:
		name := d.pick("Pets", "Gifts", "pets", "GIFTS", "Garden", "food")
		_, err = d.client.Categories().Put(ctx, client.CategoryDraft{ID: id, Name: name})
	case roll < 19 && d.random.IntN(2) == 0:
		_, err = d.client.Categories().Patch(
			ctx, pick(client.CategoryType), client.CategoryPatch{Name: client.Set(d.pick("Pets", "Fun", "Food"))},
		)
	case roll < 19:
		err = d.client.Categories().Delete(ctx, pick(client.CategoryType))
	default:
		_, err = d.client.PatchSettings(ctx, client.SettingsPatch{Locale: client.Set(d.pick("de", "en", "fr"))})
	}
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		d.t.Fatalf("edit: %v", err)
	}
}

// editPlan changes a budget or a recurring rule, marks an alert as read, or adds the due occurrences of the rules.
func (d *device) editPlan(roll int, id uuid.UUID, amount string, pick func(client.Type) uuid.UUID) (err error) {
	ctx := d.t.Context()
	switch {
	case roll == 20:
		draft := client.BudgetDraft{ID: id, Amount: amount, FromMonth: "2026-03", AlertAt: []string{"0.50", "1.00"}}
		if d.random.IntN(4) > 0 {
			draft.CategoryID = pick(client.CategoryType)
		}
		_, err = d.client.Budgets().Put(ctx, draft)
	case roll == 21 && d.random.IntN(3) > 0:
		_, err = d.client.Budgets().Patch(ctx, pick(client.BudgetType), client.BudgetPatch{Amount: client.Set(amount)})
	case roll == 21:
		err = d.client.Budgets().Delete(ctx, pick(client.BudgetType))
	case roll == 22:
		_, err = d.client.Rules().Put(ctx, client.RuleDraft{
			ID: id, Amount: amount, Currency: d.pick("EUR", "USD"), Freq: d.pick("daily", "weekly", "monthly"),
			StartDate: fmt.Sprintf("2026-03-%02d", 5+d.random.IntN(6)), CategoryID: pick(client.CategoryType),
		})
	case roll == 23 && d.random.IntN(3) > 0:
		patch := client.RulePatch{Amount: client.Set(amount)}
		switch d.random.IntN(3) {
		case 0:
			patch = client.RulePatch{Paused: client.Set(d.random.IntN(2) == 0)}
		case 1:
			patch = client.RulePatch{Notes: client.Set(d.name + amount)}
		}
		_, err = d.client.Rules().Patch(ctx, pick(client.RuleType), patch)
	case roll == 23:
		err = d.client.Rules().Delete(ctx, pick(client.RuleType))
	case roll == 24:
		_, err = d.client.PredictPostings(ctx)
	default:
		_, err = d.client.MarkAlertRead(ctx, pick(client.AlertType))
	}
	return err
}

// postDue posts the due occurrences of the rules, as the server's ticker does.
func (sim *simulation) postDue() {
	err := sim.st.Update(sim.t.Context(), "anna", func(tx store.Tx) error {
		_, err := recurrence.Post(sim.t.Context(), tx, expense.Env{Now: noon, Rates: fridayRates{}})
		return err
	})
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		sim.t.Fatal(err)
	}
}

// idOrCreated returns id, or at random the id of an expense that the device has added. If id is nil, it prefers the
// latter.
func (d *device) idOrCreated(id uuid.UUID) uuid.UUID {
	if len(d.created) > 0 && (id == uuid.Nil || d.random.IntN(3) == 0) {
		return d.created[d.random.IntN(len(d.created))]
	}
	return id
}

// RoundTrip simulates the connection to the server. A request may be lost, truncated, repeated or delayed until the
// device no longer waits. A response may be lost or truncated.
func (d *device) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	target := r.URL.RequestURI()
	roll := 100
	if !d.reliable {
		roll = d.random.IntN(100)
	}
	fail := func() (*http.Response, error) {
		d.connectionFailed = true
		return nil, errors.New("the connection failed")
	}
	switch {
	case roll < 3:
		return fail() // the request does not arrive
	case roll < 6 && len(body) > 0:
		if got := d.server.do(r.Method, target, string(body[:len(body)/2])); got.Code != 400 {
			d.t.Fatalf("a truncated push: %d %s, want 400", got.Code, got.Body)
		}
		return fail()
	case roll < 10:
		d.delayed = append(d.delayed, delayedRequest{r.Method, target, string(body)})
		return fail()
	case roll < 25:
		d.server.do(r.Method, target, string(body)) // the request arrives twice
	}
	got := d.server.do(r.Method, target, string(body))
	response := got.Result()
	switch {
	case roll >= 25 && roll < 35:
		return fail()
	case roll >= 35 && roll < 40:
		d.connectionFailed = true
		response.Body = io.NopCloser(
			io.MultiReader(bytes.NewReader(got.Body.Bytes()[:got.Body.Len()/2]), iotest.ErrReader(io.ErrUnexpectedEOF)),
		)
		return response, nil
	}
	if r.Method == http.MethodPost && got.Code == http.StatusOK {
		d.recordResults(body, got)
	}
	return response, nil
}

// deliverDelayed sends each delayed request to the server or drops it, at random. The device gets no response.
func (d *device) deliverDelayed() {
	for _, request := range d.delayed {
		if d.random.IntN(2) == 0 {
			d.server.do(request.method, request.target, request.body)
		}
	}
	d.delayed = nil
}

// run calls fn. It fails the test if fn returns an error although the connection did not fail.
func (d *device) run(name string, fn func(context.Context) error) {
	d.connectionFailed = false
	if err := fn(d.t.Context()); err != nil && !d.connectionFailed {
		d.t.Fatalf("%s: %v", name, err)
	}
}

// recordResults records the results of a push whose response arrives. body is the body of the request.
func (d *device) recordResults(body []byte, got reply) {
	var in struct {
		Mutations []struct{ Type, ID string }
	}
	if err := json.Unmarshal(body, &in, json.MatchCaseInsensitiveNames(true)); err != nil {
		d.t.Fatal(err)
	}
	for i, r := range got.json["results"].([]any) {
		result := r.(map[string]any)
		row, _ := result["resource"].(map[string]any)
		kind := in.Mutations[i].Type
		key := rowKey(kind, in.Mutations[i].ID)
		switch s := status(result); s {
		case "applied", "merged", "unchanged":
			switch {
			case !hasAmount(kind), result["version"] != nil && version(result) <= d.restoredAt:
			case row != nil:
				d.acknowledge(key, row)
			case result["version"] != nil && version(result) >= d.amounts[key].version:
				d.amounts[key] = ackedAmount{version: version(result)}
			}
		default:
			d.rejected[kind+" "+s]++
		}
	}
}

// TestSyncSimulation runs random histories of five devices. A seed makes each history repeatable. To run more:
//
//	go test ./httpapi -run SyncSimulation -sync-seeds 200 -sync-steps 10000 -timeout 0
func TestSyncSimulation(t *testing.T) {
	for i := range *syncSeeds {
		seed := *syncFirst + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { simulate(t, seed) })
	}
}

func simulate(t *testing.T, seed uint64) {
	folder := t.TempDir()
	sim := &simulation{
		t: t, file: filepath.Join(folder, "ledger.db"),
		random:  rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // the seed makes the history repeatable
		amounts: map[string]ackedAmount{}, rejected: map[string]int{},
	}
	sim.open()
	sim.server.must(200, "GET", "/v1/settings", "") // creates the ledger before the first backup
	defer func() {
		if err := sim.st.Close(); err != nil {
			t.Error(err)
		}
	}()
	devices := make([]*device, 5)
	for i := range devices {
		devices[i] = &device{simulation: sim, name: fmt.Sprint("d", i), storage: client.NewMemoryStorage()}
		devices[i].start()
	}
	for range *syncSteps {
		d := devices[sim.random.IntN(len(devices))]
		switch roll := sim.random.IntN(1000); {
		case roll < 700:
			d.edit()
		case roll < 800:
			d.run("pull", d.client.Pull)
		case roll < 900:
			d.run("push", d.client.Push)
		case roll < 960:
			d.run("sync", d.client.Sync)
		case roll < 975:
			d.start()
		case roll < 980:
			sim.postDue()
		case roll < 990:
			d.deliverDelayed()
		case roll < 995:
			sim.swap(sim.file, sim.file) // restarts the server
		case roll < 998 || sim.backup == "":
			sim.backup = filepath.Join(folder, "backup.db")
			sim.swap(sim.file, sim.file)
			sim.swap(sim.file, sim.backup)
		default:
			sim.restore()
		}
	}
	for _, d := range devices {
		d.deliverDelayed()
		d.reliable = true
		d.run("the last sync", d.client.Sync)
	}
	sim.compare(devices)
}

// compare compares each device with the server, and the server with the changes that it acknowledged and with the
// guarantees of the store.
func (sim *simulation) compare(devices []*device) {
	changes, _ := sim.server.pull("", 1000)
	digest := sim.server.must(200, "GET", "/v1/sync/digest", "").json["types"].(map[string]any)
	want := map[string]map[string]any{}
	lines := map[string][]string{} // for each type, the lines that its digest is computed from
	for _, change := range changes {
		key := rowKey(change["type"].(string), change["id"].(string))
		want[key] = change["data"].(map[string]any)
		kind := change["type"].(string)
		lines[kind] = append(lines[kind], fmt.Sprintf("%s %d\n", change["id"], version(change)))
	}
	for kind, lines := range lines {
		slices.Sort(lines)
		hash := sha256.New()
		for _, line := range lines {
			hash.Write([]byte(line))
		}
		got, want := digest[kind].(map[string]any), hex.EncodeToString(hash.Sum(nil))
		if got["hash"] != want || got["count"] != float64(len(lines)) {
			sim.t.Errorf("the digest of type %s is %v, want count %d and hash %s", kind, got, len(lines), want)
		}
	}
	for _, d := range devices {
		d.run("the last pull", d.client.Pull)
		rows := d.rows(
			client.AlertType, client.BudgetType, client.CategoryType, client.ExpenseType, client.RuleType, client.SettingsType,
		)
		if len(rows) != len(want) {
			sim.t.Errorf("%s has %d rows, the server has %d", d.name, len(rows), len(want))
		}
		for _, row := range rows {
			var data map[string]any
			if err := json.Unmarshal(row.Data, &data); err != nil {
				sim.t.Fatal(err)
			}
			if want := want[rowKey(string(row.Type), row.ID)]; fmt.Sprint(data) != fmt.Sprint(want) {
				sim.t.Fatalf("%s %s on %s is\n%v\nwant as on the server\n%v", row.Type, row.ID, d.name, data, want)
			}
		}
		if different, err := d.client.Verify(sim.t.Context()); err != nil || len(different) > 0 {
			sim.t.Errorf("the digests of %s and the server differ in %v (error %v)", d.name, different, err)
		}
		if pending, err := d.client.QueuedMutations(sim.t.Context()); err != nil || len(pending) > 0 {
			sim.t.Errorf("%s has %d queued mutations after a sync (error %v)", d.name, len(pending), err)
		}
	}
	for key, acked := range sim.amounts {
		row, exists := want[key]
		switch {
		case acked.amount == "" && exists:
			sim.t.Errorf("%s was deleted at version %d, but exists: %v", key, acked.version, row)
		case acked.amount != "" && !exists:
			sim.t.Errorf("%s was acknowledged at version %d with %s, but does not exist", key, acked.version, acked.amount)
		case acked.amount != "" && fmt.Sprint(row["amount"], row["currency"]) != acked.amount:
			sim.t.Errorf("%s was acknowledged at version %d with %s, but is %v", key, acked.version, acked.amount, row)
		}
	}
	for key, row := range want {
		// The server may have posted an occurrence of a rule without a request.
		if _, acked := sim.amounts[key]; key[:3] == "exp" && !acked && row["rule_id"] == nil {
			sim.t.Errorf("%s exists, but was not acknowledged", key)
		}
	}
	deviations, err := jobs.Verify(sim.t.Context(), sim.st, "anna")
	if err != nil || len(deviations) > 0 {
		sim.t.Errorf("the ledger deviates from the guarantees of the store: %v (error %v)", deviations, err)
	}
	counts := map[string]int{}
	for kind, lines := range lines {
		counts[kind] = len(lines)
	}
	sim.t.Logf("rows at the end: %v; rejected and conflicting mutations: %v", counts, sim.rejected)
}
