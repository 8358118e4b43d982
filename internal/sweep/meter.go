package sweep

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// meter counts what was swept. The zero meter counts nothing.
type meter struct {
	written prometheus.Counter
	notices prometheus.Counter
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
		notices: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_expiry_notices_total",
			Help: "Notices of funds that expire soon that this instance has written.",
		}),
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_expiry_last_sweep_timestamp_seconds",
			Help: "When this instance last finished a sweep of expired funds.",
		}),
	}
	registry.MustRegister(m.written, m.notices, m.last)
	return m
}

func (m *meter) entries(n int) {
	if m.written != nil {
		m.written.Add(float64(n))
	}
}

func (m *meter) announced(n int) {
	if m.notices != nil {
		m.notices.Add(float64(n))
	}
}

func (m *meter) finished(at time.Time) {
	if m.last != nil {
		m.last.Set(float64(at.Unix()))
	}
}

// transferMeter shows how transfers stand. The zero meter shows nothing.
type transferMeter struct {
	finished prometheus.Counter
	left     prometheus.Gauge
}

func newTransferMeter(registry prometheus.Registerer) transferMeter {
	if registry == nil {
		return transferMeter{}
	}
	m := transferMeter{
		finished: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_transfers_resumed_total",
			Help: "Transfers in transit that this instance has found and that came to their end.",
		}),
		left: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_transfers_unfinished",
			Help: "Transfers that this instance could not bring to their end in its last round.",
		}),
	}
	registry.MustRegister(m.finished, m.left)
	return m
}

func (m *transferMeter) round(finished, left int) {
	if m.finished != nil {
		m.finished.Add(float64(finished))
		m.left.Set(float64(left))
	}
}
