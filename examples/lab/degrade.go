package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
)

// recoveryLimit is the time after the end of a failure at which requests must succeed again.
const recoveryLimit = 10 * time.Second

// A link is a proxy in front of a server that simulates network failures.
type link struct {
	proxy *toxiproxy.Proxy
}

// link starts a proxy in front of the address upstream.
func (l *lab) link(name, upstream string) (*link, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	if err := proxy.Start(); err != nil {
		return nil, err
	}
	l.onClose(func() error { proxy.Stop(); return nil })
	return &link{proxy}, nil
}

// addToxics adds failures, each a JSON document of toxiproxy.
func (n *link) addToxics(toxics ...string) error {
	for _, toxic := range toxics {
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("%s: %w", toxic, err)
		}
	}
	return nil
}

func (n *link) removeToxics(ctx context.Context) error {
	n.proxy.Toxics.ResetToxics(ctx)
	return nil
}

// disconnect closes all connections and rejects new ones until reconnect is called.
func (n *link) disconnect() error {
	n.proxy.Stop()
	return nil
}

func (n *link) reconnect() error { return n.proxy.Start() }

type degradeCmd struct{}

// A failure is a fault that the lab causes by calling begin, and removes after the time hold by calling end.
type failure struct {
	name  string
	hold  time.Duration
	begin func() error
	end   func() error
}

// Run causes one failure after the other under load.
func (degradeCmd) Run(ctx context.Context, l *lab) error {
	if err := l.degradePostgres(ctx); err != nil {
		return err
	}
	if err := l.unreachableRates(ctx); err != nil {
		return err
	}
	return l.fullDisk(ctx)
}

func (l *lab) degradePostgres(ctx context.Context) error {
	database, users, err := l.postgres(ctx)
	if err != nil {
		return err
	}
	network, err := l.link("postgres", database.Address())
	if err != nil {
		return err
	}
	dsn := "postgres://postgres@" + network.proxy.Listen + "/postgres?sslmode=disable&connect_timeout=2"
	servers, err := l.serve(ctx, l.config.Servers, dsn)
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	d.retry = 30 * time.Second
	d.run(ctx, l.config.Rate, 3*time.Second)

	long := l.config.Duration
	var lock pgx.Tx
	failures := []failure{
		{"the database responds 200 ms later", long / 2, func() error {
			return network.addToxics(`{"name":"slow","type":"latency","stream":"downstream","attributes":{"latency":200}}`)
		}, func() error { return network.removeToxics(ctx) }},
		{"a lossy network with stalls and broken connections", long / 2, func() error {
			return network.addToxics(
				`{"name":"stall","type":"latency","stream":"upstream","attributes":{"latency":20,"jitter":200}}`,
				`{"name":"break","type":"reset_peer","stream":"downstream","toxicity":0.3,"attributes":{"timeout":1500}}`)
		}, func() error { return network.removeToxics(ctx) }},
		{"the database is unreachable", long, network.disconnect, network.reconnect},
		{"every connection of the pools is in use", long / 2, func() error {
			conn, err := pgx.Connect(ctx, database.DSN("postgres"))
			if err != nil {
				return err
			}
			if lock, err = conn.Begin(ctx); err != nil {
				return err
			}
			_, err = lock.Exec(ctx, "LOCK TABLE spendwise_expenses, spendwise_ledgers IN ACCESS EXCLUSIVE MODE")
			return err
		}, func() error { return errors.Join(lock.Rollback(ctx), lock.Conn().Close(ctx)) }},
	}
	for _, f := range failures {
		if err := l.runFailure(ctx, d, f); err != nil {
			return err
		}
	}
	if err := l.checkWrites(ctx, d, database.DSN("postgres")); err != nil {
		return err
	}
	l.verify(ctx, database.DSN("postgres"))
	return nil
}

// runFailure drives the load before, during and after a failure, and checks the recovery.
func (l *lab) runFailure(ctx context.Context, d *driver, f failure) error {
	const before, after = 3 * time.Second, 5 * time.Second
	d.reset()
	l.say("%s, for %s", f.name, f.hold)
	var group sync.WaitGroup
	group.Go(func() { d.run(ctx, l.config.Rate, before+f.hold+recoveryLimit+after) })
	if err := wait(ctx, before); err != nil {
		return err
	}
	if err := f.begin(); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	if err := wait(ctx, f.hold); err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return fmt.Errorf("end of: %s: %w", f.name, err)
	}
	ended := time.Now()
	if err := wait(ctx, recoveryLimit); err != nil {
		return err
	}
	waiting := d.inFlight.Load()
	group.Wait()

	d.print("degrade: " + f.name)
	all := d.sum(nil)
	l.check(all.failures() == 0, "responses other than success or a complete 503: %d", all.failures())
	bad, slow := 0, 0
	var last time.Time
	for _, m := range d.timings {
		switch {
		case m.due.After(ended) && !m.ok && m.due.After(last):
			last = m.due
		}
		if m.due.After(ended.Add(recoveryLimit)) {
			if !m.ok {
				bad++
			} else if m.end.Sub(m.due) > l.limit(time.Second) {
				slow++
			}
		}
	}
	recovered := time.Duration(0)
	if !last.IsZero() {
		recovered = last.Sub(ended)
	}
	l.check(bad == 0, "recovered by itself: the last failed request was %s after the end (limit %s)",
		recovered.Round(10*time.Millisecond), recoveryLimit)
	l.check(slow == 0 && waiting < int64(3*l.config.Rate),
		"no backlog: %d requests in progress %s after the end, at most %d before; %d slow requests since",
		waiting, recoveryLimit, d.maxInFlight.Load(), slow)
	return ctx.Err()
}

// unreachableRates runs a server whose rate source cannot be reached.
func (l *lab) unreachableRates(ctx context.Context) error {
	l.say("the rate source is unreachable")
	name := "sqlite:" + filepath.Join(l.folder, "rates.db")
	small := *l
	small.config.Users = 20
	users, err := small.fill(ctx, name)
	if err != nil {
		return err
	}
	s := &server{
		l: l, database: name, name: "rateless", args: []string{"--rates", "ecb"},
		env: []string{"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"},
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop() //nolint:errcheck // the checks below have ended by then
	d := newDriver(users, []*server{s})
	d.run(ctx, l.config.Rate, l.config.Duration/3)
	d.print("degrade: the rate source is unreachable")
	all := d.sum(nil)
	l.check(all.failures()+all.refused == 0, "without the rate source, no request fails: %d", all.failures()+all.refused)
	status, _, err := d.request(ctx, users[0], http.MethodGet, "/readyz", nil, "")
	l.check(err == nil && status == http.StatusOK, "/readyz returns %d", status)
	return nil
}

// fullDisk fills the disk of an SQLite file and frees the space again.
func (l *lab) fullDisk(ctx context.Context) error {
	disk := filepath.Join(l.folder, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		return err
	}
	if err := mountSmall(disk, "24m"); err != nil {
		l.skip("a full disk: mounting a small file system failed: %v", err)
		return nil
	}
	l.onClose(func() error { return unmount(disk) })
	name := "sqlite:" + filepath.Join(disk, "ledger.db")
	small := *l
	small.config.Users, small.config.Months = 10, 1
	users, err := small.fill(ctx, name)
	if err != nil {
		return err
	}
	servers, err := l.serve(ctx, 1, name)
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	d.retry = 30 * time.Second
	ballast := filepath.Join(disk, "ballast")
	err = l.runFailure(ctx, d, failure{"the disk of SQLite is full", l.config.Duration / 3,
		func() error { return fillDisk(ballast) }, func() error { return os.Remove(ballast) }})
	if err != nil {
		return err
	}
	d.mu.Lock()
	refused, read := d.sum([]string{"add"}).refused, d.sum([]string{"page of 50", "categories"})
	d.mu.Unlock()
	l.check(refused > 0, "a full disk rejects writes: %d", refused)
	l.check(read.refused+read.failures() == 0, "a full disk serves reads: %d rejected", read.refused+read.failures())
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return nil
}

// fillDisk writes a file until the disk is full.
func fillDisk(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	for _, size := range [...]int{1 << 20, 4 << 10} {
		chunk := make([]byte, size)
		for err == nil {
			_, err = file.Write(chunk)
		}
		if !isFull(err) {
			return errors.Join(err, file.Close())
		}
		err = nil
	}
	return file.Close()
}
