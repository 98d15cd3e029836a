package main_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var (
	syncRows    = flag.Int("sync-rows", 1000, "number of expenses in the first sync of BenchmarkSync")
	syncStreams = flag.Int("sync-streams", 50, "number of idle event streams in BenchmarkSync")
)

// BenchmarkSync measures sync over HTTP with a server in a separate process. For durable commits on PostgreSQL, set
// SPENDWISE_TEST_POSTGRES_VIA=local and SPENDWISE_TEST_POSTGRES_DURABLE=1.
func BenchmarkSync(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			dir := b.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if engine == "postgres" {
				database = pgtest.New(b)
			}
			s := start(b, dir, "--database", database, "--rate-limits", "off")
			b.Run("push of 100", func(b *testing.B) { benchmarkPush(b, s) })
			b.Run("first sync", func(b *testing.B) { benchmarkFirstSync(b, s) })
			b.Run("pull of nothing new", func(b *testing.B) { benchmarkPullNothing(b, s) })
			b.Run("event", func(b *testing.B) { benchmarkEvents(b, s) })
		})
	}
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

// push sends n new expenses.
func (c *client) push(b *testing.B, n int) {
	b.Helper()
	status, got := c.raw("POST", "/v1/sync", pushOf(n))
	if status != http.StatusOK || strings.Count(string(got), `"applied"`) != n {
		b.Fatalf("a push: %d %.300s", status, got)
	}
}

func benchmarkPush(b *testing.B, s *server) {
	c := s.register(`,"home_currency":"EUR"`)
	for b.Loop() {
		c.push(b, 100)
	}
}

// benchmarkFirstSync reads a whole ledger in pages of 1,000 rows.
func benchmarkFirstSync(b *testing.B, s *server) {
	c := s.register(`,"home_currency":"EUR"`)
	for rows := 0; rows < *syncRows; rows += 100 {
		c.push(b, 100)
	}
	cursorAt := regexp.MustCompile(`"cursor":"([^"]*)","has_more":(true|false)`)
	for b.Loop() {
		rows := 0
		for target, more := "/v1/sync?limit=1000", true; more; {
			status, page := c.raw("GET", target, "")
			end := cursorAt.FindSubmatch(page)
			if status != http.StatusOK || end == nil {
				b.Fatalf("a pull: %d", status)
			}
			rows += strings.Count(string(page), `"type":"expense"`)
			target, more = "/v1/sync?limit=1000&cursor="+string(end[1]), string(end[2]) == "true"
		}
		if rows < *syncRows {
			b.Fatalf("the first sync returned %d expenses, want %d", rows, *syncRows)
		}
	}
}

func benchmarkPullNothing(b *testing.B, s *server) {
	c := s.register(`,"home_currency":"EUR"`)
	c.push(b, 100)
	path := "/v1/sync?cursor=" + c.cursor(b)
	for b.Loop() {
		c.must(b, http.StatusOK, "GET", path, "")
	}
}

// benchmarkEvents measures the time from the response to a change until five devices receive the event, beside idle
// streams of other users. MiB is the memory of the server with all streams.
func benchmarkEvents(b *testing.B, s *server) {
	const perUser = 5 // the limit of a user
	users := make([]*client, (*syncStreams+perUser-1)/perUser)
	var streams []<-chan hint
	for i := range users {
		users[i] = s.register("")
		for range perUser {
			if hints := users[i].listen(b); i == 0 {
				streams = append(streams, hints)
			}
		}
	}
	var latencies []time.Duration
	for b.Loop() {
		users[0].must(b, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1.25"}`)
		done, cursor := time.Now(), users[0].cursor(b)
		for _, hints := range streams {
			latencies = append(latencies, max(0, awaitHint(b, "a listening device", hints, cursor).Sub(done)))
		}
	}
	reportPercentiles(b, latencies)
	b.ReportMetric(float64(s.resident()>>20), "MiB")
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
