package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// listen takes an address for good. Clients that come before the server is
// ready wait in the queue in place of being refused.
func listen(ctx context.Context, option, addr string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return nil, fmt.Errorf("address %s is in use; stop the program that listens there, or choose another with --%s", addr, option)
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("address %s needs more rights than this user has; choose a port above 1023 with --%s", addr, option)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, fmt.Errorf("address %s is not one of this machine; choose another with --%s", addr, option)
	case err != nil:
		return nil, fmt.Errorf("%s: %w; choose another with --%s", addr, err, option)
	}
	return listener, nil
}

// headerBytesMax is the largest head of a request. The server of net/http
// reads 4 KiB beyond the limit that it is given.
const headerBytesMax = 16<<10 - 4<<10

// streamsMax is how many requests one connection may have open over HTTP/2. It
// is the least that the protocol recommends: whatever a request costs while it
// waits, one connection costs that many times.
const streamsMax = 100

// newServer returns a server with every time-out set.
func newServer(config Config, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: config.ReadHeaderTimeout,
		ReadTimeout:       config.ReadTimeout,
		// What remains after a slow body is still enough to answer it.
		WriteTimeout:   config.ReadTimeout + 15*time.Second,
		IdleTimeout:    config.IdleTimeout,
		MaxHeaderBytes: headerBytesMax,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: streamsMax},
		ErrorLog:       slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// scheme is http, or https when a certificate is configured.
func (c *Config) scheme() string {
	if c.TLSCert != "" {
		return "https"
	}
	return "http"
}

// tlsConfig returns nil when no certificate is configured.
func tlsConfig(config Config, logger *slog.Logger) (*tls.Config, error) {
	if config.TLSCert == "" {
		return nil, nil
	}
	certificate := &certificateFile{cert: config.TLSCert, key: config.TLSKey, logger: logger}
	if err := certificate.load(); err != nil {
		return nil, withExit(exitUsage, fmt.Errorf("tls-cert %s with tls-key %s: %w; name a certificate chain "+
			"and its private key, both in PEM", config.TLSCert, config.TLSKey, err))
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: certificate.get,
	}, nil
}

// certificateFile serves a certificate and follows its renewal on disk.
type certificateFile struct {
	cert, key string
	logger    *slog.Logger

	mutex    sync.Mutex
	loaded   *tls.Certificate
	modified time.Time // of the certificate when it was loaded
	looked   time.Time
}

// lookInterval is how often the files are looked at, at most.
const lookInterval = 10 * time.Second

func (f *certificateFile) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if time.Since(f.looked) < lookInterval {
		return f.loaded, nil
	}
	f.looked = time.Now()
	if info, err := os.Stat(f.cert); err == nil && !info.ModTime().Equal(f.modified) {
		// A renewal that is half written keeps the old certificate in use.
		if err := f.load(); err != nil {
			f.logger.Error("the renewed certificate cannot be used; the old one stays", "error", err)
		} else {
			f.logger.Info("certificate renewed", "file", f.cert)
		}
	}
	return f.loaded, nil
}

func (f *certificateFile) load() error {
	info, err := os.Stat(f.cert)
	if err != nil {
		return err
	}
	loaded, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return err
	}
	f.loaded, f.modified = &loaded, info.ModTime()
	return nil
}
