package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

type failoverCmd struct{}

const (
	// noticed is how long after its death somebody, or a monitor, promotes the standby.
	noticed = 2 * time.Second
	// shortCut is how long the network is cut after the failover.
	shortCut = 5 * time.Second
	// backWithin is how long after its promotion the standby serves.
	backWithin = 5 * time.Second
	// budgetOf is the part of an hour's requests that may fail, with one failover and one cut in it.
	budgetOf = 0.005
)

// Run kills the primary under load, promotes the standby, and cuts the network once after that.
func (failoverCmd) Run(ctx context.Context, l *lab) error {
	primary, users, err := l.postgres(ctx)
	if err != nil {
		return err
	}
	standby, err := primary.Standby(ctx, pgConfig())
	if err != nil {
		return err
	}
	l.onClose(standby.Remove)
	l.onClose(standby.Stop)
	// An acknowledged commit is on both. The setting is the primary's alone: promoted, the standby waits for nobody.
	if err := execute(ctx, primary.DSN("postgres"), "ALTER SYSTEM SET synchronous_standby_names = '*'",
		"ALTER SYSTEM SET synchronous_commit = 'remote_apply'", "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	first, err := l.link("primary", primary.Address())
	if err != nil {
		return err
	}
	second, err := l.link("standby", standby.Address())
	if err != nil {
		return err
	}
	servers, err := l.serve(ctx, l.config.Servers, fmt.Sprintf(
		"postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=1", first.proxy.Listen, second.proxy.Listen))
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	d.retry = 30 * time.Second
	d.run(ctx, l.config.Rate, 3*time.Second)
	d.reset()
	third := max(l.config.Duration/3, 10*time.Second)
	l.say("load for %s", 3*third)
	var group sync.WaitGroup
	group.Go(func() { d.run(ctx, l.config.Rate, 3*third) })
	if err := wait(ctx, third); err != nil {
		return err
	}
	l.say("killing the primary")
	if err := primary.Kill(); err != nil {
		return err
	}
	killed := time.Now()
	if err := wait(ctx, noticed); err != nil {
		return err
	}
	promoting := time.Now()
	if err := execute(ctx, standby.DSN("postgres"), "SELECT pg_promote(true, 30)"); err != nil {
		return fmt.Errorf("promote the standby: %w", err)
	}
	promoted := time.Now()
	l.say("promoted in %s", promoted.Sub(promoting).Round(time.Millisecond))
	if err := wait(ctx, time.Until(killed.Add(third))); err != nil {
		return err
	}
	l.say("cutting the network for %s", shortCut)
	cut := time.Now()
	if err := second.cut(); err != nil {
		return err
	}
	if err := wait(ctx, shortCut); err != nil {
		return err
	}
	if err := second.mend(); err != nil {
		return err
	}
	mended := time.Now()
	group.Wait()

	d.print("failover, and a cut of " + shortCut.String())
	all := d.sum(nil)
	var lastOver, lastCut time.Time
	failed := 0
	for _, m := range d.moments {
		if m.ok {
			continue
		}
		failed++
		if m.due.Before(cut) && m.due.After(lastOver) {
			lastOver = m.due
		}
		if m.due.After(cut) && m.due.After(lastCut) {
			lastCut = m.due
		}
	}
	l.check(all.failures() == 0, "answers that are neither right nor a clear 503: %d", all.failures())
	l.check(lastOver.Sub(promoted) < l.limit(backWithin), "the last refusal came %s after the promotion (limit %s), %s after the kill",
		lastOver.Sub(promoted).Round(10*time.Millisecond), l.limit(backWithin), lastOver.Sub(killed).Round(10*time.Millisecond))
	l.check(lastCut.Sub(mended) < recovery, "the last refusal came %s after the end of the cut (limit %s)", lastCut.Sub(mended).Round(10*time.Millisecond), recovery)
	share := float64(failed) / (l.config.Rate * time.Hour.Seconds())
	budget := budgetOf
	if l.config.Lenient {
		budget *= 3
	}
	l.check(share < budget, "%d first tries failed, which is %.3f %% of an hour's requests at this rate (limit %.1f %%)", failed, 100*share, 100*budget)
	if err := l.checkWrites(ctx, d, standby.DSN("postgres")); err != nil {
		return err
	}
	l.verify(ctx, standby.DSN("postgres"))
	return ctx.Err()
}

// execute runs statements on a connection of their own.
func execute(ctx context.Context, dsn string, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

type crashCmd struct{}

// Run kills servers at random, on SQLite and on PostgreSQL.
func (crashCmd) Run(ctx context.Context, l *lab) error {
	small := *l
	small.config.Users, small.config.Months = min(l.config.Users, 50), min(l.config.Months, 3)
	defer func() { l.failed, l.closers = small.failed, small.closers }()
	name := "sqlite:" + filepath.Join(l.folder, "crash.db")
	users, err := small.fill(ctx, name)
	if err != nil {
		return err
	}
	if err := small.crash(ctx, users, name, 1); err != nil {
		return err
	}
	database, users, err := small.postgres(ctx)
	if err != nil {
		return err
	}
	return small.crash(ctx, users, database.DSN("postgres"), l.config.Servers)
}

func (l *lab) crash(ctx context.Context, users []*user, name string, n int) error {
	servers, err := l.serve(ctx, n, name, "--tick", "1s")
	if err != nil {
		return err
	}
	d := newDriver(users, servers)
	d.retry = 30 * time.Second
	var group sync.WaitGroup
	group.Go(func() { d.run(ctx, l.config.Rate, l.config.Duration) })
	kills := 0
	for until := time.Now().Add(l.config.Duration - 2*time.Second); time.Now().Before(until); kills++ {
		if err := wait(ctx, 500*time.Millisecond+rand.N(2*time.Second)); err != nil {
			return err
		}
		s := servers[rand.IntN(len(servers))]
		if err := s.kill(); err != nil {
			return err
		}
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	group.Wait()
	engine := "PostgreSQL"
	if n == 1 {
		engine = "SQLite"
	}
	d.print(fmt.Sprintf("crash: %d kills in %s, %s", kills, l.config.Duration, engine))
	l.check(kills > 0, "servers were killed %d times", kills)
	wrong := d.sum(nil).wrong
	l.check(wrong == 0, "answers that are neither right nor a clear 503: %d", wrong)
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return ctx.Err()
}
