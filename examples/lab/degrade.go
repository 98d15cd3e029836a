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

// recovery is how long after the end of a failure everything must be right again.
const recovery = 10 * time.Second

// A link is a network connection to a server that can be made bad.
type link struct {
	proxy *toxiproxy.Proxy
}

// link puts a proxy before an address.
func (l *lab) link(name, upstream string) (*link, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)
	if err := proxy.Start(); err != nil {
		return nil, err
	}
	l.onClose(func() error { proxy.Stop(); return nil })
	return &link{proxy}, nil
}

// poison adds a toxic, a JSON document of toxiproxy's.
func (n *link) poison(toxics ...string) error {
	for _, toxic := range toxics {
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("%s: %w", toxic, err)
		}
	}
	return nil
}

func (n *link) cure(ctx context.Context) error {
	n.proxy.Toxics.ResetToxics(ctx)
	return nil
}

// cut ends all connections and refuses new ones until mend.
func (n *link) cut() error {
	n.proxy.Stop()
	return nil
}

func (n *link) mend() error { return n.proxy.Start() }

type degradeCmd struct{}

// A failure is a way in which something goes bad and good again.
type failure struct {
	name  string
	hold  time.Duration
	begin func() error
	end   func() error
}

// Run makes one part after the other fail.
func (degradeCmd) Run(ctx context.Context, l *lab) error {
	if err := l.degradePostgres(ctx); err != nil {
		return err
	}
	if err := l.deadRates(ctx); err != nil {
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
	servers, err := l.serve(ctx, l.config.Servers, "postgres://postgres@"+network.proxy.Listen+"/postgres?sslmode=disable&connect_timeout=2")
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	d.retry = 30 * time.Second
	d.run(ctx, l.config.Rate, 3*time.Second)

	long := l.config.Duration
	var lock pgx.Tx
	failures := []failure{
		{"the database answers 200 ms later", long / 2, func() error {
			return network.poison(`{"name":"slow","type":"latency","stream":"downstream","attributes":{"latency":200}}`)
		}, func() error { return network.cure(ctx) }},
		{"a lossy network: stalls, and connections that break", long / 2, func() error {
			return network.poison(`{"name":"stall","type":"latency","stream":"upstream","attributes":{"latency":20,"jitter":200}}`,
				`{"name":"break","type":"reset_peer","stream":"downstream","toxicity":0.3,"attributes":{"timeout":1500}}`)
		}, func() error { return network.cure(ctx) }},
		{"the database cut off", long, network.cut, network.mend},
		{"every connection of the pools taken", long / 2, func() error {
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
		if err := l.suffer(ctx, d, f); err != nil {
			return err
		}
	}
	if err := l.checkWrites(ctx, d, database.DSN("postgres")); err != nil {
		return err
	}
	l.verify(ctx, database.DSN("postgres"))
	return nil
}

// suffer drives the load before, during and after a failure.
func (l *lab) suffer(ctx context.Context, d *driver, f failure) error {
	const before, after = 3 * time.Second, 5 * time.Second
	d.reset()
	l.say("%s, for %s", f.name, f.hold)
	var group sync.WaitGroup
	group.Go(func() { d.run(ctx, l.config.Rate, before+f.hold+recovery+after) })
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
		return fmt.Errorf("%s is over: %w", f.name, err)
	}
	ended := time.Now()
	if err := wait(ctx, recovery); err != nil {
		return err
	}
	waiting := d.inFlight.Load()
	group.Wait()

	d.print("degrade: " + f.name)
	all := d.sum(nil)
	l.check(all.failures() == 0, "answers that are neither right nor a clear 503: %d", all.failures())
	bad, slow := 0, 0
	var last time.Time
	for _, m := range d.moments {
		switch {
		case m.due.After(ended) && !m.ok && m.due.After(last):
			last = m.due
		}
		if m.due.After(ended.Add(recovery)) {
			if !m.ok {
				bad++
			} else if m.end.Sub(m.due) > l.limit(time.Second) {
				slow++
			}
		}
	}
	back := time.Duration(0)
	if !last.IsZero() {
		back = last.Sub(ended)
	}
	l.check(bad == 0, "recovered by itself: the last refusal came %s after the end (limit %s)", back.Round(10*time.Millisecond), recovery)
	l.check(slow == 0 && waiting < int64(3*l.config.Rate), "no pile-up: %d requests under way %s after the end, at most %d before; %d slow ones since",
		waiting, recovery, d.most.Load(), slow)
	return ctx.Err()
}

// deadRates runs a server whose rate source cannot be reached.
func (l *lab) deadRates(ctx context.Context) error {
	l.say("the rate source is dead")
	name := "sqlite:" + filepath.Join(l.folder, "rates.db")
	small := *l
	small.config.Users = 20
	users, err := small.fill(ctx, name)
	if err != nil {
		return err
	}
	s := &server{l: l, database: name, name: "rateless", args: []string{"--rates", "ecb"}, env: []string{"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"}}
	if err := s.start(ctx); err != nil {
		return err
	}
	defer s.stop() //nolint:errcheck // what matters was seen before
	d := newDriver(users, []*server{s})
	d.run(ctx, l.config.Rate, l.config.Duration/3)
	d.print("degrade: the rate source is dead")
	all := d.sum(nil)
	l.check(all.failures()+all.refused == 0, "without the rate source nothing is refused: %d", all.failures()+all.refused)
	status, _, err := d.request(ctx, users[0], http.MethodGet, "/readyz", nil, "")
	l.check(err == nil && status == http.StatusOK, "/readyz says %d", status)
	return nil
}

// fullDisk fills the disk under an SQLite file, and gives room again.
func (l *lab) fullDisk(ctx context.Context) error {
	disk := filepath.Join(l.folder, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		return err
	}
	if err := mountSmall(disk, "24m"); err != nil {
		l.skip("a full disk: a small file system could not be mounted: %v", err)
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
	err = l.suffer(ctx, d, failure{"the disk full under SQLite", l.config.Duration / 3, func() error { return fillDisk(ballast) }, func() error { return os.Remove(ballast) }})
	if err != nil {
		return err
	}
	d.mu.Lock()
	refused, read := d.sum([]string{"add"}).refused, d.sum([]string{"page of 50", "categories"})
	d.mu.Unlock()
	l.check(refused > 0, "a full disk refuses writes: %d", refused)
	l.check(read.refused+read.failures() == 0, "and answers what only reads: %d refused", read.refused+read.failures())
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return nil
}

// fillDisk writes a file until there is no room left.
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
