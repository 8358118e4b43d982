package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/billfold/billfold/internal/ledger"
)

// ProcessorCustomers is the kind of object that says who a customer is at a processor.
const ProcessorCustomers ledger.ObjectKind = "processor_customer"

// ProcessorCustomer is who a customer is at a processor: the zero value where nobody.
type ProcessorCustomer struct {
	ID    string `json:"id"`
	Times int    `json:"times"` // that one was made
}

// Key identifies the making of the next one.
func (p ProcessorCustomer) Key(customerID string) string {
	return customerID + ":" + strconv.Itoa(p.Times+1)
}

func processorCustomerKey(customerID, name string) ledger.ObjectKey {
	return ledger.ObjectKey{Kind: ProcessorCustomers, ID: "prc_" + customerID + "_" + name}
}

// ProcessorCustomer says who a customer is at a processor.
func (c *Collector) ProcessorCustomer(
	ctx context.Context, tenant ledger.Tenant, customerID, name string,
) (p ProcessorCustomer, err error) {
	object, err := c.store.Object(ctx, tenant, processorCustomerKey(customerID, name))
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	return processorCustomerOf(&object)
}

func processorCustomerOf(object *ledger.Object) (p ProcessorCustomer, err error) {
	if err = json.Unmarshal([]byte(object.Data), &p); err != nil {
		err = fmt.Errorf("%s %s does not decode: %w", object.Kind, object.ID, err)
	}
	return p, err
}

// KeepProcessorCustomer keeps who a customer is at a processor since one was made for
// them, and returns who they are: another one if somebody else has made one meanwhile.
// Was is what was known before.
func (c *Collector) KeepProcessorCustomer(
	ctx context.Context, tenant ledger.Tenant, customerID, name string, was ProcessorCustomer, id string,
) (p ProcessorCustomer, err error) {
	m := c.moment()
	key := processorCustomerKey(customerID, name)
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: customerID, Currency: "USD", // it moves no money of any wallet
		At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	_, err = c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		p = ProcessorCustomer{}
		if object := s.Object(key); object != nil {
			var err error
			if p, err = processorCustomerOf(object); err != nil {
				return change, err
			}
		}
		if p.Times != was.Times {
			change.Replayed = true
			return change, nil
		}
		p = ProcessorCustomer{ID: id, Times: was.Times + 1}
		data, err := encode(p)
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, ledger.Object{ObjectKey: key, Data: string(data)}, "", "", m.Now)
	})
	return p, err
}
