package cli

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/hosted"
	"github.com/billfold/billfold/internal/processor/stripe"
)

// Config is everything that can be set. Each field has one name, which is the
// flag, the member of the file and, in capitals after BILLFOLD_, the variable:
// --data-dir, data-dir = "…", BILLFOLD_DATA_DIR.
type Config struct {
	Addr        string
	DataDir     string
	DatabaseURL string

	LogLevel  string
	LogFormat string

	MaxBody           size
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	IdleTimeout       time.Duration
	StopTimeout       time.Duration
	RateLimit         rateLimit
	ReadConcurrency   int
	MemoryLimit       size

	PublicURL string

	TrustedProxies proxies

	TLSCert string
	TLSKey  string

	SecretKey     string
	SecretKeyFile string

	OldSecretKey     string
	OldSecretKeyFile string

	CheckpointKey     string
	CheckpointKeyFile string

	BootstrapBusiness string
	BootstrapTestKey  string
	BootstrapLiveKey  string

	WebhookAllowInsecure string
	WebhookKeepDays      int
	StripeURL            string

	NATSURL       string
	NATSSubject   string
	NATSCreds     string
	NATSCA        string
	NATSCert      string
	NATSKey       string
	KafkaBrokers  string
	KafkaTopic    string
	KafkaSASL     string
	KafkaUser     string
	KafkaPassword string
	KafkaTLS      bool
	KafkaCA       string
	KafkaCert     string
	KafkaKey      string

	SelfAuditPercent int

	MetricsAddr string
	Pprof       bool

	BaseURL string
	APIKey  string
}

// keepDaysMax is a hundred years.
const keepDaysMax = 36_500

// allowLoopback is the one value of webhook-allow-insecure.
const allowLoopback = "loopback"

// defaultConfig is the configuration of a program that was told nothing.
func defaultConfig() Config {
	return Config{
		Addr:              "127.0.0.1:8080",
		DataDir:           "./data",
		LogLevel:          "info",
		LogFormat:         "text",
		MaxBody:           64 << 10,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		IdleTimeout:       60 * time.Second,
		StopTimeout:       12 * time.Second,
		MemoryLimit:       400 << 20,
		WebhookKeepDays:   30,
		NATSSubject:       "billfold",
		KafkaTopic:        "billfold",
		SelfAuditPercent:  2,
		BootstrapBusiness: "My business",
		BaseURL:           "http://127.0.0.1:8080",
	}
}

// option ties one name to one field of a Config.
type option struct {
	name  string
	value value
	kind  string // what the help shows for the value: text, size, …
	help  string

	// secret options have no flag, because every user of a machine can read
	// the flags of its processes.
	secret bool
}

// options lists every option, in the order of the example file.
func (c *Config) options() []option {
	return slices.Concat(c.serverOptions(), c.sinkOptions(), c.operationsOptions())
}

func (c *Config) serverOptions() []option {
	return []option{
		{name: "addr", value: textValue(&c.Addr), kind: "host:port",
			help: "address to serve the API on"},
		{name: "data-dir", value: textValue(&c.DataDir), kind: "dir",
			help: "directory of the embedded database; made if missing"},
		{name: "database-url", value: textValue(&c.DatabaseURL), kind: "url",
			help: "PostgreSQL database to use instead of the embedded one; other users of this machine see flags"},
		{name: "log-level", value: textValue(&c.LogLevel), kind: "level",
			help: "least important message to log: debug, info, warn or error"},
		{name: "log-format", value: textValue(&c.LogFormat), kind: "format",
			help: "text for people or json for machines"},
		{name: "max-body", value: &c.MaxBody, kind: "size",
			help: "largest request body"},
		{name: "read-header-timeout", value: durationValue(&c.ReadHeaderTimeout), kind: "duration",
			help: "time a client has to send the headers of a request"},
		{name: "read-timeout", value: durationValue(&c.ReadTimeout), kind: "duration",
			help: "time a client has to send a whole request"},
		{name: "idle-timeout", value: durationValue(&c.IdleTimeout), kind: "duration",
			help: "time a connection may wait for its next request"},
		{name: "stop-timeout", value: durationValue(&c.StopTimeout), kind: "duration",
			help: "time that accepted requests have to finish when the server stops"},
		{name: "rate-limit", value: &c.RateLimit, kind: "rate",
			help: "requests per API key, such as 40/s or 240/min; off for no limit"},
		{name: "read-concurrency", value: intValue(&c.ReadConcurrency), kind: "number",
			help: "reads that may run at once; 0 chooses by the number of processors"},
		{name: "memory-limit", value: &c.MemoryLimit, kind: "size",
			help: "heap size above which the collector works harder; GOMEMLIMIT wins"},
		{name: "self-audit-percent", value: intValue(&c.SelfAuditPercent), kind: "number",
			help: "share of one processor that the audit in the background may take, 1 to 100; 0 for none"},
		{name: "public-url", value: textValue(&c.PublicURL), kind: "url",
			help: "address under which customers reach the pages and links that they get; by default that of addr"},
		{name: "trusted-proxies", value: &c.TrustedProxies, kind: "networks",
			help: "proxies whose X-Forwarded-For names the caller, such as 10.0.0.0/8, with commas between them"},
		{name: "tls-cert", value: textValue(&c.TLSCert), kind: "file",
			help: "certificate chain in PEM; with tls-key, serves https"},
		{name: "tls-key", value: textValue(&c.TLSKey), kind: "file",
			help: "private key of tls-cert in PEM"},
		{name: "secret-key", value: textValue(&c.SecretKey), kind: "key", secret: true,
			help: "32 bytes in base64 or hex that protect cursors and stored secrets"},
		{name: "secret-key-file", value: textValue(&c.SecretKeyFile), kind: "file",
			help: "file with the secret key; by default secret.key in the data directory, made at first start"},
		{name: "old-secret-key", value: textValue(&c.OldSecretKey), kind: "key", secret: true,
			help: "the secret key before this one, until what it sealed is sealed anew"},
		{name: "old-secret-key-file", value: textValue(&c.OldSecretKeyFile), kind: "file",
			help: "file with the secret key before this one"},
		{name: "checkpoint-key", value: textValue(&c.CheckpointKey), kind: "key", secret: true,
			help: "32 bytes in base64 or hex that sign checkpoints"},
		{name: "checkpoint-key-file", value: textValue(&c.CheckpointKeyFile), kind: "file",
			help: "file with the key that signs checkpoints; by default checkpoint.key in the data directory"},
		{name: "bootstrap-business", value: textValue(&c.BootstrapBusiness), kind: "name",
			help: "name of the business that the first start makes"},
		{name: "bootstrap-test-key", value: textValue(&c.BootstrapTestKey), kind: "key", secret: true,
			help: "first test key, instead of one made and printed at first start"},
		{name: "bootstrap-live-key", value: textValue(&c.BootstrapLiveKey), kind: "key", secret: true,
			help: "first live key, instead of one made and printed at first start"},
		{name: "webhook-allow-insecure", value: textValue(&c.WebhookAllowInsecure), kind: "where",
			help: "loopback also sends webhooks to this machine, over plain HTTP too: for development"},
		{name: "webhook-keep-days", value: intValue(&c.WebhookKeepDays), kind: "number",
			help: "days for which webhook messages are kept after they were delivered; 0 for ever"},
		{name: "stripe-url", value: textValue(&c.StripeURL), kind: "URL",
			help: "where the API of Stripe is, for tests and proxies; Stripe's own by default"},
	}
}

func (c *Config) operationsOptions() []option {
	return []option{
		{name: "metrics-addr", value: textValue(&c.MetricsAddr), kind: "host:port",
			help: "separate address for /metrics, /healthz, /readyz and profiles"},
		{name: "pprof", value: boolValue(&c.Pprof), kind: "",
			help: "serve Go profiles under /debug/pprof/ on metrics-addr"},
		{name: "base-url", value: textValue(&c.BaseURL), kind: "url",
			help: "server that the client commands talk to"},
		{name: "api-key", value: textValue(&c.APIKey), kind: "key", secret: true,
			help: "API key of the client commands"},
	}
}

// readers is how many reads may run at once: two at the least, so that a long
// one leaves room for the short ones, unless somebody asks for one alone.
func (c *Config) readers() int {
	if c.ReadConcurrency > 0 {
		return c.ReadConcurrency
	}
	return max(2, runtime.GOMAXPROCS(0)-1) // the runtime has one more, see tuneRuntime
}

// envName is the variable of an option.
func envName(option string) string {
	return "BILLFOLD_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// Validate checks each field and the relations between them, and names every
// problem at once.
func (c *Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf(format, args...))
	}
	if err := validAddr(c.Addr); err != nil {
		problem("addr: %w", err)
	}
	if c.DataDir == "" {
		problem("data-dir: must not be empty")
	}
	if !oneOf(c.LogLevel, "debug", "info", "warn", "error") {
		problem("log-level: %q is not one of debug, info, warn, error", c.LogLevel)
	}
	if !oneOf(c.LogFormat, "text", "json") {
		problem("log-format: %q is not one of text, json", c.LogFormat)
	}
	c.validateLimits(problem)
	if (c.TLSCert == "") != (c.TLSKey == "") {
		problem("tls-cert and tls-key: set both or neither")
	}
	if c.PublicURL != "" {
		if _, err := hosted.BaseURL(c.PublicURL); err != nil {
			problem("public-url: %w", err)
		}
	}
	c.validateSecrets(problem)
	if !oneOf(c.WebhookAllowInsecure, "", allowLoopback) {
		problem("webhook-allow-insecure: %q is not %s; leave it out where strangers can make webhooks", c.WebhookAllowInsecure, allowLoopback)
	}
	if c.WebhookKeepDays < 0 || c.WebhookKeepDays > keepDaysMax {
		problem("webhook-keep-days: %d is not between 0 and %d", c.WebhookKeepDays, keepDaysMax)
	}
	if c.StripeURL != "" {
		if err := stripe.CheckURL(c.StripeURL); err != nil {
			problem("stripe-url: %w", err)
		}
	}
	c.validateSinks(problem)
	if c.MetricsAddr != "" {
		if err := validAddr(c.MetricsAddr); err != nil {
			problem("metrics-addr: %w", err)
		}
	}
	if c.Pprof && c.MetricsAddr == "" {
		problem("pprof: profiles are served on metrics-addr only; set metrics-addr, such as 127.0.0.1:9090")
	}
	base, err := url.Parse(c.BaseURL)
	if err != nil || !oneOf(base.Scheme, "http", "https") || base.Host == "" {
		problem("base-url: %q is not an http or https address, such as http://127.0.0.1:8080", c.BaseURL)
	}
	return errors.Join(problems...)
}

func (c *Config) validateLimits(problem func(string, ...any)) {
	if c.MaxBody < 1<<10 || c.MaxBody > 32<<20 {
		problem("max-body: %s is not between 1KiB and 32MiB", c.MaxBody)
	}
	for _, timeout := range []struct {
		name  string
		value time.Duration
	}{
		{"read-header-timeout", c.ReadHeaderTimeout},
		{"read-timeout", c.ReadTimeout},
		{"idle-timeout", c.IdleTimeout},
		{"stop-timeout", c.StopTimeout},
	} {
		if timeout.value <= 0 {
			problem("%s: %s is not above 0", timeout.name, timeout.value)
		}
	}
	if c.ReadTimeout < c.ReadHeaderTimeout {
		problem("read-timeout: %s is shorter than read-header-timeout, %s", c.ReadTimeout, c.ReadHeaderTimeout)
	}
	if c.ReadConcurrency < 0 || c.ReadConcurrency > 1024 {
		problem("read-concurrency: %d is not between 0 and 1024", c.ReadConcurrency)
	}
	if c.SelfAuditPercent < 0 || c.SelfAuditPercent > 100 {
		problem("self-audit-percent: %d is not between 0 and 100", c.SelfAuditPercent)
	}
	if c.MemoryLimit < 64<<20 {
		problem("memory-limit: %s is below 64MiB", c.MemoryLimit)
	}
}

// keyBodyMin is how many characters a first key that somebody brings must have
// after its prefix.
const keyBodyMin = 32

func (c *Config) validateSecrets(problem func(string, ...any)) {
	if c.SecretKey != "" {
		if c.SecretKeyFile != "" {
			problem("secret-key and secret-key-file: set only one of them")
		}
		if _, err := parseSecretKey(c.SecretKey); err != nil {
			problem("secret-key: %w", err)
		}
	}
	if c.OldSecretKey != "" {
		if c.OldSecretKeyFile != "" {
			problem("old-secret-key and old-secret-key-file: set only one of them")
		}
		if _, err := parseSecretKey(c.OldSecretKey); err != nil {
			problem("old-secret-key: %w", err)
		}
	}
	if c.CheckpointKey != "" {
		if c.CheckpointKeyFile != "" {
			problem("checkpoint-key and checkpoint-key-file: set only one of them")
		}
		if _, err := parseSecretKey(c.CheckpointKey); err != nil {
			problem("checkpoint-key: %w", err)
		}
	}
	if (c.BootstrapTestKey == "") != (c.BootstrapLiveKey == "") {
		problem("bootstrap-test-key and bootstrap-live-key: set both or neither; they are the keys of one business")
	}
	for _, key := range []struct{ name, prefix, value string }{
		{"bootstrap-test-key", "bf_test_", c.BootstrapTestKey},
		{"bootstrap-live-key", "bf_live_", c.BootstrapLiveKey},
	} {
		body, found := strings.CutPrefix(key.value, key.prefix)
		if key.value != "" && (!found || len(body) < keyBodyMin || !isKeyBody(body)) {
			problem("%s: must be %s and at least %d letters or digits", key.name, key.prefix, keyBodyMin)
		}
	}
	if strings.TrimSpace(c.BootstrapBusiness) == "" {
		problem("bootstrap-business: must not be blank")
	}
}

func isKeyBody(text string) bool {
	for _, r := range text {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

func validAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is not host:port, such as 127.0.0.1:8080", addr)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}

func oneOf(text string, words ...string) bool {
	for _, word := range words {
		if text == word {
			return true
		}
	}
	return false
}
