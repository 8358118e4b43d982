package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// serverMetrics counts requests. Routes and statuses are resolved once, so that
// counting costs a request two additions.
type serverMetrics struct {
	inFlight prometheus.Gauge
	none     *routeMetrics // requests that no route took
}

type routeMetrics struct {
	seconds prometheus.Observer
	byCode  map[int]prometheus.Counter
	other   prometheus.Counter // statuses that are not in countedStatuses, and callers who left
}

// countedStatuses are those that the API gives.
func countedStatuses() []int {
	seen := map[int]bool{http.StatusOK: true, http.StatusNoContent: true, http.StatusSeeOther: true}
	for _, answer := range answers {
		seen[answer.status] = true
	}
	var list []int
	for status := range seen {
		list = append(list, status)
	}
	return list
}

func newServerMetrics(registry prometheus.Registerer, subsystem string, routes []*route) (*serverMetrics, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "billfold", Subsystem: subsystem, Name: "requests_total",
		Help: "Requests answered, by method, route pattern and status.",
	}, []string{"method", "route", "status"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "billfold", Subsystem: subsystem, Name: "request_duration_seconds",
		Help:    "Time from the headers of a request to the end of its answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"method", "route"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "billfold", Subsystem: subsystem, Name: "requests_in_flight",
		Help: "Requests that are being answered.",
	})
	for _, collector := range []prometheus.Collector{requests, durations, inFlight} {
		if err := registry.Register(collector); err != nil {
			return nil, err
		}
	}
	resolve := func(method, pattern string) *routeMetrics {
		m := &routeMetrics{
			seconds: durations.WithLabelValues(method, pattern),
			byCode:  make(map[int]prometheus.Counter),
			other:   requests.WithLabelValues(method, pattern, "other"),
		}
		for _, status := range countedStatuses() {
			m.byCode[status] = requests.WithLabelValues(method, pattern, strconv.Itoa(status))
		}
		return m
	}
	for _, r := range routes {
		r.metrics = resolve(r.method, r.pattern)
	}
	return &serverMetrics{inFlight: inFlight, none: resolve("", "none")}, nil
}

// observe counts one answered request.
func (m *serverMetrics) observe(c *call, took time.Duration) {
	metrics := m.none
	if c.route != nil {
		metrics = c.route.metrics
	}
	counter, counted := metrics.byCode[c.status]
	if !counted || c.gone {
		// What nobody has seen must not ring the alarms of 5xx.
		counter = metrics.other
	}
	counter.Inc()
	if !c.streamed {
		metrics.seconds.Observe(took.Seconds())
	}
}
