// Package stripe is the adapter of Stripe. A payment of ours is a PaymentIntent there,
// created unconfirmed with a saved card of a customer, and confirmed by its id without
// the customer (off session).
//
// What a caller is told is what Stripe has said, and no more:
//
//   - A PaymentIntent that was declined could be confirmed again. It has failed when it
//     is cancelled, and not before: each call that meets a declined one cancels it.
//   - A call that certainly did nothing is [processor.ErrNotReached]; one that nobody
//     knows about is another error. Retries are made by whoever calls, so Stripe's
//     library makes none.
//   - Amounts are converted exactly or refused: Stripe's smallest units are not those
//     of ISO 4217 for every currency.
//
// No number of a card comes here, only ids. No error and no log line has a secret:
// texts that Stripe or the network wrote are not passed on, only codes and the id
// under which Stripe finds the request.
package stripe
