// Package report answers what finance people ask of a ledger: what is owed to
// customers, and how it came to be.
//
// Reports are sums of entries, and there may be very many of these. So a [Job]
// adds them up in the background, into rows that say what was moved in a quarter
// of an hour and on a day: the roll-ups. A report adds the roll-ups, and whatever
// is not in them yet it reads from the entries themselves, in the same moment; so
// it is always exact, however late the job is. How an entry counts is decided in
// one place, [Fold].
//
// Nothing here changes the ledger, and no decision about money looks at it.
package report
