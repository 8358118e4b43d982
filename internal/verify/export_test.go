package verify

// WithWeight returns options that hold only so much of a ledger in memory at a
// time.
func WithWeight(options Options, weight int64) Options {
	options.weight = weight
	return options
}
