package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/processor"
)

// Methods is the kind of object that a customer's payment method is.
const Methods ledger.ObjectKind = "payment_method"

// MethodIDPrefix begins the id of every payment method.
const MethodIDPrefix = "pm_"

// MethodsMax is how many payment methods of a customer are used at once.
const MethodsMax = 50

// The states of a payment method.
const (
	methodActive  = "active"
	methodRemoved = "removed"
)

// Method is a customer's payment method: a reference to one at the processor, and what
// may be shown of it.
type Method struct {
	ID        string    `json:"-"`
	CreatedAt time.Time `json:"-"`
	Removed   bool      `json:"-"`

	Processor string `json:"processor"`
	Token     string `json:"token"`     // as the processor knows it
	Recurring bool   `json:"recurring"` // it may be charged while the customer is away
	Card      Card   `json:"card"`
}

func methodOf(object *ledger.Object) (Method, error) {
	method := Method{ID: object.ID, CreatedAt: object.CreatedAt, Removed: object.State == methodRemoved}
	if err := json.Unmarshal([]byte(object.Data), &method); err != nil {
		return method, fmt.Errorf("payment method %s does not decode: %w", object.ID, err)
	}
	return method, nil
}

// AddMethod keeps a payment method of a customer. The same one is kept once.
func (c *Collector) AddMethod(ctx context.Context, tenant ledger.Tenant, customerID string, method Method) error {
	next := func(_ *ledger.Snapshot, old *ledger.Object) (*ledger.Object, error) {
		if old != nil {
			return nil, nil
		}
		data, err := encode(method)
		return &ledger.Object{State: methodActive, Data: string(data)}, err
	}
	return c.putMethod(ctx, tenant, customerID, method.ID, next)
}

// CodeMethodInUse refuses to remove a payment method that a subscription is paid by.
const CodeMethodInUse ledger.Code = "PAYMENT_METHOD_IN_USE"

// RemoveMethod has a payment method not used any more; one that was removed before stays
// so. The customer has to have it, and no subscription of theirs that has not ended may be
// paid by it.
func (c *Collector) RemoveMethod(ctx context.Context, tenant ledger.Tenant, customerID, id string) error {
	looked := int64(-1) // how far the customer's objects were looked at for one that uses it
	for range triesMax {
		var moved atomic.Int64
		err := c.putMethod(ctx, tenant, customerID, id, func(s *ledger.Snapshot, old *ledger.Object) (*ledger.Object, error) {
			switch {
			case old == nil:
				return nil, ledger.Errorf(ledger.CodeNotFound, "the customer has no such payment method")
			case old.State == methodRemoved:
				return nil, nil
			case s.ObjectHead.Number != looked:
				moved.Store(s.ObjectHead.Number)
				return nil, errMoved
			}
			old.State = methodRemoved
			return old, nil
		})
		if !errors.Is(err, errMoved) {
			return err
		}
		looked = moved.Load()
		if err := c.methodFree(ctx, tenant, customerID, id); err != nil {
			return err
		}
	}
	return ledger.Errorf(ledger.CodeOverloaded, "what the customer has changes all the time; try again")
}

// methodFree refuses a method that a subscription of the customer is paid by.
func (c *Collector) methodFree(ctx context.Context, tenant ledger.Tenant, customerID, id string) error {
	filter := ledger.ObjectFilter{Kind: Subscriptions, CustomerID: customerID}
	for _, status := range billing.SubscriptionStatuses() {
		if filter.State = string(status); status.Final() {
			continue
		}
		for page := (ledger.ObjectPage{Limit: 200}); ; {
			list, err := c.store.Objects(ctx, tenant, filter, page)
			if err != nil {
				return err
			}
			for i := range list.Objects {
				subscription, err := decodeSubscription(&list.Objects[i])
				if err != nil {
					return err
				}
				if subscription.MethodID == id {
					return ledger.Errorf(CodeMethodInUse,
						"subscription %s is paid by the payment method; give it another one, or cancel it, first", subscription.ID)
				}
			}
			if page.Before = list.Next; page.Before == "" {
				break
			}
		}
	}
	return nil
}

// putMethod changes a payment method to what next makes of it, nil for nothing.
func (c *Collector) putMethod(
	ctx context.Context, tenant ledger.Tenant, customerID, id string,
	next func(*ledger.Snapshot, *ledger.Object) (*ledger.Object, error),
) error {
	m := c.moment()
	key := ledger.ObjectKey{Kind: Methods, ID: id}
	scope := ledger.Scope{
		Tenant: tenant, CustomerID: customerID, Currency: "USD", // it moves no money of any wallet
		At: m.Now, Objects: []ledger.ObjectKey{key},
	}
	_, err := c.store.Transact(ctx, scope, func(s ledger.Snapshot) (ledger.Change, error) {
		change := ledger.Change{Wallet: s.Wallet}
		object, err := next(&s, s.Object(key))
		if err != nil || object == nil {
			change.Replayed = true
			return change, err
		}
		object.ObjectKey = key
		kind, told, err := tellMethod(object, customerID, s.Chain.At(m.Now))
		if err != nil {
			return change, err
		}
		return change, change.Put(&s, *object, kind, told, m.Now)
	})
	return err
}

// tellMethod is what is told of a customer's payment method that was added or removed.
func tellMethod(
	object *ledger.Object, customerID string, now time.Time,
) (kind ledger.EventKind, data string, err error) {
	method, err := methodOf(object)
	if err != nil {
		return "", "", err
	}
	if kind = ledger.PaymentMethodRemoved; !method.Removed {
		kind, method.CreatedAt = ledger.PaymentMethodAdded, now
	}
	payload, err := encode(struct {
		MethodFace
		CustomerID  string `json:"customer_id"`
		PayloadType string `json:"payload_type"`
	}{method.Face(), customerID, "PaymentMethod"})
	return kind, string(payload), err
}

// MethodFace is a payment method as the published API shows it.
type MethodFace struct {
	ID         string   `json:"payment_method_id"`
	Kind       string   `json:"payment_method"`
	Type       *string  `json:"payment_method_type"`
	Card       CardFace `json:"card"`
	LastUsedAt *string  `json:"last_used_at"`
	Recurring  bool     `json:"recurring_enabled"`
	CreatedAt  Time     `json:"created_at"`
}

// CardFace is a card as the published API shows it.
type CardFace struct {
	HolderName  *string `json:"card_holder_name"`
	Country     *string `json:"card_issuing_country"`
	Network     *string `json:"card_network"`
	Type        *string `json:"card_type"`
	ExpiryMonth *string `json:"expiry_month"`
	ExpiryYear  *string `json:"expiry_year"`
	LastFour    *string `json:"last4_digits"`
}

// Face returns the method as the published API shows it. When it was used last is not kept.
func (m *Method) Face() MethodFace {
	card := &m.Card
	return MethodFace{
		ID: m.ID, Kind: "card", Type: text(card.Type), Recurring: m.Recurring, CreatedAt: Time(m.CreatedAt),
		Card: CardFace{
			text(card.HolderName), text(card.Country), text(card.Network), text(card.Type), text(card.ExpiryMonth),
			text(card.ExpiryYear), text(card.LastFour),
		},
	}
}

// Method returns a payment method of a customer, also one that was removed.
func (c *Collector) Method(ctx context.Context, tenant ledger.Tenant, customerID, id string) (Method, error) {
	object, err := c.store.Object(ctx, tenant, ledger.ObjectKey{Kind: Methods, ID: id})
	if err == nil && object.CustomerID != customerID {
		err = ledger.Errorf(ledger.CodeNotFound, "the customer has no such payment method")
	}
	if err != nil {
		return Method{}, err
	}
	return methodOf(&object)
}

// Methods returns the payment methods of a customer that are used, newest first.
func (c *Collector) Methods(
	ctx context.Context, tenant ledger.Tenant, customerID string,
) (methods []Method, err error) {
	filter := ledger.ObjectFilter{Kind: Methods, CustomerID: customerID, State: methodActive}
	list, err := c.store.Objects(ctx, tenant, filter, ledger.ObjectPage{Limit: 2 * MethodsMax})
	if err != nil {
		return nil, err
	}
	for i := range list.Objects {
		method, err := methodOf(&list.Objects[i])
		if err != nil {
			return nil, err
		}
		methods = append(methods, method)
	}
	return methods, nil
}

// SandboxCard is what is shown of a payment method of the sandbox.
func SandboxCard(token string) Card {
	if !processor.SandboxToken(token) {
		return Card{}
	}
	card := Card{Country: "US", Network: "visa", Type: "credit", ExpiryMonth: "12", ExpiryYear: "2049", LastFour: "4242"}
	switch token {
	case processor.SandboxDeclined, processor.SandboxDeclinedForGood, processor.SandboxProcessingFails:
		card.LastFour = "0002"
	}
	return card
}
