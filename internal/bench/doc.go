// Package bench measures a server and then proves that the server kept what it
// had acknowledged. A figure without that proof is not printed as a success.
//
// Three processes take part: the load generator, which is the caller, an empty
// handler on net/http, and the real server, both of them child processes of the
// same binary. The empty handler reads the body and answers a constant: it is
// what net/http and the kernel cost on this machine at this minute. Rounds
// alternate between the two, and the ratio of their rates is what can be
// compared from one machine, or one hour, to another. Absolute rates cannot.
//
// The generator shares the processors with what it measures. It keeps
// connections open, sends bytes that were built before and reads no more of an
// answer than it needs, so that it takes a small part of them.
//
// At the end each acknowledged entry is fetched through the API and compared
// with the answer that acknowledged it, and verify recomputes every law from
// the raw rows. Run returns an error when anything differs.
package bench
