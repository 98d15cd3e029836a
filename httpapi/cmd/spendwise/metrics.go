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

// The objectives that requests are held to, the value of the label slo. What share of them has to be good the alert rules say.
const (
	sloAvailability = "availability" // answered, and not by an error of the server
	sloSwift        = "swift"        // reads and writes of a ledger, answered within swiftTime
	sloPatient      = "patient"      // reports, sync and signing in, answered within patientTime
)

const (
	swiftTime   = 200 * time.Millisecond
	patientTime = time.Second
)

// noRoute stands for the route of a request that matched none: its path is whatever a client made up.
const noRoute = "none"

// eventsRoute is the one route whose answer takes as long as its client listens.
const eventsRoute = "/v1/sync/events"

// roundBuckets are those of the length of what the ticker does.
func roundBuckets() []float64 { return []float64{.005, .02, .1, .5, 1, 5, 15, 60, 180, 600} }

// metrics are what the server tells Prometheus, in a registry of its own. Each label takes one of few values, and none names
// anybody: routes are templates, codes those of the table of problems.
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
			"Requests that were answered. route is the template; status is 499 where the client had gone before the answer.", "route", "method", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "spendwise_http_request_seconds", Help: "Time from a request's arrival to the end of its answer, but for event streams.",
			Buckets: []float64{.001, .0025, .005, .01, .02, .035, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2, 5, 10, 30},
		}, []string{"route", "method"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "spendwise_http_requests_in_flight", Help: "Requests that are being answered, event streams among them.",
		}),
		problems: counters("spendwise_http_problems_total", "Requests that were answered with a problem, by its code.", "code"),
		refusals: counters("spendwise_rate_limit_refusals_total", "Requests that were refused because there were too many.", "route"),
		slo: counters("spendwise_slo_requests_total",
			"Requests of users that an objective is about: availability, swift (200 ms: reads and writes of a ledger), patient (1 s: reports, sync, signing in).",
			"slo"),
		sloGood: counters("spendwise_slo_good_requests_total", "Those of spendwise_slo_requests_total that met the objective.", "slo"),

		added:  counters("spendwise_expenses_added_total", "Expenses that were added, by the way they came: request, sync, import, rule.", "way"),
		pulls:  counters("spendwise_sync_pulls_total", "Pages of the feed that devices asked for: ok, or the code of the problem.", "result"),
		pushes: counters("spendwise_sync_pushes_total", "Pushes of devices: ok, or the code of the problem.", "result"),
		changes: counters("spendwise_sync_changes_total",
			"Changes that devices pushed, by type of row and what became of them; repeated: answered before.", "type", "status"),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "spendwise_event_streams", Help: "Clients that listen for changes on this instance.",
		}),
		imports:    counters("spendwise_imports_total", "Imports of files: ok, or the code of the problem.", "result"),
		importRows: counters("spendwise_import_rows_total", "Lines of imported files, but for dry runs: added, known, ignored, failed.", "outcome"),
		exports:    counters("spendwise_exports_total", "Exports by file: ok, cut, or the code of the problem.", "file", "result"),

		rounds: counters("spendwise_poster_rounds_total", "Rounds of the poster: ok, or failed where a ledger or the store did.", "result"),
		roundSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "spendwise_poster_round_seconds", Help: "Length of a round of the poster.", Buckets: roundBuckets(),
		}),
		posted:      counter("spendwise_poster_posted_total", "Expenses that this instance's poster posted."),
		rulesFailed: counter("spendwise_poster_rules_failed_total", "Rules that could not be posted in a round; each is tried again and says why."),
		alertRounds: counters("spendwise_budget_alert_rounds_total", "Rounds that look for alerts of budgets: ok, or failed.", "result"),
		alertRoundSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "spendwise_budget_alert_round_seconds", Buckets: roundBuckets(),
			Help: "Length of a round that looks for alerts of budgets; the first one, and a month's first, look into every ledger with a budget.",
		}),
		alerts:      counter("spendwise_budget_alerts_total", "Alerts of budgets that the rounds raised."),
		converted:   counter("spendwise_converter_converted_total", "Pending expenses that were converted when prices arrived."),
		conversions: counters("spendwise_converter_rounds_total", "Rounds of the converter: ok, or failed.", "result"),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(),
		m.requests, m.seconds, m.inFlight, m.problems, m.refusals, m.slo, m.sloGood, m.added, m.pulls, m.pushes, m.changes, m.streams,
		m.imports, m.importRows, m.exports, m.rounds, m.roundSeconds, m.posted, m.rulesFailed, m.alertRounds, m.alertRoundSeconds, m.alerts, m.converted, m.conversions,
		&ledgerCollector{st: db}, poolCollector{db},
	)
	// A series that begins with its first event hides that event from every rate: these begin with the server.
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

// observe counts what the API and the ticker did.
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
			m.importRows.WithLabelValues("known").Add(float64(e.Existing))
			m.importRows.WithLabelValues("ignored").Add(float64(e.Skipped))
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

// request counts a request that was answered.
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
	case route == "/v1/imports/expenses":
		m.imports.WithLabelValues(result).Inc()
	case strings.HasPrefix(route, "/v1/exports/") && e.Method == http.MethodGet:
		m.exports.WithLabelValues(path.Base(route), result).Inc()
	}
	m.objectives(route, e)
}

// objectives counts a request of a user against the objectives. A client that went away judges nothing.
func (m *metrics) objectives(route string, e httpapi.RequestCompleted) {
	if e.ClientGone || route == eventsRoute || !strings.HasPrefix(route, "/v1/") {
		return
	}
	m.slo.WithLabelValues(sloAvailability).Inc()
	if e.Status >= http.StatusInternalServerError || e.Aborted {
		return
	}
	m.sloGood.WithLabelValues(sloAvailability).Inc()
	slo, limit := sloSwift, swiftTime
	switch {
	case strings.HasPrefix(route, "/v1/exports/"), strings.HasPrefix(route, "/v1/imports/"):
		return // these take as long as there is to send
	case strings.HasPrefix(route, "/v1/reports/"), strings.HasPrefix(route, "/v1/sync"), strings.HasPrefix(route, "/v1/auth/"),
		route == "/v1/me/password", route == "/v1/me/erase":
		slo, limit = sloPatient, patientTime
	}
	m.slo.WithLabelValues(slo).Inc()
	if e.Duration <= limit {
		m.sloGood.WithLabelValues(slo).Inc()
	}
}

// count wraps the API so that the requests under way are counted.
func (m *metrics) count(handler http.Handler) http.Handler {
	return promhttp.InstrumentHandlerInFlight(m.inFlight, handler)
}

// convertedPending counts a round of the converter.
func (m *metrics) convertedPending(count int, err error) {
	m.converted.Add(float64(count))
	m.conversions.WithLabelValues(resultOf(err)).Inc()
}

// follow says how old the newest prices are, where rates are a table that knows.
func (m *metrics) follow(rates expense.Rates) {
	if table, ok := rates.(*ecb.Table); ok {
		m.registry.MustRegister(ratesAge(table))
	}
}

// scrapesAtOnce is how many scrapes are answered at the same time: each asks the store.
const scrapesAtOnce = 2

// handler serves the metrics under /metrics.
func (m *metrics) handler(logger *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError,
		MaxRequestsInFlight: scrapesAtOnce, EnableOpenMetrics: true,
	}))
	mux.Handle("GET /{$}", http.RedirectHandler("/metrics", http.StatusFound))
	return mux
}

// listenMetrics listens on address, or nowhere where it is empty or "off", which an environment variable can say.
func listenMetrics(ctx context.Context, address string) (net.Listener, error) {
	if address == "" || address == "off" {
		return nil, nil //nolint:nilnil // no listener is what was asked for.
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics on %s: %w; another server on this machine may have the address: "+
			`--metrics-listen takes another one, port 0 a free one, and "off" serves no metrics`, address, err)
	}
	return listener, nil
}

// serve answers on listener until stop is called, which is after the drain: how a server stops can be seen too.
func (m *metrics) serve(listener net.Listener, logger *slog.Logger) (stop func() error) {
	server := &http.Server{
		Handler: m.handler(logger), ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() {
		err := server.Serve(listener)
		if !errors.Is(err, http.ErrServerClosed) {
			logger.Error("metrics are not served any more", "error", err)
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
