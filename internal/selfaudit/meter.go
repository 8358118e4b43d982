package selfaudit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/verify"
)

// meter shows how the audit stands. The zero meter shows nothing.
type meter struct {
	lastClean prometheus.Gauge
	laws      prometheus.Gauge
	customers prometheus.Counter
	entries   prometheus.Counter
	failures  prometheus.Counter
}

func newMeter(registry prometheus.Registerer) meter {
	if registry == nil {
		return meter{}
	}
	m := meter{
		lastClean: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_self_audit_last_clean_timestamp_seconds",
			Help: "When this instance last ended a round of its self-audit that found every law kept, 0 for not yet.",
		}),
		laws: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_self_audit_broken_laws",
			Help: "Laws that the self-audit has found broken since its last clean round.",
		}),
		customers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_self_audit_customers_total",
			Help: "Customers that the self-audit has checked.",
		}),
		entries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_self_audit_entries_total",
			Help: "Ledger entries that the self-audit has read.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_self_audit_failures_total",
			Help: "Times that the self-audit could not look.",
		}),
	}
	registry.MustRegister(m.lastClean, m.laws, m.customers, m.entries, m.failures)
	return m
}

func (m *meter) seen(stride verify.Stride) {
	if m.customers != nil {
		m.customers.Add(float64(stride.Customers))
		m.entries.Add(float64(stride.Entries))
	}
}

func (m *meter) failed() {
	if m.failures != nil {
		m.failures.Inc()
	}
}

// broken says how many laws are broken.
func (m *meter) broken(laws int) {
	if m.laws != nil {
		m.laws.Set(float64(laws))
	}
}

// clean says that a round has found nothing.
func (m *meter) clean(at time.Time) {
	if m.lastClean != nil {
		m.lastClean.Set(float64(at.Unix()))
		m.laws.Set(0)
	}
}
