package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	pathpkg "path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-playground/validator/v10"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/store"
)

// Config says how an API serves. An Authenticator or Accounts must be given.
type Config struct {
	// Authenticator says who sends a request; nil: Accounts.
	Authenticator auth.Authenticator
	// Accounts are the bundled local accounts; nil: there are none, nor /v1/auth and /v1/me.
	Accounts *auth.Service
	// Challenge is what a 401 asks for in WWW-Authenticate (RFC 9110, 11.6.1); "": Bearer realm="spendwise". A host that signs in
	// otherwise says so here, such as Basic realm="host".
	Challenge string
	// Rates converts foreign currencies; nil: none is known, such expenses wait for a rate.
	Rates expense.Rates
	// Settings are what the ledger of an owner not seen before begins with; the zero value is that of expense.NewSettings.
	Settings expense.Settings
	// BaseURL is what comes before /v1 in the URLs that answers carry: "" at the root of a host, "/ledger" behind
	// http.StripPrefix("/ledger", …), or an absolute URL.
	BaseURL string
	// Roles say which part of the API this instance serves; 0: all of it.
	Roles Roles
	// Limits say how many requests there may be of one address and of one user; nil: any number, as where the host limits them.
	Limits *Limits
	// TrustedProxies are the networks of the proxies in front, whose X-Forwarded-For, X-Forwarded-Proto and Forwarded are believed;
	// nil: nobody's are, and a request comes from its connection's other end.
	TrustedProxies []netip.Prefix
	// Origins are those whose pages may use the API from a browser (CORS), such as "https://app.example.org"; nil: none.
	Origins []string
	// Timeout is how long a request may take, but for exports and imports; 0: 30 seconds.
	Timeout time.Duration
	// Done ends the event streams when it is closed, so that a server which stops need not wait for them; nil: they end with
	// their clients.
	Done <-chan struct{}
	// Log takes one line for each request, without personal data, and the causes of 5xx answers; nil: nothing is logged.
	Log *slog.Logger
	// Observe is told what the API does, for the metrics of the host. It is called by many requests at once, and each waits for it;
	// nil: nobody is told.
	Observe func(Event)
	// Tracer begins a span for each request, below that of a client that sent its W3C trace context; the use case and the statements
	// of the SQL stores are spans below it. Nil: none is begun, but those below a span of the host's are.
	Tracer trace.TracerProvider
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// bearerChallenge asks for an access token (RFC 6750).
const bearerChallenge = `Bearer realm="spendwise"`

// defaultTimeout is how long a request may take.
const defaultTimeout = 30 * time.Second

// New returns the API over st.
func New(st store.Store, cfg Config) (http.Handler, error) {
	if cfg.Authenticator == nil && cfg.Accounts != nil {
		cfg.Authenticator = cfg.Accounts
	}
	if st == nil || cfg.Authenticator == nil {
		return nil, errors.New("httpapi: a store and an authenticator, or accounts, must be given")
	}
	a := &api{
		store: st, authenticator: cfg.Authenticator, accounts: cfg.Accounts, rates: cfg.Rates, settings: cfg.Settings,
		base: strings.TrimRight(cfg.BaseURL, "/"), timeout: cfg.Timeout, log: cfg.Log, observe: cfg.Observe, now: cfg.Now, validate: newValidator(),
	}
	if a.roles = cfg.Roles; a.roles == 0 {
		a.roles = AllRoles
	}
	a.challenge = cmp.Or(cfg.Challenge, bearerChallenge)
	var err error
	if a.limits, err = newLimiter(cfg.Limits, mostBuckets); err != nil {
		return nil, err
	}
	if a.proxies, err = newProxies(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if a.origins, err = newOrigins(cfg.Origins); err != nil {
		return nil, err
	}
	if a.rates == nil {
		a.rates = expense.NoRates{}
	}
	if a.settings.Home.IsZero() {
		if a.settings, err = expense.NewSettings(expense.SettingsDraft{}); err != nil {
			return nil, err
		}
	}
	if a.timeout == 0 {
		a.timeout = defaultTimeout
	}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	a.log = slog.New(traceHandler{a.log.Handler()})
	if a.observe == nil {
		a.observe = discardEvent
	}
	if cfg.Tracer != nil {
		a.tracer = cfg.Tracer.Tracer(instrumentation)
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.pdfs = make(chan struct{}, pdfsAtOnce)
	a.served = sync.OnceValue(a.serveContract)
	a.streams.done = cfg.Done
	if watcher, ok := st.(store.Watcher); ok {
		watcher.Watch(a.streams.wake)
		a.watched = true
	}
	return a.newRouter(), nil
}

// An api is what all handlers share. It does not change after New.
type api struct {
	store         store.Store
	authenticator auth.Authenticator
	accounts      *auth.Service // nil: none
	rates         expense.Rates
	settings      expense.Settings
	base          string
	timeout       time.Duration
	log           *slog.Logger
	observe       func(Event)
	tracer        trace.Tracer // nil: none
	now           func() time.Time
	validate      *validator.Validate
	roles         Roles
	challenge     string
	limits        *limiter // nil: none
	proxies       proxies
	origins       origins
	streams       streams
	watched       bool          // the store tells the streams what changes
	pdfs          chan struct{} // one for each PDF report that is being made
	served        func() servedContract
}

// url returns the URL of a path of the API, as a client reaches it.
func (a *api) url(path string) string { return a.base + path }

// A call is one request on its way through a handler.
type call struct {
	*gin.Context
	api            *api
	ctx            context.Context //nolint:containedctx // a call lives for one request, whose context this is.
	identity       auth.Identity
	owner          expense.OwnerID
	query          url.Values
	route          string // method and pattern, such as "PATCH /v1/expenses/{id}"
	now            time.Time
	extendDeadline func() // begins the time limit anew where a route streams
	catchUp        catchUp
	hasBudgets     bool // the last Update left a budget in the ledger, so there may be alerts to raise
}

// env is what a use case knows of the world.
func (c *call) env() expense.Env { return expense.Env{Now: c.now, Rates: c.api.rates} }

// id returns the id in the path. One that is no UUID names nothing.
func (c *call) id() (uuid.UUID, error) {
	id, err := expense.ParseID(c.Param("id"))
	if err != nil {
		return uuid.Nil, newProblem(codeNotFound, "There is no such resource.")
	}
	return id, nil
}

// A handler answers one call: it decodes, calls one use case and encodes. An error that it returns becomes a problem.
type handler func(c *call) error

// A route is one row of the routing table.
type route struct {
	method, path string
	scope        auth.Scopes // what the caller must be allowed; 0: anybody
	handle       handler
	query        []string // the parameters it has; with "*" at the end: repeatable
	slow         bool     // the time limit is for each part of what is streamed, not for the whole
}

// routes returns the router. HEAD goes wherever GET does.
func (a *api) newRouter() http.Handler {
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.ForwardedByClientIP = false
	engine.Use(a.middleware)
	engine.NoRoute(a.limitUnmatched, a.roleDisabled(), a.problemHandler(newProblem(codeNotFound, "There is no such route. %s lists those there are.", a.url("/docs"))))
	notAllowed := a.problemHandler(newProblem(codeMethodNotAllowed, "The resource does not have this method; Allow lists those it has."))
	engine.NoMethod(a.limitUnmatched, notAllowed)

	for path, allow := range shadowed(a.servedRoutes()) {
		for _, method := range allow.not {
			engine.Handle(method, path, a.limitUnmatched, func(g *gin.Context) {
				g.Header("Allow", allow.has)
				notAllowed(g)
			})
		}
	}
	for _, r := range a.servedRoutes() {
		serve := a.serve(r)
		engine.Handle(r.method, r.path, serve)
		if r.method == http.MethodGet {
			engine.Handle(http.MethodHead, r.path, serve)
		}
	}
	return engine
}

// An allowance says which methods a path has, as the Allow header lists them, and which it has not.
type allowance struct {
	has string
	not []string
}

// shadowed returns the paths, such as /v1/budgets/progress, that another pattern, such as /v1/budgets/:id, would also take: its
// methods are not theirs, though the router thinks so.
func shadowed(table []route) map[string]allowance {
	methods := map[string][]string{}
	for _, r := range table {
		methods[r.path] = append(methods[r.path], r.method)
		if r.method == http.MethodGet {
			methods[r.path] = append(methods[r.path], http.MethodHead)
		}
	}
	paths := map[string]allowance{}
	for path, has := range methods {
		parent, last := pathpkg.Split(path)
		if strings.HasPrefix(last, ":") || methods[parent+":id"] == nil {
			continue
		}
		slices.Sort(has)
		not := []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
		not = slices.DeleteFunc(not, func(method string) bool { return slices.Contains(has, method) })
		paths[path] = allowance{has: strings.Join(has, ", "), not: not}
	}
	return paths
}

// table lists what this instance serves.
func (a *api) servedRoutes() []route {
	return slices.DeleteFunc(a.allRoutes(), func(r route) bool { return !a.roles.Has(r.role()) })
}

// everything lists what instances of all roles serve together.
func (a *api) allRoutes() []route {
	if a.accounts == nil {
		return ledgerRoutes()
	}
	return append(ledgerRoutes(), accountRoutes()...)
}

// accountRoutes are those of the bundled accounts.
func accountRoutes() []route {
	return []route{
		{method: "POST", path: "/v1/auth/register", handle: (*call).register},
		{method: "POST", path: "/v1/auth/login", handle: (*call).login},
		{method: "POST", path: "/v1/auth/refresh", handle: (*call).refresh},
		{method: "POST", path: "/v1/auth/logout", scope: auth.ScopeAccount, handle: (*call).logout},
		{method: "GET", path: "/.well-known/jwks.json", handle: (*call).publicKeys},

		{method: "GET", path: "/v1/me", scope: auth.ScopeRead, handle: (*call).me},
		{method: "PATCH", path: "/v1/me", scope: auth.ScopeAccount, handle: (*call).patchMe},
		{method: "PUT", path: "/v1/me/password", scope: auth.ScopeAccount, handle: (*call).putPassword},
		{method: "POST", path: "/v1/me/erase", scope: auth.ScopeAccount, handle: (*call).eraseMe},
		{method: "GET", path: "/v1/devices", scope: auth.ScopeAccount, handle: (*call).listDevices},
		{method: "DELETE", path: "/v1/devices/:id", scope: auth.ScopeAccount, handle: (*call).deleteDevice},
		{method: "POST", path: "/v1/tokens", scope: auth.ScopeAccount, handle: (*call).postToken},
		{method: "GET", path: "/v1/tokens", scope: auth.ScopeAccount, handle: (*call).listTokens},
		{method: "DELETE", path: "/v1/tokens/:id", scope: auth.ScopeAccount, handle: (*call).deleteToken},
	}
}

// ledgerRoutes are those of a ledger, and the few that need nobody.
func ledgerRoutes() []route {
	const read, write = auth.ScopeRead, auth.ScopeWrite
	return []route{
		{method: "GET", path: "/", handle: (*call).index},
		{method: "GET", path: "/healthz", handle: (*call).healthz},
		{method: "GET", path: "/readyz", handle: (*call).readyz},
		{method: "GET", path: "/problems/:code", handle: (*call).getProblem},
		{method: "GET", path: "/openapi.json", handle: (*call).getContract},
		{method: "GET", path: "/docs", handle: (*call).getDocs},

		{method: "GET", path: "/v1/settings", scope: read, handle: (*call).getSettings},
		{method: "PATCH", path: "/v1/settings", scope: write, handle: (*call).patchSettings},

		{method: "POST", path: "/v1/categories", scope: write, handle: (*call).postCategory},
		{method: "GET", path: "/v1/categories", scope: read, handle: (*call).listCategories, query: []string{"cursor", "limit"}},
		{method: "GET", path: "/v1/categories/:id", scope: read, handle: (*call).getCategory},
		{method: "PATCH", path: "/v1/categories/:id", scope: write, handle: (*call).patchCategory},
		{method: "DELETE", path: "/v1/categories/:id", scope: write, handle: (*call).deleteCategory},
		{method: "POST", path: "/v1/categories/:id/merge", scope: write, handle: (*call).mergeCategory},

		{method: "POST", path: "/v1/expenses", scope: write, handle: (*call).postExpense},
		{method: "GET", path: "/v1/expenses", scope: read, handle: (*call).listExpenses,
			query: append(filterParams(), "cursor", "limit", "sort")},
		{method: "GET", path: "/v1/expenses/:id", scope: read, handle: (*call).getExpense},
		{method: "PUT", path: "/v1/expenses/:id", scope: write, handle: (*call).putExpense},
		{method: "PATCH", path: "/v1/expenses/:id", scope: write, handle: (*call).patchExpense},
		{method: "DELETE", path: "/v1/expenses/:id", scope: write, handle: (*call).deleteExpense},

		{method: "POST", path: "/v1/budgets", scope: write, handle: (*call).postBudget},
		{method: "GET", path: "/v1/budgets", scope: read, handle: (*call).listBudgets, query: []string{"cursor", "limit"}},
		{method: "GET", path: "/v1/budgets/progress", scope: read, handle: (*call).budgetProgress, query: []string{"month"}},
		{method: "GET", path: "/v1/budgets/history", scope: read, handle: (*call).budgetHistory, query: []string{"from", "to"}},
		{method: "GET", path: "/v1/budgets/alerts", scope: read, handle: (*call).listAlerts, query: []string{"cursor", "limit"}},
		{method: "POST", path: "/v1/budgets/alerts/:id/read", scope: write, handle: (*call).readAlert},
		{method: "GET", path: "/v1/budgets/:id", scope: read, handle: (*call).getBudget},
		{method: "PATCH", path: "/v1/budgets/:id", scope: write, handle: (*call).patchBudget},
		{method: "DELETE", path: "/v1/budgets/:id", scope: write, handle: (*call).deleteBudget},

		{method: "POST", path: "/v1/recurrences", scope: write, handle: (*call).postRule},
		{method: "GET", path: "/v1/recurrences", scope: read, handle: (*call).listRules, query: []string{"cursor", "limit"}},
		{method: "GET", path: "/v1/recurrences/:id", scope: read, handle: (*call).getRule},
		{method: "PATCH", path: "/v1/recurrences/:id", scope: write, handle: (*call).patchRule},
		{method: "DELETE", path: "/v1/recurrences/:id", scope: write, handle: (*call).deleteRule},
		{method: "GET", path: "/v1/recurrences/:id/preview", scope: read, handle: (*call).previewRule, query: []string{"count"}},
		{method: "POST", path: "/v1/recurrences/:id/skip", scope: write, handle: (*call).skipRule},

		{method: "GET", path: "/v1/reports/monthly", scope: read, handle: (*call).monthlyReport, query: []string{"month", "top"}},
		{method: "GET", path: "/v1/reports/yearly", scope: read, handle: (*call).yearlyReport, query: []string{"year", "calendar", "top"}},
		{method: "GET", path: "/v1/reports/range", scope: read, handle: (*call).rangeReport, query: []string{"date_from", "date_to", "top"}},
		{method: "GET", path: "/v1/reports/trend", scope: read, handle: (*call).trendReport, query: []string{"from", "to", "by", "category_id"}},
		{method: "GET", path: "/v1/reports/monthly.svg", scope: read, handle: (*call).monthlyChart, query: []string{"month", "theme"}},
		{method: "GET", path: "/v1/reports/yearly.svg", scope: read, handle: (*call).yearlyChart, query: []string{"year", "calendar", "theme"}},
		{method: "GET", path: "/v1/reports/range.svg", scope: read, handle: (*call).rangeChart, query: []string{"date_from", "date_to", "theme"}},
		{method: "GET", path: "/v1/reports/trend.svg", scope: read, handle: (*call).trendChart, query: []string{"from", "to", "by", "category_id", "theme"}},
		{method: "GET", path: "/v1/sync", scope: read, handle: (*call).pull, query: []string{"cursor", "limit"}},
		{method: "POST", path: "/v1/sync", scope: write, handle: (*call).push},
		{method: "GET", path: "/v1/sync/digest", scope: read, handle: (*call).digest},
		{method: "GET", path: "/v1/sync/events", scope: read, handle: (*call).events},

		{method: "GET", path: "/v1/rates", scope: read, handle: (*call).getRate, query: []string{"date", "base", "quote"}},

		{method: "GET", path: "/v1/exports/expenses.csv", scope: auth.ScopeExport, handle: (*call).exportCSV,
			query: append(filterParams(), "bom"), slow: true},
		{
			method: "GET", path: "/v1/exports/expenses.ndjson", scope: auth.ScopeExport, handle: (*call).exportNDJSON,
			query: filterParams(), slow: true,
		},
		{method: "GET", path: "/v1/exports/ledger.ndjson", scope: auth.ScopeExport, handle: (*call).exportLedger, slow: true},
		{
			method: "GET", path: "/v1/exports/report.pdf", scope: auth.ScopeExport, handle: (*call).reportPDF,
			query: []string{"year", "date_from", "date_to"},
		},
		{method: "GET", path: "/v1/imports/presets", scope: auth.ScopeRead, handle: (*call).listPresets},
		{method: "POST", path: "/v1/imports/expenses", scope: write, handle: (*call).importCSV,
			query: []string{"dry_run", "on_error"}, slow: true},
	}
}

// serve turns a route into a gin handler: who asks, with which parameters, within which time.
func (a *api) serve(r route) gin.HandlerFunc {
	pattern, name := r.method+" "+pathTemplate(r.path), handlerName(r.handle)
	return func(g *gin.Context) {
		ctx, cancel := context.WithCancelCause(g.Request.Context())
		defer cancel(nil)
		limit := time.AfterFunc(a.timeout, func() { cancel(context.DeadlineExceeded) })
		defer limit.Stop()
		c := &call{Context: g, api: a, ctx: ctx, route: pattern, now: a.now(), extendDeadline: func() {}}
		if r.slow {
			connection := http.NewResponseController(g.Writer)
			c.extendDeadline = func() {
				limit.Reset(a.timeout)
				setDeadline(connection.SetWriteDeadline, a.timeout+streamPartTimeout)
			}
			// The server's time to read a request goes on while it is answered, and would end a long answer.
			setDeadline(connection.SetReadDeadline, 0)
			defer setDeadline(connection.SetReadDeadline, streamPartTimeout)
		}
		err := c.span("authenticate", func() error { return c.authorize(r) })
		if err == nil {
			err = c.span(name, func() error { return r.handle(c) })
		}
		if r.scope == auth.ScopeAccount {
			a.streams.wake(c.owner) // a session may have ended
		}
		if err == nil {
			return
		}
		// What ended the store's work says more than that it was cancelled.
		if errors.Is(err, context.Canceled) && context.Cause(ctx) != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		a.sendError(g, err)
	}
}

// extend moves a deadline of the connection to d from now; 0: there is none. A server whose connections have no deadlines says so;
// then there is none to move.
func setDeadline(set func(time.Time) error, d time.Duration) {
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = set(deadline)
}

// within runs fn in a span, below which the call's context then is.
func (c *call) span(name string, fn func() error) error {
	outer := c.ctx
	defer func() { c.ctx = outer }()
	return withSpan(outer, name, func(ctx context.Context) error {
		c.ctx = ctx
		return fn()
	})
}

// template writes a gin pattern as the contract does: "/v1/expenses/{id}".
func pathTemplate(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// admit finds out who asks and reads the query.
func (c *call) authorize(r route) error {
	header := c.Writer.Header()
	if err := c.api.limits.address(header, r.class(), c.address(), c.now); err != nil {
		return err
	}
	if err := checkHead(c.Request, r.scope != 0); err != nil {
		return err
	}
	if r.scope != 0 {
		identity, err := c.api.authenticator.Authenticate(c.Request.WithContext(c.ctx))
		if err != nil {
			return err
		}
		if !identity.Scopes.Has(r.scope) {
			return auth.ErrForbidden
		}
		c.identity, c.owner = identity, identity.Owner
		if err := c.api.limits.user(header, r.class(), c.owner, c.now); err != nil {
			return err
		}
	}
	var err error
	c.query, err = parseQuery(c.Request.URL.RawQuery, r.query)
	return err
}

// limitUnknown limits what no route is there for, in number and in length.
func (a *api) limitUnmatched(g *gin.Context) {
	err := a.limits.address(g.Writer.Header(), classReads, clientOf(g).address, a.now())
	if err == nil {
		err = checkHead(g.Request, false)
	}
	if err != nil {
		a.sendError(g, err)
		g.Abort()
	}
}

// fail returns a handler that answers every call with p.
func (a *api) problemHandler(p *problem) gin.HandlerFunc {
	return func(g *gin.Context) { a.sendError(g, p) }
}

// answerError tells the client what went wrong. When an answer has begun it cuts the connection instead: half of an answer
// must not look whole.
func (a *api) sendError(g *gin.Context, err error) {
	id := g.GetString(requestIDKey)
	p := problemOf(err)
	switch {
	case p.code == codeInternal:
		a.log.ErrorContext(g.Request.Context(), "a request failed", "error", err, "request_id", id, "route", pathTemplate(g.FullPath()))
	case p.code == codeUnavailable && g.Request.Context().Err() == nil:
		a.log.WarnContext(g.Request.Context(), "the store is not available", "error", err, "request_id", id, "route", pathTemplate(g.FullPath()))
	}
	g.Set(problemCodeKey, p.code)
	if g.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	a.sendProblem(g.Writer, g.Request, id, p)
}
