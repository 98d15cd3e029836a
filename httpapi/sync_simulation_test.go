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
	"github.com/spendwise/spendwise/store/sqlite"
)

var (
	syncSeeds = flag.Int("sync-seeds", 8, "how many histories TestSyncSimulation plays, each by its own seed")
	syncFirst = flag.Uint64("sync-seed", 1, "the first seed")
	syncSteps = flag.Int("sync-steps", 2000, "how many steps each history has")
)

// A world is a server that is killed and restored now and then, and devices that it forgets nothing of but what a
// restore takes.
type world struct {
	t       *testing.T
	random  *rand.Rand
	file    string
	backup  string // "" until there is one
	st      *sqlite.Store
	server  server
	made    int
	amounts map[string]amountAt // what was acknowledged last of each expense and rule, by type and id
	refused map[string]int
	since   int // the version with which the ledger began after the last restore: answers of before say what was
}

type amountAt struct {
	version int
	amount  string // "": deleted
}

// A device is a client, and the way from it to the server.
type device struct {
	*world
	name     string
	storage  *client.MemoryStorage
	client   *client.Client
	reliable bool        // nothing happens on the way
	troubled bool        // something did
	mine     []uuid.UUID // expenses that it made
	late     []lateComer // what is on its way for longer than the device waited
}

type lateComer struct{ method, target, body string }

func (w *world) open() {
	st, err := sqlite.Open(w.t.Context(), w.file, sqlite.Normal())
	if err == nil {
		err = st.Migrate(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.st, w.server = st, serve(w.t, st)
}

// swap closes the server, copies one file over another, and opens it again.
func (w *world) swap(from, to string) {
	if err := w.st.Close(); err != nil {
		w.t.Fatal(err)
	}
	if from != to {
		data, err := os.ReadFile(from)
		err = errors.Join(err, os.WriteFile(to, data, 0o600))
		for _, suffix := range []string{"-wal", "-shm"} {
			if gone := os.Remove(to + suffix); gone != nil && !os.IsNotExist(gone) {
				err = errors.Join(err, gone)
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.open()
}

func (w *world) restore() {
	w.swap(w.backup, w.file)
	if err := w.st.StartEpoch(w.t.Context(), "anna"); err != nil {
		w.t.Fatal(err)
	}
	// What was acknowledged since the backup is gone: the ledger says what there is.
	clear(w.amounts)
	changes, _ := w.server.pull("", 1000)
	state, err := w.st.Reader("anna").State(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.since = int(state.Version)
	for _, change := range changes {
		if what := change["type"].(string); hasAmount(what) {
			w.acknowledge(rowKey(what, change["id"].(string)), change["data"].(map[string]any))
		}
	}
}

func rowKey(what, id string) string { return what[:3] + " " + id }

// hasAmount reports whether rows of a type have one that nothing changes but an edit of a person.
func hasAmount(what string) bool { return what == "expense" || what == "recurrence" }

func (w *world) acknowledge(key string, row map[string]any) {
	at := amountAt{version: version(row), amount: fmt.Sprint(row["amount"], row["currency"])}
	if at.version >= w.amounts[key].version {
		w.amounts[key] = at
	}
}

func (w *world) newID() string {
	w.made++
	return fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012x", w.made)
}

func (w *world) pick(list ...string) string { return list[w.random.IntN(len(list))] }

// start begins the device's process; the one before has ended, whatever it was about.
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
			return client.Decision{} // later, or never
		}))
	if err != nil {
		d.t.Fatal(err)
	}
	d.client = c
}

// rows returns what the device was told, by type and id.
func (d *device) rows(types ...client.Type) (rows []client.Row) {
	err := d.storage.View(d.t.Context(), func(tx client.Tx) error {
		for _, t := range types {
			found, err := tx.Rows(d.t.Context(), t)
			if err != nil {
				return err
			}
			rows = append(rows, found...)
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

// edit changes something on the device, online or not.
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
		err = d.plan(roll, id, amount, pick)
	case roll < 7:
		draft := client.ExpenseDraft{ID: id, Amount: amount, Currency: d.pick("EUR", "USD", "JPY")}
		if d.random.IntN(2) == 0 {
			draft.CategoryID = pick(client.CategoryType)
		}
		if len(d.mine) < 20 {
			d.mine = append(d.mine, id)
		} else {
			d.mine[d.random.IntN(len(d.mine))] = id
		}
		_, err = d.client.Expenses().Put(ctx, draft)
	case roll < 11:
		_, err = d.client.Expenses().Patch(
			ctx, d.either(pick(client.ExpenseType)), client.ExpensePatch{Amount: client.Set(amount)},
		)
	case roll < 12:
		_, err = d.client.Expenses().Patch(ctx, d.either(pick(client.ExpenseType)), client.ExpensePatch{
			Amount: client.Set(amount), Currency: client.Set(d.pick("EUR", "USD")),
		})
	case roll < 15:
		_, err = d.client.Expenses().Patch(
			ctx, d.either(pick(client.ExpenseType)), client.ExpensePatch{Notes: client.Set(d.name + amount)},
		)
	case roll < 17:
		err = d.client.Expenses().Delete(ctx, d.either(pick(client.ExpenseType)))
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
		d.t.Fatalf("an edit: %v", err)
	}
}

// plan changes a budget or a rule, says that an alert was read, or writes what is due without waiting for the server.
func (d *device) plan(roll int, id uuid.UUID, amount string, pick func(client.Type) uuid.UUID) (err error) {
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

// post posts what is due of the ledger's rules, as the server's ticker does.
func (w *world) post() {
	err := w.st.Update(w.t.Context(), "anna", func(tx store.Tx) error {
		_, err := recurrence.Post(w.t.Context(), tx, expense.Env{Now: noon, Rates: friday{}})
		return err
	})
	if err != nil && !errors.Is(err, expense.ErrNotFound) {
		w.t.Fatal(err)
	}
}

// either returns a row that the feed told of, or one that this device made itself a while ago.
func (d *device) either(told uuid.UUID) uuid.UUID {
	if len(d.mine) > 0 && (told == uuid.Nil || d.random.IntN(3) == 0) {
		return d.mine[d.random.IntN(len(d.mine))]
	}
	return told
}

// RoundTrip is the way to the server: requests are cut, doubled, or arrive when nobody waits for them any more; answers
// are cut or lost.
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
	lost := func() (*http.Response, error) {
		d.troubled = true
		return nil, errors.New("the answer is lost")
	}
	switch {
	case roll < 3:
		return lost() // on its way there
	case roll < 6 && len(body) > 0:
		if got := d.server.do(r.Method, target, string(body[:len(body)/2])); got.Code != 400 {
			d.t.Fatalf("half a push: %d %s", got.Code, got.Body)
		}
		return lost()
	case roll < 10:
		d.late = append(d.late, lateComer{r.Method, target, string(body)})
		return lost()
	case roll < 25:
		d.server.do(r.Method, target, string(body)) // and once more
	}
	got := d.server.do(r.Method, target, string(body))
	answer := got.Result()
	switch {
	case roll >= 25 && roll < 35:
		return lost()
	case roll >= 35 && roll < 40:
		d.troubled = true
		answer.Body = io.NopCloser(
			io.MultiReader(bytes.NewReader(got.Body.Bytes()[:got.Body.Len()/2]), iotest.ErrReader(io.ErrUnexpectedEOF)),
		)
		return answer, nil
	}
	if r.Method == http.MethodPost && got.Code == http.StatusOK {
		d.hear(body, got)
	}
	return answer, nil
}

// arrive lets what was on its way for long reach the server. It answers to nobody.
func (d *device) arrive() {
	for _, late := range d.late {
		if d.random.IntN(2) == 0 {
			d.server.do(late.method, late.target, late.body)
		}
	}
	d.late = nil
}

// talk has the device talk to the server; only what happened on the way excuses a failure.
func (d *device) talk(what string, fn func(context.Context) error) {
	d.troubled = false
	if err := fn(d.t.Context()); err != nil && !d.troubled {
		d.t.Fatalf("%s: %v", what, err)
	}
}

// hear notes what the server has acknowledged of a push whose answer arrives.
func (d *device) hear(body []byte, got reply) {
	var in struct {
		Mutations []struct{ Type, ID string }
	}
	if err := json.Unmarshal(body, &in, json.MatchCaseInsensitiveNames(true)); err != nil {
		d.t.Fatal(err)
	}
	for i, r := range got.json["results"].([]any) {
		result := r.(map[string]any)
		row, _ := result["resource"].(map[string]any)
		what := in.Mutations[i].Type
		key := rowKey(what, in.Mutations[i].ID)
		switch s := status(result); s {
		case "applied", "merged", "unchanged":
			switch {
			case !hasAmount(what), result["version"] != nil && version(result) <= d.since:
			case row != nil:
				d.acknowledge(key, row)
			case result["version"] != nil && version(result) >= d.amounts[key].version:
				d.amounts[key] = amountAt{version: version(result)}
			}
		default:
			d.refused[what+" "+s]++
		}
	}
}

// TestSyncSimulation plays histories of five devices by a seed. More of them:
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
	w := &world{
		t: t, file: filepath.Join(folder, "ledger.db"),
		random:  rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // a seed makes it repeatable
		amounts: map[string]amountAt{}, refused: map[string]int{},
	}
	w.open()
	w.server.must(200, "GET", "/v1/settings", "") // there is a ledger before there is a backup
	defer func() {
		if err := w.st.Close(); err != nil {
			t.Error(err)
		}
	}()
	devices := make([]*device, 5)
	for i := range devices {
		devices[i] = &device{world: w, name: fmt.Sprint("d", i), storage: client.NewMemoryStorage()}
		devices[i].start()
	}
	for range *syncSteps {
		d := devices[w.random.IntN(len(devices))]
		switch roll := w.random.IntN(1000); {
		case roll < 700:
			d.edit()
		case roll < 800:
			d.talk("pull", d.client.Pull)
		case roll < 900:
			d.talk("push", d.client.Push)
		case roll < 960:
			d.talk("sync", d.client.Sync)
		case roll < 975:
			d.start()
		case roll < 980:
			w.post()
		case roll < 990:
			d.arrive()
		case roll < 995:
			w.swap(w.file, w.file) // killed, and started again
		case roll < 998 || w.backup == "":
			w.backup = filepath.Join(folder, "backup.db")
			w.swap(w.file, w.file)
			w.swap(w.file, w.backup)
		default:
			w.restore()
		}
	}
	for _, d := range devices {
		d.arrive()
		d.reliable = true
		d.talk("the last sync", d.client.Sync)
	}
	w.compare(devices)
}

// compare holds every device to the server, the server to what it acknowledged, and the totals to their expenses.
func (w *world) compare(devices []*device) {
	changes, _ := w.server.pull("", 1000)
	digest := w.server.must(200, "GET", "/v1/sync/digest", "").json["types"].(map[string]any)
	want := map[string]map[string]any{}
	kinds := map[string][]string{}
	for _, change := range changes {
		key := rowKey(change["type"].(string), change["id"].(string))
		want[key] = change["data"].(map[string]any)
		line := fmt.Sprintf("%s %d\n", change["id"], version(change))
		kinds[change["type"].(string)] = append(kinds[change["type"].(string)], line)
	}
	for what, lines := range kinds {
		slices.Sort(lines)
		hash := sha256.New()
		for _, line := range lines {
			hash.Write([]byte(line))
		}
		told, want := digest[what].(map[string]any), hex.EncodeToString(hash.Sum(nil))
		if told["hash"] != want || told["count"] != float64(len(lines)) {
			w.t.Errorf("the digest of %s is %v, and not that of the %d rows there are", what, told, len(lines))
		}
	}
	for _, d := range devices {
		d.talk("the last pull", d.client.Pull)
		rows := d.rows(
			client.AlertType, client.BudgetType, client.CategoryType, client.ExpenseType, client.RuleType, client.SettingsType,
		)
		if len(rows) != len(want) {
			w.t.Errorf("%s has %d rows, the server %d", d.name, len(rows), len(want))
		}
		for _, row := range rows {
			var data map[string]any
			if err := json.Unmarshal(row.Data, &data); err != nil {
				w.t.Fatal(err)
			}
			if theirs := want[rowKey(string(row.Type), row.ID)]; fmt.Sprint(data) != fmt.Sprint(theirs) {
				w.t.Fatalf("%s has %s %s as\n%v, the server as\n%v", d.name, row.Type, row.ID, data, theirs)
			}
		}
		if different, err := d.client.Verify(w.t.Context()); err != nil || len(different) > 0 {
			w.t.Errorf("%s differs from the server in %v, by the digest (%v)", d.name, different, err)
		}
		if pending, err := d.client.QueuedMutations(w.t.Context()); err != nil || len(pending) > 0 {
			w.t.Errorf("%s has %d changes to send after a sync (%v)", d.name, len(pending), err)
		}
	}
	for key, at := range w.amounts {
		row, there := want[key]
		switch {
		case at.amount == "" && there:
			w.t.Errorf("%s was deleted at version %d, and is there again: %v", key, at.version, row)
		case at.amount != "" && !there:
			w.t.Errorf("%s was acknowledged at version %d with %s, and is not there", key, at.version, at.amount)
		case at.amount != "" && fmt.Sprint(row["amount"], row["currency"]) != at.amount:
			w.t.Errorf("%s was acknowledged at version %d with %s, and is %v", key, at.version, at.amount, row)
		}
	}
	for key, row := range want {
		// What a rule wrote the server may have written by itself.
		if _, known := w.amounts[key]; key[:3] == "exp" && !known && row["rule_id"] == nil {
			w.t.Errorf("%s is there, and nobody was told so", key)
		}
	}
	w.checkTotals()
	counts := map[string]int{}
	for what, lines := range kinds {
		counts[what] = len(lines)
	}
	w.t.Logf("at the end %v; refused %v", counts, w.refused)
}

func (w *world) checkTotals() {
	r := w.st.Reader("anna")
	sums := map[uuid.UUID]int64{}
	for e, err := range r.Expenses(w.t.Context(), expense.Query{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		sums[e.CategoryID] += e.Home.Minor()
	}
	totals, err := r.Totals(w.t.Context(), expense.TotalsQuery{Ranges: []expense.Range{{}}})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, total := range totals {
		sums[total.CategoryID] -= total.Home.Minor()
	}
	for category, rest := range sums {
		if rest != 0 {
			w.t.Errorf("the totals of category %s are off by %d", category, rest)
		}
	}
}
