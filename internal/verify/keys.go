package verify

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Two independent hashes stand for a customer's key. That two different keys
// share both has odds of 1 in 2^88 among a million.
var keySeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// keySet finds idempotency keys that a customer has more than once (law K1).
type keySet struct {
	keys []keyAt

	// max is how many keys are compared in memory. When a range has more,
	// which takes a customer with very many entries, they are over, and the
	// engine sorts them on disk.
	max  int64
	over bool

	scratch []byte
}

type keyAt struct {
	hash     [2]uint64
	position int64
	customer int64
}

func (s *keySet) reset() { s.keys, s.over = s.keys[:0], false }

// add notes the key of an entry.
func (s *keySet) add(e *entryRow) {
	switch {
	case e.key == nil || s.over:
	case int64(len(s.keys)) == s.max:
		s.keys, s.over = s.keys[:0], true
	default:
		s.scratch = binary.BigEndian.AppendUint64(s.scratch[:0], uint64(e.customer))
		s.scratch = append(s.scratch, e.key...)
		s.keys = append(s.keys, keyAt{
			hash:     [2]uint64{maphash.Bytes(keySeeds[0], s.scratch), maphash.Bytes(keySeeds[1], s.scratch)},
			position: e.position,
			customer: e.customer,
		})
	}
}

// repeated returns the keys that were added more than once.
func (s *keySet) repeated() (repeated []repeatedKey) {
	slices.SortFunc(s.keys, func(a, b keyAt) int {
		return cmp.Or(
			cmp.Compare(a.hash[0], b.hash[0]),
			cmp.Compare(a.hash[1], b.hash[1]),
			cmp.Compare(a.position, b.position),
		)
	})
	for from := 0; from < len(s.keys); {
		to := from + 1
		for to < len(s.keys) && s.keys[to].hash == s.keys[from].hash {
			to++
		}
		if to-from > 1 {
			second := s.keys[from+1]
			repeated = append(repeated,
				repeatedKey{customer: second.customer, position: second.position, count: int64(to - from)})
		}
		from = to
	}
	slices.SortFunc(repeated, func(a, b repeatedKey) int {
		return cmp.Or(cmp.Compare(a.customer, b.customer), cmp.Compare(a.position, b.position))
	})
	return repeated
}

// repeatedKeys sends the keys that break law K1 to the checker.
func (r *reader) repeatedKeys(customers customerRange) error {
	repeated := r.keys.repeated()
	if r.keys.over {
		var err error
		if repeated, err = r.file.repeatedKeys(customers); err != nil {
			return err
		}
	}
	for _, key := range repeated {
		r.batch.steps = append(r.batch.steps, stepRepeatedKey)
		r.batch.keys = append(r.batch.keys, key)
	}
	return nil
}

// repeatedKeys finds them with a scan of the file, in bounded memory.
func (f *file) repeatedKeys(customers customerRange) (repeated []repeatedKey, err error) {
	const query = `
	select customer,
	       position,
	       entries
	  from (select customer,
	               position,
	               row_number() over (partition by customer, idempotency_key order by position) as place,
	               count(*) over (partition by customer, idempotency_key) as entries
	          from ledger_entries
	         where customer between ? and ?
	           and idempotency_key is not null)
	 where place = 2
	 order by customer, position`
	err = sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{
		Args: []any{customers.first, customers.last},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			repeated = append(repeated, repeatedKey{
				customer: stmt.ColumnInt64(0),
				position: stmt.ColumnInt64(1),
				count:    stmt.ColumnInt64(2),
			})
			return nil
		},
	})
	return repeated, err
}
