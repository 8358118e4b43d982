package cli

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/bus/kafka"
	"github.com/billfold/billfold/internal/bus/nats"
)

// sinkOptions are those of the message brokers to which events are published.
func (c *Config) sinkOptions() []option {
	return []option{
		{name: "nats-url", value: textValue(&c.NATSURL), kind: "url",
			help: "servers of NATS with JetStream to publish events to; other users of this machine see flags"},
		{name: "nats-subject", value: textValue(&c.NATSSubject), kind: "prefix",
			help: "what the subjects of NATS begin with"},
		{name: "nats-creds", value: textValue(&c.NATSCreds), kind: "file",
			help: "file with the credentials for NATS"},
		{name: "nats-ca", value: textValue(&c.NATSCA), kind: "file",
			help: "certificates in PEM that vouch for the servers of NATS, in place of the system's"},
		{name: "nats-cert", value: textValue(&c.NATSCert), kind: "file",
			help: "certificate chain in PEM to show to NATS"},
		{name: "nats-key", value: textValue(&c.NATSKey), kind: "file",
			help: "private key of nats-cert in PEM"},
		{name: "kafka-brokers", value: textValue(&c.KafkaBrokers), kind: "list",
			help: "brokers of Kafka to publish events to, host:port with commas between them"},
		{name: "kafka-topic", value: textValue(&c.KafkaTopic), kind: "name",
			help: "topic of Kafka"},
		{name: "kafka-sasl", value: textValue(&c.KafkaSASL), kind: "mechanism",
			help: "how to sign in to Kafka: plain, scram-sha-256 or scram-sha-512"},
		{name: "kafka-user", value: textValue(&c.KafkaUser), kind: "name",
			help: "user of kafka-sasl"},
		{name: "kafka-password", value: textValue(&c.KafkaPassword), kind: "password", secret: true,
			help: "password of kafka-user"},
		{name: "kafka-tls", value: boolValue(&c.KafkaTLS), kind: "",
			help: "speak TLS with Kafka"},
		{name: "kafka-ca", value: textValue(&c.KafkaCA), kind: "file",
			help: "certificates in PEM that vouch for the brokers of Kafka, in place of the system's"},
		{name: "kafka-cert", value: textValue(&c.KafkaCert), kind: "file",
			help: "certificate chain in PEM to show to Kafka"},
		{name: "kafka-key", value: textValue(&c.KafkaKey), kind: "file",
			help: "private key of kafka-cert in PEM"},
	}
}

var (
	subjectForm = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	topicForm   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,249}$`)
)

func (c *Config) validateSinks(problem func(string, ...any)) {
	for server := range strings.SplitSeq(c.NATSURL, ",") {
		// What could not be read may hold a password and is not shown.
		where, err := url.Parse(server)
		if c.NATSURL != "" && (err != nil || !oneOf(where.Scheme, "nats", "tls", "ws", "wss") || where.Host == "") {
			problem("nats-url: not an address such as nats://127.0.0.1:4222, or several with commas between them")
			break
		}
	}
	if !subjectForm.MatchString(c.NATSSubject) {
		problem("nats-subject: %q is not made of letters, digits, - and _ with single points between", c.NATSSubject)
	}
	for broker := range strings.SplitSeq(c.KafkaBrokers, ",") {
		if c.KafkaBrokers == "" {
			break
		}
		if err := validAddr(broker); err != nil {
			problem("kafka-brokers: %w", err)
		}
	}
	if !topicForm.MatchString(c.KafkaTopic) {
		problem("kafka-topic: %q is not 1 to 249 letters, digits, points, - and _", c.KafkaTopic)
	}
	if c.KafkaSASL != "" && !oneOf(c.KafkaSASL, kafka.Mechanisms()...) {
		problem("kafka-sasl: %q is not one of %s", c.KafkaSASL, strings.Join(kafka.Mechanisms(), ", "))
	}
	if signs := c.KafkaSASL != ""; signs != (c.KafkaUser != "") || signs != (c.KafkaPassword != "") {
		problem("kafka-sasl, kafka-user and kafka-password: set all or none of them")
	}
	if (c.NATSCert == "") != (c.NATSKey == "") {
		problem("nats-cert and nats-key: set both or neither")
	}
	if (c.KafkaCert == "") != (c.KafkaKey == "") {
		problem("kafka-cert and kafka-key: set both or neither")
	}
	if !c.KafkaTLS && (c.KafkaCA != "" || c.KafkaCert != "") {
		problem("kafka-ca and kafka-cert: they are for TLS; set kafka-tls")
	}
}

// sink is a message broker that events are published to.
type sink struct {
	name   string
	shown  string // where it is, for people
	broker bus.Broker
}

// sinks are those that are configured. None is connected to.
func (c *Config) sinks() (sinks []sink, err error) {
	if c.NATSURL != "" {
		config, err := clientTLS("nats", c.NATSCA, c.NATSCert, c.NATSKey)
		if err != nil {
			return nil, err
		}
		if err := readable("nats-creds", c.NATSCreds); err != nil {
			return nil, err
		}
		sinks = append(sinks, sink{"nats", redacted(c.NATSURL), nats.New(nats.Config{
			URL: c.NATSURL, Prefix: c.NATSSubject, Credentials: c.NATSCreds, TLS: config,
		})})
	}
	if c.KafkaBrokers != "" {
		config, err := clientTLS("kafka", c.KafkaCA, c.KafkaCert, c.KafkaKey)
		if err != nil {
			return nil, err
		}
		if c.KafkaTLS && config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		broker, err := kafka.New(kafka.Config{
			Brokers: strings.Split(c.KafkaBrokers, ","), Topic: c.KafkaTopic, TLS: config,
			SASL: c.KafkaSASL, User: c.KafkaUser, Secret: c.KafkaPassword,
		})
		if err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
		sinks = append(sinks, sink{"kafka", c.KafkaBrokers, broker})
	}
	return sinks, nil
}

// clientTLS is how a sink is spoken to where the system's own certificates are not
// what counts, and nil where they are.
func clientTLS(name, ca, cert, key string) (*tls.Config, error) {
	if ca == "" && cert == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		text, err := os.ReadFile(ca)
		if err != nil {
			return nil, fmt.Errorf("%s-ca: %w", name, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s-ca: %s has no certificate in PEM", name, ca)
		}
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%s-cert and %s-key: %w", name, name, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func readable(option, path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.ReadFile(path); err != nil {
		return fmt.Errorf("%s: %w", option, err)
	}
	return nil
}

// redacted are addresses without what signs in with them.
func redacted(servers string) string {
	var shown []string
	for server := range strings.SplitSeq(servers, ",") {
		if where, err := url.Parse(server); err == nil {
			shown = append(shown, where.Scheme+"://"+where.Host)
		}
	}
	return strings.Join(shown, ",")
}
