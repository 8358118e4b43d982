// Package webhooks has the real server send to receivers of every kind while it is
// written to and killed, and holds it to every event.
package webhooks

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/billfold/billfold/e2e/harness"
)

var (
	killsFlag  = flag.Int("kills", 4, "how often a sender is killed")
	eventsFlag = flag.Int("events", 600, "how many events are sent to each receiver, at least")
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// endpoint is an endpoint with what stands behind its URL.
type endpoint struct {
	id       string
	secret   string
	inOrder  bool
	receiver *receiver
}

// trial is a deployment that sends to receivers.
type trial struct {
	*testing.T
	d         *harness.Deployment
	campaign  *harness.Campaign
	endpoints []*endpoint
}

func (r *trial) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// call sends a call to an instance that lives and reads the answer into a value.
func (r *trial) call(method, path string, body, value any) {
	r.Helper()
	client := r.d.Servers[len(r.d.Servers)-1].Client()
	answer, err := client.Do(r.Context(), harness.Call{Method: method, Path: path, Body: body})
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("%s %s: got %s, want 200", method, path, answer)
	}
	if err == nil && value != nil {
		err = json.Unmarshal(answer.Body, value)
	}
	r.must(err)
}

// name makes an endpoint that a receiver stands behind.
func (r *trial) name(behaves behaviour, inOrder bool) *endpoint {
	r.Helper()
	e := &endpoint{inOrder: inOrder, receiver: newReceiver(r.T, behaves)}
	var made struct {
		ID string `json:"id"`
	}
	r.call(http.MethodPost, "/webhooks", map[string]any{
		"url": e.receiver.url, "in_order": inOrder,
		"filter_types": []string{"customer.created", "wallet.credited", "wallet.debited"},
	}, &made)
	e.id = made.ID
	var secret struct {
		Secret string `json:"secret"`
	}
	r.call(http.MethodGet, "/webhooks/"+e.id+"/secret", nil, &secret)
	e.secret = secret.Secret
	r.endpoints = append(r.endpoints, e)
	return e
}

// happened are the ids of all events, as the feed tells them.
func (r *trial) happened(filter string) (ids []string) {
	r.Helper()
	cursor := ""
	for {
		var page struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
			Next string `json:"next_cursor"`
			More bool   `json:"has_more"`
		}
		r.call(http.MethodGet, "/events?page_size=100&types="+filter+cursor, nil, &page)
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		if cursor = "&cursor=" + page.Next; !page.More {
			return ids
		}
	}
}

// Events reach every kind of receiver although the sender is killed again and again:
// none is missing, each is signed and the same at every attempt, and a wallet's come
// in their order where nothing failed.
func TestSenderKilled(t *testing.T) {
	t.Parallel() // most of the time is spent waiting for the second tries
	for name, instances := range map[string]int{"embedded": 0, "two instances": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &trial{T: t, campaign: harness.NewCampaign(t), d: harness.Deploy(t, harness.DeployOptions{
				Instances: instances, Arguments: []string{"--webhook-allow-insecure", "loopback"},
			})}
			r.killed()
			r.d.Stop(t)
			r.d.Verify(t)
		})
	}
}

func (r *trial) killed() {
	for _, behaves := range []behaviour{takes, fails, hangs, closes, redirects, isBusy} {
		r.name(behaves, false)
	}
	r.name(failsSeldom, true)
	dead := r.name(isDead, false)
	crowd := harness.LoadOptions{Writers: 8, Customers: 20, Patient: true}
	load := harness.StartLoadOn(r.T, r.campaign, r.d.Servers, crowd)
	random := r.campaign.Rand(1)
	each := int64(*eventsFlag / *killsFlag)
	for range *killsFlag {
		load.Await("acknowledged entries", load.Acknowledged, each)
		n := random.IntN(len(r.d.Servers))
		r.d.Servers[n].Kill()
		load.Down()
		time.Sleep(time.Duration(random.IntN(300)) * time.Millisecond)
		r.d.Restart(r.T, n)
		load.Up(r.d.Servers...)
		r.campaign.Add("kills", 1)
	}
	// What is acknowledged may be a repeat, which is no event.
	const told = "customer.created,wallet.credited,wallet.debited"
	for len(r.happened(told)) < *eventsFlag {
		load.Await("acknowledged entries", load.Acknowledged, each)
	}
	load.Stop()
	ids := r.happened(told)
	r.campaign.Add("events", int64(len(ids)))
	for _, e := range r.endpoints {
		if e != dead {
			r.check(e, ids)
		}
	}
	r.campaign.Want("events", int64(*eventsFlag))
	if got := forbidden.Load(); got != 0 {
		r.Errorf("got %d connections to where a redirect pointed, want none", got)
	}
}

// forbidden counts what came to where nothing may be sent.
var forbidden atomic.Int64

// patience is for how long nothing may reach a receiver that has not everything: longer
// than the wait before a third try.
const patience = 7 * time.Minute

// check waits until a receiver has taken every event, and looks at what it got.
func (r *trial) check(e *endpoint, ids []string) {
	r.Helper()
	missing := func() (missing []string) {
		taken := e.receiver.taken()
		for _, id := range ids {
			if !taken[id] {
				missing = append(missing, id)
			}
		}
		return missing
	}
	left := missing()
	for giveUp := time.Now().Add(patience); len(left) > 0 && time.Now().Before(giveUp); {
		time.Sleep(50 * time.Millisecond)
		before := len(left)
		if left = missing(); len(left) < before {
			giveUp = time.Now().Add(patience)
		}
	}
	if len(left) > 0 {
		r.Errorf("%s: got %d of %d events missing, such as %s; want none", e.receiver.behaves.name, len(left), len(ids), left[0])
	}
	e.receiver.mu.Lock()
	defer e.receiver.mu.Unlock()
	last, unordered := map[string]int64{}, 0
	bodies := map[string]string{}
	seen := map[string]bool{}
	for _, m := range e.receiver.got {
		if err := m.verify(e.secret); err != nil {
			r.Errorf("%s: got a signature that does not verify: %v", e.receiver.behaves.name, err)
		}
		if body, known := bodies[m.id]; known && body != m.body {
			r.Errorf("%s: got %s with another body at another attempt", e.receiver.behaves.name, m.id)
		}
		bodies[m.id] = m.body
		// A message that failed comes again behind others, unless the order is strict;
		// one that was taken may come again after a kill.
		if seen[m.id] || !e.inOrder && e.receiver.failed[m.id] || m.position == 0 || !m.taken {
			seen[m.id] = seen[m.id] || m.taken
			continue
		}
		seen[m.id] = true
		if m.position < last[m.queue] {
			unordered++
		}
		last[m.queue] = m.position
	}
	if unordered > 0 {
		r.Errorf("%s: got %d messages behind later ones of their wallet, want none", e.receiver.behaves.name, unordered)
	}
	r.campaign.Add("messages to "+e.receiver.behaves.name, int64(len(e.receiver.got)))
}

// pauseMax is longer than any machine takes to notice that an instance is gone.
const pauseMax = time.Minute

// The endpoints of an instance that was killed are served by another within seconds,
// while events go on.
func TestNoPauseAfterAKill(t *testing.T) {
	r := &trial{T: t, campaign: harness.NewCampaign(t), d: harness.Deploy(t, harness.DeployOptions{
		Instances: 2, Arguments: []string{"--webhook-allow-insecure", "loopback"},
	})}
	for range 6 {
		r.name(takes, false)
	}
	load := harness.StartLoadOn(t, r.campaign, r.d.Servers, harness.LoadOptions{Writers: 2, Customers: 4, Patient: true})
	for _, e := range r.endpoints {
		e.receiver.await(t, 10)
	}
	time.Sleep(3 * time.Second) // until they are shared
	load.Down()
	r.d.Servers[0].Kill()
	killed := time.Now()
	load.Up(r.d.Servers[1])
	// From the first message that was sent after the kill on, none was long in coming.
	for _, e := range r.endpoints {
		e.receiver.awaitSince(t, killed.Add(5*time.Second))
	}
	load.Stop()
	var worst time.Duration
	for _, e := range r.endpoints {
		worst = max(worst, e.receiver.longestPause(killed))
	}
	r.campaign.Add("longest pause in ms", worst.Milliseconds())
	// It is three or four seconds on a machine that has nothing else to do. What matters
	// is that somebody goes on.
	if worst > pauseMax {
		t.Errorf("after a kill: got a pause of %s, want at most %s", worst, pauseMax)
	}
}
