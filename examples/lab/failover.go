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
	// detectionTime is the time between the primary's crash and the promotion of the standby.
	detectionTime = 2 * time.Second
	// cutTime is the length of the network cut after the failover.
	cutTime = 5 * time.Second
	// promotionLimit is the time after the promotion at which requests must succeed again.
	promotionLimit = 5 * time.Second
	// failedShare is the share of an hour's requests that may fail, with one failover and one network cut.
	failedShare = 0.005
)

// Run kills the primary under load, promotes the standby, and then cuts the network once.
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
	// An acknowledged commit is on both servers. Only the primary has the setting: after its promotion, the standby does
	// not wait for another server.
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
		"postgres://postgres@%s,%s/postgres?sslmode=disable&target_session_attrs=read-write&connect_timeout=1",
		first.proxy.Listen, second.proxy.Listen))
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
	if err := wait(ctx, detectionTime); err != nil {
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
	l.say("cutting the network for %s", cutTime)
	cut := time.Now()
	if err := second.disconnect(); err != nil {
		return err
	}
	if err := wait(ctx, cutTime); err != nil {
		return err
	}
	if err := second.reconnect(); err != nil {
		return err
	}
	reconnected := time.Now()
	group.Wait()

	d.print("failover, and a network cut of " + cutTime.String())
	all := d.sum(nil)
	var lastPromotion, lastCut time.Time // the last failed requests before and after the cut
	failed := 0
	for _, m := range d.timings {
		if m.ok {
			continue
		}
		failed++
		if m.due.Before(cut) && m.due.After(lastPromotion) {
			lastPromotion = m.due
		}
		if m.due.After(cut) && m.due.After(lastCut) {
			lastCut = m.due
		}
	}
	l.check(all.failures() == 0, "responses other than success or a complete 503: %d", all.failures())
	l.check(lastPromotion.Sub(promoted) < l.limit(promotionLimit),
		"the last failed request was %s after the promotion (limit %s), %s after the kill",
		lastPromotion.Sub(promoted).Round(10*time.Millisecond), l.limit(promotionLimit),
		lastPromotion.Sub(killed).Round(10*time.Millisecond))
	l.check(lastCut.Sub(reconnected) < recoveryLimit, "the last failed request was %s after the end of the cut (limit %s)",
		lastCut.Sub(reconnected).Round(10*time.Millisecond), recoveryLimit)
	share := float64(failed) / (l.config.Rate * time.Hour.Seconds())
	limit := failedShare
	if l.config.Lenient {
		limit *= 3
	}
	l.check(share < limit, "%d first attempts failed, %.3f %% of an hour's requests at this rate (limit %.1f %%)",
		failed, 100*share, 100*limit)
	if err := l.checkWrites(ctx, d, standby.DSN("postgres")); err != nil {
		return err
	}
	l.verify(ctx, standby.DSN("postgres"))
	return ctx.Err()
}

// execute runs statements on a new connection.
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

// Run kills servers at random times, on SQLite and on PostgreSQL.
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
	other := d.sum(nil).otherResponses
	l.check(other == 0, "responses other than success or a complete 503: %d", other)
	if err := l.checkWrites(ctx, d, name); err != nil {
		return err
	}
	l.verify(ctx, name)
	return ctx.Err()
}
