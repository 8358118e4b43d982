package storetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/webhook"
)

// modelEndpoint is an endpoint with all of its deliveries, by No from 1 on.
type modelEndpoint struct {
	webhook.Served
	deliveries []webhook.Delivery
	settled    int            // of the first of them, none is pending
	pruned     map[int64]bool // those that are there no more
}

// endpoint returns an endpoint of a tenant, of any if that is zero.
func (m *Model) endpoint(tenant ledger.Tenant, id string) (*modelEndpoint, error) {
	for _, e := range m.endpoints {
		if e.Endpoint.ID == id && (tenant == ledger.Tenant{} || e.Endpoint.Tenant == tenant) {
			return e, nil
		}
	}
	return nil, ledger.Errorf(ledger.CodeNotFound, "no such webhook")
}

// cloneEndpoint is a copy by way of what stores keep.
func cloneEndpoint(e webhook.Endpoint) webhook.Endpoint {
	text, err := e.Encode()
	if err != nil {
		panic(err)
	}
	clone, err := webhook.DecodeEndpoint(e.Tenant, text)
	if err != nil {
		panic(err)
	}
	return clone
}

// CreateEndpoint implements [webhook.Store].
func (m *Model) CreateEndpoint(_ context.Context, endpoint webhook.Endpoint) (webhook.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.settings[endpoint.Tenant]; !known {
		return webhook.Endpoint{}, ledger.Errorf(ledger.CodeNotFound, "no such business")
	}
	count := 0
	for _, e := range m.endpoints {
		if e.Endpoint.Tenant != endpoint.Tenant {
			continue
		}
		count++
		if endpoint.Key != "" && e.Endpoint.Key == endpoint.Key {
			return cloneEndpoint(e.Endpoint), nil
		}
	}
	if count >= webhook.EndpointsMax {
		return webhook.Endpoint{}, webhook.ErrTooMany()
	}
	m.endpoints = append(m.endpoints, &modelEndpoint{
		Served: webhook.Served{Endpoint: cloneEndpoint(endpoint), Place: placeInModel(len(m.feed))}, pruned: map[int64]bool{},
	})
	return endpoint, nil
}

// Endpoint implements [webhook.Store].
func (m *Model) Endpoint(_ context.Context, tenant ledger.Tenant, id string) (webhook.Served, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, id)
	if err != nil {
		return webhook.Served{}, err
	}
	return webhook.Served{Endpoint: cloneEndpoint(e.Endpoint), Place: e.Place}, nil
}

// Endpoints implements [webhook.Store].
func (m *Model) Endpoints(_ context.Context, tenant ledger.Tenant) (endpoints []webhook.Endpoint, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.endpoints {
		if e.Endpoint.Tenant == tenant {
			endpoints = append(endpoints, cloneEndpoint(e.Endpoint))
		}
	}
	return endpoints, nil
}

// UpdateEndpoint implements [webhook.Store].
func (m *Model) UpdateEndpoint(
	_ context.Context, tenant ledger.Tenant, id string, change func(webhook.Endpoint) (webhook.Endpoint, error),
) (webhook.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, id)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	changed, err := change(cloneEndpoint(e.Endpoint))
	if err != nil {
		return webhook.Endpoint{}, err
	}
	if e.Endpoint.Disabled && !changed.Disabled {
		e.Place = placeInModel(len(m.feed))
	}
	e.Endpoint = cloneEndpoint(changed)
	return changed, nil
}

// DeleteEndpoint implements [webhook.Store].
func (m *Model) DeleteEndpoint(_ context.Context, tenant ledger.Tenant, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, id)
	m.endpoints = slices.DeleteFunc(m.endpoints, func(other *modelEndpoint) bool { return other == e })
	return err
}

// Deliveries implements [webhook.Store].
func (m *Model) Deliveries(
	_ context.Context, tenant ledger.Tenant, endpointID string, page webhook.DeliveryPage,
) (deliveries []webhook.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, endpointID)
	if err != nil {
		return nil, err
	}
	for _, d := range slices.Backward(e.deliveries) {
		wanted := !e.pruned[d.No] && (page.Before == 0 || d.No < page.Before) && (page.State == "" || d.State == page.State)
		if wanted && len(deliveries) < page.Limit {
			d.Body, d.Attempts = nil, slices.Clone(d.Attempts)
			deliveries = append(deliveries, d)
		}
	}
	return deliveries, nil
}

// Queued implements [webhook.Store].
func (m *Model) Queued(
	_ context.Context, tenant ledger.Tenant, endpointID string, which webhook.Queued,
) (numbers []int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, endpointID)
	if err != nil {
		return nil, err
	}
	for _, d := range e.deliveries {
		wanted := d.EventID == which.EventID
		if which.EventID == "" {
			wanted = d.No > which.After && !d.QueuedAt.Before(which.Since) && !d.QueuedAt.After(which.Until)
		}
		if wanted && !e.pruned[d.No] && len(numbers) < which.Limit {
			numbers = append(numbers, d.No)
		}
	}
	return numbers, nil
}

// Resend implements [webhook.Store].
func (m *Model) Resend(
	_ context.Context, tenant ledger.Tenant, endpointID string, numbers []int64, at time.Time,
) (count int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(tenant, endpointID)
	if err != nil {
		return 0, err
	}
	for _, no := range numbers {
		if e.pruned[no] {
			continue
		}
		count++
		d := &e.deliveries[no-1]
		d.State, d.DueAt, d.Tries = webhook.Pending, at, 0
		e.settled = min(e.settled, int(no)-1)
	}
	return count, nil
}

// PruneDeliveries implements [webhook.Store].
func (m *Model) PruneDeliveries(_ context.Context, before time.Time, limit int) (removed int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	type old struct {
		e *modelEndpoint
		d *webhook.Delivery
	}
	var found []old
	for _, e := range m.endpoints {
		for i := range e.deliveries {
			d := &e.deliveries[i]
			if d.State == webhook.Done && d.DueAt.Before(before) && !e.pruned[d.No] {
				found = append(found, old{e, d})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b old) int { return a.d.DueAt.Compare(b.d.DueAt) })
	for _, o := range found[:min(len(found), limit)] {
		o.e.pruned[o.d.No] = true
		removed++
	}
	return removed, nil
}

// Serve implements [webhook.Store]. There is one instance.
func (m *Model) Serve(ctx context.Context, _ string, _ []string) ([]webhook.Served, error) {
	return m.AllEndpoints(ctx)
}

// AllEndpoints implements [webhook.Store].
func (m *Model) AllEndpoints(context.Context) (served []webhook.Served, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.endpoints {
		if !e.Endpoint.Disabled {
			served = append(served, webhook.Served{Endpoint: cloneEndpoint(e.Endpoint), Place: e.Place})
		}
	}
	return served, nil
}

// Enqueue implements [webhook.Store].
func (m *Model) Enqueue(_ context.Context, step webhook.Step) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(ledger.Tenant{}, step.EndpointID)
	if err != nil || !e.Stands(&step) {
		return false, nil
	}
	for _, d := range step.Deliveries {
		d.No = int64(len(e.deliveries)) + 1
		e.deliveries = append(e.deliveries, d)
	}
	e.Place = step.To
	return true, nil
}

// Due implements [webhook.Store].
func (m *Model) Due(_ context.Context, endpointID string, asked webhook.Due) (due []webhook.Delivery, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(ledger.Tenant{}, endpointID)
	if err != nil {
		return nil, nil
	}
	for e.settled < len(e.deliveries) && e.deliveries[e.settled].State != webhook.Pending {
		e.settled++
	}
	for _, d := range e.deliveries[e.settled:] {
		if d.State == webhook.Pending && !d.DueAt.After(asked.At) && !slices.Contains(asked.Except, d.Queue) {
			d.Attempts = slices.Clone(d.Attempts)
			due = append(due, d)
		}
	}
	slices.SortStableFunc(due, func(a, b webhook.Delivery) int { return a.DueAt.Compare(b.DueAt) })
	return due[:min(len(due), asked.Limit)], nil
}

// DueInOrder implements [webhook.Store].
func (m *Model) DueInOrder(
	_ context.Context, endpointID string, asked webhook.DueInOrder,
) (due []webhook.Delivery, next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(ledger.Tenant{}, endpointID)
	if err != nil {
		return nil, "", nil
	}
	pending := map[string][]webhook.Delivery{}
	for _, d := range e.deliveries {
		if d.State == webhook.Pending && d.Queue > asked.After {
			pending[d.Queue] = append(pending[d.Queue], d)
		}
	}
	for n, queue := range slices.Sorted(maps.Keys(pending)) {
		if n == webhook.QueuesMax || len(due) == asked.Limit {
			return due, next, nil
		}
		next = queue
		for i, d := range pending[queue] {
			full := i == webhook.QueueMax || len(due) == asked.Limit
			if full || d.DueAt.After(asked.At) || slices.Contains(asked.Except, queue) {
				break
			}
			d.Attempts = slices.Clone(d.Attempts)
			due = append(due, d)
		}
	}
	return due, "", nil
}

// Record implements [webhook.Store].
func (m *Model) Record(_ context.Context, endpointID string, results []webhook.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.endpoint(ledger.Tenant{}, endpointID)
	if err != nil {
		return err
	}
	for _, r := range results {
		d := &e.deliveries[r.No-1]
		if d.State == webhook.Pending && d.Tries == r.Tried {
			d.State, d.DueAt, d.Tries, d.Attempts = r.State, r.DueAt, r.Tried+1, slices.Clone(r.Attempts)
		}
	}
	return nil
}
