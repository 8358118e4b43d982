package bus

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what is published to one sink. The zero meter counts nothing.
type meter struct {
	published prometheus.Counter
	failures  prometheus.Counter
	leading   prometheus.Gauge
	behind    prometheus.Gauge
}

func newMeter(registry prometheus.Registerer, sink string) meter {
	if registry == nil {
		return meter{}
	}
	labels := prometheus.Labels{"sink": sink}
	m := meter{
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_sink_events_published_total", ConstLabels: labels,
			Help: "Events that a message broker has acknowledged to this instance.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_sink_failures_total", ConstLabels: labels,
			Help: "Attempts of this instance to publish events that failed. They are made again.",
		}),
		leading: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_sink_leading", ConstLabels: labels,
			Help: "1 on the instance that publishes, 0 on the others.",
		}),
		behind: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_sink_behind_seconds", ConstLabels: labels,
			Help: "Age of the oldest event that this instance knows to be waiting; 0 when none is.",
		}),
	}
	registry.MustRegister(m.published, m.failures, m.leading, m.behind)
	return m
}

func (m *meter) publish(count int) {
	if m.published != nil {
		m.published.Add(float64(count))
	}
}

func (m *meter) fail() {
	if m.failures != nil {
		m.failures.Inc()
	}
}

func (m *meter) lead(leads bool) {
	switch {
	case m.leading == nil:
	case leads:
		m.leading.Set(1)
	default:
		m.leading.Set(0)
		m.behind.Set(0)
	}
}

// wait says since when the oldest event waits; the zero time: none does.
func (m *meter) wait(since, now time.Time) {
	switch {
	case m.behind == nil:
	case since.IsZero():
		m.behind.Set(0)
	default:
		m.behind.Set(max(now.Sub(since), 0).Seconds())
	}
}
