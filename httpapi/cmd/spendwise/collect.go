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
	// scrapeTime is how long the store may take to answer what a scrape asks it.
	scrapeTime = 2 * time.Second
	// pendingEvery is how long a count of the ledgers with pending expenses is good for, and pendingMost how far it goes.
	pendingEvery = time.Minute
	pendingMost  = 10_000
)

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

// ratesAge says how old the newest prices of a table are.
func ratesAge(table *ecb.Table) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "spendwise_rates_age_seconds",
		Help: "Age of the newest exchange rates, from the begin of their day in UTC; 4 days are usual after a weekend.",
	}, func() float64 {
		return time.Since(table.LatestDate().StartIn(time.UTC)).Seconds()
	})
}

// A ledgerCollector asks the store at each scrape: what it says is true of all instances, not only of this one.
type ledgerCollector struct {
	st store.Store

	mu      sync.Mutex
	counted time.Time
	pending int
}

var (
	storeUp = prometheus.NewDesc("spendwise_store_up",
		"1 while the store answers and has the schema of this release, else 0; what is asked of it is left out then.", nil, nil)
	posterLag = prometheus.NewDesc("spendwise_poster_lag_seconds",
		"Age of the oldest occurrence of a recurring expense that is due and not posted; 0 when there is none. The same on every instance.",
		nil, nil)
	posterOverdue = prometheus.NewDesc("spendwise_poster_overdue_seconds",
		"For how long the oldest occurrence that is due could have been tried, that of a rule which failed from its next try on. "+
			"It grows only where no ticker keeps up.", nil, nil)
	pendingLedgers = prometheus.NewDesc("spendwise_converter_pending_ledgers", fmt.Sprintf(
		"Ledgers with expenses that wait for a rate, counted every minute up to %d. The same on every instance.", pendingMost), nil, nil)
)

// Describe names the metrics.
func (*ledgerCollector) Describe(out chan<- *prometheus.Desc) {
	out <- storeUp
	out <- posterLag
	out <- posterOverdue
	out <- pendingLedgers
}

// Collect measures. A store that does not answer leaves all else of the scrape as it is.
func (c *ledgerCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
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
	if !c.counted.IsZero() && time.Since(c.counted) < pendingEvery {
		return c.pending, nil
	}
	count := 0
	for _, err := range c.st.PendingOwners(ctx) {
		if err != nil {
			return 0, err
		}
		if count++; count == pendingMost {
			break
		}
	}
	c.counted, c.pending = time.Now(), count
	return count, nil
}

// A poolCollector says how busy the pools of database connections are.
type poolCollector struct {
	db interface{ Pools() map[string]sql.DBStats }
}

var (
	poolMost  = prometheus.NewDesc("spendwise_db_connections_max", "Connections that a pool may have at most.", []string{"pool"}, nil)
	poolConns = prometheus.NewDesc("spendwise_db_connections", "Connections that a pool has, by state: in_use, idle.", []string{"pool", "state"}, nil)
	poolWaits = prometheus.NewDesc("spendwise_db_waits_total", "Times that a connection had to be waited for.", []string{"pool"}, nil)
	poolWait  = prometheus.NewDesc("spendwise_db_wait_seconds_total", "Time that was spent waiting for a connection.", []string{"pool"}, nil)
)

// Describe names the metrics.
func (poolCollector) Describe(out chan<- *prometheus.Desc) {
	out <- poolMost
	out <- poolConns
	out <- poolWaits
	out <- poolWait
}

// Collect measures.
func (c poolCollector) Collect(out chan<- prometheus.Metric) {
	for pool, s := range c.db.Pools() {
		out <- prometheus.MustNewConstMetric(poolMost, prometheus.GaugeValue, float64(s.MaxOpenConnections), pool)
		out <- prometheus.MustNewConstMetric(poolConns, prometheus.GaugeValue, float64(s.InUse), pool, "in_use")
		out <- prometheus.MustNewConstMetric(poolConns, prometheus.GaugeValue, float64(s.Idle), pool, "idle")
		out <- prometheus.MustNewConstMetric(poolWaits, prometheus.CounterValue, float64(s.WaitCount), pool)
		out <- prometheus.MustNewConstMetric(poolWait, prometheus.CounterValue, s.WaitDuration.Seconds(), pool)
	}
}
