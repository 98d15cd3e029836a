package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
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
	// issuerTime is how long an issuer may take to answer.
	issuerTime = 10 * time.Second
	// failuresKept is how long failed attempts to sign in are kept; they count for an hour.
	failuresKept = 2 * time.Hour
)

type serveCmd struct {
	Listen        string        `help:"The address to listen on (${default}); port 0 takes a free one." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Migrate       bool          `help:"Migrate the database at start; safe with many instances." default:"true" negatable:""`
	Rates         rateMode      `help:"Exchange rates (${default}): ecb (embedded history, kept current from the European Central Bank), embedded (no network), or off." enum:"ecb,embedded,off" default:"ecb"`
	Registration  string        `help:"Who may register (${default}): open, or closed (only spendwise user add makes accounts)." enum:"open,closed" default:"open"`
	RateLimits    string        `help:"The limits on requests and the throttle on sign-ins: on, or off (for load tests on one machine)." enum:"on,off" default:"on"`
	MetricsListen string        `help:"The address of a listener of its own for /metrics (${default}); port 0 takes a free one, off or an empty text none." default:"127.0.0.1:9464" placeholder:"ADDR"`
	Tick          time.Duration `help:"How often recurring expenses that are due are posted (${default}); 0 is off." default:"1m" placeholder:"DURATION"`
	Roles         []string      `help:"What this process does (${default}): api (serves ledgers), auth (serves accounts, and alone has the private keys), ticker (posts what is due, fetches rates, removes what is old)." enum:"api,auth,ticker" default:"api,auth,ticker" placeholder:"ROLE,…"`
	ingressFlags
	identityFlags
}

// roles returns what this process does.
func (cmd *serveCmd) roles() (httpapi.Roles, error) {
	named := map[string]httpapi.Roles{"api": httpapi.RoleAPI, "auth": httpapi.RoleAuth, "ticker": httpapi.RoleTicker}
	var roles httpapi.Roles
	for _, name := range cmd.Roles {
		roles |= named[name]
	}
	switch {
	case roles == 0:
		return 0, errors.New("--roles names none: api, auth or ticker")
	case roles == httpapi.RoleAuth && !cmd.LocalAccounts:
		return 0, errors.New("without local accounts an instance of the role auth alone has nothing to serve")
	}
	return roles, nil
}

// ingressFlags say what is in front of the server.
type ingressFlags struct {
	TrustedProxies []network `help:"The networks, such as 10.0.0.0/8, or addresses of proxies in front, whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed. Default: none." placeholder:"CIDR,…"`
	CORSOrigins    []string  `name:"cors-origins" help:"The origins, such as https://app.example.org, whose pages may use the API from a browser. Default: none." placeholder:"ORIGIN,…"`
}

// A network is one in CIDR notation, or a single address.
type network struct{ netip.Prefix }

// UnmarshalText reads a network.
func (n *network) UnmarshalText(text []byte) error {
	if address, err := netip.ParseAddr(string(text)); err == nil && address.Zone() == "" {
		n.Prefix = netip.PrefixFrom(address, address.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is no network such as 10.0.0.0/8, and no address", text)
	}
	n.Prefix = prefix
	return nil
}

// identityFlags say who is let in.
type identityFlags struct {
	sealFlag
	KeyRotation   time.Duration `help:"How often the key that signs access tokens is replaced (${default}), every 20 minutes at most; 0: by spendwise keys rotate only." default:"720h" placeholder:"DURATION"`
	KeyLead       time.Duration `help:"How long a key is published before it signs." default:"10m" hidden:""` // shorter where a test has no time
	LocalAccounts bool          `help:"Keep accounts with passwords; without them only the issuer's tokens are accepted." default:"true" negatable:""`
	Issuer        string        `help:"The URL of an OpenID Connect provider whose access tokens are accepted too." placeholder:"URL"`
	Audience      string        `help:"What the issuer's tokens must be meant for." placeholder:"NAME"`
}

// Run serves until ctx ends, then drains and stops in order: listener, requests, background work, store.
func (cmd *serveCmd) Run(ctx context.Context, config *cli, p *process) error {
	logger := config.logger(p)
	traces, err := startTracing(ctx, p.getenv, logger)
	if err != nil {
		return err
	}
	defer traces.stop(logger)
	return config.withStore(ctx, p, cmd.Migrate, func(db database) (err error) {
		roles, err := cmd.roles()
		if err != nil {
			return err
		}
		m := newMetrics(db)
		rates, background, err := cmd.Rates.start(ctx, db, roles.Has(httpapi.RoleTicker), m.convertedPending, logger)
		if err != nil {
			return err
		}
		measured, err := listenMetrics(ctx, cmd.MetricsListen)
		if err != nil {
			return err
		}
		seen := outlook{log: logger, traces: traces} // without a listener nothing is counted
		if measured != nil {
			seen.observe = m.observe
			m.follow(rates)
			stop := m.serve(measured, logger)
			defer func() { err = errors.Join(err, stop()) }()
		}
		handler, keep, err := cmd.handler(ctx, p, db, roles, rates, seen)
		if err != nil {
			return err
		}
		tasks := append(background, keep)
		if roles.Has(httpapi.RoleTicker) {
			tasks = append(tasks, purger(db, logger))
		}
		if roles.Has(httpapi.RoleTicker) && cmd.Tick > 0 {
			ticker, err := httpapi.NewTicker(db, httpapi.TickerConfig{Interval: cmd.Tick, Rates: rates, Log: logger, Observe: seen.observe})
			if err != nil {
				return err
			}
			tasks = append(tasks, ticker.Run)
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.Listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w; --listen takes another address, port 0 a free one", cmd.Listen, err)
		}

		work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		for _, task := range tasks {
			running.Go(func() { task(work) })
		}
		defer running.Wait()
		defer stopWork()
		registers := roles.Has(httpapi.RoleAuth) && cmd.LocalAccounts && cmd.Registration == "open"
		return serve(ctx, listener, measured, m.count(handler), registers, p, logger)
	})
}

// An outlook is what of a server can be seen from outside.
type outlook struct {
	log     *slog.Logger
	observe func(httpapi.Event) // nil: nobody counts
	traces  tracing
}

// handler returns the API, and the task that keeps its accounts and keys in order.
func (cmd *serveCmd) handler(
	ctx context.Context, p *process, db database, roles httpapi.Roles, rates expense.Rates, seen outlook,
) (http.Handler, func(context.Context), error) {
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return nil, nil, err
	}
	config := httpapi.Config{
		Roles: roles, Rates: rates, Settings: defaults, Log: seen.log, Observe: seen.observe, Tracer: seen.traces.tracer(), Done: ctx.Done(),
		Origins: cmd.CORSOrigins,
	}
	for _, proxy := range cmd.TrustedProxies {
		config.TrustedProxies = append(config.TrustedProxies, proxy.Prefix)
	}
	if cmd.RateLimits != "off" {
		config.Limits = httpapi.DefaultLimits()
	}
	keep := func(context.Context) {}
	if cmd.LocalAccounts {
		identity := auth.Config{
			VerifyOnly: !roles.Has(httpapi.RoleAuth), KeyRotationInterval: cmd.KeyRotation, KeyActivationDelay: cmd.KeyLead, RegistrationClosed: cmd.Registration == "closed",
			DisableThrottling: cmd.RateLimits == "off", Logger: seen.log,
		}
		if !identity.VerifyOnly { // one that signs nobody in needs no private key, nor what would open one
			if identity.KEK, err = cmd.keyEncryptionKey(p); err != nil {
				return nil, nil, err
			}
		}
		config.Accounts, err = auth.New(ctx, auth.NewUsers(db.Accounts(), db, defaults, nil), identity)
		if err != nil {
			return nil, nil, err
		}
		config.Authenticator, keep = config.Accounts, config.Accounts.Run
	}
	if err := cmd.admitIssuer(&config, seen.traces.client(issuerTime)); err != nil {
		return nil, nil, err
	}
	handler, err := httpapi.New(db, config)
	return handler, keep, err
}

// admitIssuer lets the tokens of --issuer in, beside those of local accounts or instead of them; client asks the issuer, nil: the usual one.
func (f *identityFlags) admitIssuer(config *httpapi.Config, client *http.Client) error {
	switch {
	case f.Issuer == "" && f.Audience != "":
		return errors.New("--audience says what an issuer's tokens must be meant for: give --issuer too")
	case f.Issuer == "" && !f.LocalAccounts:
		return errors.New("without local accounts nobody could get in: give --issuer")
	case f.Issuer == "":
		return nil
	}
	issuer, err := auth.NewOIDCAuthenticator(auth.OIDCConfig{Issuer: f.Issuer, Audience: f.Audience, Client: client})
	if err != nil {
		return fmt.Errorf("--issuer and --audience: %w", err)
	}
	if config.Authenticator == nil {
		config.Authenticator = issuer
	} else {
		config.Authenticator = auth.AnyOf(config.Authenticator, issuer)
	}
	return nil
}

// serve answers on listener until ctx ends, and says where; measured is where the metrics are, or nil. What it tells people to begin
// with is an account of their own only where anybody registers.
func serve(
	ctx context.Context, listener, measured net.Listener, handler http.Handler, registers bool, p *process, logger *slog.Logger,
) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // imports move both deadlines on as they come in, exports and event streams as they go out
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    4 * httpapi.MaxHeaderBytes, // the handler refuses what is longer than once
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	url := "http://" + reachable(listener.Addr())
	if _, err := fmt.Fprintf(p.stdout, "listening on %s\n", url); err != nil {
		return errors.Join(err, listener.Close())
	}
	if measured != nil {
		if _, err := fmt.Fprintf(p.stdout, "metrics on http://%s\n", reachable(measured.Addr())); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	// The lines before are for programs, this one is for people.
	if _, err := fmt.Fprintf(p.stdout, "to begin, in another terminal:\n  %s\n", greeting(url, registers)); err != nil {
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
func greeting(url string, registers bool) string {
	if !registers {
		return "curl -s " + url + "/healthz"
	}
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
