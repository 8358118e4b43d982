// Package kafka publishes to Kafka and to whatever speaks its protocol.
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/billfold/billfold/internal/bus"
)

// Config says where to publish.
type Config struct {
	Brokers []string // host:port of some of them
	Topic   string
	TLS     *tls.Config // nil: without
	SASL    string      // one of [Mechanisms], empty for none
	User    string
	Secret  string
}

// The ways of signing in.
const (
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
)

// Mechanisms lists them.
func Mechanisms() []string { return []string{Plain, ScramSHA256, ScramSHA512} }

// Names of the headers.
const (
	EventHeader    = "event_id"
	BusinessHeader = "business_id"
	ModeHeader     = "mode"
	TypeHeader     = "type"
)

const (
	// partMax is how many bytes are handed over at once, less than a batch may have.
	partMax = 900_000

	// overhead is more than a record has beside its body: the key, the headers and what
	// the protocol adds.
	overhead = 512

	// placedMax is more than the records of a part.
	placedMax = partMax/overhead + 1
)

// Broker implements [bus.Broker].
type Broker struct {
	options []kgo.Opt
	topic   string
	client  *kgo.Client
	hooks   *hooks
}

// New returns a broker, which is connected to when something is to be published.
func New(config Config) (*Broker, error) {
	b := &Broker{topic: config.Topic}
	b.options = []kgo.Opt{
		kgo.SeedBrokers(config.Brokers...), kgo.DefaultProduceTopic(config.Topic), kgo.ClientID("billfold"),
		// All replicas that are in step have a record before it counts as taken. The
		// producer is idempotent by default: what it sends again by itself is there once,
		// and stays in order.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.StopProducerOnDataLossDetected(), // nothing is written behind a gap
		kgo.ManualFlushing(),                 // see publish
	}
	if config.TLS != nil {
		b.options = append(b.options, kgo.DialTLSConfig(config.TLS))
	}
	if mechanism := signIn(&config); mechanism != nil {
		b.options = append(b.options, kgo.SASL(mechanism))
	}
	return b, kgo.ValidateOpts(b.options...)
}

func signIn(config *Config) sasl.Mechanism {
	switch config.SASL {
	case Plain:
		return plain.Auth{User: config.User, Pass: config.Secret}.AsMechanism()
	case ScramSHA256:
		return scram.Auth{User: config.User, Pass: config.Secret}.AsSha256Mechanism()
	case ScramSHA512:
		return scram.Auth{User: config.User, Pass: config.Secret}.AsSha512Mechanism()
	}
	return nil
}

// Publish implements [bus.Broker]. Records of one customer have one key and so one
// partition. After an error nothing of the producer is left that could still be sent.
func (b *Broker) Publish(ctx context.Context, messages []bus.Message) error {
	for len(messages) > 0 {
		count := part(messages)
		if err := b.publish(ctx, messages[:count]); err != nil {
			b.Close()
			return err
		}
		messages = messages[count:]
	}
	return nil
}

// part is how many of the messages, at least one, are handed over at once.
func part(messages []bus.Message) (count int) {
	for size := 0; count < len(messages); count++ {
		size += len(messages[count].Body) + overhead
		if size > partMax && count > 0 {
			break
		}
	}
	return count
}

// publish hands over records that go into one batch for each partition, which a broker
// takes as a whole or not at all. With two, the first could be refused for good and the
// second taken, before anybody had heard of it. So nothing is sent before each record
// has its place, which takes a moment while the topic is not known.
func (b *Broker) publish(ctx context.Context, messages []bus.Message) error {
	if err := b.connect(); err != nil {
		return err
	}
	acknowledged := make(chan error, len(messages))
	for i := range messages {
		m := &messages[i]
		record := &kgo.Record{Key: []byte(m.CustomerID), Value: m.Body, Timestamp: m.At, Headers: []kgo.RecordHeader{
			{Key: EventHeader, Value: []byte(m.ID)}, {Key: BusinessHeader, Value: []byte(m.Tenant.BusinessID)},
			{Key: ModeHeader, Value: []byte(m.Tenant.Mode)}, {Key: TypeHeader, Value: []byte(m.Kind)},
		}}
		// Not with ctx: a record of it that is on its way would neither be taken nor
		// given up. The client that is closed gives up all of them.
		b.client.Produce(context.WithoutCancel(ctx), record, func(_ *kgo.Record, err error) { acknowledged <- err })
	}
	for range messages {
		select {
		case <-b.hooks.placed:
		case err := <-acknowledged:
			return b.explained(err)
		case <-ctx.Done():
			return b.explained(fmt.Errorf("Kafka does not answer: %w", ctx.Err()))
		}
	}
	if err := b.client.Flush(ctx); err != nil {
		return b.explained(fmt.Errorf("Kafka has not acknowledged in time: %w", err))
	}
	for range messages {
		if err := <-acknowledged; err != nil {
			return b.explained(err) // the others that failed did so with it
		}
	}
	return nil
}

func (b *Broker) explained(err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("there is no topic %q; make it: %w", b.topic, err)
	}
	return fmt.Errorf("publish to Kafka: %w", errors.Join(err, b.hooks.lastError()))
}

func (b *Broker) connect() (err error) {
	if b.client == nil {
		b.hooks = &hooks{placed: make(chan struct{}, placedMax)}
		b.client, err = kgo.NewClient(append(slices.Clone(b.options), kgo.WithHooks(b.hooks))...)
	}
	return err
}

// Check implements [bus.Broker]. It asks for the topic.
func (b *Broker) Check(ctx context.Context) error {
	if err := b.connect(); err != nil {
		return err
	}
	request := kmsg.NewMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &b.topic
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, b.client)
	if err != nil {
		return errors.Join(err, b.hooks.lastError())
	}
	for _, known := range answer.Topics {
		if err := kerr.ErrorForCode(known.ErrorCode); err != nil {
			return fmt.Errorf("topic %q: %w", b.topic, err)
		}
	}
	return nil
}

// Close implements [bus.Broker].
func (b *Broker) Close() {
	if b.client != nil {
		b.client.Close()
	}
	b.client = nil
}

// hooks are what a client tells beside its answers.
type hooks struct {
	placed chan struct{} // for each record that has its place in a batch
	failed atomic.Pointer[error]
}

var (
	_ kgo.HookBrokerConnect            = (*hooks)(nil)
	_ kgo.HookProduceRecordPartitioned = (*hooks)(nil)
)

// OnProduceRecordPartitioned implements [kgo.HookProduceRecordPartitioned].
func (h *hooks) OnProduceRecordPartitioned(*kgo.Record, int32) { h.placed <- struct{}{} }

// OnBrokerConnect implements [kgo.HookBrokerConnect].
func (h *hooks) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	h.failed.Store(&err)
}

// lastError is why the last connection could not be made. The client tries again until
// it is out of time, and then says only that.
func (h *hooks) lastError() error {
	if err := h.failed.Swap(nil); err != nil {
		return *err
	}
	return nil
}
