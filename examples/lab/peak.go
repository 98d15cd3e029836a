package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest/pglocal"
)

// pgConfig returns PostgreSQL's settings: durable, as by default, and fast to follow another primary.
func pgConfig() pglocal.Config {
	return pglocal.Config{TCP: true, Settings: []string{
		fmt.Sprintf("shared_buffers=%dMB", buffers()>>20), "max_connections=200", "max_wal_size=4GB",
		"wal_retrieve_retry_interval=100ms",
	}}
}

// buffers returns the size of PostgreSQL's shared buffers in bytes: 40 % of the memory, the maximum that its manual
// recommends. PostgreSQL uses the memory as it fills it, so a small database uses little.
func buffers() int64 { return max(memory()*2/5, 1<<30) }

// fillConfig returns PostgreSQL's settings while the lab fills it. They are not durable: after a crash, the lab starts
// again.
func fillConfig() pglocal.Config {
	return pglocal.Config{Settings: []string{
		"shared_buffers=1GB", "max_connections=200", "max_wal_size=4GB", "wal_level=minimal", "max_wal_senders=0",
		"fsync=off", "autovacuum=off",
	}}
}

// postgres starts a PostgreSQL server that contains the users' ledgers.
func (l *lab) postgres(ctx context.Context) (*pglocal.Server, []*user, error) {
	filling, err := pglocal.Start(ctx, fillConfig())
	if err != nil {
		return nil, nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	l.onClose(filling.Remove)
	users, err := l.fill(ctx, filling.DSN("postgres"))
	if err := errors.Join(err, filling.Stop()); err != nil {
		return nil, nil, err
	}
	server, err := pglocal.Open(ctx, filling.Data(), pgConfig())
	if err != nil {
		return nil, nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	l.onClose(server.Remove)
	l.onClose(server.Stop)
	writeBack()
	return server, users, nil
}

// warmUp brings servers and database to a steady state: the servers have finished their first check for budget alerts,
// which reads every ledger, and the last months of the expenses and their index pages are in memory.
func (l *lab) warmUp(ctx context.Context, d *driver, servers []*server, name string) error {
	l.say("waiting until the servers have checked all ledgers for alerts")
	for _, s := range servers {
		for {
			values, err := s.readMetrics(ctx, s.metrics)
			if err != nil {
				return err
			}
			if values["spendwise_budget_alert_round_seconds_count"] > 0 {
				break
			}
			if err := wait(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	if !strings.HasPrefix(name, "sqlite:") {
		l.say("reading the last quarter of the expenses into memory")
		if err := execute(ctx, name, "CREATE EXTENSION IF NOT EXISTS pg_prewarm",
			"SELECT pg_prewarm(oid) FROM pg_class "+
				"WHERE relkind = 'r' AND relname LIKE 'spendwise%' AND relname <> 'spendwise_expenses'",
			"SELECT pg_prewarm('spendwise_expenses', 'buffer', 'main', pages * 3 / 4, pages - 1) "+
				"FROM (SELECT pg_relation_size('spendwise_expenses') / 8192 AS pages) AS heap",
		); err != nil {
			return err
		}
	}
	l.say("opening the app once for every user")
	return d.each(ctx, openApp)
}

type peakCmd struct {
	Factor   float64 `help:"The factor by which the second phase multiplies the rate." default:"3"`
	Cold     bool    `help:"Do not warm up the caches."`
	Database string  `help:"An empty database, sqlite:PATH or a postgres:// DSN. Default: a new one." placeholder:"DSN"`
}

// Run drives the load at --rate, then at a multiple of it.
func (cmd *peakCmd) Run(ctx context.Context, l *lab) error {
	name := cmd.Database
	var users []*user
	var err error
	if name == "" {
		var server *pglocal.Server
		if server, users, err = l.postgres(ctx); err == nil {
			name = server.DSN("postgres")
		}
	} else {
		users, err = l.fill(ctx, name)
	}
	if err != nil {
		return err
	}
	n := l.config.Servers
	if strings.HasPrefix(name, "sqlite:") {
		n = 1
	}
	servers, err := l.serve(ctx, n, name)
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	l.say("syncing the device of every user")
	if err := d.each(ctx, fetchCursor); err != nil {
		return err
	}
	if !cmd.Cold {
		if err := l.warmUp(ctx, d, servers, name); err != nil {
			return err
		}
	}
	l.say("driving the load to warm up")
	d.run(ctx, l.config.Rate, min(l.config.Duration, 30*time.Second))
	for _, phase := range [...]struct {
		rate     float64
		p95, p99 time.Duration
	}{
		{l.config.Rate, 50 * time.Millisecond, 200 * time.Millisecond},
		{cmd.Factor * l.config.Rate, 200 * time.Millisecond, 0},
	} {
		d.reset()
		l.say("%.0f requests/s for %s", phase.rate, l.config.Duration)
		before, err := l.readTimings(ctx, servers, name)
		if err != nil {
			return err
		}
		d.run(ctx, phase.rate, l.config.Duration)
		after, err := l.readTimings(ctx, servers, name)
		if err != nil {
			return err
		}
		d.print(fmt.Sprintf("peak: %.0f requests/s, %d users, %d servers", phase.rate, len(users), n))
		printTimings(d, before, after)
		all := d.sum(nil)
		l.check(all.refused+all.failures() == 0, "no errors at %.0f requests/s: %d", phase.rate, all.refused+all.failures())
		l.within(d, phase.p95, 95)
		if phase.p99 > 0 {
			l.within(d, phase.p99, 99)
		}
		l.within(d, 100*time.Millisecond, 95, "monthly report", "yearly report")
	}
	for _, s := range servers {
		f, err := s.footprint(ctx)
		if err != nil {
			return err
		}
		l.check(f.maxMemory < 200<<20, "%s used at most %d MiB of memory (limit 200), %d at the end",
			s.name, f.maxMemory>>20, f.memory>>20)
	}
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return ctx.Err()
}

// within checks that a latency percentile of the named operations, or of all, is below bound.
func (l *lab) within(d *driver, bound time.Duration, q float64, names ...string) {
	what := "all"
	if len(names) > 0 {
		what = strings.Join(names, ", ")
	}
	got := d.quantile(q, names...)
	l.check(got < l.limit(bound), "p%.0f of %s: %s (limit %s)", q, what, got.Round(100*time.Microsecond), l.limit(bound))
}
