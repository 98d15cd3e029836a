package main

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spendwise/spendwise/expense/ecb"
	"github.com/spendwise/spendwise/store"
	"github.com/spendwise/spendwise/store/jobs"
)

const (
	// scrapeTimeout limits the queries of one scrape.
	scrapeTimeout = 2 * time.Second
	// pendingMaxAge is how long a count of the ledgers with pending expenses is reused.
	pendingMaxAge = time.Minute
	// pendingLimit is the number at which counting the ledgers with pending expenses stops.
	pendingLimit = 10_000
)

// buildInfo returns the metric spendwise_build_info.
func buildInfo() prometheus.Collector {
	version, revision, goVersion := build()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "spendwise_build_info",
		Help:        "Always 1, labelled with the version, the revision and the Go release of the server.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": goVersion},
	})
	info.Set(1)
	return info
}

// ratesAge returns the metric spendwise_rates_age_seconds of a table.
func ratesAge(table *ecb.Table) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "spendwise_rates_age_seconds",
		Help: "Age of the newest exchange rates since the start of their day in UTC; 4 days are normal after a weekend.",
	}, func() float64 {
		return time.Since(table.LatestDate().StartIn(time.UTC)).Seconds()
	})
}

// A ledgerCollector queries the store at each scrape. Its metrics describe the whole deployment and are the same on
// every instance. It is safe for concurrent use.
type ledgerCollector struct {
	st store.Store

	mu      sync.Mutex
	counted time.Time
	pending int
}

var (
	storeUp = prometheus.NewDesc("spendwise_store_up",
		"1 if the store answers and has the schema of this release, else 0; metrics that query the store are then left out.",
		nil, nil)
	posterLag = prometheus.NewDesc("spendwise_poster_lag_seconds",
		"Age of the oldest occurrence of a recurring expense that is due and not posted; 0 if there is none. "+
			"The same on every instance.", nil, nil)
	posterOverdue = prometheus.NewDesc("spendwise_poster_overdue_seconds",
		"Time since the oldest due occurrence could have been posted; for a rule that failed, since its next retry was due. "+
			"It grows only if no ticker keeps up.", nil, nil)
	pendingLedgers = prometheus.NewDesc("spendwise_converter_pending_ledgers", fmt.Sprintf(
		"Ledgers with expenses that wait for a rate, counted once a minute up to %d. The same on every instance.",
		pendingLimit), nil, nil)
)

// Describe implements prometheus.Collector.
func (*ledgerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- storeUp
	out <- posterLag
	out <- posterOverdue
	out <- pendingLedgers
}

// Collect implements prometheus.Collector. If a query fails, Collect leaves out its metric and the scrape succeeds.
func (c *ledgerCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if err := c.st.Ping(ctx); err != nil {
		out <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, 0)
		return
	}
	out <- prometheus.MustNewConstMetric(storeUp, prometheus.GaugeValue, 1)
	if lag, err := jobs.MeasurePostingLag(ctx, c.st, time.Now()); err == nil {
		out <- prometheus.MustNewConstMetric(posterLag, prometheus.GaugeValue, lag.OldestAge.Seconds())
		out <- prometheus.MustNewConstMetric(posterOverdue, prometheus.GaugeValue, lag.Overdue.Seconds())
	}
	if count, err := c.countPending(ctx); err == nil {
		out <- prometheus.MustNewConstMetric(pendingLedgers, prometheus.GaugeValue, float64(count))
	}
}

func (c *ledgerCollector) countPending(ctx context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.counted.IsZero() && time.Since(c.counted) < pendingMaxAge {
		return c.pending, nil
	}
	count := 0
	for _, err := range c.st.PendingOwners(ctx) {
		if err != nil {
			return 0, err
		}
		if count++; count == pendingLimit {
			break
		}
	}
	c.counted, c.pending = time.Now(), count
	return count, nil
}

// A poolCollector exports the statistics of the database connection pools.
type poolCollector struct {
	db interface{ Pools() map[string]sql.DBStats }
}

var (
	poolMax = prometheus.NewDesc("spendwise_db_connections_max", "Maximum number of connections in a pool.",
		[]string{"pool"}, nil)
	poolConns = prometheus.NewDesc("spendwise_db_connections", "Open connections of a pool, by state: in_use, idle.",
		[]string{"pool", "state"}, nil)
	poolWaits = prometheus.NewDesc("spendwise_db_waits_total", "Number of waits for a connection.", []string{"pool"}, nil)
	poolWait  = prometheus.NewDesc("spendwise_db_wait_seconds_total", "Total time spent waiting for a connection.",
		[]string{"pool"}, nil)
)

// Describe implements prometheus.Collector.
func (poolCollector) Describe(out chan<- *prometheus.Desc) {
	out <- poolMax
	out <- poolConns
	out <- poolWaits
	out <- poolWait
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(out chan<- prometheus.Metric) {
	for pool, s := range c.db.Pools() {
		out <- prometheus.MustNewConstMetric(poolMax, prometheus.GaugeValue, float64(s.MaxOpenConnections), pool)
		out <- prometheus.MustNewConstMetric(poolConns, prometheus.GaugeValue, float64(s.InUse), pool, "in_use")
		out <- prometheus.MustNewConstMetric(poolConns, prometheus.GaugeValue, float64(s.Idle), pool, "idle")
		out <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.WaitCount), pool)
		out <- prometheus.MustNewConstMetric(poolWait, prometheus.CounterValue, s.WaitDuration.Seconds(), pool)
	}
}
