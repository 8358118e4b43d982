// Package verify proves a ledger file right or names the first row that is not.
//
// It recomputes the laws of the ledger from raw rows, with SQL of its own and
// without a line of the code that wrote them: it knows the tables, the encoding
// of the hash chain, the order in which lots are spent, and nothing else of the
// program. A mistake in the rules therefore cannot hide behind the same mistake
// here. A test holds that this package imports no other package of the module.
//
// It only reads. All rows are seen in one read transaction, so the file may
// belong to a running server; what is committed meanwhile is not part of the
// run.
//
// # How
//
// One goroutine reads the tables side by side in the order of their customers:
// each entry is looked up once, in the order in which it was committed. Another
// recomputes one customer at a time. Memory holds the open lots of one
// customer, never all entries; the order of the entries is made by the
// engine's external sort. What verify checks under which law is listed in
// docs/ledger.md.
package verify
