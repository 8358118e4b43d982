// Package house keeps the rules of this code base. It has no code that runs,
// only tests that read the sources and complain: who may import whom, that no
// floating point comes near money, that the pure packages have no clock, and
// the shape that files, functions, comments and the changelog have.
//
// Each rule is a function from sources to complaints. Beside each stands a test
// of its teeth, which gives it sources that break the rule and wants the
// complaint. Where a rule has exceptions they stand in a table, each with its
// reason; a table row that nothing needs any more is a complaint as well.
package house
