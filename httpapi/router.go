package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	pathpkg "path"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/httpapi/internal/ingress"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// A handler decodes a request, calls one use case and sends the response. If it returns an error, sendError sends the
// problem of the error.
type handler func(c *call) error

// A route is one row of the routing table.
type route struct {
	method, path string
	scope        auth.Scopes   // the scope that the caller needs; 0: no authentication
	class        ingress.Class // the limit that a request counts against
	role         Roles         // the instances that serve the route; 0: all
	handle       handler
	query        []string // the query parameters; see parseQuery
	stream       bool     // the time limit applies to each part of the body or response, not to the whole request
}

// row returns a row of the routing table.
func row(
	method, path string, scope auth.Scopes, class ingress.Class, role Roles, handle handler, query ...string,
) route {
	return route{method: method, path: path, scope: scope, class: class, role: role, handle: handle, query: query}
}

// streamed returns the row with stream set.
func (r route) streamed() route {
	r.stream = true
	return r
}

// allRoutes returns the routing table of the whole API, whatever the roles of this instance are.
func (a *api) allRoutes() []route {
	const (
		public                              = auth.Scopes(0)
		read, write, export, account        = auth.ScopeRead, auth.ScopeWrite, auth.ScopeExport, auth.ScopeAccount
		login, reads, writes, exports, sync = ingress.Login, ingress.Reads, ingress.Writes, ingress.Exports, ingress.Sync
		every                               = Roles(0)
		api, authn                          = RoleAPI, RoleAuth
	)
	table := []route{
		row("GET", "/", public, reads, every, (*call).index),
		// Without a limit: a monitor that gets 429 would report the instance as failed.
		row("GET", "/healthz", public, ingress.Unlimited, every, (*call).healthz),
		row("GET", "/readyz", public, reads, every, (*call).readyz),
		row("GET", "/problems/:code", public, reads, every, (*call).getProblem),
		row("GET", "/openapi.json", public, reads, every, (*call).getContract),
		row("GET", "/docs", public, reads, every, (*call).getDocs),

		row("GET", "/v1/settings", read, reads, api, (*call).getSettings),
		row("PATCH", "/v1/settings", write, writes, api, (*call).patchSettings),

		row("POST", "/v1/categories", write, writes, api, (*call).postCategory),
		row("GET", "/v1/categories", read, reads, api, (*call).listCategories, "cursor", "limit"),
		row("GET", "/v1/categories/:id", read, reads, api, (*call).getCategory),
		row("PATCH", "/v1/categories/:id", write, writes, api, (*call).patchCategory),
		row("DELETE", "/v1/categories/:id", write, writes, api, (*call).deleteCategory),
		row("POST", "/v1/categories/:id/merge", write, writes, api, (*call).mergeCategory),

		row("POST", "/v1/expenses", write, writes, api, (*call).postExpense),
		row("GET", "/v1/expenses", read, reads, api, (*call).listExpenses,
			append(filterParams(), "cursor", "limit", "sort")...),
		row("GET", "/v1/expenses/:id", read, reads, api, (*call).getExpense),
		row("PUT", "/v1/expenses/:id", write, writes, api, (*call).putExpense),
		row("PATCH", "/v1/expenses/:id", write, writes, api, (*call).patchExpense),
		row("DELETE", "/v1/expenses/:id", write, writes, api, (*call).deleteExpense),

		row("POST", "/v1/budgets", write, writes, api, (*call).postBudget),
		row("GET", "/v1/budgets", read, reads, api, (*call).listBudgets, "cursor", "limit"),
		row("GET", "/v1/budgets/progress", read, reads, api, (*call).budgetProgress, "month"),
		row("GET", "/v1/budgets/history", read, reads, api, (*call).budgetHistory, "month_from", "month_to"),
		row("GET", "/v1/budgets/alerts", read, reads, api, (*call).listAlerts, "cursor", "limit"),
		row("POST", "/v1/budgets/alerts/:id/read", write, writes, api, (*call).readAlert),
		row("GET", "/v1/budgets/:id", read, reads, api, (*call).getBudget),
		row("PATCH", "/v1/budgets/:id", write, writes, api, (*call).patchBudget),
		row("DELETE", "/v1/budgets/:id", write, writes, api, (*call).deleteBudget),

		row("POST", "/v1/recurrences", write, writes, api, (*call).postRule),
		row("GET", "/v1/recurrences", read, reads, api, (*call).listRules, "cursor", "limit"),
		row("GET", "/v1/recurrences/:id", read, reads, api, (*call).getRule),
		row("PATCH", "/v1/recurrences/:id", write, writes, api, (*call).patchRule),
		row("DELETE", "/v1/recurrences/:id", write, writes, api, (*call).deleteRule),
		row("GET", "/v1/recurrences/:id/preview", read, reads, api, (*call).previewRule, "count"),
		row("POST", "/v1/recurrences/:id/skip", write, writes, api, (*call).skipRule),

		row("GET", "/v1/reports/monthly", read, reads, api, (*call).monthlyReport, "month", "top"),
		row("GET", "/v1/reports/yearly", read, reads, api, (*call).yearlyReport, "year", "calendar", "top"),
		row("GET", "/v1/reports/range", read, reads, api, (*call).rangeReport, "date_from", "date_to", "top"),
		row("GET", "/v1/reports/trend", read, reads, api, (*call).trendReport, "date_from", "date_to", "by", "category_id"),
		row("GET", "/v1/reports/monthly.svg", read, reads, api, (*call).monthlyChart, "month", "theme"),
		row("GET", "/v1/reports/yearly.svg", read, reads, api, (*call).yearlyChart, "year", "calendar", "theme"),
		row("GET", "/v1/reports/range.svg", read, reads, api, (*call).rangeChart, "date_from", "date_to", "theme"),
		row("GET", "/v1/reports/trend.svg", read, reads, api, (*call).trendChart,
			"date_from", "date_to", "by", "category_id", "theme"),

		row("GET", "/v1/sync", read, sync, api, (*call).pull, "cursor", "limit"),
		row("POST", "/v1/sync", write, sync, api, (*call).push),
		row("GET", "/v1/sync/digest", read, sync, api, (*call).digest),
		row("GET", "/v1/sync/events", read, sync, api, (*call).events),

		row("GET", "/v1/rates", read, reads, api, (*call).getRate, "date", "base", "quote"),

		row("GET", "/v1/exports/expenses.csv", export, exports, api, (*call).exportCSV,
			append(filterParams(), "bom")...).streamed(),
		row("GET", "/v1/exports/expenses.ndjson", export, exports, api, (*call).exportNDJSON,
			filterParams()...).streamed(),
		row("GET", "/v1/exports/ledger.ndjson", export, exports, api, (*call).exportLedger).streamed(),
		row("GET", "/v1/exports/report.pdf", export, exports, api, (*call).reportPDF, "year", "date_from", "date_to"),
		row("POST", "/v1/imports/inspect", read, exports, api, (*call).inspectImport).streamed(),
		row("POST", "/v1/imports", write, exports, api, (*call).postImport, "dry_run", "on_error", "force").streamed(),
		row("GET", "/v1/imports", read, reads, api, (*call).listImports, "cursor", "limit"),
		row("GET", "/v1/imports/:id", read, reads, api, (*call).getImport),
		row("DELETE", "/v1/imports/:id", write, writes, api, (*call).deleteImport),
	}
	if a.accounts == nil {
		return table
	}
	return append(table,
		row("POST", "/v1/auth/register", public, login, authn, (*call).register),
		row("POST", "/v1/auth/login", public, login, authn, (*call).login),
		row("POST", "/v1/auth/refresh", public, writes, authn, (*call).refresh),
		row("POST", "/v1/auth/logout", account, writes, authn, (*call).logout),
		row("GET", "/.well-known/jwks.json", public, reads, authn, (*call).publicKeys),

		row("GET", "/v1/me", read, reads, authn, (*call).me),
		// The next three routes check the password, so they have the login limit.
		row("PATCH", "/v1/me", account, login, authn, (*call).patchMe),
		row("PUT", "/v1/me/password", account, login, authn, (*call).putPassword),
		row("POST", "/v1/me/erase", account, login, authn, (*call).eraseMe),
		row("GET", "/v1/devices", account, reads, authn, (*call).listDevices),
		row("DELETE", "/v1/devices/:id", account, writes, authn, (*call).deleteDevice),
		row("POST", "/v1/tokens", account, writes, authn, (*call).postToken),
		row("GET", "/v1/tokens", account, reads, authn, (*call).listTokens),
		row("DELETE", "/v1/tokens/:id", account, writes, authn, (*call).deleteToken),
	)
}

// servedRoutes returns the routes that the roles of this instance include.
func (a *api) servedRoutes() []route {
	return slices.DeleteFunc(a.allRoutes(), func(r route) bool { return !a.roles.Has(r.role) })
}

// newRouter returns the router. A route for GET also serves HEAD.
func (a *api) newRouter() http.Handler {
	engine := gin.New()
	engine.RedirectTrailingSlash = false
	engine.HandleMethodNotAllowed = true
	engine.ForwardedByClientIP = false
	engine.Use(a.middleware)
	engine.NoRoute(a.limitUnmatched, a.roleDisabled(), a.noRoute)
	engine.NoMethod(a.limitUnmatched, a.methodNotAllowed)

	table := a.servedRoutes()
	for path, methods := range shadowedPaths(table) {
		for _, method := range methods.denied {
			engine.Handle(method, path, a.limitUnmatched, func(g *gin.Context) {
				g.Header("Allow", methods.allow)
				a.methodNotAllowed(g)
			})
		}
	}
	for _, r := range table {
		serve := a.serve(r)
		engine.Handle(r.method, r.path, serve)
		if r.method == http.MethodGet {
			engine.Handle(http.MethodHead, r.path, serve)
		}
	}
	return engine
}

// methodSet splits the methods of HTTP for one path.
type methodSet struct {
	allow  string   // the methods that the path has, as the value of Allow
	denied []string // the other methods of the API
}

// shadowedPaths returns the literal paths, such as /v1/budgets/progress, that a pattern such as /v1/budgets/:id also
// matches. For the methods that a literal path does not have, gin would call the handler of the pattern.
func shadowedPaths(table []route) map[string]methodSet {
	methods := map[string][]string{}
	for _, r := range table {
		methods[r.path] = append(methods[r.path], r.method)
		if r.method == http.MethodGet {
			methods[r.path] = append(methods[r.path], http.MethodHead)
		}
	}
	paths := map[string]methodSet{}
	for path, allowed := range methods {
		parent, last := pathpkg.Split(path)
		if strings.HasPrefix(last, ":") || methods[parent+":id"] == nil {
			continue
		}
		slices.Sort(allowed)
		denied := []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
		denied = slices.DeleteFunc(denied, func(method string) bool { return slices.Contains(allowed, method) })
		paths[path] = methodSet{allow: strings.Join(allowed, ", "), denied: denied}
	}
	return paths
}

// serve returns the gin handler of a route.
func (a *api) serve(r route) gin.HandlerFunc {
	pattern, name := r.method+" "+pathTemplate(r.path), handlerName(r.handle)
	return func(g *gin.Context) {
		c := &call{Context: g, api: a, route: pattern, now: a.now()}
		ctx := c.deadline.Start(g.Request.Context(), a.timeout)
		defer c.deadline.Stop()
		c.ctx = ctx
		if r.stream {
			c.deadline.Stream(g.Writer)
		}
		err := c.span("authenticate", func() error { return c.authorize(r) })
		if err == nil {
			err = c.span(name, func() error { return r.handle(c) })
		}
		if r.scope == auth.ScopeAccount {
			a.streams.wake(c.owner) // the request may have ended a session
		}
		if err == nil {
			return
		}
		// The cause, such as the time limit, explains more than the cancellation that the store reports.
		if errors.Is(err, context.Canceled) && context.Cause(ctx) != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		a.sendError(g, err)
	}
}

// readsInput reports whether the handler reads query parameters or a body, and therefore reports the errors of the
// call.
func (r route) readsInput() bool {
	return len(r.query) > 0 || r.method == http.MethodPost || r.method == http.MethodPut || r.method == http.MethodPatch
}

// pathTemplate converts a gin pattern to an OpenAPI path template: "/v1/expenses/{id}".
func pathTemplate(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}

// authorize checks the limits and the caller of a request and parses its query.
func (c *call) authorize(r route) error {
	header := c.Writer.Header()
	if err := c.api.limiter.Address(header, r.class, c.address(), c.now); err != nil {
		return err
	}
	if err := ingress.CheckHeaders(c.Request, r.scope != 0); err != nil {
		return err
	}
	if r.scope != 0 {
		identity, err := c.api.authenticator.Authenticate(c.Request.WithContext(c.ctx))
		if err != nil {
			return err
		}
		if !identity.Scopes.Has(r.scope) {
			return problem.New(problem.CodeForbidden, "The credentials lack the scope %q; use credentials with this scope.",
				scopeNames[r.scope])
		}
		c.identity, c.owner = identity, identity.Owner
		if err := c.api.limiter.User(header, r.class, c.owner, c.now); err != nil {
			return err
		}
	}
	var err error
	if c.query, err = parseQuery(c.Request.URL.RawQuery, r.query, &c.errs); err != nil {
		return err
	}
	if r.readsInput() {
		return nil // the handler adds the errors of the other parameters and of the body
	}
	return c.errs.Err()
}

// limitUnmatched applies the limits to a request that matches no route.
func (a *api) limitUnmatched(g *gin.Context) {
	err := a.limiter.Address(g.Writer.Header(), ingress.Reads, clientOf(g).Address, a.now())
	if err == nil {
		err = ingress.CheckHeaders(g.Request, false)
	}
	if err != nil {
		a.sendError(g, err)
		g.Abort()
	}
}

// noRoute responds to a request whose path matches no route.
func (a *api) noRoute(g *gin.Context) {
	a.sendError(g, problem.New(problem.CodeNotFound, "The API has no route for the path %s; see %s for all routes.",
		expense.QuoteText(g.Request.URL.Path), a.url("/docs")))
}

// methodNotAllowed responds to a request whose path has no route for its method. The Allow header is set already.
func (a *api) methodNotAllowed(g *gin.Context) {
	a.sendError(g, problem.New(problem.CodeMethodNotAllowed, "The path %s does not support the method %s; use one of %s.",
		expense.QuoteText(g.Request.URL.Path), expense.QuoteText(g.Request.Method), g.Writer.Header().Get("Allow")))
}

// sendError responds with the problem of err. If the response has already started, it aborts the connection,
// so that the client does not take a part of the response for the whole.
func (a *api) sendError(g *gin.Context, err error) {
	ctx := g.Request.Context()
	id, route := g.GetString(requestIDKey), pathTemplate(g.FullPath())
	p := problem.Of(err)
	switch {
	case p.Code == problem.CodeInternal:
		a.log.ErrorContext(ctx, "a request failed", "error", err, "request_id", id, "route", route)
	case p.Code == problem.CodeUnavailable && ctx.Err() == nil:
		a.log.WarnContext(ctx, "the store is not available", "error", err, "request_id", id, "route", route)
	}
	g.Set(problemCodeKey, p.Code)
	if g.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	a.sendProblem(g.Writer, g.Request, id, p)
}
