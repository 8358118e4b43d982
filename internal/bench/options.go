package bench

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Options of a run. Zero fields take the default that is named.
type Options struct {
	// Executable is the binary that is measured: this one.
	Executable string

	// Program names the version of the binary in the report: "unknown version".
	Program string

	// Dir is where the data directories are made and removed again: the
	// system's directory for temporary files. It should be on the kind of disk
	// that is to be measured.
	Dir string

	// DatabaseURL is a server of PostgreSQL to measure beside the embedded
	// store. The run makes databases of its own there and drops them; what the
	// address names is not touched. Empty measures the embedded store alone.
	DatabaseURL string

	// Duration is how long one round of one target lasts: 3 s. Warmup goes
	// before each and does not count: 500 ms.
	Duration time.Duration
	Warmup   time.Duration

	// Rounds is how often empty handler and server take turns: 3.
	Rounds int

	// Connections is how many requests are under way at once where a scenario
	// does not say otherwise: 64.
	Connections int

	// Customers is among how many customers the entries are spread: 10,000.
	Customers int

	// Scenarios are names of [Scenarios]. Empty means those that take seconds.
	Scenarios []string

	// Rate adds an open loop: so many requests a second are sent at their own
	// times, whether or not earlier ones were answered, and latency counts
	// from when a request was due. 0 leaves it out.
	Rate int

	// History is how many entries the ledger holds in the second half of
	// scenario history: 10,000,000. The first half has a hundredth of it.
	History int

	// Population is how many customers scenario population has: 1,000,000.
	Population int

	// Markdown prints tables for a document in place of a terminal.
	Markdown bool

	// Progress receives a line when a step begins. Nil is silent.
	Progress func(step string)
}

// Scenario is one thing that can be measured.
type Scenario struct {
	Name    string
	Title   string
	Default bool // measured when no scenario is named
}

// Scenarios lists what can be measured, in the order in which it is.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "spread", Title: "single entries, spread over the customers", Default: true},
		{Name: "hot", Title: "single entries, one hot wallet", Default: true},
		{Name: "connections", Title: "single entries at 1, 16 and 256 connections", Default: true},
		{Name: "bulk", Title: "entries by the thousand in one request", Default: true},
		{Name: "reads", Title: "wallets, the first page and a deep page of entries", Default: true},
		{Name: "population", Title: "memory and start with very many customers"},
		{Name: "history", Title: "cost of an entry in a small and in a large ledger"},
	}
}

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Program, "unknown version")
	setDefault(&o.Dir, os.TempDir())
	setDefault(&o.Duration, 3*time.Second)
	setDefault(&o.Warmup, 500*time.Millisecond)
	setDefault(&o.Rounds, 3)
	setDefault(&o.Connections, 64)
	setDefault(&o.Customers, 10_000)
	setDefault(&o.History, 10_000_000)
	setDefault(&o.Population, 1_000_000)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Executable == "" {
		executable, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find the binary to measure: %w", err)
		}
		o.Executable = executable
	}
	return o, o.validate()
}

func (o *Options) validate() error {
	if o.DatabaseURL != "" {
		if _, err := parseAddress(o.DatabaseURL); err != nil {
			return err
		}
	}
	known := Scenarios()
	for _, name := range o.Scenarios {
		if !slices.ContainsFunc(known, func(s Scenario) bool { return s.Name == name }) {
			var names []string
			for _, s := range known {
				names = append(names, s.Name)
			}
			return fmt.Errorf("%q is no scenario; there are %s", name, strings.Join(names, ", "))
		}
	}
	for _, number := range []struct {
		name       string
		value, max int
	}{
		{"rounds", o.Rounds, 1000},
		{"connections", o.Connections, 10_000},
		{"customers", o.Customers, 1_000_000},
		{"history", o.History, 1_000_000_000},
		{"population", o.Population, 100_000_000},
	} {
		if number.value < 1 || number.value > number.max {
			return fmt.Errorf("%s: %d is not between 1 and %d", number.name, number.value, number.max)
		}
	}
	switch {
	case o.Duration <= 0 || o.Warmup < 0:
		return fmt.Errorf("a round of %v after %v of warming up cannot be", o.Duration, o.Warmup)
	case o.Rate < 0 || o.Rate > 10_000_000:
		return fmt.Errorf("a rate of %d requests a second cannot be", o.Rate)
	}
	return nil
}

// wants reports whether a scenario is to be measured.
func (o *Options) wants(name string) bool {
	if len(o.Scenarios) > 0 {
		return slices.Contains(o.Scenarios, name)
	}
	return slices.ContainsFunc(Scenarios(), func(s Scenario) bool { return s.Name == name && s.Default })
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
