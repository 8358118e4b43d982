package postgres

import (
	"context"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/jackc/pgx/v5"
)

// shards are where the shards of the customers begin: the least hash of each, in
// order. Commands on customers of one shard share a transaction, because one
// worker commits it.
//
// The shards are looked at with each new connection. They change only when
// somebody splits one; what was taken to be in one shard then is refused by the
// coordinator, and carried out customer by customer, see committer.try.
type shards []int32

// of returns the number of a customer's shard, and false when nobody knows.
func (s shards) of(customer string) (number int, known bool) {
	if len(s) == 0 {
		return 0, false
	}
	number, exact := slices.BinarySearch(s, int32(hashText(customer)))
	if !exact {
		number-- // to the shard that begins before the hash
	}
	return number, number >= 0
}

// shardOf returns the number of a customer's shard as far as it is known.
func (db *DB) shardOf(customer string) (number int, known bool) {
	if s := db.shards.Load(); s != nil {
		return s.of(customer)
	}
	return 0, false
}

// learnShards reads where the shards begin.
func (db *DB) learnShards(ctx context.Context, conn *pgx.Conn) error {
	const query = `
	  select shardminvalue::integer
	    from pg_dist_shard
	   where logicalrelid = 'customers'::regclass
	   order by 1`
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return err
	}
	begins, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err == nil {
		db.shards.Store((*shards)(&begins))
	}
	return err
}

// forgetShards is called when the shards turned out to be others. New connections
// learn them anew.
func (db *DB) forgetShards() {
	db.shards.Store(nil)
	db.pool.Reset()
}

// hashText is what PostgreSQL's hashtext makes of a text that is compared byte
// for byte, by which Citus finds the shard: Bob Jenkins's lookup3.
func hashText(text string) uint32 {
	key := []byte(text)
	a := 0x9e3779b9 + uint32(len(key)) + 3923095
	b, c := a, a
	for ; len(key) >= 12; key = key[12:] {
		a += binary.LittleEndian.Uint32(key)
		b += binary.LittleEndian.Uint32(key[4:])
		c += binary.LittleEndian.Uint32(key[8:])
		a, b, c = mix(a, b, c)
	}
	for i, word := range key {
		switch shift := 8 * (i % 4); {
		case i < 4:
			a += uint32(word) << shift
		case i < 8:
			b += uint32(word) << shift
		default:
			c += uint32(word) << (shift + 8) // its lowest byte is the length's
		}
	}
	return last(a, b, c)
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	for _, turns := range [2][3]int{{4, 6, 8}, {16, 19, 4}} {
		a = (a - c) ^ bits.RotateLeft32(c, turns[0])
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, turns[1])
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, turns[2])
		b += a
	}
	return a, b, c
}

func last(a, b, c uint32) uint32 {
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	return (c ^ b) - bits.RotateLeft32(b, 24)
}
