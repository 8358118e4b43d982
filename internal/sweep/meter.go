package sweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what was swept. The zero meter counts nothing.
type meter struct {
	written prometheus.Counter
	last    prometheus.Gauge
}

func newMeter(registry prometheus.Registerer) meter {
	if registry == nil {
		return meter{}
	}
	m := meter{
		written: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_expiry_entries_total",
			Help: "Expiry entries that this instance has written.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_expiry_last_sweep_timestamp_seconds",
			Help: "When this instance last finished a sweep of expired funds.",
		}),
	}
	registry.MustRegister(m.written, m.last)
	return m
}

func (m *meter) entries(n int) {
	if m.written != nil {
		m.written.Add(float64(n))
	}
}

func (m *meter) finished(at time.Time) {
	if m.last != nil {
		m.last.Set(float64(at.Unix()))
	}
}
