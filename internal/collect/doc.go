// Package collect has invoices paid. It carries out what package billing decides,
// over a store and a card processor, and decides nothing itself.
//
// An invoice is an object of its customer with a [billing.Collection] in it. A
// decision about it runs under the customer's lock, and the collection, the money
// that it moves and its event are one commit. The processor is called between two
// commits. So it does not matter where a process stops: whoever finds the invoice due
// asks [billing.Next] and goes on. Several instances may work at once; what one of
// them finds out too late changes nothing.
package collect
