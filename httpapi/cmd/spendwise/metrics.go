package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/spendwise/spendwise/store"
)

const (
	// scrapeTime is how long the store may take to answer what a scrape asks it.
	scrapeTime = 2 * time.Second
	// scrapesAtOnce is how many scrapes are answered at the same time: each asks the store.
	scrapesAtOnce = 2
)

// metrics are what the server tells Prometheus, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry
}

// newMetrics returns the metrics of a server on st.
func newMetrics(st store.Store) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(), ledgerCollector{st},
	)
	return m
}

// buildInfo says which release answers.
func buildInfo() prometheus.Collector {
	version, revision, goVersion := build()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "spendwise_build_info", Help: "1, with the version, the revision and the Go release that the server was built from.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": goVersion},
	})
	info.Set(1)
	return info
}

var (
	storeUpDesc = prometheus.NewDesc("spendwise_store_up",
		"1 while the store answers and has the schema of this release, else 0; what is asked of it is left out then.", nil, nil)
	posterLagDesc = prometheus.NewDesc("spendwise_poster_lag_seconds",
		"Age of the oldest occurrence of a recurring expense that is due and not posted; 0 when there is none. The same on every instance.",
		nil, nil)
	posterOverdueDesc = prometheus.NewDesc("spendwise_poster_overdue_seconds",
		"For how long the oldest occurrence that is due could have been tried, that of a rule which failed from its next try on. "+
			"It grows only where no ticker keeps up.", nil, nil)
)

// A ledgerCollector asks the store at each scrape: what it says is true of all instances, not only of this one.
type ledgerCollector struct{ st store.Store }

// Describe names the metrics.
func (ledgerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- storeUpDesc
	out <- posterLagDesc
	out <- posterOverdueDesc
}

// Collect measures. A store that does not answer leaves all else of the scrape as it is.
func (c ledgerCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	if err := c.st.Ping(ctx); err != nil {
		out <- prometheus.MustNewConstMetric(storeUpDesc, prometheus.GaugeValue, 0)
		return
	}
	out <- prometheus.MustNewConstMetric(storeUpDesc, prometheus.GaugeValue, 1)
	if lag, err := store.LagOf(ctx, c.st, time.Now()); err == nil {
		out <- prometheus.MustNewConstMetric(posterLagDesc, prometheus.GaugeValue, lag.Oldest.Seconds())
		out <- prometheus.MustNewConstMetric(posterOverdueDesc, prometheus.GaugeValue, lag.Overdue.Seconds())
	}
}

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

// serveMetrics answers on listener until stop is called. It is no task of the ticker's kind: it also shows how a server drains.
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
