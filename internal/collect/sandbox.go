package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// SandboxPayments is the kind of object that a payment of the sandbox is.
const SandboxPayments ledger.ObjectKind = "sandbox_payment"

// Processors says which processor charges the card of an invoice.
type Processors func(i *Invoice) processor.Processor

// TestProcessors has the sandbox charge in test mode, with its payments kept beside the
// invoices, so that it forgets none with a process and is one for all instances. In
// live mode nobody charges. The sandbox lives by the customer's test clock, if they have one.
func TestProcessors(store ledger.Store, now func() time.Time, random func() uint64) Processors {
	return func(i *Invoice) processor.Processor {
		if i.Tenant.Mode != ledger.Test {
			return nil
		}
		now := now
		if clock := i.Clock; !clock.IsZero() {
			now = func() time.Time { return clock }
		}
		return processor.NewSandboxOn(&sandboxStore{
			store: store, tenant: i.Tenant, customerID: i.CustomerID, now: now, random: random,
		}, now)
	}
}

// sandboxStore keeps what the sandbox knows of a customer's payments as objects of the
// customer. It is the processor's memory, and no part of what is decided about invoices.
type sandboxStore struct {
	store      ledger.Store
	tenant     ledger.Tenant
	customerID string
	now        func() time.Time
	random     func() uint64
}

// Change implements [processor.SandboxStore].
func (s *sandboxStore) Change(ctx context.Context, id string, do func(*processor.SandboxPayment)) error {
	key := ledger.ObjectKey{Kind: SandboxPayments, ID: id}
	m := ledger.Moment{Now: s.now().UTC().Truncate(time.Microsecond), Random: s.random()}
	scope := ledger.Scope{
		Tenant: s.tenant, CustomerID: s.customerID, Currency: "USD", // it moves no money of any wallet
		At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	_, err := s.store.Transact(ctx, scope, func(snapshot ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: snapshot.Wallet, Replayed: true}
		var payment processor.SandboxPayment
		before := snapshot.Object(key)
		if before != nil {
			if err := json.Unmarshal([]byte(before.Data), &payment); err != nil {
				return change, fmt.Errorf("payment %s of the sandbox does not decode: %w", id, err)
			}
		}
		do(&payment)
		data, err := encode(payment)
		if err != nil || payment.ID == "" || before != nil && before.Data == string(data) {
			return change, err
		}
		change.Replayed = false
		next := ledger.Object{ObjectKey: key, State: string(payment.Status), Data: string(data)}
		return change, change.Put(&snapshot, next, "", "", m.Now)
	})
	return err
}
