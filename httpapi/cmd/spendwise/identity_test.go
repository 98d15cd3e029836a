package main_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var rotationTime = flag.Duration("rotation-time", 8*time.Second, "duration of TestRotatingKeysRefusesNoRequest")

var loginsAtOnce = flag.Int("logins", 8,
	"concurrent sign-ins of TestLoginStorm; from 100 on, it also checks latencies "+
		"of API calls")

// A signedIn is a user with sessions on several instances. It refreshes its tokens on one instance and uses them on
// all.
type signedIn struct {
	t         testing.TB
	clients   []*client
	turn      sync.Mutex // held during a refresh
	mu        sync.Mutex // guards the fields below
	access    string
	refreshed string
	kids      map[string]bool
}

func (a *signedIn) refresh(at int) {
	a.turn.Lock()
	defer a.turn.Unlock()
	c := *a.clients[at]
	c.token = ""
	status, got := c.do("POST", "/v1/auth/refresh", `{"refresh_token":"`+a.refreshed+`"}`) // only refresh changes it
	if status != http.StatusOK {
		a.t.Errorf("refresh: %d %v", status, got)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.access, a.refreshed = got.text("access_token"), got.text("refresh_token")
	a.kids[strings.Split(a.access, ".")[0]] = true // the header of the token names its key
}

func (a *signedIn) token() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.access
}

// TestRotatingKeysRefusesNoRequest rotates keys every two seconds, and one key by command, while 100 requests per
// second use the newest tokens. No request fails, on one instance and on two.
func TestRotatingKeysRefusesNoRequest(t *testing.T) {
	for _, instances := range []int{1, 2} {
		t.Run(fmt.Sprint(instances, " at once"), func(t *testing.T) {
			dir := t.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if instances > 1 {
				database = pgtest.New(t)
			}
			servers := make([]*server, instances)
			person := &signedIn{t: t, kids: map[string]bool{}}
			for i := range servers {
				servers[i] = start(t, dir, "--database", database, "--key-rotation", "2s", "--key-activation-delay", "1s")
			}
			first := servers[0].register("")
			login := first.must(t, http.StatusOK, "POST", "/v1/auth/login",
				fmt.Sprintf(`{"email":"user%d@example.com","password":"a long pass phrase"}`, accounts.Load()))
			person.access, person.refreshed = login.text("access_token"), login.text("refresh_token")
			for _, s := range servers {
				c := *first
				c.url = s.url
				person.clients = append(person.clients, &c)
			}

			var requests, failed atomic.Int64
			var running sync.WaitGroup
			tick := time.NewTicker(10 * time.Millisecond) // 100 a second
			defer tick.Stop()
			over := time.After(*rotationTime)
			for n, going := 0, true; going; n++ {
				select {
				case <-over:
					going = false
					continue
				case <-tick.C:
				}
				if n%25 == 0 {
					running.Go(func() { person.refresh(n / 25 % instances) })
				}
				if n == 300 {
					running.Go(func() {
						if out, err := servers[0].run("", "keys", "rotate", "--database", database); err != nil {
							t.Errorf("keys rotate: %v %s", err, out)
						}
					})
				}
				c := *person.clients[(n+1)%instances] // another instance than the one that signed
				c.token = person.token()
				running.Go(func() {
					requests.Add(1)
					if status, body := c.raw("GET", "/v1/me", ""); status != http.StatusOK {
						failed.Add(1)
						t.Errorf("%d %s", status, body)
					}
				})
			}
			running.Wait()
			if requests.Load() < 300 || failed.Load() > 0 {
				t.Errorf("%d of %d requests failed", failed.Load(), requests.Load())
			}
			if len(person.kids) < 3 {
				t.Errorf("tokens of %d keys only were used: this tests no rotation", len(person.kids))
			}
			t.Logf("%d requests in %s, %d failed, with tokens of %d keys", requests.Load(), rotationTime, failed.Load(),
				len(person.kids))
		})
	}
}

func TestKeysCommand(t *testing.T) {
	dir := t.TempDir()
	database := "sqlite:" + filepath.Join(dir, "ledger.db")
	s := start(t, dir, "--database", database)
	c := s.register("")
	run := func(args ...string) string {
		t.Helper()
		out, err := s.run("", append(append([]string{"keys"}, args...), "--database", database)...)
		if err != nil {
			t.Fatalf("keys %v: %v", args, err)
		}
		return out
	}
	listed := strings.Fields(run("list"))
	if len(listed) < 3 || listed[0] != "1" || listed[2] != "active" {
		t.Fatalf("keys list prints %q", listed)
	}
	if out := run("rotate"); !strings.HasPrefix(out, "published ") {
		t.Errorf("keys rotate prints %q", out)
	}
	if out := run("rotate"); !strings.Contains(out, "already published") {
		t.Errorf("keys rotate, again, prints %q", out)
	}
	if out := run("list"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "pending") {
		t.Errorf("keys list prints %q", out)
	}
	run("revoke", listed[1])
	for _, args := range [][]string{{"revoke", listed[1]}, {"revoke", "x"}, {"rotate", "--key-encryption-key", "short"}} {
		if out, err := s.run("", append(append([]string{"keys"}, args...), "--database", database)...); err == nil {
			t.Errorf("keys %v works: %s", args, out)
		}
	}
	// A server that starts now does not know the revoked key. It rejects the token at once and signs with the pending key.
	next := start(t, dir, "--database", database)
	c.url = next.url
	if status, _ := c.do("GET", "/v1/me", ""); status != http.StatusUnauthorized {
		t.Errorf("a token of a revoked key is answered %d", status)
	}
	if out := run("list"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "active") {
		t.Errorf("keys list prints %q", out)
	}
}

func TestIdentitySwitchesThatMakeNoSense(t *testing.T) {
	for name, args := range map[string][]string{
		"an audience without an issuer":        {"--audience", "api"},
		"an issuer without an audience":        {"--issuer", "https://login.example.org"},
		"an issuer over plain HTTP":            {"--issuer", "http://login.example.org", "--audience", "api"},
		"nobody at all":                        {"--no-local-accounts"},
		"a rotation that is no time":           {"--key-rotation", "monthly"},
		"a rotation before its keys are known": {"--key-rotation", "19m"},
		"a rotation backwards":                 {"--key-rotation=-1h"},
	} {
		dir := t.TempDir()
		args = append([]string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "", "--rates", "off", "--database",
			"sqlite:" + filepath.Join(dir, "x.db")}, args...)
		if out, err := program(t.Context(), dir, args...).CombinedOutput(); err == nil ||
			strings.Contains(string(out), "listening") {
			t.Errorf("%s: %v %s", name, err, out)
		}
	}
}

// TestLoginStorm measures the latency of API calls and the memory while many users sign in concurrently. Run it on a
// quiet machine:
//
//	go test ./httpapi/cmd/spendwise -run LoginStorm -logins 100 -v
func TestLoginStorm(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "ledger.db"), "--rate-limits", "off")
	c := s.register("")
	email := fmt.Sprintf("user%d@example.com", accounts.Load())
	for range 50 {
		c.must(t, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"12.50","category":"Food"}`)
	}
	measure := func(until <-chan struct{}) []time.Duration {
		var took []time.Duration
		for {
			select {
			case <-until:
				slices.Sort(took)
				return took
			default:
			}
			began := time.Now()
			if status, body := c.raw("GET", "/v1/expenses?limit=50", ""); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
			took = append(took, time.Since(began))
			time.Sleep(5 * time.Millisecond)
		}
	}
	quiet := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(quiet) })
	before, memory := measure(quiet), s.memory()

	over := make(chan struct{})
	var group sync.WaitGroup
	began := time.Now()
	for range *loginsAtOnce {
		group.Go(func() {
			visitor := *c
			visitor.token = ""
			body, _ := json.Marshal(map[string]string{"email": email, "password": "a long pass phrase"})
			if status, got := visitor.do("POST", "/v1/auth/login", string(body)); status != http.StatusOK {
				t.Errorf("login: %d %v", status, got)
			}
		})
	}
	go func() { group.Wait(); close(over) }()
	during := measure(over)
	took := time.Since(began)
	p95 := func(all []time.Duration) time.Duration { return all[len(all)*95/100] }
	t.Logf(
		"p95 of %d calls before: %s; of %d calls during %d logins, which took %s: %s; peak memory %d MiB, %d MiB before",
		len(before), p95(before), len(during), *loginsAtOnce, took.Round(time.Millisecond), p95(
			during), s.memory()>>10, memory>>10)
	if *loginsAtOnce >= 100 && p95(during) > 200*time.Millisecond {
		t.Errorf("p95 of API calls during %d logins is %s, want at most 200 ms", *loginsAtOnce, p95(during))
	}
	if s.memory()>>10 > 512 { // 100 hashes at once would take 1.9 GiB
		t.Errorf("the server had %d MiB", s.memory()>>10)
	}
}

// memory returns the most memory that the server's process has had, in KiB, by Linux's /proc; 0 elsewhere.
func (s *server) memory() (peak int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscanf(rest, "%d kB", &peak); err != nil {
				s.t.Error(err)
			}
		}
	}
	return peak
}
