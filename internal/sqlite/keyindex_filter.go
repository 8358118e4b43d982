package sqlite

import "math/bits"

// keyFilter is a Bloom filter in blocks of 64 bytes. A hash belongs to one
// block and sets one bit in each of its eight words, so asking costs one miss
// of the processor's cache. The block follows the top bits of the hash: keys
// that come sorted fill the blocks from first to last, and a filter can be
// written to disk as it grows.
type keyFilter []uint64

const (
	blockWords = 8
	blockBytes = 8 * blockWords
)

// filterBlocks returns how many blocks a filter for so many keys has. Most
// runs are short and most of the keys are in long ones, so short runs get 16
// bits a key, of which one look-up in 1,000 is answered wrongly, and long runs
// get 10, one in 80.
func filterBlocks(keys int64) uint64 {
	const long = 4 << 20
	bitsPerKey := uint64(16)
	if keys > long {
		bitsPerKey = 10
	}
	return (uint64(keys)*bitsPerKey + 8*blockBytes - 1) / (8 * blockBytes)
}

// filterBlock returns the block of a hash.
func filterBlock(hash, blocks uint64) uint64 {
	block, _ := bits.Mul64(hash, blocks)
	return block
}

// filterBits returns eight numbers of six bits. The multiplication makes them
// independent of the top bits, which chose the block.
func filterBits(hash uint64) uint64 { return hash * 0x9e3779b97f4a7c15 >> 16 }

func (f keyFilter) mayContain(hash uint64) bool {
	at := filterBlock(hash, uint64(len(f))/blockWords) * blockWords
	block := (*[blockWords]uint64)(f[at:])
	b := filterBits(hash)
	all := block[0] >> (b & 63) & (block[1] >> (b >> 6 & 63)) & (block[2] >> (b >> 12 & 63)) &
		(block[3] >> (b >> 18 & 63)) & (block[4] >> (b >> 24 & 63)) & (block[5] >> (b >> 30 & 63)) &
		(block[6] >> (b >> 36 & 63)) & (block[7] >> (b >> 42 & 63))
	return all&1 != 0
}

// mayContain64 asks up to 64 filters and returns a bit for each that may contain
// the hash; a filter that is not in memory may contain anything. It looks at
// one word of every filter before it looks closer at any: the processor then
// waits for the memory of all of them at once, which takes less than half the
// time of one after the other.
func mayContain64(filters []keyFilter, hash uint64) (may uint64) {
	first := filterBits(hash) & 63
	for i, f := range filters {
		word := ^uint64(0)
		if len(f) > 0 {
			word = f[filterBlock(hash, uint64(len(f))/blockWords)*blockWords]
		}
		may |= word >> first & 1 << i
	}
	for rest := may; rest != 0; rest &= rest - 1 {
		i := bits.TrailingZeros64(rest)
		if f := filters[i]; len(f) > 0 && !f.mayContain(hash) {
			may &^= 1 << i
		}
	}
	return may
}

// addToBlock sets the bits of a hash in its block.
func addToBlock(block *[blockWords]uint64, hash uint64) {
	b := filterBits(hash)
	for i := range block {
		block[i] |= 1 << (b >> (6 * i) & 63)
	}
}
