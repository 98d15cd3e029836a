package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/docs"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
	"github.com/spendwise/spendwise/store"
)

// Config configures an API. Authenticator or Accounts is required; everything else is optional.
type Config struct {
	// Authenticator identifies the caller of a request. If it is nil, Accounts does.
	Authenticator auth.Authenticator
	// Accounts adds the bundled accounts and their routes: /v1/auth, /v1/me, /v1/devices, /v1/tokens and
	// /.well-known/jwks.json. If it is nil, these routes do not exist.
	Accounts *auth.Service
	// Challenge is the value of WWW-Authenticate in a 401 response (RFC 9110, section 11.6.1). Set it if Authenticator
	// does not take bearer tokens, for example to `Basic realm="host"`. The default is `Bearer realm="spendwise"`.
	Challenge string
	// SecurityScheme is the OpenAPI security scheme object of Authenticator in the contract, for example
	// {"type": "apiKey", "in": "cookie", "name": "session"}. The default is {"type": "http"} with the scheme of Challenge.
	SecurityScheme map[string]string
	// Rates returns exchange rates for expenses in a foreign currency. If it is nil, no rate is known, and such expenses
	// stay pending.
	Rates expense.Rates
	// Settings are the settings of a new ledger. The API creates the ledger of an owner at the first request that needs
	// it. The default is the settings that expense.NewSettings returns for an empty draft.
	Settings expense.Settings
	// BaseURL precedes the path in every URL of a response. It is "" if the API is mounted at the root, a prefix such as
	// "/ledger" behind http.StripPrefix, or an absolute URL.
	BaseURL string
	// Roles selects the routes that this instance serves. The default is AllRoles.
	Roles Roles
	// Limits sets the request rates that each client address and each user may reach. If it is nil, rates are not limited.
	Limits *Limits
	// TrustedProxies are the networks of the proxies in front of the server. The API takes the client's address and
	// protocol from their X-Forwarded-For, X-Forwarded-Proto and Forwarded headers. If it is empty, the client is the peer
	// of the connection.
	TrustedProxies []netip.Prefix
	// Origins are the origins whose pages may call the API from a browser (CORS), for example "https://app.example.org".
	// Wildcards are not allowed. If it is empty, only pages of the API's own origin may.
	Origins []string
	// Timeout bounds the time of a request. It bounds each part of an export or import instead of the whole. The default
	// is 30 seconds.
	Timeout time.Duration
	// Done ends all event streams when it is closed. Close it before http.Server.Shutdown, which would otherwise wait for
	// the streams. If it is nil, a stream ends when its client disconnects.
	Done <-chan struct{}
	// Log receives one record for each request, without personal data, and the cause of each 5xx response. If it is nil,
	// nothing is logged.
	Log *slog.Logger
	// Observe receives the events that a host counts in its metrics. Requests call it concurrently and wait for it, so it
	// must be safe for concurrent use and fast. If it is nil, events are dropped.
	Observe func(Event)
	// Tracer starts a span for each request, as a child of the client's W3C trace context. The use case and the statements
	// of the SQL stores are spans below it. If it is nil, they are spans below the span of the host, if there is one.
	Tracer trace.TracerProvider
	// Now is the clock. The default is time.Now.
	Now func() time.Time
}

const (
	defaultChallenge = `Bearer realm="spendwise"` // RFC 6750
	defaultTimeout   = 30 * time.Second
)

// New returns a handler that serves the ledgers of st. It returns an error if a required member of cfg is missing or a
// member is invalid. The handler is safe for concurrent use.
func New(st store.Store, cfg Config) (http.Handler, error) {
	a := &api{
		store: st, authenticator: cfg.Authenticator, accounts: cfg.Accounts, rates: cfg.Rates, settings: cfg.Settings,
		base: strings.TrimRight(cfg.BaseURL, "/"), timeout: cmp.Or(cfg.Timeout, defaultTimeout),
		log: slog.New(slog.DiscardHandler), observe: cfg.Observe, now: cfg.Now,
		roles: cmp.Or(cfg.Roles, AllRoles), challenge: cmp.Or(cfg.Challenge, defaultChallenge),
		security: maps.Clone(cfg.SecurityScheme),
		pdfs:     make(chan struct{}, maxConcurrentPDFs), streams: streams{done: cfg.Done},
	}
	if a.authenticator == nil && a.accounts != nil {
		a.authenticator = a.accounts
	}
	if a.store == nil || a.authenticator == nil {
		return nil, errors.New("httpapi: the store or the authenticator is nil; set Config.Authenticator or Config.Accounts")
	}
	if a.rates == nil {
		a.rates = expense.NoRates{}
	}
	if cfg.Log != nil {
		a.log = slog.New(traceHandler{cfg.Log.Handler()})
	}
	if a.observe == nil {
		a.observe = discardEvent
	}
	if cfg.Tracer != nil {
		a.tracer = cfg.Tracer.Tracer(tracerName)
	}
	if a.now == nil {
		a.now = time.Now
	}
	if err := a.configure(cfg); err != nil {
		return nil, fmt.Errorf("httpapi: %w", err)
	}
	a.served = sync.OnceValue(a.serveContract)
	a.docs = sync.OnceValue(a.renderDocs)
	if watcher, ok := st.(store.Watcher); ok {
		watcher.Watch(a.streams.wake)
		a.watched = true
	}
	return a.newRouter(), nil
}

// configure sets the fields whose configuration can be invalid.
func (a *api) configure(cfg Config) (err error) {
	if a.settings.Home.IsZero() {
		if a.settings, err = expense.NewSettings(expense.SettingsDraft{}); err != nil {
			return err
		}
	}
	if cfg.Limits != nil {
		if a.limiter, err = cfg.Limits.limiter(ingress.DefaultBuckets); err != nil {
			return err
		}
	}
	if a.proxies, err = ingress.NewProxies(cfg.TrustedProxies); err != nil {
		return err
	}
	a.origins, err = ingress.NewOrigins(cfg.Origins)
	return err
}

// An api holds what all handlers share. It is read-only after New, apart from streams, pdfs, imports and limiter,
// which synchronise themselves.
type api struct {
	store         store.Store
	authenticator auth.Authenticator
	accounts      *auth.Service // nil without bundled accounts
	rates         expense.Rates
	settings      expense.Settings
	base          string
	timeout       time.Duration
	log           *slog.Logger
	observe       func(Event)
	tracer        trace.Tracer // nil without Config.Tracer
	now           func() time.Time
	roles         Roles
	challenge     string
	security      map[string]string // nil: derived from challenge
	limiter       *ingress.Limiter  // nil: unlimited
	proxies       ingress.Proxies
	origins       ingress.Origins
	streams       streams
	watched       bool          // the store reports changes to streams
	pdfs          chan struct{} // a semaphore for PDF reports
	imports       importSlots
	served        func() servedContract
	docs          func() docs.Page
}

// url returns the URL of path in a response.
func (a *api) url(path string) string { return a.base + path }

// A call is one request in its handler.
type call struct {
	*gin.Context
	api        *api
	ctx        context.Context //nolint:containedctx // a call lives as long as its request
	deadline   ingress.Deadline
	identity   auth.Identity
	owner      expense.OwnerID
	query      url.Values
	route      string // method and pattern, for example "PATCH /v1/expenses/{id}"
	now        time.Time
	errs       problem.FieldErrors // of the query, the headers and the body so far
	catchUp    catchUp
	hasBudgets bool // the ledger had budgets at the last Update, so alerts may be due
}

// env returns the environment of a use case.
func (c *call) env() expense.Env { return expense.Env{Now: c.now, Rates: c.api.rates} }

// address returns the client's address. It is the zero Addr if the address is not known.
func (c *call) address() netip.Addr { return clientOf(c.Context).Address }

// id returns the id in the path. A text that is not a UUID is answered with 404, as an unknown id is.
func (c *call) id() (uuid.UUID, error) {
	id, err := expense.ParseID(c.Param("id"))
	if err != nil {
		return uuid.Nil, problem.New(problem.CodeNotFound,
			"The ledger has no resource with the id %s; check the id in the path.",
			expense.QuoteText(c.Param("id")))
	}
	return id, nil
}
