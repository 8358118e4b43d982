package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/hosted"
)

func (p *program) serverCommands() []*cobra.Command {
	return []*cobra.Command{p.serveCommand(), p.healthCommand(), p.versionCommand()}
}

func (p *program) serveCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "serve",
		Short: "Start the server",
		Long: "Serve starts the API on an embedded database in the data directory, or on the PostgreSQL\n" +
			"database that --database-url names. The first start makes a business and its first\n" +
			"keys, and prints the keys once.\n\n" +
			"Every option is also a variable, such as " + envName("data-dir") + " for --data-dir, and a member of\n" +
			"the file that --config names. Flags win over variables, variables over the file.\n" +
			"An interrupt or SIGTERM finishes what was accepted and stops; a second one stops at once.",
		Args: arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			return p.serve(command.Context(), config)
		},
	}
	optionFlags(command, serveOptions()...)
	completeFlag(command, "log-level", "debug", "info", "warn", "error")
	return completeFlag(command, "log-format", "text", "json")
}

// serveOptions are all but the client's.
func serveOptions() (names []string) {
	config := defaultConfig()
	for _, option := range config.options() {
		if option.name != "base-url" {
			names = append(names, option.name)
		}
	}
	return names
}

// serve runs the server until ctx ends or something fails, and stops what it
// started in reverse.
func (p *program) serve(ctx context.Context, config Config) (err error) {
	logger, err := newLogger(config, p.stderr, lookup(p.environ, "NO_COLOR") != "")
	if err != nil {
		return err
	}
	tuneRuntime(config, p.environ)
	started := stack{timeout: config.StopTimeout, logger: logger}
	defer func() { err = logged(errors.Join(err, started.stop()), config, logger) }()

	certificate, err := tlsConfig(config, logger)
	if err != nil {
		return err
	}
	// A wrong secret is found before a database is made or changed.
	old, err := oldSecrets(config)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, "addr", config.Addr)
	if err != nil {
		return err
	}
	started.push("listener", closeListener(listener))
	tracing, err := newTracing(ctx, p.environ, logger)
	if err != nil {
		return err
	}
	started.push("traces", tracing.stop)
	registry := newRegistry()
	store, err := openStore(ctx, config, logger, registry)
	if err != nil {
		return err
	}
	started.push("store", func(context.Context) error { return store.Close() })
	secret, err := secretKey(config, logger)
	if err != nil {
		return err
	}
	directory := newDirectory(config, store)
	faces, err := newFaces(facesConfig{
		config: config, logger: logger, registry: registry, secret: secret, oldSecrets: old, store: store, directory: directory,
		address: hosted.BaseOf(listener.Addr(), certificate != nil),
	})
	if err != nil {
		return err
	}
	failed := make(chan error, 3) // one for each server
	if err := startAdmin(&started, config, faces.admin, failed); err != nil {
		return err
	}
	if err := startOperations(ctx, &started, config, faces.operations, failed); err != nil {
		return err
	}
	// Keys are made last, when nothing is left that could fail before they
	// are shown.
	first, err := faces.join(ctx, func() (*firstKeys, error) { return bootstrap(ctx, config, directory, logger) })
	if err != nil {
		return err
	}
	banner(p.stdout, config, listener.Addr(), first, faces.link)
	shown := listener.Addr().String()
	if certificate != nil {
		listener = tls.NewListener(listener, certificate)
	}
	started.serve("api", newAPIServer(config, faces, tracing, logger), listener, failed)
	started.push("readiness", func(context.Context) error { faces.serving.Store(false); return nil })
	faces.serving.Store(true)
	startWorkers(&started, faces)
	logger.Info("serving", "addr", shown, "data", config.place().String())
	return p.wait(ctx, failed, store.Fatal(), logger)
}

// newAPIServer returns the server of the API. Its streams end when it begins to stop: it
// would wait for them.
func newAPIServer(config Config, faces *faces, tracing *tracing, logger *slog.Logger) *http.Server {
	server := newServer(config, config.TrustedProxies.behind(tracing.wrap(faces.api)), logger)
	server.RegisterOnShutdown(faces.endStreams)
	return server
}

// logged writes why the server ends into a log that machines read: a line of
// text between the others would be passed over.
func logged(err error, config Config, logger *slog.Logger) error {
	if err == nil || config.LogFormat != "json" {
		return err
	}
	logger.Error("the server ends", "error", err)
	code := exitFailed
	var coded *exitError
	if errors.As(err, &coded) {
		code = coded.code
	}
	return &exitError{code: code, err: err, said: true}
}

// startWorkers starts what works in the background.
func startWorkers(started *stack, faces *faces) {
	startWorker(started, "sweeper", faces.sweeper.Run)
	startWorker(started, "transfers", faces.resumer.Run)
	startWorker(started, "reports", faces.reports.Run)
	startWorker(started, "payments", faces.payments.Run)
	startWorker(started, "automatic top-ups", faces.topUps.Run)
	startWorker(started, "test clocks", faces.clocks.Run)
	startWorker(started, "sessions", func(ctx context.Context) { faces.people.Run(ctx, started.logger) })
	startWorker(started, "webhooks", func(ctx context.Context) {
		defer faces.sender.Close()
		faces.dispatcher.Run(ctx)
	})
	for _, pump := range faces.pumps {
		startWorker(started, "events to a message broker", pump.Run)
	}
	if faces.auditor != nil {
		startWorker(started, "self-audit", faces.auditor.Run)
	}
}

// startWorker runs what works in the background. It is stopped before the rest,
// whose requests then have the store for themselves.
func startWorker(started *stack, name string, run func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	started.push(name, func(stopped context.Context) error {
		cancel()
		select {
		case <-ended:
			return nil
		case <-stopped.Done():
			return stopped.Err()
		}
	})
}

// startAdmin opens the admin socket. On a shared database the verbs go to the
// database itself, since no instance owns it.
func startAdmin(started *stack, config Config, handler http.Handler, failed chan<- error) error {
	if config.DatabaseURL != "" {
		return nil
	}
	listener, err := listenAdmin(config.DataDir)
	if err != nil {
		return err
	}
	started.serve("admin socket", newServer(config, handler, started.logger), listener, failed)
	return nil
}

func startOperations(
	ctx context.Context, started *stack, config Config, handler http.Handler, failed chan<- error,
) error {
	if config.MetricsAddr == "" {
		return nil
	}
	listener, err := listen(ctx, "metrics-addr", config.MetricsAddr)
	if err != nil {
		return err
	}
	server := newServer(config, handler, started.logger)
	server.WriteTimeout = 0 // a profile takes as long as was asked for
	started.serve("metrics", server, listener, failed)
	started.logger.Info("serving metrics", "addr", listener.Addr().String())
	return nil
}

// wait returns when the server shall stop, and why when that is a failure.
func (p *program) wait(ctx context.Context, failed <-chan error, fatal <-chan struct{}, logger *slog.Logger) error {
	select {
	case <-ctx.Done():
		logger.Info("stopping; what was accepted is finished first")
		return nil
	case err := <-failed:
		return err
	case <-fatal:
		return errors.New("the disk failed to keep a write; what was acknowledged is safe, but this process must not " +
			"go on: check the disk and start again")
	}
}

// newRegistry holds the process's own metrics beside those of the parts.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
