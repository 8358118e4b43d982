//go:build race

package httpapi_test

// The race detector makes everything some five times slower.
const raceSlowdown = 5
