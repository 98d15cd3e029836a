package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"time"

	"github.com/spendwise/spendwise/store/postgres/pgtest/pglocal"
)

func keys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// pgConfig is how the lab runs PostgreSQL: durable by its defaults, and quick to follow another primary.
func pgConfig() pglocal.Config {
	return pglocal.Config{TCP: true, Settings: []string{
		fmt.Sprintf("shared_buffers=%dMB", buffers()>>20), "max_connections=200", "max_wal_size=4GB", "wal_retrieve_retry_interval=100ms",
	}}
}

// buffers is how many bytes PostgreSQL may keep in memory by itself: 40 % of the machine, the most that its manual finds useful. It takes
// them as it fills them, so small databases take little.
func buffers() int64 { return max(memory()*2/5, 1<<30) }

// fillConfig is how PostgreSQL runs while it is filled: what goes wrong then is begun anew.
func fillConfig() pglocal.Config {
	return pglocal.Config{Settings: []string{
		"shared_buffers=1GB", "max_connections=200", "max_wal_size=4GB", "wal_level=minimal", "max_wal_senders=0", "fsync=off", "autovacuum=off",
	}}
}

// postgres starts a PostgreSQL with the users' ledgers in it.
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

// settle brings servers and database to where they are on any day but their first: the servers' first look for alerts is into every ledger, and
// what everybody asks for is in memory. That is, of the expenses, the last months, and of the indexes what leads to them.
func (l *lab) settle(ctx context.Context, d *driver, servers []*server, name string) error {
	l.say("waiting for the servers' first look into all ledgers")
	for _, s := range servers {
		for {
			counted, err := s.counted(ctx, s.metrics)
			if err != nil {
				return err
			}
			if counted["spendwise_budget_alert_round_seconds_count"] > 0 {
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
			"SELECT pg_prewarm(oid) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'spendwise%' AND relname <> 'spendwise_expenses'",
			"SELECT pg_prewarm('spendwise_expenses', 'buffer', 'main', pages * 3 / 4, pages - 1) FROM (SELECT pg_relation_size('spendwise_expenses') / 8192 AS pages) AS heap",
		); err != nil {
			return err
		}
	}
	l.say("everybody looks at the ledger once")
	return d.each(ctx, look)
}

type peakCmd struct {
	Factor   float64 `help:"How many times the rate the second phase has." default:"3"`
	Cold     bool    `help:"Begin with whatever the caches hold: nobody has looked at a ledger before."`
	Database string  `help:"An empty database to use instead of one made for this run: sqlite:PATH or a postgres:// DSN." placeholder:"DSN"`
}

// Run drives the rate, then a multiple of it.
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
	l.say("everybody's device synchronises")
	if err := d.each(ctx, synchronised); err != nil {
		return err
	}
	if !cmd.Cold {
		if err := l.settle(ctx, d, servers, name); err != nil {
			return err
		}
	}
	l.say("warming up")
	d.run(ctx, l.config.Rate, min(l.config.Duration, 30*time.Second))
	for _, phase := range [...]struct {
		rate     float64
		p95, p99 time.Duration
	}{{l.config.Rate, 50 * time.Millisecond, 200 * time.Millisecond}, {cmd.Factor * l.config.Rate, 200 * time.Millisecond, 0}} {
		d.reset()
		l.say("%.0f requests a second for %s", phase.rate, l.config.Duration)
		before, err := l.hops(ctx, servers, name)
		if err != nil {
			return err
		}
		d.run(ctx, phase.rate, l.config.Duration)
		after, err := l.hops(ctx, servers, name)
		if err != nil {
			return err
		}
		d.print(fmt.Sprintf("peak: %.0f requests/s, %d users, %d servers", phase.rate, len(users), n))
		printHops(d, before, after)
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
		l.check(f.most < 200<<20, "%s held at most %d MiB (limit 200), %d at the end", s.name, f.most>>20, f.memory>>20)
	}
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return ctx.Err()
}

// within checks a quantile of the latency.
func (l *lab) within(d *driver, bound time.Duration, q float64, names ...string) {
	what := "all"
	if len(names) > 0 {
		what = strings.Join(names, ", ")
	}
	got := d.quantile(q, names...)
	l.check(got < l.limit(bound), "p%.0f of %s: %s (limit %s)", q, what, got.Round(100*time.Microsecond), l.limit(bound))
}
