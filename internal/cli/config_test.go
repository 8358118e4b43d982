package cli

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	config, err := load(settings{})
	if err != nil {
		t.Fatalf("load nothing: %v", err)
	}
	if diff := cmp.Diff(defaultConfig(), config); diff != "" {
		t.Errorf("nothing set differs from the defaults (-want +got):\n%s", diff)
	}
}

func TestEveryFieldIsOneOption(t *testing.T) {
	t.Parallel()
	var config Config
	options := config.options()
	if got, want := len(options), reflect.TypeFor[Config]().NumField(); got != want {
		t.Errorf("got %d options for %d fields", got, want)
	}
	seen := map[string]bool{}
	for _, option := range options {
		// A field that two options share, or none sets, shows here.
		before := config
		text := map[bool]string{true: "true", false: "7"}[option.kind == ""]
		if option.kind == "duration" {
			text = "7s"
		}
		if option.kind == "rate" {
			text = "7/s"
		}
		if option.kind == "networks" {
			text = "10.0.0.0/8"
		}
		if err := option.value.Set(text); err != nil {
			t.Errorf("%s: %v", option.name, err)
		}
		if reflect.DeepEqual(before, config) {
			t.Errorf("%s sets no field of its own", option.name)
		}
		if option.help == "" || seen[option.name] {
			t.Errorf("%s: has no help or is there twice", option.name)
		}
		seen[option.name] = true
	}
}

func TestFlagsWinOverVariablesOverTheFile(t *testing.T) {
	t.Parallel()
	const file = "addr = \"127.0.0.1:1\"\nlog-level = \"debug\"\nread-timeout = \"7s\"\nmax-body = 2048\npprof = true\nmetrics-addr = \"127.0.0.1:9\"\n"
	config, err := load(settings{
		flags:   map[string]string{"addr": "127.0.0.1:3"},
		environ: []string{"BILLFOLD_ADDR=127.0.0.1:2", "BILLFOLD_LOG_LEVEL=warn", "BILLFOLD_DATA_DIR=", "PORT=99"},
		path:    "billfold.toml", file: []byte(file),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.Addr, want.LogLevel, want.ReadTimeout, want.MaxBody = "127.0.0.1:3", "warn", 7*time.Second, 2048
	want.Pprof, want.MetricsAddr = true, "127.0.0.1:9"
	if diff := cmp.Diff(want, config); diff != "" {
		t.Errorf("config differs (-want +got):\n%s", diff)
	}
}

func TestAnApplicationsOwnVariablesServeTheClient(t *testing.T) {
	t.Parallel()
	environ := []string{"DODO_PAYMENTS_BASE_URL=http://dodo:1", "DODO_PAYMENTS_API_KEY=a"}
	config, err := load(settings{environ: environ})
	if err != nil || config.BaseURL != "http://dodo:1" || config.APIKey != "a" {
		t.Errorf("got %q %q %v, want those of DODO_PAYMENTS_…", config.BaseURL, config.APIKey, err)
	}
	config, err = load(settings{environ: append(environ, "BILLFOLD_BASE_URL=http://own:2", "BILLFOLD_API_KEY=b")})
	if err != nil || config.BaseURL != "http://own:2" || config.APIKey != "b" {
		t.Errorf("got %q %q %v, want Billfold's own to win", config.BaseURL, config.APIKey, err)
	}
}

func TestLoadRefusals(t *testing.T) {
	t.Parallel()
	const key = "abcdefghijklmnopqrstuvwxyzABCDEFGH"
	for _, test := range []struct {
		name    string
		file    string
		environ []string
		flags   map[string]string
		want    []string
	}{
		{name: "unknown member", file: `adr = "x"`, want: []string{`test.toml: unknown option "adr"`, "did you mean addr?"}},
		{name: "member far from any", file: `zzzzzz = 1`, want: []string{"docs/configuration.md lists them all"}},
		{name: "a table", file: "[server]\naddr = \"x\"", want: []string{`unknown option "server"`}},
		{name: "a number with a point", file: "max-body = 1.5", want: []string{"test.toml: max-body: must be a text, a whole number"}},
		{name: "not TOML", file: "addr = ", want: []string{"test.toml: "}},
		{name: "unknown variable", environ: []string{"BILLFOLD_DATADIR=x"}, want: []string{"unknown variable BILLFOLD_DATADIR", "did you mean BILLFOLD_DATA_DIR?"}},
		{name: "port", environ: []string{"BILLFOLD_PORT_NUMBER=80"}, want: []string{"unknown variable BILLFOLD_PORT_NUMBER"}},
		{name: "bad variable", environ: []string{"BILLFOLD_PPROF=maybe"}, want: []string{`BILLFOLD_PPROF: "maybe" is not true or false`}},
		{name: "bad flag", flags: map[string]string{"idle-timeout": "soon"}, want: []string{`--idle-timeout: "soon" is not a duration`}},
		{name: "two at once", file: `adr = 1`, environ: []string{"BILLFOLD_MAX_BODY=big"}, want: []string{`"adr"`, "BILLFOLD_MAX_BODY"}},
		{name: "unreadable and out of range", file: `log-level = "loud"`, environ: []string{"BILLFOLD_MAX_BODY=big"},
			want: []string{"log-level", "BILLFOLD_MAX_BODY"}},
		{name: "address", flags: map[string]string{"addr": "8080"}, want: []string{"addr: ", "is not host:port"}},
		{name: "port", flags: map[string]string{"addr": "x:70000"}, want: []string{`"70000" is not a port`}},
		{name: "level", file: `log-level = "loud"`, want: []string{"log-level"}},
		{name: "format", file: `log-format = "xml"`, want: []string{"log-format"}},
		{name: "body", file: `max-body = "1GiB"`, want: []string{"max-body: 1GiB is not between"}},
		{name: "timeout", file: `idle-timeout = "0s"`, want: []string{"idle-timeout: 0s is not above 0"}},
		{name: "timeouts", file: `read-timeout = "1s"`, want: []string{"read-timeout: 1s is shorter than read-header-timeout"}},
		{name: "readers", file: `read-concurrency = -1`, want: []string{"read-concurrency"}},
		{name: "memory", file: `memory-limit = "1MiB"`, want: []string{"memory-limit"}},
		{name: "tls", file: `tls-cert = "x"`, want: []string{"tls-cert and tls-key: set both or neither"}},
		{name: "secret", file: `secret-key = "short"`, want: []string{"secret-key: must be 32 bytes", "openssl rand -base64 32"}},
		{name: "two secrets", environ: []string{"BILLFOLD_SECRET_KEY=" + strings.Repeat("ab", 32), "BILLFOLD_SECRET_KEY_FILE=x"}, want: []string{"set only one"}},
		{name: "one first key", environ: []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=bf_test_" + key}, want: []string{"set both or neither"}},
		{name: "first keys mixed up", environ: []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=bf_live_" + key, "BILLFOLD_BOOTSTRAP_LIVE_KEY=bf_live_" + key}, want: []string{"bootstrap-test-key: must be bf_test_"}},
		{name: "short first key", environ: []string{"BILLFOLD_BOOTSTRAP_TEST_KEY=bf_test_" + key, "BILLFOLD_BOOTSTRAP_LIVE_KEY=bf_live_short"}, want: []string{"bootstrap-live-key: must be bf_live_ and at least 32"}},
		{name: "no name", file: `bootstrap-business = " "`, want: []string{"bootstrap-business: must not be blank"}},
		{name: "proxies", file: `trusted-proxies = "10.0.0.0/33"`, want: []string{`trusted-proxies: "10.0.0.0/33" is not an IP address or a network`}},
		{name: "metrics", file: `metrics-addr = "x"`, want: []string{"metrics-addr: "}},
		{name: "webhooks", file: `webhook-allow-insecure = "all"`, want: []string{"webhook-allow-insecure: \"all\" is not loopback"}},
		{name: "days", file: `webhook-keep-days = -1`, want: []string{"webhook-keep-days: -1 is not between 0 and 36500"}},
		{name: "NATS", environ: []string{"BILLFOLD_NATS_URL=http://me:s3cret@x"}, want: []string{"nats-url: not an address such as"}},
		{name: "subject", file: `nats-subject = "a.>"`, want: []string{"nats-subject: "}},
		{name: "a certificate for NATS without a key", file: `nats-cert = "x"`, want: []string{"nats-cert and nats-key: set both or neither"}},
		{name: "Kafka", file: `kafka-brokers = "a:9092,b"`, want: []string{`kafka-brokers: "b" is not host:port`}},
		{name: "topic", file: `kafka-topic = "a b"`, want: []string{"kafka-topic: "}},
		{name: "SASL", file: `kafka-sasl = "gssapi"`, want: []string{"kafka-sasl: \"gssapi\" is not one of plain", "kafka-sasl, kafka-user and kafka-password"}},
		{name: "a certificate for Kafka without TLS", file: `kafka-cert = "x"`, want: []string{"set kafka-tls", "kafka-cert and kafka-key"}},
		{name: "pprof alone", file: `pprof = true`, want: []string{"pprof: profiles are served on metrics-addr only"}},
		{name: "base url", file: `base-url = "localhost"`, want: []string{"base-url: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(settings{flags: test.flags, environ: test.environ, path: "test.toml", file: []byte(test.file)})
			if err == nil {
				t.Fatal("got no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestVariablesThatAreNotForTheProgram(t *testing.T) {
	t.Parallel()
	_, err := load(settings{environ: []string{
		"BILLFOLD_PORT=tcp://10.0.0.1:8080", "BILLFOLD_PORT_8080_TCP=tcp://10.0.0.1:8080", "BILLFOLD_PORT_8080_TCP_ADDR=10.0.0.1",
		"BILLFOLD_SERVICE_HOST=10.0.0.1", "BILLFOLD_SERVICE_PORT=8080", "BILLFOLD_SERVICE_PORT_HTTP=8080",
		"BILLFOLD_TEST_CITUS_URL=x", "BILLFOLD_PUBLISHED_OPENAPI=x", "BILLFOLDER=1", "BILLFOLD_CONFIG=x",
	}})
	if err != nil {
		t.Errorf("got %v, want them passed over", err)
	}
}

func TestTheExampleFileListsEveryOptionWithItsDefault(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(exampleDir, "billfold.example.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(settings{path: "billfold.example.toml", file: text}); err != nil {
		t.Errorf("the example as it is: %v", err)
	}
	// Every option stands as "# name = value", after a comment about it.
	var members map[string]any
	lines := strings.Split(string(text), "\n")
	var uncommented strings.Builder
	for i, line := range lines {
		member, found := strings.CutPrefix(line, "#")
		if !found || strings.HasPrefix(member, " ") || member == "" {
			continue
		}
		uncommented.WriteString(member + "\n")
		if i == 0 || !strings.HasPrefix(lines[i-1], "# ") {
			t.Errorf("line %d, %q: has no comment above it", i+1, member)
		}
	}
	if err := toml.Unmarshal([]byte(uncommented.String()), &members); err != nil {
		t.Fatalf("the example with its options switched on: %v", err)
	}
	config := defaultConfig()
	for _, option := range config.options() {
		member, found := members[option.name]
		if !found {
			t.Errorf("%s is not in billfold.example.toml", option.name)
			continue
		}
		delete(members, option.name)
		if shown, err := tomlText(member); err != nil || (option.value.String() != "" && shown != option.value.String()) {
			t.Errorf("%s: the example shows %q, the default is %q (%v)", option.name, shown, option.value, err)
		}
	}
	for name := range members {
		t.Errorf("%s in billfold.example.toml is no option", name)
	}
}

func TestTheConfigurationPageListsEveryOption(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(exampleDir, "docs", "configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	config := defaultConfig()
	for _, option := range config.options() {
		shown := option.value.String()
		if shown == "" {
			shown = "–"
		} else {
			shown = "`" + shown + "`"
		}
		flag := "`--" + option.name + "`"
		if option.secret || option.name == "api-key" {
			flag = "no flag"
		}
		want := "| `" + option.name + "` | " + flag + " | `" + envName(option.name) + "` | " + shown + " | "
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/configuration.md has no row that begins\n%s", want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]size{"0": 0, "7": 7, "7B": 7, "64KiB": 65536, "1 MiB": 1 << 20, "8GiB": 8 << 30} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%q: got %d %v, want %d", text, got, err, want)
		}
		var again size
		if err := again.Set(got.String()); err != nil || again != got {
			t.Errorf("%q: written %q, read back as %d %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "x", "-1", "1.5MiB", "1MB", "9223372036854775807KiB", "KiB", "0x10"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]rateLimit{
		"off": {}, "40/s": {40, time.Second}, "240/min": {240, time.Minute},
	} {
		var got rateLimit
		if err := got.Set(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: got %v %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "40", "0/s", "-1/s", "40/h", "x/s", "1000001/s"} {
		var got rateLimit
		if err := got.Set(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("addr = \"127.0.0.1:1\"", "BILLFOLD_MAX_BODY=2KiB")
	f.Add("[a]\nb = [1, 2.5, {c = 1979-05-27}]", "BILLFOLD_=1")
	f.Add("rate-limit = \"40/s\"\nmax-body = 9223372036854775807", "BILLFOLD_RATE_LIMIT=1/min")
	f.Fuzz(func(t *testing.T, file, variable string) {
		config, err := load(settings{environ: []string{variable}, path: "f.toml", file: []byte(file)})
		if err != nil {
			return
		}
		// What was accepted reads back from what it is written as.
		again := defaultConfig()
		written := again.options()
		for i, option := range config.options() {
			if err := written[i].value.Set(option.value.String()); err != nil {
				t.Errorf("%s: %q does not read back: %v", option.name, option.value, err)
			}
		}
		if diff := cmp.Diff(config, again); diff != "" {
			t.Errorf("the configuration does not read back (-want +got):\n%s", diff)
		}
	})
}
