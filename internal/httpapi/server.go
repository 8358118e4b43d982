package httpapi

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/processor"
	"github.com/billfold/billfold/internal/processor/accounts"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/vault"
	"github.com/billfold/billfold/internal/webhook"
)

// Config is what the HTTP face needs. Directory is required, and for the API Book
// and Webhooks.
type Config struct {
	Book      *ledger.Book
	Directory *access.Directory
	Products  catalog.Store
	Webhooks  *webhook.Endpoints

	// Reports is where reports are read, nil for the ledger's store.
	Reports report.Store

	// Collector has payments paid. Nil makes one on the ledger's store, with the sandbox
	// for test mode.
	Collector *collect.Collector

	// Accounts are those of businesses with card processors, and Intake takes what the
	// processors tell unasked. Nil makes them on the directory and the collector.
	Accounts *accounts.Accounts
	Intake   *accounts.Intake

	// Inbox keeps what became of that.
	Inbox processor.Inbox

	// Links leads customers to the pages on which they pay. Nil makes one under the secrets
	// below, as of a server on this machine.
	Links *hosted.Links

	// People signs users in. Nil has no users: there are API keys alone.
	People *people.Desk

	// Logger receives a line for each request, most of them at debug. Nil
	// discards them.
	Logger *slog.Logger

	// Now is the clock, time.Now when nil.
	Now func() time.Time

	// BootID is random and new with every start; Version is the program's.
	BootID  string
	Version string

	// Secret seals cursors: 16 bytes or more, the same on every instance and
	// after every restart. Nil draws one, and cursors end with the process.
	Secret []byte

	// OldSecrets are those that the installation had before. Cursors that were sealed
	// under them still lead on.
	OldSecrets [][]byte

	// Ready says whether the store can serve. Nil means that it always can.
	Ready func(context.Context) error

	// Metrics receives the metrics of requests, and is what /metrics shows.
	// Nil makes one.
	Metrics *prometheus.Registry

	Limits Limits

	// PublicURL is where customers reach this server, for the links that they are given:
	// an http or https address without a slash at its end. Empty is where an installation
	// starts by default.
	PublicURL string
}

// publicURLDefault is where an installation is reached that nobody has configured.
const publicURLDefault = "http://127.0.0.1:8080"

// Limits of what a caller may use. Zero fields have the defaults.
type Limits struct {
	BodyMax int64 // of a request body; 64 KiB
	Rate    Rate  // for each API key; none

	// Walks is how many lists may run at once that may look at far more rows
	// than they show; 1. It must be less than how many reads the store can
	// run at once.
	Walks int
}

// Rate is a number of requests in a window. The zero Rate does not limit.
type Rate struct {
	Requests int
	Window   time.Duration
}

// BodyMaxDefault is the largest body that is accepted unless configured.
const BodyMaxDefault = 64 << 10

// Server answers requests. It is an http.Handler; what stands around it, such
// as tracing, wraps it like any other. It sets the request's Pattern to the
// route, so that a wrapper can name what was asked.
type Server struct {
	book      *ledger.Book
	directory *access.Directory
	products  catalog.Store
	webhooks  *webhook.Endpoints
	collector *collect.Collector
	reports   report.Store
	accounts  *accounts.Accounts
	intake    *accounts.Intake
	inbox     processor.Inbox
	links     *hosted.Links
	people    *people.Desk
	logger    *slog.Logger
	now       func() time.Time
	bootID    string
	version   string
	ready     func(context.Context) error
	limits    Limits
	startedAt time.Time
	publicURL string

	router   *router
	cursors  *sealer
	tickets  tickets
	backoff  *access.Backoff
	signIns  *access.Backoff // counts those who give a password, whichever it is
	rates    *rateLimiter    // nil when requests are not limited
	changes  *rateLimiter    // of customers in the portal
	walks    *walks
	answers  budget
	scrapes  budget
	bulks    budget
	notices  budget
	streams  *streams
	metrics  *serverMetrics
	exporter http.Handler

	// emails orders the requests that ask for the customer with an e-mail
	// address or a new one.
	emails [64]sync.Mutex
}

// New returns the API's handler.
func New(config Config) (*Server, error) {
	if config.Book == nil {
		return nil, errors.New("the API needs a ledger")
	}
	if config.Products == nil {
		return nil, errors.New("the API needs products")
	}
	if config.Webhooks == nil {
		return nil, errors.New("the API needs webhooks")
	}
	routes := append(apiRoutes(), pageRoutes()...)
	if config.People != nil {
		routes = append(routes, dashboardRoutes()...)
	}
	return newServer(config, routes, "http")
}

// NewAdmin returns the handler of the admin socket. It asks for no key: who may
// open the socket may do everything, so it must never be served on a network.
func NewAdmin(config Config) (*Server, error) {
	return newServer(config, adminRoutes(), "admin")
}

func newServer(config Config, routes []*route, subsystem string) (*Server, error) {
	if config.Directory == nil {
		return nil, errors.New("the API needs a directory of keys")
	}
	s := &Server{
		book:      config.Book,
		directory: config.Directory,
		products:  config.Products,
		webhooks:  config.Webhooks,
		collector: config.Collector,
		reports:   config.Reports,
		accounts:  config.Accounts,
		intake:    config.Intake,
		inbox:     config.Inbox,
		links:     config.Links,
		people:    config.People,
		logger:    config.Logger,
		now:       config.Now,
		bootID:    config.BootID,
		version:   config.Version,
		ready:     config.Ready,
		limits:    config.Limits,
		publicURL: cmp.Or(config.PublicURL, publicURLDefault),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.limits.BodyMax <= 0 {
		s.limits.BodyMax = BodyMaxDefault
	}
	if s.reports == nil && s.book != nil {
		var makes bool
		if s.reports, makes = s.book.Store().(report.Store); !makes {
			s.reports = noReports{}
		}
	}
	s.startedAt = s.now()
	s.backoff, s.signIns = access.NewBackoff(s.now), access.NewBackoff(s.now)
	s.changes = newRateLimiter(Rate{Requests: changesPerMinute, Window: time.Minute})
	s.walks, s.streams = newWalks(s.limits.Walks), newStreams()
	s.answers.most, s.scrapes.most, s.bulks.most, s.notices.most = answersMax, scrapesMax, bulkMemoryMax, noticesMax
	if s.limits.Rate.Requests > 0 && s.limits.Rate.Window > 0 {
		s.rates = newRateLimiter(s.limits.Rate)
	}
	if config.Secret == nil {
		config.Secret = make([]byte, 32)
		crand.Read(config.Secret) // never fails, see crypto/rand
	}
	if s.links == nil {
		var err error
		if s.links, err = hosted.NewLinks("http://localhost:8080", config.Secret, config.OldSecrets...); err != nil {
			return nil, err
		}
	}
	registry := config.Metrics
	if registry == nil {
		registry = prometheus.NewRegistry()
	}
	if s.book != nil {
		if err := s.defaults(&config); err != nil {
			return nil, err
		}
	}
	s.exporter = promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	var err error
	if s.cursors, err = newSealer(cursorUse, config.Secret, config.OldSecrets...); err != nil {
		return nil, err
	}
	if s.tickets, err = newTickets(config.Secret, config.OldSecrets...); err != nil {
		return nil, err
	}
	if s.router, err = newRouter(routes); err != nil {
		return nil, err
	}
	s.metrics, err = newServerMetrics(registry, subsystem, routes)
	return s, err
}

// defaults makes what has payments paid, where the configuration has none.
func (s *Server) defaults(config *Config) (err error) {
	store, now := s.book.Store(), s.book.Now
	if s.accounts == nil {
		sealing, err := vault.New(config.Secret, config.OldSecrets...)
		if err != nil {
			return err
		}
		s.accounts = accounts.New(accounts.Config{
			Directory: s.directory, Vault: sealing, Store: store, Now: now, Random: rand.Uint64, Logger: s.logger,
		})
	}
	if s.collector == nil {
		s.collector = collect.NewFor(store, s.accounts.For, now, rand.Uint64)
	}
	if s.inbox == nil {
		s.inbox = accounts.NoInbox{}
	}
	if s.intake == nil {
		s.intake, err = accounts.NewIntake(s.accounts, s.collector, s.inbox, nil)
	}
	return err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{w: w, r: r, started: s.now(), scratch: scratches.Get().(*scratch), bulks: &s.bulks}
	s.metrics.inFlight.Inc()
	defer s.finish(c)
	c.takeRequestID()
	if err := s.serve(c); err != nil {
		c.fail(err)
	}
}

// finish counts and logs a request, also one that panicked.
func (s *Server) finish(c *call) {
	panicked := recover()
	c.bulks.give(c.taken)
	switch {
	case panicked == http.ErrAbortHandler:
		s.metrics.inFlight.Dec()
		panic(panicked)
	case panicked != nil:
		cause := fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
		if c.status == 0 {
			c.fail(cause)
		} else {
			// Half an answer is out. Only a broken connection keeps the caller
			// from taking it for a whole one.
			defer panic(http.ErrAbortHandler)
			c.status, c.cause = http.StatusInternalServerError, cause
		}
	default:
		defer c.scratch.release()
	}
	took := s.now().Sub(c.started)
	s.metrics.inFlight.Dec()
	s.metrics.observe(c, took)
	s.log(c, took)
}

// serve runs the checks that every request passes, and then the route.
func (s *Server) serve(c *call) error {
	found := s.router.find(c.r.URL.EscapedPath(), &c.params)
	if found == nil {
		return errNoRoute
	}
	route := found.route(c.r.Method)
	if route == nil {
		c.w.Header()["Allow"] = []string{found.allow}
		if c.r.Method == http.MethodOptions {
			c.status = http.StatusNoContent
			c.w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return ledger.Errorf(CodeMethodNotAllowed, "This path has no such method; it has %s.", found.allow)
	}
	c.route = route
	c.r.Pattern = route.label
	if route.body {
		c.stranger = s.strange(c)
		if err := s.readBody(c); err != nil {
			return err
		}
	}
	if err := s.let(c); err != nil {
		return err
	}
	return route.handle(s, c)
}

// let lets the caller in whom the route is for.
func (s *Server) let(c *call) error {
	switch c.route.access {
	case read, write:
		return s.admit(c)
	case customer:
		return s.admitCustomer(c)
	case reader:
		return s.admitReader(c)
	case visitor:
		return s.admitVisitor(c)
	case person:
		return s.admitPerson(c)
	}
	return nil
}

// strange finds out before the body is read whether nobody stands behind a request.
func (s *Server) strange(c *call) error {
	if c.route.notice {
		c.bulks = &s.notices
		return nil
	}
	switch c.route.access {
	case owner:
		return nil
	case visitor:
		return fromDashboard(s, c)
	case person:
		return s.identifyPerson(c)
	}
	return s.identify(c)
}
