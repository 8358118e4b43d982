package groupcommit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Meter counts what a store commits. The zero Meter counts nothing.
type Meter struct {
	commands  prometheus.Counter
	failures  prometheus.Counter
	batchSize prometheus.Histogram
	batchTime prometheus.Histogram
}

// NewMeter returns a meter that shows its counts in a registry; nil keeps none.
func NewMeter(registry prometheus.Registerer) Meter {
	if registry == nil {
		return Meter{}
	}
	m := Meter{
		commands: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_store_commands_total",
			Help: "Commands that a transaction of the store has decided.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_store_transactions_failed_total",
			Help: "Transactions of the store that failed, such as by a full disk.",
		}),
		batchSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "billfold_store_batch_commands",
			Help:    "Commands that shared one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
		batchTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "billfold_store_batch_seconds",
			Help:    "Time from the begin of a transaction to its durable end.",
			Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
		}),
	}
	registry.MustRegister(m.commands, m.failures, m.batchSize, m.batchTime)
	return m
}

// Batch counts a transaction of so many commands, or one that failed.
func (m *Meter) Batch(commands int, took time.Duration, err error) {
	if m.commands == nil {
		return
	}
	if err != nil {
		m.failures.Inc()
		return
	}
	m.commands.Add(float64(commands))
	m.batchSize.Observe(float64(commands))
	m.batchTime.Observe(took.Seconds())
}
