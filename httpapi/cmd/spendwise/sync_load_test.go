package main_test

import (
	"database/sql"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var (
	syncLoad = flag.Duration("sync-load", 300*time.Millisecond,
		"how long TestSyncNumbers asks for news, 300 times a second")
	syncRows    = flag.Int("sync-rows", 1000, "how many rows its first sync has")
	syncPushes  = flag.Int("sync-pushes", 3, "how many pushes of 100 mutations it sends")
	syncStreams = flag.Int("sync-streams", 50, "how many idle event streams it opens")
)

// TestSyncNumbers measures sync over HTTP with a server in a separate process at its default durability. It only fails
// for wrong responses. For meaningful numbers, run on a quiet machine:
//
//	SPENDWISE_TEST_POSTGRES_VIA=local SPENDWISE_TEST_POSTGRES_DURABLE=1 \
//	go test ./httpapi/cmd/spendwise -run SyncNumbers -v -timeout 0 \
//	  -sync-load 10s -sync-rows 12000 -sync-pushes 50 -sync-streams 2000
func TestSyncNumbers(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if engine == "postgres" {
				database = durability(t, pgtest.New(t))
			}
			s := start(t, dir, "--database", database, "--rate-limits", "off")
			c := s.register(`,"home_currency":"EUR"`)
			measurePushes(t, c)
			measureFirstSync(t, c)
			measureNothingNew(t, s)
			measureStreams(t, s)
		})
	}
}

// durability describes the durability settings of the test's PostgreSQL.
func durability(t *testing.T, dsn string) string {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var fsync, commit, directory string
	err = db.QueryRowContext(t.Context(), "SELECT current_setting('fsync'), current_setting('synchronous_commit'), "+
		"current_setting('data_directory')").
		Scan(&fsync, &commit, &directory)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Postgres: fsync %s, synchronous_commit %s, data in %s", fsync, commit, directory)
	return dsn
}

var numberedIDs atomic.Int64

// pushOf returns a push of n new expenses.
func pushOf(n int) string {
	mutations := make([]string, n)
	for i := range mutations {
		k := numberedIDs.Add(1)
		mutations[i] = fmt.Sprintf(`{"mutation_id":"n%d","type":"expense","op":"put","id":"0190a6f0-5c2b-7d6e-9b3f-%012x",`+
			`"data":{"amount":"%d.25","currency":"EUR","date":"2026-03-%02d","category":"food","notes":"Lunch with a friend"}}`,
			k, k, 1+k%200, 1+k%28)
	}
	return `{"mutations":[` + strings.Join(mutations, ",") + `]}`
}

func measurePushes(t *testing.T, c *client) {
	var all []time.Duration
	for i := range *syncPushes + 1 {
		body := pushOf(100)
		began := time.Now()
		status, got := c.raw("POST", "/v1/sync", body)
		if i > 0 { // the first push opens connections and prepares statements
			all = append(all, time.Since(began))
		}
		if status != http.StatusOK || strings.Count(string(got), `"applied"`) != 100 {
			t.Fatalf("a push: %d %.300s", status, got)
		}
	}
	t.Logf("push of 100 mutations: %s (to reach: under 100 ms)", spread(all))
}

func measureFirstSync(t *testing.T, c *client) {
	for rows := (*syncPushes + 1) * 100; rows < *syncRows; rows += 100 {
		if status, got := c.raw("POST", "/v1/sync", pushOf(100)); status != http.StatusOK {
			t.Fatalf("a push: %d %s", status, got)
		}
	}
	cursorAt := regexp.MustCompile(`"cursor":"([^"]*)","has_more":(true|false)`)
	for _, limit := range []int{500, 1000} {
		var all []time.Duration
		rows, bytes := 0, 0
		for range 5 {
			path := fmt.Sprint("/v1/sync?limit=", limit)
			began := time.Now()
			rows, bytes = 0, 0
			for target := path; ; {
				status, page := c.raw("GET", target, "")
				end := cursorAt.FindSubmatch(page)
				if status != http.StatusOK || end == nil {
					t.Fatalf("a pull: %d", status)
				}
				rows, bytes = rows+strings.Count(string(page), `"type":"expense"`), bytes+len(page)
				if string(end[2]) == "false" {
					break
				}
				target = path + "&cursor=" + string(end[1])
			}
			all = append(all, time.Since(began))
		}
		if rows < *syncRows {
			t.Errorf("a first sync brings %d rows, want %d", rows, *syncRows)
		}
		t.Logf("first sync of %d expenses in pages of %d, %d KiB: %s (to reach: 12,000 under 1 s on SQLite)", rows, limit,
			bytes>>10, spread(all))
	}
}

func measureNothingNew(t *testing.T, s *server) {
	const rate = 300
	users := make([]*client, 8)
	cursors := make([]string, len(users))
	for i := range users {
		users[i] = s.register("")
		if status, got := users[i].raw("POST", "/v1/sync", pushOf(100)); status != http.StatusOK {
			t.Fatalf("a push: %d %s", status, got)
		}
		cursors[i] = users[i].cursor(t)
	}
	n := int(syncLoad.Seconds() * rate)
	all := make([]time.Duration, n)
	var running sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / rate) // does not wait for earlier responses
		time.Sleep(time.Until(due))
		running.Go(func() {
			c := users[i%len(users)]
			if status, got := c.raw("GET", "/v1/sync?cursor="+cursors[i%len(users)], ""); status != http.StatusOK {
				t.Errorf("a pull of nothing new: %d %s", status, got)
			}
			all[i] = time.Since(due)
		})
	}
	running.Wait()
	t.Logf("pull of nothing new at %d a second, %d of them: %s (to reach: 95%% under 5 ms)", rate, n, spread(all))
}

// measureStreams opens idle streams, five per user, and changes the ledger of one user. It restarts the server before,
// so that the memory used for hashing passwords does not count.
func measureStreams(t *testing.T, s *server) {
	const each = 5
	users := make([]*client, (*syncStreams+each-1)/each)
	for i := range users {
		users[i] = s.register("")
	}
	s.kill()
	s.start()
	var streams []<-chan hint
	before := int64(0)
	for i := range *syncStreams {
		c := users[i/each].at(s.url)
		users[i/each] = c
		hints := c.listen(t)
		if i < each {
			streams = append(streams, hints)
		}
		if i == 0 {
			before = s.resident()
		}
	}
	first, opened := users[0], s.resident()
	var all []time.Duration
	for range 20 {
		first.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1.25"}`)
		done, cursor := time.Now(), first.cursor(t)
		for _, hints := range streams {
			all = append(all, max(0, awaitHint(t, "a listening device", hints, cursor).Sub(done)))
		}
	}
	time.Sleep(min(*syncLoad, 5*time.Second))
	t.Logf("%d idle event streams: the server's process takes %d MiB, %d MiB when the last was opened, %d MiB with the "+
		"first one (to reach: 2,000 under 150 MiB)",
		*syncStreams, s.resident()>>20, opened>>20, before>>20)
	t.Logf("from the answer to a change until a device hears of it, beside them: %s (to reach: 200 ms)", spread(all))
}

// resident returns the resident memory of the server's process in bytes, or 0 if the system has no /proc.
func (s *server) resident() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kib << 10
}
