package cli

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/pprof"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/dashboard"
	"github.com/billfold/billfold/internal/demo"
	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/processor/accounts"
	"github.com/billfold/billfold/internal/report"
	"github.com/billfold/billfold/internal/selfaudit"
	"github.com/billfold/billfold/internal/sweep"
	"github.com/billfold/billfold/internal/vault"
	"github.com/billfold/billfold/internal/verify"
	"github.com/billfold/billfold/internal/webhook"
)

// newRandom returns the source of the random part of ids. Guessing an id gains
// nothing without a key, so a generator that is seeded well is enough and
// spares each entry a call of the kernel.
func newRandom() func() uint64 {
	var seed [32]byte
	crand.Read(seed[:]) // never fails, see crypto/rand
	source := rand.NewChaCha8(seed)
	var mutex sync.Mutex
	return func() uint64 {
		mutex.Lock()
		defer mutex.Unlock()
		return source.Uint64()
	}
}

// faces are the handlers through which the outside meets the ledger.
type faces struct {
	from facesConfig

	sweeper  *sweep.Sweeper
	payments *collect.Worker
	topUps   *collect.AutoWorker
	clocks   *collect.ClockWorker
	resumer  *sweep.Resumer
	reports  *report.Job
	auditor  *selfaudit.Auditor // nil for none

	pumps []*bus.Pump // of the message brokers

	dispatcher *webhook.Dispatcher
	sender     *webhook.Sender
	sealed     *webhook.SealedStore // nil for none
	people     *people.Desk
	link       string // with which the first user joins, empty for none

	accounts *accounts.Accounts // with card processors

	api        http.Handler
	endStreams func() // of events, so that the server can stop
	admin      http.Handler
	operations http.Handler // for metrics-addr

	serving atomic.Bool // whether /readyz may say yes
}

// facesConfig is what the faces stand on.
type facesConfig struct {
	config    Config
	logger    *slog.Logger
	registry  *prometheus.Registry // nil keeps no metrics
	store     store
	directory *access.Directory

	secret     []byte
	oldSecrets [][]byte // that the installation had before

	address string // where the server is reached, unless public-url says otherwise; empty: nowhere
}

func newFaces(from facesConfig) (*faces, error) {
	f := &faces{from: from}
	random := newRandom()
	book := ledger.NewBook(from.store, time.Now, random)
	guard := webhook.NewGuard(from.config.WebhookAllowInsecure == allowLoopback)
	cards := accounts.Config{
		Directory: from.directory, Store: from.store, Now: time.Now, Random: random, Logger: from.logger, StripeURL: from.config.StripeURL,
	}
	webhooks, err := f.unseal(&cards)
	if err != nil {
		return nil, err
	}
	f.accounts = accounts.New(cards)
	collector := collect.NewFor(from.store, f.accounts.For, time.Now, random)
	var metrics prometheus.Registerer // a registry that is not there must not become an interface that is
	if from.registry != nil {
		metrics = from.registry
	}
	intake, err := accounts.NewIntake(f.accounts, collector, from.store, metrics)
	if err != nil {
		return nil, err
	}
	links, err := newLinks(&from)
	if err != nil {
		return nil, err
	}
	pages, err := hosted.New(hosted.Config{
		Links: links, Collector: collector, Directory: from.directory, Logger: from.logger, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	config := httpapi.Config{
		Book:       book,
		Directory:  from.directory,
		Products:   from.store,
		Reports:    from.store,
		Collector:  collector,
		Accounts:   f.accounts,
		Intake:     intake,
		Inbox:      from.store,
		Links:      links,
		PublicURL:  strings.TrimRight(publicURL(&from), "/"),
		People:     f.people,
		Webhooks:   webhook.NewEndpoints(webhooks, guard, httpapi.EventBody, time.Now, random),
		Logger:     from.logger,
		BootID:     crand.Text(),
		Version:    buildVersion().Version,
		Secret:     from.secret,
		OldSecrets: from.oldSecrets,
		Metrics:    from.registry,
		Ready:      f.ready(from.store),
		Limits: httpapi.Limits{
			BodyMax: int64(from.config.MaxBody),
			Rate:    httpapi.Rate(from.config.RateLimit),
			Walks:   from.config.readers() - 1,
		},
	}
	api, err := httpapi.New(config)
	if err != nil {
		return nil, err
	}
	admin, err := httpapi.NewAdmin(config)
	if err != nil {
		return nil, err
	}
	f.sender = webhook.NewSender(webhook.Config{Guard: guard})
	f.dispatcher = webhook.NewDispatcher(webhook.DispatcherConfig{
		Store: webhooks, Send: f.sender.Send, Render: httpapi.EventBody, Now: time.Now, Random: random, Logger: from.logger,
		Metrics: metrics, Instance: config.BootID, KeepFor: time.Duration(from.config.WebhookKeepDays) * 24 * time.Hour,
	})
	f.pumps, err = newPumps(&from, metrics, random, config.BootID)
	if err != nil {
		return nil, err
	}
	f.payments = collect.NewWorker(collector, from.logger)
	book.OnFreed(f.payments.Freed)
	f.topUps = collect.NewAutoWorker(collector, from.directory, from.logger)
	f.reports = report.NewJob(from.store, from.logger)
	f.clocks = collect.NewClockWorker(collector, from.directory, from.logger)
	f.sweeper, f.resumer = sweep.New(book, from.logger, metrics), sweep.NewResumer(book, from.logger, metrics)
	if percent := from.config.SelfAuditPercent; percent > 0 {
		f.auditor = selfaudit.New(selfaudit.Config{
			Store:   verify.Options{Path: from.config.DataDir, DatabaseURL: from.config.DatabaseURL},
			Percent: percent, Logger: from.logger, Registry: metrics,
		})
	}
	board, base, err := newDashboard(&from)
	if err != nil {
		return nil, err
	}
	f.api = withDashboard(withPages(api, pages), board, base)
	f.endStreams, f.admin = api.EndStreams, adminHandler(admin, from.store, f.sweeper)
	if from.config.MetricsAddr != "" {
		f.api, f.operations = apart(f.api), operations(api, from.config.Pprof)
	}
	return f, nil
}

// newLinks returns the links to the pages on which customers pay.
func newLinks(from *facesConfig) (*hosted.Links, error) {
	return hosted.NewLinks(publicURL(from), from.secret, from.oldSecrets...)
}

// publicURL is where customers reach the server.
func publicURL(from *facesConfig) string {
	return cmp.Or(from.config.PublicURL, from.address, from.config.BaseURL)
}

// withPages has the pages of customers beside the API.
func withPages(api, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, hosted.Root) {
			pages.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// newDashboard returns the dashboard, and the path below which the server is reached.
func newDashboard(from *facesConfig) (board http.Handler, base string, err error) {
	if at, err := url.Parse(publicURL(from)); err == nil { // the configuration was checked
		base = strings.TrimRight(at.EscapedPath(), "/")
	}
	board, err = dashboard.New(base)
	return board, base, err
}

// withDashboard has the dashboard beside the API, and leads a browser from the root to it.
// What the dashboard asks of the server is answered by the API.
func withDashboard(api, board http.Handler, base string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		below, isBoard := strings.CutPrefix(r.URL.Path+"/", dashboard.Root)
		switch {
		case dashboard.WantsPage(r):
			w.Header().Set("Vary", "Accept")
			http.Redirect(w, r, base+dashboard.Root, http.StatusSeeOther)
		case isBoard && !strings.HasPrefix(below, dashboard.Requests):
			board.ServeHTTP(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// join enters the instances that share the store, has the first keys made where there are
// none, and leaves nothing sealed under an old secret key.
func (f *faces) join(ctx context.Context, bootstrap func() (*firstKeys, error)) (*firstKeys, error) {
	first, err := joinInstances(ctx, f.from.store, f.from.secret, f.from.oldSecrets, func() (*firstKeys, error) {
		first, err := bootstrap()
		if err == nil && first != nil {
			err = f.welcome(ctx)
		}
		return first, err
	})
	if err == nil && len(f.from.oldSecrets) > 0 {
		err = f.reseal(ctx)
	}
	return first, err
}

// welcome makes the link with which the first user joins. It is made at the first start
// alone: installations that use keys alone would print one that opens them at each start.
func (f *faces) welcome(ctx context.Context) error {
	nobody, err := f.people.Nobody(ctx)
	if err != nil || !nobody {
		return err
	}
	businesses, err := f.from.directory.Businesses(ctx)
	if err != nil || len(businesses) == 0 {
		return err
	}
	token, err := f.people.Welcome(ctx, businesses[0].ID)
	if err != nil {
		return fmt.Errorf("invite the first user: %w", err)
	}
	f.link = httpapi.JoinLink(strings.TrimRight(publicURL(&f.from), "/"), token)
	return nil
}

// reseal seals under the secret key what stands sealed under the one before it.
func (f *faces) reseal(ctx context.Context) error {
	businesses, err := f.from.directory.Businesses(ctx)
	webhooks, processors := 0, 0
	for i := 0; err == nil && i < 2*len(businesses); i++ {
		tenant := ledger.Tenant{BusinessID: businesses[i/2].ID, Mode: []ledger.Mode{ledger.Test, ledger.Live}[i%2]}
		var more int
		if more, err = f.sealed.Reseal(ctx, tenant); err != nil {
			break
		}
		webhooks += more
		var resealed bool
		if resealed, err = f.accounts.Reseal(ctx, tenant); resealed {
			processors++
		}
	}
	users := 0
	if err == nil {
		users, err = f.people.Reseal(ctx, f.from.logger)
	}
	if err != nil {
		return fmt.Errorf("seal anew what the old secret key has sealed: %w", err)
	}
	f.from.logger.Info("what the old secret key had sealed is sealed under the new one; no server needs the old one any more",
		"webhooks", webhooks, "processors", processors, "second factors", users)
	return nil
}

// newPumps returns what publishes events to the message brokers that are configured.
func newPumps(
	from *facesConfig, metrics prometheus.Registerer, random func() uint64, instance string,
) (pumps []*bus.Pump, err error) {
	sinks, err := from.config.sinks()
	for _, sink := range sinks {
		pumps = append(pumps, bus.New(bus.Config{
			Sink: sink.name, Store: from.store, Broker: sink.broker, Render: httpapi.EventBody, Now: time.Now, Random: random,
			Logger: from.logger, Metrics: metrics, Instance: instance,
		}))
		from.logger.Info("events are published to a message broker", "sink", sink.name, "at", sink.shown)
	}
	return pumps, err
}

// errStopping is what /readyz says while the server starts or stops.
var errStopping = ledger.Errorf(ledger.CodeStorageUnavailable, "the server is starting or stopping")

// unseal gives whoever keeps secrets the key that they are sealed with, and
// returns the store of webhooks. The operator's verbs have no key: they see
// neither endpoints nor second factors, and charge nobody.
func (f *faces) unseal(cards *accounts.Config) (webhook.Store, error) {
	if f.from.secret == nil {
		f.people = people.NewDesk(f.from.store, nil, people.Options{})
		return f.from.store, nil
	}
	sealing, err := vault.New(f.from.secret, f.from.oldSecrets...)
	if err != nil {
		return nil, err
	}
	cards.Vault = sealing
	f.sealed = webhook.Sealed(f.from.store, sealing, f.from.logger)
	f.people = people.NewDesk(f.from.store, sealing, people.Options{})
	return f.sealed, nil
}

// readyWithin is how long the store may take to show that it can serve: a load
// balancer does not wait longer.
const readyWithin = 2 * time.Second

// ready asks the store for something small, so that a disk that went away
// shows before the first customer notices.
func (f *faces) ready(store access.Store) func(context.Context) error {
	return func(ctx context.Context) error {
		if !f.serving.Load() {
			return errStopping
		}
		ctx, cancel := context.WithTimeout(ctx, readyWithin)
		defer cancel()
		_, err := store.Businesses(ctx)
		return err
	}
}

// operationsPaths are what metrics-addr serves of the API.
var operationsPaths = []string{"/metrics", "/healthz", "/readyz"}

// apart takes /metrics away from the API's address once it has one of its own.
func apart(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			elsewhere := *r.URL
			elsewhere.Path, elsewhere.RawPath = "/metrics/", ""
			r.URL = &elsewhere // a path that the API does not have
		}
		api.ServeHTTP(w, r)
	})
}

func operations(api http.Handler, profiles bool) http.Handler {
	mux := http.NewServeMux()
	for _, path := range operationsPaths {
		mux.Handle(path, api)
	}
	if profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// seedPath is the one admin verb that the command line adds: demo data are
// made in the process that owns the store.
const seedPath = "/admin/seed"

func adminHandler(admin http.Handler, store ledger.Store, sweeper *sweep.Sweeper) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", admin)
	mux.HandleFunc("POST "+seedPath, func(w http.ResponseWriter, r *http.Request) {
		var asked seedRequest
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			writeAdminError(w, http.StatusUnprocessableEntity, fmt.Errorf("the body is not as it should be: %w", err))
			return
		}
		// Making the data may take longer than a request usually may.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a handler in memory has no deadline
		// Lots of last year would be swept as of today, in the middle of their story.
		resume, err := sweeper.Pause(r.Context())
		if err != nil {
			writeAdminError(w, http.StatusServiceUnavailable, err)
			return
		}
		defer resume()
		made, err := demo.Run(r.Context(), demo.Config{
			Store:  store,
			Tenant: ledger.Tenant{BusinessID: asked.BusinessID, Mode: ledger.Test},
			Now:    time.Now(), Months: asked.Months, Customers: asked.Customers, Seed: asked.Seed,
		})
		if err != nil {
			writeAdminError(w, http.StatusInternalServerError, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(made) // the caller went away; the data stay
	})
	return mux
}

func writeAdminError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(apiError{ // the caller went away
		Code: string(ledger.CodeInternal), Message: err.Error(),
	})
}
