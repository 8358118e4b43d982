// Package cli is the command line of Billfold: it reads the configuration,
// ties the parts of the program together, runs the server and stops it, and
// holds every other verb.
//
// It is the only package that knows the real clock, the real source of
// randomness, the environment and the terminal; everything below it is given
// what it needs. It owns no rule about money.
//
// # Exit codes
//
//   - 0: done; for verify: every law holds.
//   - 1: refused or failed; for verify: a law is broken.
//   - 2: wrong usage or configuration; for verify: it could not look.
//   - 3: the server could not be reached or asks to come back later.
package cli
