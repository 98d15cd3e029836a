package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi"
	"github.com/spendwise/spendwise/httpapi/auth"
)

const (
	// drainTime is how long requests may go on after the first signal.
	drainTime = 20 * time.Second
	// purgeEvery is how often what is kept for a time only is removed.
	purgeEvery = 6 * time.Hour
	// answersKept is how long an idempotent request is answered as before, tombstonesKept how long a deleted id is known.
	answersKept    = 7 * 24 * time.Hour
	tombstonesKept = 90 * 24 * time.Hour
	// devicesKept is how long a session that has ended is shown.
	devicesKept = 30 * 24 * time.Hour
	// failuresKept is how long failed attempts to sign in are kept; they count for an hour.
	failuresKept = 2 * time.Hour
)

type serveCmd struct {
	Listen           string   `help:"The address to listen on; port 0 takes a free one." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Migrate          bool     `help:"Migrate the database at start; safe with many instances." default:"true" negatable:""`
	Rates            rateMode `help:"Exchange rates: ecb (embedded history, kept current from the European Central Bank), embedded (no network), or off." enum:"ecb,embedded,off" default:"ecb"`
	Registration     string   `help:"Who may register: open, or closed (only spendwise user add makes accounts)." enum:"open,closed" default:"open"`
	KeyEncryptionKey string   `help:"32 bytes in base64 that seal the signing keys. Default: made once in the user's data directory." placeholder:"BASE64"`
}

// Run serves until ctx ends, then drains and stops in order: listener, requests, background work, store.
func (cmd *serveCmd) Run(ctx context.Context, config *cli, p *process) error {
	logger := config.logger(p)
	return config.withStore(ctx, p, cmd.Migrate, func(db database) error {
		rates, background, err := cmd.Rates.start(ctx, db, logger)
		if err != nil {
			return err
		}
		handler, err := cmd.handler(ctx, p, db, rates, logger)
		if err != nil {
			return err
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.Listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w; --listen takes another address, port 0 a free one", cmd.Listen, err)
		}

		work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		for _, task := range append(background, purger(db, logger)) {
			running.Go(func() { task(work) })
		}
		defer running.Wait()
		defer stopWork()
		return serve(ctx, listener, handler, p, logger)
	})
}

func (cmd *serveCmd) handler(ctx context.Context, p *process, db database, rates expense.Rates, logger *slog.Logger) (http.Handler, error) {
	kek, err := cmd.keyEncryptionKey(p)
	if err != nil {
		return nil, err
	}
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return nil, err
	}
	accounts, err := auth.New(ctx, auth.NewUsers(db.Accounts(), db, defaults, nil), auth.Config{
		KEK: kek, RegistrationClosed: cmd.Registration == "closed", Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return httpapi.New(db, httpapi.Config{
		Authenticator: accounts, Accounts: accounts, Rates: rates, Settings: defaults, Log: logger,
	})
}

func (cmd *serveCmd) keyEncryptionKey(p *process) ([]byte, error) {
	if cmd.KeyEncryptionKey != "" {
		return auth.ParseKEK(cmd.KeyEncryptionKey)
	}
	dir, err := dataDir(p.getenv)
	if err != nil {
		return nil, fmt.Errorf("%w; or give --key-encryption-key", err)
	}
	return auth.LoadOrCreateKEK(filepath.Join(dir, "key-encryption-key"))
}

// serve answers on listener until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, p *process, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       5 * time.Minute, // an import of 32 MiB over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	url := "http://" + reachable(listener.Addr())
	if _, err := fmt.Fprintf(p.stdout, "listening on %s\n", url); err != nil {
		return errors.Join(err, listener.Close())
	}
	// The first line is for programs, this one for people.
	if _, err := fmt.Fprintf(p.stdout, "to begin, in another terminal:\n  %s\n", greeting(url)); err != nil {
		return errors.Join(err, listener.Close())
	}

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	logger.Info("stopping: requests may finish", "within", drainTime)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off after %s: %w", drainTime, err), server.Close())
	}
	logger.Info("stopped")
	return nil
}

// greeting is a line that a newcomer can paste into a shell.
func greeting(url string) string {
	return "curl -s " + url + `/v1/auth/register -H 'Content-Type: application/json' ` +
		`-d '{"email":"you@example.com","password":"a long pass phrase"}'`
}

// reachable returns an address under which a client on this machine reaches addr.
func reachable(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}

// purger returns the task that removes, now and then, what is kept for a time only.
func purger(db database, logger *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		ticker := time.NewTicker(purgeEvery)
		defer ticker.Stop()
		for {
			now := time.Now()
			err := errors.Join(db.Purge(ctx, now.Add(-answersKept), now.Add(-tombstonesKept)), db.Accounts().Purge(ctx, now.Add(-devicesKept), now.Add(-failuresKept)))
			if err != nil && ctx.Err() == nil {
				logger.Warn("purge failed; it is tried again later", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
}
