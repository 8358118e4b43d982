// Package bus publishes what has happened to message brokers, at least once: every
// event of every business, in both modes, as GET /events has it.
//
// A [Pump] follows the feed for one broker, the sink. What is published stands in the
// database already, as it is the feed itself; all that is kept beside it is how far the
// sink has each business. That place moves after the broker has acknowledged what
// stood before it and never sooner, so whoever goes on after a crash may publish again
// what had arrived, with the same ids, and passes nothing over.
//
// Order is that of each customer. A message about a customer is handed to the broker
// after the one before it has been acknowledged, or so that the broker takes neither or
// both in their order. So whatever is published again, by a pump that has taken
// another one for dead as well, what a reader meets for the first time stands in order.
package bus
