package webhook

import "github.com/prometheus/client_golang/prometheus"

// meter counts what is queued and sent. The zero meter counts nothing.
type meter struct {
	queued   prometheus.Counter
	attempts *prometheus.CounterVec
	given    prometheus.Counter
	serving  prometheus.Gauge
	pruned   prometheus.Counter
}

func newMeter(registry prometheus.Registerer) meter {
	if registry == nil {
		return meter{}
	}
	m := meter{
		queued: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_webhook_deliveries_queued_total",
			Help: "Deliveries to webhook endpoints that this instance has queued.",
		}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "billfold_webhook_attempts_total",
			Help: "Attempts at deliveries that this instance has made, by how they ended.",
		}, []string{"outcome"}),
		given: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_webhook_deliveries_failed_total",
			Help: "Deliveries that this instance has given up.",
		}),
		serving: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "billfold_webhook_endpoints",
			Help: "Endpoints that this instance sends to.",
		}),
		pruned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "billfold_webhook_deliveries_pruned_total",
			Help: "Deliveries that this instance has removed, long after they were delivered.",
		}),
	}
	registry.MustRegister(m.queued, m.attempts, m.given, m.serving, m.pruned)
	return m
}

func (m *meter) queue(n int) {
	if m.queued != nil {
		m.queued.Add(float64(n))
	}
}

func (m *meter) attempt(outcome Outcome, state State) {
	if m.attempts == nil {
		return
	}
	m.attempts.WithLabelValues(string(outcome)).Inc()
	if state == Failed {
		m.given.Inc()
	}
}

func (m *meter) prune(n int) {
	if m.pruned != nil {
		m.pruned.Add(float64(n))
	}
}

func (m *meter) serve(n int) {
	if m.serving != nil {
		m.serving.Set(float64(n))
	}
}
