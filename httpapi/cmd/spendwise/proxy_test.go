package main_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var proxyKills = flag.Int("proxy-kills", 1, "how often TestServers_TwoBehindNginx kills a server while devices push")

// nginx runs nginx with default settings in front of servers and returns its URL. Without nginx, the test is skipped,
// or fails if CI is set.
func nginx(t *testing.T, servers ...*server) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // often not in PATH
	}
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("no nginx: install it (Debian: nginx-light)")
		}
		t.Skip("no nginx: install it (Debian: nginx-light)")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	var upstream, temporary strings.Builder
	for _, s := range servers {
		_, _ = fmt.Fprintf(&upstream, "server %s max_fails=0;", strings.TrimPrefix(s.url, "http://"))
	}
	dir := t.TempDir()
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		_, _ = fmt.Fprintf(&temporary, "%s_temp_path %s;\n", what, filepath.Join(dir, what))
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %s/nginx.pid; error_log %s/error.log;
events {}
http {
	access_log off;
	%s
	upstream spendwise { %s }
	server {
		listen %s;
		location / { proxy_pass http://spendwise; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
`, dir, dir, &temporary, &upstream, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-c", config, "-e",
		filepath.Join(dir, "error.log"))
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	for range 3000 { // a minute
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return "http://" + address
		}
		time.Sleep(20 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
	t.Fatalf("nginx does not answer: %s", log)
	return ""
}

// at returns a client of the same user for another server.
func (c *client) at(url string) *client {
	other := *c
	other.url = url
	return &other
}

// A hint is an event of a stream with its time of arrival, or a heartbeat.
type hint struct {
	cursor string // "": a heartbeat
	at     time.Time
}

// listen opens an event stream and sends its events and heartbeats to the channel until the test or the stream ends.
func (c *client) listen(t testing.TB) <-chan hint {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/v1/sync/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	streams := &http.Client{Transport: &http.Transport{}}
	response, err := streams.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("an event stream: %d", response.StatusCode)
	}
	hints := make(chan hint, 1000)
	go func() {
		defer close(hints)
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			if cursor, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				hints <- hint{cursor, time.Now()}
			} else if strings.HasPrefix(lines.Text(), ":") {
				hints <- hint{"", time.Now()}
			}
		}
	}()
	return hints
}

// awaitHint waits until a stream sends the cursor and returns the time of arrival. It fails the test after two
// heartbeats, because the server then reads the ledger, which would hide a lost notification.
func awaitHint(t testing.TB, what string, hints <-chan hint, cursor string) time.Time {
	t.Helper()
	began, heartbeats := time.Now(), 0
	for got := range hints {
		switch {
		case got.cursor == cursor:
			return got.at
		case got.cursor == "" && got.at.After(began):
			heartbeats++
		}
		if heartbeats == 2 {
			t.Fatalf("%s: no event arrived before the second heartbeat", what)
		}
	}
	t.Fatalf("%s: the stream has ended", what)
	return time.Time{}
}

// cursor returns the current cursor of the ledger.
func (c *client) cursor(t testing.TB) string {
	t.Helper()
	return c.must(t, http.StatusOK, "GET", "/v1/sync/digest", "").text("cursor")
}

// reportPercentiles reports the median and the 95th percentile of latencies.
func reportPercentiles(b *testing.B, latencies []time.Duration) {
	b.Helper()
	if len(latencies) == 0 {
		return
	}
	slices.Sort(latencies)
	b.ReportMetric(latencies[len(latencies)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(latencies[len(latencies)*95/100].Seconds()*1000, "p95-ms")
}

func spread(latencies []time.Duration) string {
	slices.Sort(latencies)
	n := len(latencies)
	return fmt.Sprintf("median %s, 95%% %s, most %s", latencies[n/2].Round(time.Millisecond/10),
		latencies[n*95/100].Round(time.Millisecond/10), latencies[n-1].Round(time.Millisecond/10))
}

// TestServers_TwoBehindNginx runs two servers on one PostgreSQL behind nginx. A commit on one server reaches the event
// streams of the other. No write is lost or duplicated while servers are killed during pushes. For a longer run with
// latencies:
//
//	go test ./httpapi/cmd/spendwise -run TestServers_TwoBehindNginx -v -proxy-kills 50 -timeout 0
func TestServers_TwoBehindNginx(t *testing.T) {
	dir, dsn := t.TempDir(), pgtest.New(t)
	servers := []*server{
		start(t, dir, "--database", dsn, "--rate-limits", "off"), start(t, dir, "--database", dsn, "--rate-limits", "off"),
	}
	for _, s := range servers {
		s.args[2] = strings.TrimPrefix(s.url, "http://") // it comes back where it was
	}
	proxy := nginx(t, servers...)
	here := servers[0].register(`,"home_currency":"EUR"`)
	there := here.at(servers[1].url)
	through := here.at(proxy)

	t.Run("hints", func(t *testing.T) {
		streams := map[string]<-chan hint{
			"the same server": here.listen(t), "the other server": there.listen(t), "nginx": through.listen(t),
		}
		// The servers' connection may not be open yet. A lost event is allowed then.
		for open := false; !open; {
			here.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1.25"}`)
			select {
			case <-streams["the other server"]:
				open = true
			case <-time.After(time.Second):
			}
		}
		latencies := map[string][]time.Duration{}
		for range 40 {
			here.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"1.25"}`)
			done, cursor := time.Now(), here.cursor(t)
			for what, hints := range streams {
				latencies[what] = append(latencies[what], max(0, awaitHint(t, what, hints, cursor).Sub(done)))
			}
		}
		for what, all := range latencies {
			t.Logf("from the answer to a change until a stream of %s tells of it: %s", what, spread(all))
		}
	})

	t.Run("a command that ends with its commit", func(t *testing.T) {
		hints := there.listen(t)
		_, user := here.do("GET", "/v1/me", "")
		file := filepath.Join(dir, "bank.csv")
		mapping := filepath.Join(dir, "mapping.json")
		for name, text := range map[string]string{
			file: "Date,Amount,Category\n2026-03-01,12.50,Food\n",
			mapping: `{"date":{"column":"Date","layout":"YYYY-MM-DD"},"amount":{"column":"Amount","decimal":"."},` +
				`"sign":{"expense":"positive"},"currency":{"value":"EUR"},"category":{"column":"Category"}}`,
		} {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := servers[0].run("", "import", "--database", dsn, "--user", user.text("email"), "--mapping", mapping,
			file); err != nil {
			t.Fatal(err)
		}
		done := time.Now()
		at := awaitHint(t, "an import", hints, here.cursor(t))
		t.Logf("from the end of the import until a stream tells of it: %s", at.Sub(done).Round(time.Millisecond))
	})

	t.Run("killed while devices push", func(t *testing.T) { pushUnderKills(t, servers, through) })
}

// pushUnderKills lets devices push through nginx, repeating each change until it is acknowledged, while servers are
// killed and restarted.
func pushUnderKills(t *testing.T, servers []*server, through *client) {
	const devices = 4
	before := len(through.expenses(t))
	var stop atomic.Bool
	var cut atomic.Int64
	acknowledged := make([]map[string]string, devices) // id → amount
	var running sync.WaitGroup
	for d := range devices {
		acknowledged[d] = map[string]string{}
		running.Go(func() {
			for n := 0; !stop.Load(); n++ {
				var mutations []string
				batch := map[string]string{}
				for k := range 3 {
					id := fmt.Sprintf("0190a6f0-5c2b-7d6e-9a%02x-%012x", d, n*3+k)
					batch[id] = fmt.Sprintf("%d.%02d", 1+n, k)
					mutations = append(mutations, fmt.Sprintf(`{"mutation_id":"d%d-%d-%d","type":"expense","op":"put","id":%q,`+
						`"data":{"amount":%q,"currency":"EUR"}}`,
						d, n, k, id, batch[id]))
				}
				for {
					status, got := through.do("POST", "/v1/sync", `{"mutations":[`+strings.Join(mutations, ",")+`]}`)
					if status != http.StatusOK {
						cut.Add(1)
						if status != 0 && status < 500 {
							t.Errorf("a push: %d %v", status, got)
							return
						}
						time.Sleep(10 * time.Millisecond)
						continue
					}
					for _, r := range got["results"].([]any) {
						if r.(map[string]any)["status"] != "applied" {
							t.Errorf("a new expense: %v", r)
						}
					}
					for id, amount := range batch {
						acknowledged[d][id] = amount
					}
					break
				}
			}
		})
	}
	rows, cursor := map[string]any{}, ""
	follow := func() bool {
		path := "/v1/sync?limit=50"
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		status, page := through.do("GET", path, "")
		if status != http.StatusOK {
			return true
		}
		for _, c := range page["changes"].([]any) {
			change := c.(map[string]any)
			if change["type"] == "expense" {
				rows[change["id"].(string)] = change["data"].(map[string]any)["amount"]
			}
		}
		cursor = page["cursor"].(string)
		return page["has_more"].(bool)
	}
	for i := range *proxyKills {
		for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); {
			follow()
		}
		s := servers[i%len(servers)]
		s.kill()
		for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
			follow()
		}
		s.start()
	}
	stop.Store(true)
	running.Wait()
	for follow() {
	}
	count := before
	for d := range devices {
		count += len(acknowledged[d])
		for id, amount := range acknowledged[d] {
			if rows[id] != amount {
				t.Errorf("expense %s was acknowledged with %s; who follows the feed has %v", id, amount, rows[id])
			}
		}
	}
	stored := through.expenses(t)
	if len(stored) != count || len(rows) != count {
		t.Errorf("%d expenses were acknowledged, the ledger has %d, who follows the feed %d", count, len(stored), len(rows))
	}
	digests := make([]string, len(servers))
	for i, s := range servers {
		digests[i] = fmt.Sprint(through.at(s.url).must(t, http.StatusOK, "GET", "/v1/sync/digest", ""))
	}
	if digests[0] != digests[1] {
		t.Errorf("the servers do not agree:\n%s\n%s", digests[0], digests[1])
	}
	t.Logf("%d kills, %d expenses acknowledged, %d requests cut and sent again", *proxyKills, count-before, cut.Load())
	if *proxyKills > 0 && cut.Load() == 0 {
		t.Log("no request met a server that was killed")
	}
}
