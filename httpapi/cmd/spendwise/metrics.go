package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/httpapi"
)

// The service level objectives, which are the values of the label slo. The alert rules define their target percentages.
const (
	sloAvailability = "availability" // completed without a server error
	sloSwift        = "swift"        // reads and writes of a ledger, completed within swiftLimit
	sloPatient      = "patient"      // reports, sync and sign-in, completed within patientLimit
)

const (
	swiftLimit   = 200 * time.Millisecond
	patientLimit = time.Second
)

// noRoute is the label of a request that matched no route. The label must not contain a path that a client chose.
const noRoute = "none"

// eventsRoute is the route of event streams. It is not in the latencies: a stream lasts as long as the client listens.
const eventsRoute = "/v1/sync/events"

// roundBuckets returns the histogram buckets, in seconds, for the duration of a round of the ticker.
func roundBuckets() []float64 { return []float64{.005, .02, .1, .5, 1, 5, 15, 60, 180, 600} }

// metrics holds the server's Prometheus metrics and their registry. Every label has few possible values and none
// identifies a user: routes are templates, and codes come from the table of problems.
type metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	problems *prometheus.CounterVec
	refusals *prometheus.CounterVec
	slo      *prometheus.CounterVec
	sloGood  *prometheus.CounterVec

	added      *prometheus.CounterVec
	pulls      *prometheus.CounterVec
	pushes     *prometheus.CounterVec
	changes    *prometheus.CounterVec
	streams    prometheus.Gauge
	imports    *prometheus.CounterVec
	importRows *prometheus.CounterVec
	exports    *prometheus.CounterVec

	rounds            *prometheus.CounterVec
	roundSeconds      prometheus.Histogram
	posted            prometheus.Counter
	rulesFailed       prometheus.Counter
	alertRounds       *prometheus.CounterVec
	alertRoundSeconds prometheus.Histogram
	alerts            prometheus.Counter
	converted         prometheus.Counter
	conversions       *prometheus.CounterVec
}

// newMetrics returns the metrics of a server on db.
func newMetrics(db database) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),

		requests: counters("spendwise_http_requests_total",
			"Completed requests. route is the template; status is 499 if the client disconnected before the response.",
			"route", "method", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "spendwise_http_request_seconds",
			Help:    "Time from the arrival of a request to the end of its response, without event streams.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .035, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 30},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "spendwise_http_requests_in_flight", Help: "Requests in progress, including event streams.",
		}),
		problems: counters("spendwise_http_problems_total", "Requests that ended with a problem, by its code.", "code"),
		refusals: counters("spendwise_rate_limit_refusals_total", "Requests that a rate limit rejected.", "route"),
		slo: counters("spendwise_slo_requests_total",
			"User requests that an objective covers: availability, swift (200 ms: reads and writes of a ledger), "+
				"patient (1 s: reports, sync, sign-in).", "slo"),
		sloGood: counters("spendwise_slo_good_requests_total",
			"Requests of spendwise_slo_requests_total that met the objective.", "slo"),

		added: counters("spendwise_expenses_added_total", "Added expenses by origin: request, sync, import, rule.", "way"),
		pulls: counters("spendwise_sync_pulls_total",
			"Pages of the change feed that devices requested. result is ok or the code of the problem.", "result"),
		pushes: counters("spendwise_sync_pushes_total",
			"Pushes of devices. result is ok or the code of the problem.", "result"),
		changes: counters("spendwise_sync_changes_total",
			"Changes that devices pushed, by type of row and status. repeated means replayed from an earlier push.",
			"type", "status"),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "spendwise_event_streams", Help: "Event streams that are open on this instance.",
		}),
		imports: counters("spendwise_imports_total", "File imports. result is ok or the code of the problem.", "result"),
		importRows: counters("spendwise_import_rows_total",
			"Lines of imported files, without dry runs. known means already in the ledger.", "outcome"),
		exports: counters("spendwise_exports_total",
			"Exports by file. result is ok, cut (ended early) or the code of the problem.", "file", "result"),

		rounds: counters("spendwise_poster_rounds_total",
			"Rounds that post recurring expenses. result is failed if the store or a ledger failed, else ok.", "result"),
		roundSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "spendwise_poster_round_seconds", Buckets: roundBuckets(),
			Help: "Duration of a round that posts recurring expenses.",
		}),
		posted: counter("spendwise_poster_posted_total", "Recurring expenses that this instance posted."),
		rulesFailed: counter("spendwise_poster_rules_failed_total",
			"Rules that could not be posted in a round; each stores its error and is retried."),
		alertRounds: counters("spendwise_budget_alert_rounds_total",
			"Rounds that check for budget alerts. result is ok or failed.", "result"),
		alertRoundSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "spendwise_budget_alert_round_seconds", Buckets: roundBuckets(),
			Help: "Duration of a round that checks for budget alerts; the first one, and the first in a month, check every " +
				"ledger with a budget.",
		}),
		alerts: counter("spendwise_budget_alerts_total", "Budget alerts that the rounds raised."),
		converted: counter("spendwise_converter_converted_total",
			"Pending expenses that were converted when rates arrived."),
		conversions: counters("spendwise_converter_rounds_total",
			"Rounds that convert pending expenses. result is ok or failed.", "result"),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(),
		m.requests, m.seconds, m.inFlight, m.problems, m.refusals, m.slo, m.sloGood, m.added, m.pulls,
		m.pushes, m.changes, m.streams,
		m.imports, m.importRows, m.exports, m.rounds, m.roundSeconds, m.posted, m.rulesFailed,
		m.alertRounds, m.alertRoundSeconds, m.alerts, m.converted, m.conversions,
		&ledgerCollector{st: db}, poolCollector{db},
	)
	// Create these time series at start. If a time series begins with its first event, rate() does not count that event.
	for _, slo := range []string{sloAvailability, sloSwift, sloPatient} {
		m.slo.WithLabelValues(slo)
		m.sloGood.WithLabelValues(slo)
	}
	for _, way := range []string{httpapi.SourceRequest, httpapi.SourceSync, httpapi.SourceImport, httpapi.SourceRule} {
		m.added.WithLabelValues(way)
	}
	for _, outcome := range []string{"added", "known", "ignored", "failed"} {
		m.importRows.WithLabelValues(outcome)
	}
	for _, result := range []string{resultOK, resultFailed} {
		m.rounds.WithLabelValues(result)
		m.alertRounds.WithLabelValues(result)
		m.conversions.WithLabelValues(result)
	}
	for _, code := range []string{"internal", "unavailable"} {
		m.problems.WithLabelValues(code)
	}
	return m
}

const (
	resultOK     = "ok"
	resultFailed = "failed"
)

// observe counts an event of the API or the ticker.
func (m *metrics) observe(event httpapi.Event) {
	switch e := event.(type) {
	case httpapi.RequestCompleted:
		m.request(e)
	case httpapi.ExpensesAdded:
		m.added.WithLabelValues(e.Source).Add(float64(e.Count))
	case httpapi.ChangePushed:
		m.changes.WithLabelValues(e.Type, e.Status).Inc()
	case httpapi.ImportCompleted:
		if !e.DryRun {
			m.importRows.WithLabelValues("added").Add(float64(e.Added))
			m.importRows.WithLabelValues("known").Add(float64(e.Known))
			m.importRows.WithLabelValues("ignored").Add(float64(e.Ignored))
			m.importRows.WithLabelValues("failed").Add(float64(e.Failed))
		}
	case httpapi.StreamOpened:
		m.streams.Inc()
	case httpapi.StreamClosed:
		m.streams.Dec()
	case httpapi.PostingCompleted:
		m.rounds.WithLabelValues(resultOf(e.Err)).Inc()
		m.roundSeconds.Observe(e.Duration.Seconds())
		m.posted.Add(float64(e.Posted))
		m.rulesFailed.Add(float64(e.Failed))
	case httpapi.AlertingCompleted:
		m.alertRounds.WithLabelValues(resultOf(e.Err)).Inc()
		m.alertRoundSeconds.Observe(e.Duration.Seconds())
		m.alerts.Add(float64(e.Raised))
	}
}

func resultOf(err error) string {
	if err != nil {
		return resultFailed
	}
	return resultOK
}

// request counts a completed request.
func (m *metrics) request(e httpapi.RequestCompleted) {
	route, status := e.Route, strconv.Itoa(e.Status)
	if route == "" {
		route = noRoute
	}
	if e.ClientGone {
		status = "499"
	}
	m.requests.WithLabelValues(route, e.Method, status).Inc()
	if route != eventsRoute {
		m.seconds.WithLabelValues(route, e.Method).Observe(e.Duration.Seconds())
	}
	if e.Code != "" && !e.ClientGone {
		m.problems.WithLabelValues(e.Code).Inc()
	}
	if e.Status == http.StatusTooManyRequests {
		m.refusals.WithLabelValues(route).Inc()
	}
	result := resultOK
	switch {
	case e.Code != "":
		result = e.Code
	case e.Aborted:
		result = "cut"
	}
	switch {
	case route == "/v1/sync" && e.Method == http.MethodGet:
		m.pulls.WithLabelValues(result).Inc()
	case route == "/v1/sync":
		m.pushes.WithLabelValues(result).Inc()
	case route == "/v1/imports" && e.Method == http.MethodPost:
		m.imports.WithLabelValues(result).Inc()
	case strings.HasPrefix(route, "/v1/exports/") && e.Method == http.MethodGet:
		m.exports.WithLabelValues(path.Base(route), result).Inc()
	}
	m.objectives(route, e)
}

// objectives counts a user's request against the service level objectives, unless the client disconnected.
func (m *metrics) objectives(route string, e httpapi.RequestCompleted) {
	if e.ClientGone || route == eventsRoute || !strings.HasPrefix(route, "/v1/") {
		return
	}
	m.slo.WithLabelValues(sloAvailability).Inc()
	if e.Status >= http.StatusInternalServerError || e.Aborted {
		return
	}
	m.sloGood.WithLabelValues(sloAvailability).Inc()
	slo, limit := sloSwift, swiftLimit
	switch {
	case strings.HasPrefix(route, "/v1/exports/"), strings.HasPrefix(route, "/v1/imports/"):
		return // the duration depends on the size of the file
	case strings.HasPrefix(route, "/v1/reports/"), strings.HasPrefix(route, "/v1/sync"),
		strings.HasPrefix(route, "/v1/auth/"), route == "/v1/me/password", route == "/v1/me/erase":
		slo, limit = sloPatient, patientLimit
	}
	m.slo.WithLabelValues(slo).Inc()
	if e.Duration <= limit {
		m.sloGood.WithLabelValues(slo).Inc()
	}
}

// countInFlight wraps handler to count the requests in progress.
func (m *metrics) countInFlight(handler http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, handler)
}

// countConversion counts a round that converts pending expenses, and the count expenses that it converted.
func (m *metrics) countConversion(count int, err error) {
	m.converted.Add(float64(count))
	m.conversions.WithLabelValues(resultOf(err)).Inc()
}

// registerRatesAge exports the age of the newest rates, if rates is a table of ECB rates.
func (m *metrics) registerRatesAge(rates expense.Rates) {
	if table, ok := rates.(*ecb.Table); ok {
		m.registry.MustRegister(ratesAge(table))
	}
}

// maxScrapes limits concurrent scrapes, because each one queries the store.
const maxScrapes = 2

// handler returns the handler that serves /metrics.
func (m *metrics) handler(logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true,
	}))
	mux.Handle("GET /{$}", http.RedirectHandler("/metrics", http.StatusFound))
	return mux
}

// listenMetrics listens on address. It returns nil if address is empty or "off"; the latter is for environment
// variables, where an empty value counts as not set.
func listenMetrics(ctx context.Context, address string) (net.Listener, error) {
	if address == "" || address == "off" {
		return nil, nil //nolint:nilnil // nil means disabled.
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics on %s: %w; another server on this machine may use the address: "+
			`set --metrics-listen to another one, to port 0 for a free port, or to "off" to serve no metrics`, address, err)
	}
	return listener, nil
}

// serve serves the metrics on listener until stop is called. Call stop after running requests have finished, so that
// the metrics show how the server stops.
func (m *metrics) serve(listener net.Listener, logger *slog.Logger) (stop func() error) {
	server := &http.Server{
		Handler: m.handler(logger), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() {
		err := server.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			logger.Error("the metrics listener failed", "error", err)
		}
		ended <- err
	}()
	return func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}
