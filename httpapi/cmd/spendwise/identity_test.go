package main_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest"
)

var keyRotations = flag.Int("key-rotations", 3, "number of keys that TestKeyRotation_RejectsNoRequest uses")

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

func (a *signedIn) token() (access string, keys int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.access, len(a.kids)
}

// TestKeyRotation_RejectsNoRequest rotates keys by schedule and by command while clients use the newest tokens, each on
// another instance than the one that signed it. No request fails, on one instance and on two. The test needs its time
// because a new key signs one second after it was created.
func TestKeyRotation_RejectsNoRequest(t *testing.T) {
	const requestsWanted, maxRefreshes = 300, 10_000
	for _, instances := range []int{1, 2} {
		t.Run(fmt.Sprint(instances, " at once"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			database := "sqlite:" + filepath.Join(dir, "ledger.db")
			if instances > 1 {
				database = pgtest.New(t)
			}
			servers := make([]*server, instances)
			person := &signedIn{t: t, kids: map[string]bool{}}
			for i := range servers {
				servers[i] = start(t, dir, "--database", database, "--rate-limits", "off", "--key-rotation", "2s",
					"--key-activation-delay", "1s")
			}
			first := servers[0].register("")
			session := first.must(t, http.StatusOK, "GET", "/v1/me", "")
			login := first.must(t, http.StatusOK, "POST", "/v1/auth/login",
				fmt.Sprintf(`{"email":"%s","password":"a long pass phrase"}`, session.text("email")))
			person.access, person.refreshed = login.text("access_token"), login.text("refresh_token")
			for _, s := range servers {
				c := *first
				c.url = s.url
				person.clients = append(person.clients, &c)
			}

			var requests atomic.Int64
			var running sync.WaitGroup
			done := make(chan struct{})
			for i := range 4 {
				running.Go(func() {
					c := *person.clients[i%instances]
					for {
						select {
						case <-done:
							return
						default:
						}
						time.Sleep(10 * time.Millisecond)
						c.token, _ = person.token()
						requests.Add(1)
						if status, body := c.raw("GET", "/v1/me", ""); status != http.StatusOK {
							t.Errorf("%d %s", status, body)
						}
					}
				})
			}
			for n, keys := 0, 0; requests.Load() < requestsWanted || keys < *keyRotations; n++ {
				if n == 1 {
					if out, err := servers[0].run("", "keys", "rotate", "--database", database); err != nil {
						t.Errorf("keys rotate: %v %s", err, out)
					}
				}
				if n == maxRefreshes {
					t.Errorf("tokens of %d keys after %d refreshes, want %d", keys, n, *keyRotations)
					break
				}
				person.refresh(n % instances)
				time.Sleep(50 * time.Millisecond)
				_, keys = person.token()
			}
			close(done)
			running.Wait()
		})
	}
}

func TestKeys_Commands(t *testing.T) {
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

func TestServe_RejectsInvalidIdentityFlags(t *testing.T) {
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

// BenchmarkLogin measures concurrent sign-ins, and the latency of API calls during them. MiB is the peak memory of the
// server.
func BenchmarkLogin(b *testing.B) {
	dir := b.TempDir()
	s := start(b, dir, "--database", "sqlite:"+filepath.Join(dir, "ledger.db"), "--rate-limits", "off")
	c := s.register("")
	email := fmt.Sprintf("user%d@example.com", accounts.Load())
	for range 50 {
		c.must(b, http.StatusCreated, "POST", "/v1/expenses", `{"amount":"12.50","category":"Food"}`)
	}
	done := make(chan struct{})
	var reading sync.WaitGroup
	var latencies []time.Duration
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			began := time.Now()
			c.must(b, http.StatusOK, "GET", "/v1/expenses?limit=50", "")
			latencies = append(latencies, time.Since(began))
			time.Sleep(5 * time.Millisecond)
		}
	})
	b.SetParallelism(50)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		visitor := *c
		visitor.token = ""
		for pb.Next() {
			visitor.must(b, http.StatusOK, "POST", "/v1/auth/login", `{"email":"`+email+`","password":"a long pass phrase"}`)
		}
	})
	b.StopTimer()
	close(done)
	reading.Wait()
	reportPercentiles(b, latencies)
	b.ReportMetric(float64(s.memory()>>10), "MiB")
}

// TestLogin_BoundsMemory signs in 40 times at once. 40 concurrent hashes would take 760 MiB.
func TestLogin_BoundsMemory(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, "--database", "sqlite:"+filepath.Join(dir, "ledger.db"), "--rate-limits", "off")
	c := s.register("")
	body := `{"email":"` + c.must(t, http.StatusOK, "GET", "/v1/me", "").text("email") +
		`","password":"a long pass phrase"}`
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			visitor := *c
			visitor.token = ""
			if status, got := visitor.do("POST", "/v1/auth/login", body); status != http.StatusOK {
				t.Errorf("login: %d %v", status, got)
			}
		})
	}
	group.Wait()
	if peak := s.memory() >> 10; peak > 512 {
		t.Errorf("the server used %d MiB, want at most 512", peak)
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
