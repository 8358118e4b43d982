// Package nats publishes to NATS JetStream.
package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/billfold/billfold/internal/bus"
)

// Config says where to publish.
type Config struct {
	URL         string // of one or more servers, with commas between them
	Prefix      string // of the subjects
	Credentials string // a file of NATS credentials; empty for none
	TLS         *tls.Config
}

const (
	connectWithin   = 5 * time.Second
	reconnectEvery  = time.Second
	acknowledgeTime = 30 * time.Second // longer than anybody waits; what is forgotten must not stay in memory
)

// Names of the headers, beside that of the id, by which JetStream knows a repeat.
const (
	BusinessHeader = "Billfold-Business-Id"
	ModeHeader     = "Billfold-Mode"
	TypeHeader     = "Billfold-Type"
	CustomerHeader = "Billfold-Customer-Id"
)

// Broker implements [bus.Broker].
type Broker struct {
	config Config
	conn   *nats.Conn
	stream jetstream.JetStream
}

// New returns a broker, which is connected to when something is to be published.
func New(config Config) *Broker { return &Broker{config: config} }

// Subject is where an event is published: the prefix, the business, the mode and the
// type, such as billfold.bus_1.live.wallet.credited.
func (b *Broker) subject(m *bus.Message) string {
	return fmt.Sprintf("%s.%s.%s.%s", b.config.Prefix, m.Tenant.BusinessID, m.Tenant.Mode, m.Kind)
}

// Publish implements [bus.Broker]. A message is sent after the one before it about the
// same customer was acknowledged, and those about several customers at once: when a
// connection breaks, nobody can say which of what was sent has arrived, and what was
// sent later must not be there alone.
func (b *Broker) Publish(ctx context.Context, messages []bus.Message) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	for len(messages) > 0 {
		var wave []bus.Message
		wave, messages = firsts(messages)
		if err := b.publish(ctx, wave); err != nil {
			return err
		}
	}
	return nil
}

// firsts parts the first message about each customer from the rest.
func firsts(messages []bus.Message) (wave, rest []bus.Message) {
	met := map[string]bool{}
	for _, m := range messages {
		if met[m.CustomerID] {
			rest = append(rest, m)
			continue
		}
		met[m.CustomerID] = true
		wave = append(wave, m)
	}
	return wave, rest
}

func (b *Broker) publish(ctx context.Context, wave []bus.Message) error {
	acknowledged := make([]jetstream.PubAckFuture, len(wave))
	for i := range wave {
		m := &wave[i]
		var err error
		acknowledged[i], err = b.stream.PublishMsgAsync(&nats.Msg{
			Subject: b.subject(m), Data: m.Body,
			Header: nats.Header{
				jetstream.MsgIDHeader: {m.ID}, BusinessHeader: {m.Tenant.BusinessID}, ModeHeader: {string(m.Tenant.Mode)},
				TypeHeader: {string(m.Kind)}, CustomerHeader: {m.CustomerID},
			},
		})
		if err != nil {
			return b.explained(err, m)
		}
	}
	for i := range wave {
		select {
		case <-acknowledged[i].Ok(): // a repeat that the stream knows counts
		case err := <-acknowledged[i].Err():
			return b.explained(err, &wave[i])
		case <-ctx.Done():
			return fmt.Errorf("NATS has not acknowledged in time: %w", ctx.Err())
		}
	}
	return nil
}

func (b *Broker) explained(err error, m *bus.Message) error {
	switch {
	case errors.Is(err, nats.ErrReconnectBufExceeded):
		if last := b.conn.LastError(); last != nil {
			err = last
		}
		return fmt.Errorf("there is no connection to NATS: %w", err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("no stream of NATS takes %s; make one with the subjects %s.>: %w", b.subject(m), b.config.Prefix, err)
	}
	return fmt.Errorf("publish to NATS: %w", err)
}

// connect makes the connection, which then mends itself. It keeps nothing that could
// not be sent: what is published while there is none fails, and is published again.
func (b *Broker) connect(ctx context.Context) error {
	if b.conn != nil && !b.conn.IsClosed() {
		return nil
	}
	options := []nats.Option{
		nats.Name("billfold"), nats.Timeout(connectWithin), nats.ReconnectWait(reconnectEvery), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), nats.IgnoreAuthErrorAbort(),
	}
	if b.config.Credentials != "" {
		options = append(options, nats.UserCredentials(b.config.Credentials))
	}
	if b.config.TLS != nil {
		options = append(options, nats.Secure(b.config.TLS))
	}
	type result struct {
		conn *nats.Conn
		err  error
	}
	connected := make(chan result, 1)
	go func() {
		conn, err := nats.Connect(b.config.URL, options...)
		connected <- result{conn, err}
	}()
	var made result
	select {
	case made = <-connected:
	case <-ctx.Done():
		go func() {
			if late := <-connected; late.err == nil {
				late.conn.Close()
			}
		}()
		return fmt.Errorf("connect to NATS: %w", ctx.Err())
	}
	if made.err != nil {
		return fmt.Errorf("connect to NATS: %w", made.err)
	}
	stream, err := jetstream.New(made.conn, jetstream.WithPublishAsyncTimeout(acknowledgeTime))
	if err != nil {
		made.conn.Close()
		return fmt.Errorf("connect to NATS: %w", err)
	}
	b.conn, b.stream = made.conn, stream
	return nil
}

// Check implements [bus.Broker]. It looks for a stream that takes the subjects.
func (b *Broker) Check(ctx context.Context) error {
	if err := b.connect(ctx); err != nil {
		return err
	}
	all := b.config.Prefix + ".>"
	_, err := b.stream.StreamNameBySubject(ctx, all)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err = fmt.Errorf("no stream takes the subjects %s", all)
	}
	return err
}

// Close implements [bus.Broker].
func (b *Broker) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
}
