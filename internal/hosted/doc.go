// Package hosted has the pages under /pay/ on which a customer pays an invoice for the
// first time, saves a card, or authenticates a payment. Whoever has the link of a page may
// use it, and no other: its token is the secret. No page has a field for the number of a
// card: the sandbox's are chosen from a list, and those of a real processor are entered at
// the processor.
package hosted
