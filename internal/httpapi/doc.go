// Package httpapi is the HTTP face of the ledger: routes, API keys, strict
// requests and wire-compatible answers.
//
// It owns the wire and nothing of the rules: what a credit may do is decided in
// package ledger, who may ask in package access.
//
// # One request
//
// A request passes these checks, and the first that does not hold answers it:
//
//  1. transport: path, method, size, type and encoding of the body
//  2. credentials: exactly one bearer key that works
//  3. scope: a read key may not write; then the rate limit of the key
//  4. shape: query and body are well formed, every name is known, every type right
//  5. fields: each value is one that its field may have
//  6. object: the customer or entry exists in the key's business and mode
//  7. idempotency key, and then the state: funds, limits
//
// Every error is JSON with the same members, see error.go, and changes nothing.
//
// # Speed
//
// The routes that move money are on a budget of a few microseconds. So there
// is one allocation for the request's state, bodies and answers use pooled
// memory, answers are appended by hand, and there is no reflection. Everything
// else is written plainly.
package httpapi
