package stripe

import (
	"context"
	"slices"
	"strings"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/processor"
)

const (
	// indexedWithin is after how long the index has a payment for certain. Stripe speaks
	// of a minute, and of an hour in a bad one.
	indexedWithin = 24 * time.Hour

	// listMax is how many payments of a customer are looked through, a hundred at a time,
	// in listTimes as long as one request may take.
	listMax   = 20_000
	listTimes = 5
)

// Search implements [processor.Processor]. Stripe's index finds a payment of any age by
// its key, but is late, so that what it does not find may be there all the same. Lists
// are not late, but long. So the index answers for what is old, and the customer's list
// for what can be young.
func (a *Adapter) Search(ctx context.Context, r processor.Request, intendedAt time.Time) (billing.Report, error) {
	customer, _, ok := ofMethod(r.Method)
	if !ok {
		return billing.Report{}, processor.ErrNoPayment // no call was ever made for it
	}
	since := intendedAt.Add(-indexedWithin)
	found, err := a.index(ctx, r.Key)
	if isRefused(err) {
		since, err = time.Time{}, nil // the index is not there for every account: the list says it all
	}
	if err == nil && len(found) == 0 {
		found, err = a.list(ctx, customer, r.Key, since)
	}
	if err != nil {
		return billing.Report{}, err
	}
	if len(found) == 0 {
		return billing.Report{}, processor.ErrNoPayment
	}
	return a.settle(ctx, foremost(found))
}

// index asks the index for a key, and then for the payments as they are now.
func (a *Adapter) index(ctx context.Context, key string) (found []*api.PaymentIntent, err error) {
	within, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	params := &api.PaymentIntentSearchParams{SearchParams: api.SearchParams{
		Query: "metadata['" + metadataKey + "']:'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(key) + "'",
		Limit: api.Int64(100), Single: true,
	}}
	page := a.client.V1PaymentIntents.Search(within, params)
	if err := page.Err(); err != nil {
		return nil, explain("search", err)
	}
	for _, hit := range page.Data() {
		intent, err := a.get(ctx, hit.ID)
		if err != nil {
			return nil, err
		}
		if intent.Metadata[metadataKey] == key {
			found = append(found, intent)
		}
	}
	return found, nil
}

// list goes through a customer's payments since a time, zero for all. It asks for the
// customer first: the list of one whom the account does not know would be empty too.
func (a *Adapter) list(
	ctx context.Context, customer, key string, since time.Time,
) (found []*api.PaymentIntent, err error) {
	within, cancel := context.WithTimeout(ctx, listTimes*a.timeout)
	defer cancel()
	known, err := a.client.V1Customers.Retrieve(within, customer, nil)
	if err != nil {
		return nil, certain(explain("look up the customer", err))
	}
	if known.ID != customer {
		return nil, &failure{call: "look up the customer, which was answered with another"}
	}
	params := &api.PaymentIntentListParams{Customer: &customer, Expand: []*string{api.String("data.latest_charge")}}
	params.Limit = api.Int64(100)
	if !since.IsZero() {
		params.CreatedRange = &api.RangeQueryParams{GreaterThanOrEqual: since.Unix()}
	}
	seen := 0
	for intent, err := range a.client.V1PaymentIntents.List(within, params).All(within) {
		if err != nil {
			return nil, certain(explain("list", err))
		}
		if seen++; seen > listMax {
			return nil, &failure{call: "list, which is too long"}
		}
		if intent.Metadata[metadataKey] == key {
			found = append(found, intent)
		}
	}
	return found, nil
}

// certain is a failure that is not taken for a definite answer.
func certain(f *failure) error {
	f.refused = false
	return f
}

// foremost is the one of several payments under one key that has gone furthest. Only
// one whose id was stored was ever confirmed; the others charge nothing.
func foremost(found []*api.PaymentIntent) *api.PaymentIntent {
	rank := func(intent *api.PaymentIntent) int {
		switch intent.Status {
		case api.PaymentIntentStatusSucceeded:
			return 0
		case api.PaymentIntentStatusCanceled:
			return 3
		case api.PaymentIntentStatusRequiresConfirmation:
			return 2
		}
		return 1
	}
	return slices.MinFunc(found, func(x, y *api.PaymentIntent) int {
		if by := rank(x) - rank(y); by != 0 {
			return by
		}
		return int(x.Created - y.Created)
	})
}
