package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

func webhookMistakes() []mistake {
	places := [2]string{"webhooks", "a place moves once, with what was queued"}
	strict := [2]string{"webhooks", "in strict order nothing comes behind what is not due"}
	prunes := [2]string{"webhooks", "what was delivered long ago is pruned, oldest first, and nothing else"}
	subscriptions := [2]string{"webhooks", "E2 what happens is queued for whoever wanted it then"}
	return []mistake{
		{"queued from wherever", openBentWebhooks(func(m *Model) webhook.Store { return anyFrom{m} }), [][2]string{places}, false},
		{"queued by an endpoint that was changed", openBentWebhooks(func(m *Model) webhook.Store { return anyEndpoint{m} }), [][2]string{
			places,
		}, false},
		{"queued without moving the place", openBentWebhooks(func(m *Model) webhook.Store { return unmoved{m} }), [][2]string{
			places,
		}, false},
		{"strict order that is none", openBentWebhooks(func(m *Model) webhook.Store { return loose{m} }), [][2]string{strict}, false},
		{"a look in strict order that passes over queues", openBentWebhooks(func(m *Model) webhook.Store { return hasty{m} }), [][2]string{strict}, false},
		{"late results recorded", openBentWebhooks(func(m *Model) webhook.Store { return lateResults{m} }), [][2]string{
			{"webhooks", "a result that comes too late changes nothing"},
		}, false},
		{"enabled where it was disabled", openBentWebhooks(func(m *Model) webhook.Store { return enabledThere{m} }), [][2]string{
			subscriptions,
		}, false},
		{"endpoints of every mode", openBentWebhooks(func(m *Model) webhook.Store { return everyMode{m} }), [][2]string{
			{"webhooks", "N1 endpoints and deliveries of another business or mode are not there"},
		}, false},
		{"pruned whatever its state is", openBentWebhooks(func(m *Model) webhook.Store { return prunesAll{m} }), [][2]string{prunes}, false},
		{"pruned whenever it was delivered", openBentWebhooks(func(m *Model) webhook.Store { return prunesYoung{m} }), [][2]string{
			prunes,
		}, false},
		{"pruned without a bound", openBentWebhooks(func(m *Model) webhook.Store { return prunesMore{m} }), [][2]string{prunes}, false},
		{"a key makes another endpoint each time", openBentWebhooks(func(m *Model) webhook.Store { return keyless{m} }), [][2]string{
			{"webhooks", "a key makes one endpoint, by many at once too"},
		}, false},
	}
}

func openBentWebhooks(bend func(*Model) webhook.Store) func(testing.TB) Stores {
	return func(testing.TB) Stores {
		m := NewModel()
		return Stores{Ledger: m, Access: m, Webhooks: bend(m), Sinks: m}
	}
}

// anyFrom queues whatever the place is.
type anyFrom struct{ *Model }

func (s anyFrom) Enqueue(ctx context.Context, step webhook.Step) (bool, error) {
	if served, err := s.Model.Endpoint(ctx, ledger.Tenant{}, step.EndpointID); err == nil {
		step.From = served.Place
	}
	return s.Model.Enqueue(ctx, step)
}

// anyEndpoint queues what was decided by an endpoint as it was before a change.
type anyEndpoint struct{ *Model }

func (s anyEndpoint) Enqueue(ctx context.Context, step webhook.Step) (bool, error) {
	if served, err := s.Model.Endpoint(ctx, ledger.Tenant{}, step.EndpointID); err == nil {
		step.AsOf = served.Endpoint.UpdatedAt
	}
	return s.Model.Enqueue(ctx, step)
}

// unmoved queues and leaves the place where it was.
type unmoved struct{ *Model }

func (s unmoved) Enqueue(ctx context.Context, step webhook.Step) (bool, error) {
	step.To = step.From
	return s.Model.Enqueue(ctx, step)
}

// prunesAll takes what was given up and what is pending for delivered.
type prunesAll struct{ *Model }

func (s prunesAll) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	s.mu.Lock()
	for _, e := range s.endpoints {
		for i := range e.deliveries {
			e.deliveries[i].State = webhook.Done
		}
	}
	s.mu.Unlock()
	return s.Model.PruneDeliveries(ctx, before, limit)
}

type prunesYoung struct{ *Model }

func (s prunesYoung) PruneDeliveries(ctx context.Context, before time.Time, limit int) (int, error) {
	return s.Model.PruneDeliveries(ctx, before.Add(time.Hour), limit)
}

type prunesMore struct{ *Model }

func (s prunesMore) PruneDeliveries(ctx context.Context, before time.Time, _ int) (int, error) {
	return s.Model.PruneDeliveries(ctx, before, 1000)
}

type loose struct{ *Model }

func (s loose) DueInOrder(ctx context.Context, id string, due webhook.DueInOrder) ([]webhook.Delivery, string, error) {
	deliveries, err := s.Due(ctx, id, due.Due)
	return deliveries, "", err
}

// hasty passes over the queue in which a look has ended.
type hasty struct{ *Model }

func (s hasty) DueInOrder(ctx context.Context, id string, due webhook.DueInOrder) ([]webhook.Delivery, string, error) {
	deliveries, next, err := s.Model.DueInOrder(ctx, id, due)
	if next != "" {
		next = string(next[0] + 1)
	}
	return deliveries, next, err
}

// lateResults records a result however often it was tried meanwhile.
type lateResults struct{ *Model }

func (s lateResults) Record(ctx context.Context, id string, results []webhook.Result) error {
	s.mu.Lock()
	e, err := s.endpoint(ledger.Tenant{}, id)
	for i := range results {
		if err == nil {
			results[i].Tried = e.deliveries[results[i].No-1].Tries
		}
	}
	s.mu.Unlock()
	return s.Model.Record(ctx, id, results)
}

// enabledThere lets an endpoint go on where it was when it was disabled.
type enabledThere struct{ *Model }

func (s enabledThere) UpdateEndpoint(
	ctx context.Context, tenant ledger.Tenant, id string, change func(webhook.Endpoint) (webhook.Endpoint, error),
) (webhook.Endpoint, error) {
	before, _ := s.Model.Endpoint(ctx, tenant, id)
	changed, err := s.Model.UpdateEndpoint(ctx, tenant, id, change)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, found := s.endpoint(tenant, id); found == nil {
		e.Place = before.Place
	}
	return changed, err
}

type everyMode struct{ *Model }

func (s everyMode) Endpoint(ctx context.Context, tenant ledger.Tenant, id string) (webhook.Served, error) {
	tenant.Mode = ledger.Test
	return s.Model.Endpoint(ctx, tenant, id)
}

type keyless struct{ *Model }

func (s keyless) CreateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	e.Key = ""
	return s.Model.CreateEndpoint(ctx, e)
}
