package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store/sqlite"
)

var (
	syncSeeds = flag.Int("sync-seeds", 20, "how many histories TestSyncSimulation plays, each by its own seed")
	syncFirst = flag.Uint64("sync-seed", 1, "the first seed")
	syncSteps = flag.Int("sync-steps", 2000, "how many steps each history has")
)

// A world is a server that is killed and restored now and then, and devices that it forgets nothing of but what a restore takes.
type world struct {
	t       *testing.T
	random  *rand.Rand
	file    string
	backup  string // "" until there is one
	st      *sqlite.Store
	server  server
	made    int
	amounts map[string]amountAt // what was acknowledged last of each expense
	refused map[string]int
}

type amountAt struct {
	version int
	amount  string // "": deleted
}

// A device knows what it pulled, and what it changed and has no answer to.
type device struct {
	*world
	name   string
	cursor string
	rows   map[string]map[string]any // by type and id
	queue  []queued
}

type queued struct{ id, row, text string }

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
	if err := w.st.NewEpoch(w.t.Context(), "anna"); err != nil {
		w.t.Fatal(err)
	}
	// What was acknowledged since the backup is gone: the ledger says what there is.
	clear(w.amounts)
	changes, _ := w.server.pull("", 1000)
	for _, change := range changes {
		if change["type"] == "expense" {
			w.acknowledge(change["id"].(string), change["data"].(map[string]any))
		}
	}
}

func (w *world) acknowledge(id string, row map[string]any) {
	at := amountAt{version: version(row), amount: fmt.Sprint(row["amount"], row["currency"])}
	if at.version >= w.amounts[id].version {
		w.amounts[id] = at
	}
}

func (w *world) newID() string {
	w.made++
	return fmt.Sprintf("0190a6f0-5c2b-7d6e-9a3f-%012x", w.made)
}

func (w *world) pick(list ...string) string { return list[w.random.IntN(len(list))] }

// edit changes something on the device, online or not.
func (d *device) edit() {
	ids := slices.Sorted(maps.Keys(d.rows))
	var expenses, categories []string
	for _, key := range ids {
		switch what, id := key[:3], key[4:]; what {
		case "exp":
			expenses = append(expenses, id)
		case "cat":
			categories = append(categories, id)
		}
	}
	amount := fmt.Sprintf("%d.%02d", 1+d.random.IntN(500), d.random.IntN(100))
	more := ""
	queue := func(what, op, row, data string) {
		base := ""
		if op != "put" {
			// The device's own last change of the row, or the version that it pulled.
			if known, ok := d.rows[what[:3]+" "+row]; ok && d.random.IntN(10) > 0 {
				base = fmt.Sprintf(`,"base_version":%d`, version(known))
			}
			for _, q := range d.queue {
				if q.row == what+row {
					base = fmt.Sprintf(`,"base_mutation":%q`, q.id)
				}
			}
		}
		if data != "" {
			data = `,"data":` + data
		}
		id := fmt.Sprintf("%s-%s", d.name, d.newID())
		d.queue = append(d.queue, queued{id: id, row: what + row, text: mutate(id, what, op, row, base+data)})
	}
	switch roll := d.random.IntN(20); {
	case roll < 7 || len(expenses) == 0:
		if len(categories) > 0 && d.random.IntN(2) == 0 {
			more = `,"category_id":"` + d.pick(categories...) + `"`
		}
		queue("expense", "put", d.newID(), `{"amount":"`+amount+`","currency":"`+d.pick("EUR", "USD", "JPY")[:3]+`"`+more+`}`)
	case roll < 11:
		queue("expense", "patch", d.pick(expenses...), `{"amount":"`+amount+`"}`)
	case roll < 12:
		queue("expense", "patch", d.pick(expenses...), `{"amount":"`+amount+`","currency":"`+d.pick("EUR", "USD")+`"}`)
	case roll < 15:
		queue("expense", "patch", d.pick(expenses...), `{"notes":"`+d.name+amount+`"}`)
	case roll < 17:
		queue("expense", "delete", d.pick(expenses...), "")
	case roll < 18:
		queue("category", "put", d.newID(), `{"name":"`+d.pick("Pets", "Gifts", "pets", "GIFTS", "Garden", "food")+`"}`)
	case roll < 19 && len(categories) > 0:
		queue("category", d.pick("patch", "delete"), d.pick(categories...), `{"name":"`+d.pick("Pets", "Fun", "Food")+`"}`)
	default:
		queue("settings", "patch", "settings", `{"locale":"`+d.pick("de", "en", "fr")+`"}`)
	}
}

// pullAll follows the feed to its end, and starts anew where the server says so.
func (d *device) pullAll() {
	for pages := 0; ; pages++ {
		target := fmt.Sprintf("/v1/sync?limit=%d", 1+d.random.IntN(40))
		if d.cursor != "" {
			target += "&cursor=" + d.cursor
		}
		got := d.server.do("GET", target, "")
		switch {
		case got.Code == 410:
			d.cursor = ""
			clear(d.rows)
			continue
		case got.Code != 200:
			d.t.Fatalf("a pull: %d %s", got.Code, got.Body)
		case d.random.IntN(30) == 0 && pages < 50:
			continue // the answer is lost
		}
		for _, c := range got.json["changes"].([]any) {
			change := c.(map[string]any)
			key := change["type"].(string)[:3] + " " + change["id"].(string)
			if change["deleted"] == true {
				delete(d.rows, key)
				continue
			}
			d.rows[key] = change["data"].(map[string]any)
		}
		d.cursor = got.json["cursor"].(string)
		if got.json["has_more"] == false {
			return
		}
	}
}

// pushSome sends a part of the queue, perhaps twice, and perhaps never hears the answer.
func (d *device) pushSome(reliable bool) {
	if len(d.queue) == 0 {
		return
	}
	if d.cursor == "" {
		d.pullAll() // what is not of this history is not sent into it
	}
	batch := d.queue[:1+d.random.IntN(min(len(d.queue), 20))]
	body := `{"cursor":"` + d.cursor + `","mutations":[`
	for i, q := range batch {
		if i > 0 {
			body += ","
		}
		body += q.text
	}
	body += "]}"
	if !reliable && d.random.IntN(8) == 0 {
		body = body[:len(body)/2] // cut on its way
		if got := d.server.do("POST", "/v1/sync", body); got.Code != 400 {
			d.t.Fatalf("half a push: %d %s", got.Code, got.Body)
		}
		return
	}
	got := d.server.do("POST", "/v1/sync", body)
	if !reliable && d.random.IntN(5) == 0 {
		got = d.server.do("POST", "/v1/sync", body) // doubled
	}
	switch {
	case got.Code == 410:
		d.cursor = ""
		clear(d.rows)
		return
	case got.Code != 200:
		d.t.Fatalf("a push: %d %s\n%s", got.Code, got.Body, body)
	case !reliable && d.random.IntN(5) == 0:
		return // the answer is lost
	}
	for i, r := range got.json["results"].([]any) {
		result := r.(map[string]any)
		if result["mutation_id"] != batch[i].id {
			d.t.Fatalf("the %d. answer is about %v", i, result["mutation_id"])
		}
		d.settle(batch[i], result)
	}
	d.queue = slices.Clone(d.queue[len(batch):])
}

// settle notes what the server has acknowledged of a change.
func (d *device) settle(q queued, result map[string]any) {
	id := q.row[min(len("expense"), len(q.row)):]
	row, _ := result["resource"].(map[string]any)
	switch s := status(result); s {
	case "applied", "merged", "unchanged":
		if q.row[:3] != "exp" {
			return
		}
		if row != nil {
			d.acknowledge(id, row)
		} else if result["version"] != nil && version(result) >= d.amounts[id].version {
			d.amounts[id] = amountAt{version: version(result)}
		}
	default:
		d.refused[s]++
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
		t: t, random: rand.New(rand.NewPCG(seed, 1)), file: filepath.Join(folder, "ledger.db"), //nolint:gosec // a seed makes it repeatable
		amounts: map[string]amountAt{}, refused: map[string]int{},
	}
	w.open()
	defer func() {
		if err := w.st.Close(); err != nil {
			t.Error(err)
		}
	}()
	devices := make([]*device, 5)
	for i := range devices {
		devices[i] = &device{world: w, name: fmt.Sprint("d", i), rows: map[string]map[string]any{}}
	}
	for range *syncSteps {
		d := devices[w.random.IntN(len(devices))]
		switch roll := w.random.IntN(1000); {
		case roll < 700:
			d.edit()
		case roll < 850:
			d.pullAll()
		case roll < 990:
			d.pushSome(false)
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
		for len(d.queue) > 0 {
			d.pullAll()
			d.pushSome(true)
		}
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
		key := change["type"].(string)[:3] + " " + change["id"].(string)
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
		if told := digest[what].(map[string]any); told["hash"] != hex.EncodeToString(hash.Sum(nil)) || told["count"] != float64(len(lines)) {
			w.t.Errorf("the digest of %s is %v, and not that of the %d rows there are", what, told, len(lines))
		}
	}
	for _, d := range devices {
		d.pullAll()
		if len(d.rows) != len(want) {
			w.t.Errorf("%s has %d rows, the server %d", d.name, len(d.rows), len(want))
		}
		for key, row := range want {
			if fmt.Sprint(d.rows[key]) != fmt.Sprint(row) {
				w.t.Fatalf("%s has %s as\n%v, the server as\n%v", d.name, key, d.rows[key], row)
			}
		}
	}
	for id, at := range w.amounts {
		row, there := want["exp "+id]
		switch {
		case at.amount == "" && there:
			w.t.Errorf("expense %s was deleted at version %d, and is there again: %v", id, at.version, row)
		case at.amount != "" && !there:
			w.t.Errorf("expense %s was acknowledged at version %d with %s, and is not there", id, at.version, at.amount)
		case at.amount != "" && fmt.Sprint(row["amount"], row["currency"]) != at.amount:
			w.t.Errorf("expense %s was acknowledged at version %d with %s, and is %v", id, at.version, at.amount, row)
		}
	}
	for key := range want {
		if _, known := w.amounts[key[4:]]; key[:3] == "exp" && !known {
			w.t.Errorf("%s is there, and nobody was told so", key)
		}
	}
	w.checkTotals()
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
