package bus_test

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/billfold/billfold/internal/bus"
	"github.com/billfold/billfold/internal/bus/kafka"
)

// kafkaCluster is a broker of the library's own that speaks the protocol, in this
// process, and can be stopped and started again on what it has written.
type kafkaCluster struct {
	t       *testing.T
	dir     string
	options []kfake.Opt
	ports   []int
	running *kfake.Cluster
	stops   int
	faults  int
}

const topic = "billfold"

func newKafka(t *testing.T, options ...kfake.Opt) *kafkaCluster {
	t.Helper()
	c := &kafkaCluster{t: t, dir: t.TempDir(), options: options}
	c.start(kfake.NumBrokers(1), kfake.SeedTopics(4, topic))
	_, port, err := net.SplitHostPort(c.running.ListenAddrs()[0])
	must(t, err)
	number, err := strconv.Atoi(port)
	must(t, err)
	c.ports = []int{number}
	t.Cleanup(func() { c.running.Close() })
	return c
}

func (c *kafkaCluster) start(options ...kfake.Opt) {
	c.t.Helper()
	options = append(append([]kfake.Opt{kfake.DataDir(c.dir)}, c.options...), options...)
	running, err := kfake.NewCluster(options...)
	must(c.t, err)
	c.running = running
}

func (c *kafkaCluster) broker() bus.Broker {
	c.t.Helper()
	b, err := kafka.New(kafka.Config{Brokers: c.running.ListenAddrs(), Topic: topic})
	must(c.t, err)
	return b
}

// Answers to what was not done, to what was done, and those that no retry mends.
var produceErrors = []*kerr.Error{
	kerr.NotLeaderForPartition, kerr.NotEnoughReplicas, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
	kerr.MessageTooLarge, kerr.InvalidRecord,
}

// trouble stops the broker for a moment, or has it refuse a batch.
func (c *kafkaCluster) trouble(o *office) {
	switch {
	case o.oneIn(6):
		c.stops++
		c.running.Close()
		time.Sleep(time.Duration(o.dice()%50) * time.Millisecond)
		c.start(kfake.Ports(c.ports...))
	case o.oneIn(2):
		c.faults++
		c.running.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: topic, Partitions: []int32{int32(o.dice() % 4)},
			Err: produceErrors[o.dice()%uint64(len(produceErrors))], Count: 1 + int(o.dice()%2),
		})
	}
}

func (c *kafkaCluster) read() (got []received) {
	c.t.Helper()
	want := int64(0)
	for _, p := range c.running.PartitionInfos(topic) {
		want += p.HighWatermark
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.running.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(c.t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), generous)
	defer cancel()
	for int64(len(got)) < want {
		fetches := client.PollFetches(ctx)
		must(c.t, ctx.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			headers := map[string]string{}
			for _, h := range r.Headers {
				headers[h.Key] = string(h.Value)
			}
			got = append(got, received{
				headers[kafka.EventHeader], string(r.Key), headers[kafka.BusinessHeader], headers[kafka.ModeHeader],
				headers[kafka.TypeHeader], string(r.Value),
			})
		})
	}
	return got
}

// A broker that is stopped, that refuses and that answers wrongly about what it has
// done, while what publishes to it is killed, has every event at the end.
func TestKafka(t *testing.T) {
	t.Parallel()
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, c := newOffice(t, open(t)), newKafka(t)
			for _, said := range campaign(o, c, max(kills(name)/3, 2)) {
				t.Errorf("seed %d: %s", o.seed, said)
			}
			t.Logf("the broker was stopped %d times and made to refuse %d times", c.stops, c.faults)
		})
	}
}

// What is wrong with a broker is said, and without what is secret.
func TestKafkaRefusals(t *testing.T) {
	t.Parallel()
	open := newKafka(t)
	closed := newKafka(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "me", "s3cret"), kfake.Superuser("SCRAM-SHA-512", "me", "s3cret"),
		kfake.Superuser("SCRAM-SHA-256", "you", "s3cret"))
	for _, test := range []struct {
		name   string
		config kafka.Config
		want   string // empty: it works
	}{
		{"nobody there", kafka.Config{Brokers: []string{"127.0.0.1:1"}, Topic: topic}, "connection refused"},
		{"no topic", kafka.Config{Brokers: open.running.ListenAddrs(), Topic: "none"}, `there is no topic "none"`},
		{"not signed in", kafka.Config{Brokers: closed.running.ListenAddrs(), Topic: topic}, "Kafka"},
		{"another password", kafka.Config{
			Brokers: closed.running.ListenAddrs(), Topic: topic, SASL: kafka.Plain, User: "me", Secret: "0ther",
		}, "Kafka"},
		{"plain", kafka.Config{Brokers: closed.running.ListenAddrs(), Topic: topic, SASL: kafka.Plain, User: "me", Secret: "s3cret"}, ""},
		{"SCRAM", kafka.Config{
			Brokers: closed.running.ListenAddrs(), Topic: topic, SASL: kafka.ScramSHA512, User: "me", Secret: "s3cret",
		}, ""},
		{"SCRAM with the shorter hash", kafka.Config{
			Brokers: closed.running.ListenAddrs(), Topic: topic, SASL: kafka.ScramSHA256, User: "you", Secret: "s3cret",
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b, err := kafka.New(test.config)
			must(t, err)
			defer b.Close()
			err = publishOne(t, b)
			if test.want == "" {
				must(t, err)
				must(t, b.Check(t.Context()))
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "0ther") {
				t.Errorf("got error %v, want %q and no password", err, test.want)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := b.Check(ctx); err == nil {
				t.Errorf("got a check without an error")
			}
		})
	}
}
