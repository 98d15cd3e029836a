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
	// drainTimeout limits how long requests may continue after the first signal.
	drainTimeout = 20 * time.Second
	// purgeInterval is the time between two purges.
	purgeInterval = 6 * time.Hour
	// idempotencyRetention is how long the server replays the response of an idempotent request.
	idempotencyRetention = 7 * 24 * time.Hour
	// tombstoneRetention is how long tombstones of deleted rows stay in the change feed.
	tombstoneRetention = 90 * 24 * time.Hour
	// sessionRetention is how long the list of devices shows a session that has ended.
	sessionRetention = 30 * 24 * time.Hour
	// failureRetention is how long failed sign-ins are stored. The throttle counts those of the last hour.
	failureRetention = 2 * time.Hour
	// issuerTimeout limits each request to the OpenID Connect issuer.
	issuerTimeout = 10 * time.Second
)

type serveCmd struct {
	Listen        string        `help:"${listenHelp} Default: ${default}." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Migrate       bool          `help:"${migrateHelp}" default:"true" negatable:""`
	Rates         rateMode      `help:"${serveRatesHelp} Default: ${default}." enum:"ecb,embedded,off" default:"ecb"`
	Registration  string        `help:"${registrationHelp} Default: ${default}." enum:"open,closed" default:"open"`
	RateLimits    string        `help:"${rateLimitsHelp}" enum:"on,off" default:"on"`
	MetricsListen string        `help:"${metricsHelp} Default: ${default}." default:"127.0.0.1:9464" placeholder:"ADDR"`
	Tick          time.Duration `help:"${tickHelp} Default: ${default}." default:"1m" placeholder:"DURATION"`
	Roles         []string      `help:"${rolesHelp}" enum:"api,auth,ticker" default:"api,auth,ticker" placeholder:"ROLE"`
	ingressFlags
	identityFlags
}

// roles returns the roles of this instance.
func (cmd *serveCmd) roles() (httpapi.Roles, error) {
	named := map[string]httpapi.Roles{"api": httpapi.RoleAPI, "auth": httpapi.RoleAuth, "ticker": httpapi.RoleTicker}
	var roles httpapi.Roles
	for _, name := range cmd.Roles {
		roles |= named[name]
	}
	switch {
	case roles == 0:
		return 0, errors.New("--roles is empty; it takes api, auth and ticker")
	case roles == httpapi.RoleAuth && !cmd.LocalAccounts:
		return 0, errors.New("--roles=auth serves nothing with --no-local-accounts; " +
			"add the role api or ticker, or enable local accounts")
	}
	return roles, nil
}

// ingressFlags configure proxies in front of the server and requests from browsers.
type ingressFlags struct {
	TrustedProxies []network `help:"${trustedProxiesHelp}" placeholder:"CIDR,…"`
	CORSOrigins    []string  `name:"cors-origins" help:"${corsOriginsHelp}" placeholder:"ORIGIN,…"`
}

// A network is a CIDR prefix. A single address is a prefix of full length.
type network struct{ netip.Prefix }

// UnmarshalText parses a CIDR prefix or an address.
func (n *network) UnmarshalText(text []byte) error {
	if address, err := netip.ParseAddr(string(text)); err == nil && address.Zone() == "" {
		n.Prefix = netip.PrefixFrom(address, address.BitLen())
		return nil
	}
	prefix, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1", text)
	}
	n.Prefix = prefix
	return nil
}

// identityFlags configure local accounts, signing keys and the OpenID Connect issuer.
type identityFlags struct {
	encryptionKeyFlag
	KeyRotation time.Duration `help:"${keyRotationHelp} Default: ${default}." default:"720h" placeholder:"DURATION"`
	// KeyActivationDelay is hidden because only tests change it.
	KeyActivationDelay time.Duration `help:"How long a key is published before it signs." default:"10m" hidden:""`
	LocalAccounts      bool          `help:"${localAccountsHelp}" default:"true" negatable:""`
	Issuer             string        `help:"${issuerHelp}" placeholder:"URL"`
	Audience           string        `help:"The audience (aud) that the issuer's tokens must name." placeholder:"NAME"`
}

// Run serves until ctx ends. It then stops in this order: the listener, running requests, background tasks, the store.
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
		rates, tasks, err := cmd.Rates.start(ctx, db, roles.Has(httpapi.RoleTicker), m.countConversion, logger)
		if err != nil {
			return err
		}
		metricsListener, err := listenMetrics(ctx, cmd.MetricsListen)
		if err != nil {
			return err
		}
		out := telemetry{log: logger, traces: traces} // without a listener, nothing is counted
		if metricsListener != nil {
			out.observe = m.observe
			m.registerRatesAge(rates)
			stop := m.serve(metricsListener, logger)
			defer func() { err = errors.Join(err, stop()) }()
		}
		handler, maintainAccounts, err := cmd.handler(ctx, p, db, roles, rates, out)
		if err != nil {
			return err
		}
		tasks = append(tasks, maintainAccounts)
		if roles.Has(httpapi.RoleTicker) {
			tasks = append(tasks, purgeTask(db, logger))
		}
		if roles.Has(httpapi.RoleTicker) && cmd.Tick > 0 {
			ticker, err := httpapi.NewTicker(db, httpapi.TickerConfig{
				Interval: cmd.Tick, Rates: rates, Log: logger, Observe: out.observe,
			})
			if err != nil {
				return err
			}
			tasks = append(tasks, ticker.Run)
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmd.Listen)
		if err != nil {
			return fmt.Errorf("listen on %s: %w; set --listen to another address, or to port 0 for a free port", cmd.Listen, err)
		}

		taskContext, stopTasks := context.WithCancel(context.WithoutCancel(ctx))
		var running sync.WaitGroup
		for _, task := range tasks {
			running.Go(func() { task(taskContext) })
		}
		defer running.Wait()
		defer stopTasks()
		registrationOpen := roles.Has(httpapi.RoleAuth) && cmd.LocalAccounts && cmd.Registration == "open"
		return serve(ctx, listener, metricsListener, m.countInFlight(handler), registrationOpen, p, logger)
	})
}

// telemetry holds the outputs that describe a running server: its log, metrics and traces.
type telemetry struct {
	log     *slog.Logger
	observe func(httpapi.Event) // nil if metrics are disabled
	traces  tracing
}

// handler returns the API, and the background task that rotates keys and ends sessions.
func (cmd *serveCmd) handler(
	ctx context.Context, p *process, db database, roles httpapi.Roles, rates expense.Rates, out telemetry,
) (http.Handler, func(context.Context), error) {
	defaults, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		return nil, nil, err
	}
	config := httpapi.Config{
		Roles: roles, Rates: rates, Settings: defaults, Log: out.log, Observe: out.observe,
		Tracer: out.traces.tracer(), Done: ctx.Done(), Origins: cmd.CORSOrigins,
	}
	for _, proxy := range cmd.TrustedProxies {
		config.TrustedProxies = append(config.TrustedProxies, proxy.Prefix)
	}
	if cmd.RateLimits != "off" {
		config.Limits = httpapi.DefaultLimits()
	}
	maintainAccounts := func(context.Context) {}
	if cmd.LocalAccounts {
		identity := auth.Config{
			VerifyOnly: !roles.Has(httpapi.RoleAuth), KeyRotationInterval: cmd.KeyRotation,
			KeyActivationDelay: cmd.KeyActivationDelay,
			RegistrationClosed: cmd.Registration == "closed", DisableThrottling: cmd.RateLimits == "off", Logger: out.log,
		}
		if !identity.VerifyOnly { // an instance without the role auth signs no tokens and needs no key
			if identity.KEK, err = cmd.keyEncryptionKey(p); err != nil {
				return nil, nil, err
			}
		}
		config.Accounts, err = auth.New(ctx, auth.NewUsers(db.Accounts(), db, defaults, nil), identity)
		if err != nil {
			return nil, nil, err
		}
		config.Authenticator, maintainAccounts = config.Accounts, config.Accounts.Run
	}
	if err := cmd.addIssuer(&config, out.traces.client(issuerTimeout)); err != nil {
		return nil, nil, err
	}
	handler, err := httpapi.New(db, config)
	return handler, maintainAccounts, err
}

// addIssuer makes config accept the tokens of --issuer, in addition to those of local accounts if there are any. client
// sends the requests to the issuer; nil is the default client.
func (f *identityFlags) addIssuer(config *httpapi.Config, client *http.Client) error {
	switch {
	case f.Issuer == "" && f.Audience != "":
		return errors.New("--audience needs --issuer, whose tokens it restricts")
	case f.Issuer == "" && !f.LocalAccounts:
		return errors.New("--no-local-accounts needs --issuer; without both, nobody can sign in")
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

// serve serves handler on listener until ctx ends, and prints the addresses of both listeners; metricsListener may be
// nil. It also prints a first command to try: a registration if registrationOpen, else a health check.
func serve(
	ctx context.Context, listener, metricsListener net.Listener, handler http.Handler, registrationOpen bool,
	p *process, logger *slog.Logger,
) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // imports, exports and event streams extend both deadlines while data flows
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    4 * httpapi.MaxHeaderBytes, // the handler rejects headers above the limit with a problem
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	url := "http://" + localAddress(listener.Addr())
	if _, err := fmt.Fprintf(p.stdout, "listening on %s\n", url); err != nil {
		return errors.Join(err, listener.Close())
	}
	if metricsListener != nil {
		if _, err := fmt.Fprintf(p.stdout, "metrics on http://%s\n", localAddress(metricsListener.Addr())); err != nil {
			return errors.Join(err, listener.Close())
		}
	}
	// Programs parse the lines above; this one is for people.
	_, err := fmt.Fprintf(p.stdout, "to begin, in another terminal:\n  %s\n", firstCommand(url, registrationOpen))
	if err != nil {
		return errors.Join(err, listener.Close())
	}

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	logger.Info("stopping; waiting for running requests", "within", drainTimeout)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("running requests were cancelled after %s: %w", drainTimeout, err), server.Close())
	}
	logger.Info("stopped")
	return nil
}

// firstCommand returns a shell command that works on a new server.
func firstCommand(url string, registrationOpen bool) string {
	if !registrationOpen {
		return "curl -s " + url + "/healthz"
	}
	return "curl -s " + url + `/v1/auth/register -H 'Content-Type: application/json' ` +
		`-d '{"email":"you@example.com","password":"a long pass phrase"}'`
}

// localAddress returns an address at which a client on this machine reaches addr.
func localAddress(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return addr.String()
	}
	return net.JoinHostPort("localhost", fmt.Sprint(tcp.Port))
}

// purgeTask returns the task that deletes records whose retention has ended, until its context ends.
func purgeTask(db database, logger *slog.Logger) func(context.Context) {
	return func(ctx context.Context) {
		ticker := time.NewTicker(purgeInterval)
		defer ticker.Stop()
		for {
			now := time.Now()
			err := errors.Join(
				db.Purge(ctx, now.Add(-idempotencyRetention), now.Add(-tombstoneRetention)),
				db.Accounts().Purge(ctx, now.Add(-sessionRetention), now.Add(-failureRetention)),
			)
			if err != nil && ctx.Err() == nil {
				logger.Warn("purge failed; it will be retried", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
}
