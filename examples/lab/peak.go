package main

import (
	"context"
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
		"shared_buffers=512MB", "max_connections=200", "max_wal_size=4GB", "wal_retrieve_retry_interval=100ms",
	}}
}

// postgres starts a PostgreSQL.
func (l *lab) postgres(ctx context.Context) (*pglocal.Server, error) {
	server, err := pglocal.Start(ctx, pgConfig())
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	l.onClose(server.Remove)
	l.onClose(server.Stop)
	return server, nil
}

type peakCmd struct {
	Factor   float64 `help:"How many times the rate the second phase has." default:"3"`
	Database string  `help:"An empty database to use instead of one made for this run: sqlite:PATH or a postgres:// DSN." placeholder:"DSN"`
}

// Run drives the rate, then a multiple of it.
func (cmd *peakCmd) Run(ctx context.Context, l *lab) error {
	name := cmd.Database
	if name == "" {
		server, err := l.postgres(ctx)
		if err != nil {
			return err
		}
		name = server.DSN("postgres")
	}
	users, err := l.fill(ctx, name)
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
	l.say("warming up")
	d.run(ctx, l.config.Rate, min(l.config.Duration, 10*time.Second))
	for _, phase := range [...]struct {
		rate     float64
		p95, p99 time.Duration
	}{{l.config.Rate, 50 * time.Millisecond, 200 * time.Millisecond}, {cmd.Factor * l.config.Rate, 200 * time.Millisecond, 0}} {
		d.reset()
		l.say("%.0f requests a second for %s", phase.rate, l.config.Duration)
		d.run(ctx, phase.rate, l.config.Duration)
		d.print(fmt.Sprintf("peak: %.0f requests/s, %d users, %d servers", phase.rate, len(users), n))
		all := d.sum(nil)
		l.check(all.refused+all.failures == 0, "no errors at %.0f requests/s: %d", phase.rate, all.refused+all.failures)
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
		l.check(f.memory < 200<<20, "%s holds %d MiB (limit 200)", s.name, f.memory>>20)
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
