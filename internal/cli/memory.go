package cli

import (
	"runtime/debug"
)

// collectorPercent lets the heap grow to five times what is alive before it is
// collected. A server's live heap is small and its garbage plenty, so this
// trades memory that the limit bounds for processor time.
const collectorPercent = 400

// tuneMemory sets the collector, unless the operator did by Go's own variables.
func tuneMemory(config Config, environ []string) {
	if lookup(environ, "GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	if lookup(environ, "GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(config.MemoryLimit))
	}
}
