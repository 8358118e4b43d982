package verify

import (
	"cmp"
	"maps"
	"math/big"
	"math/bits"
	"slices"
)

// total is a 128-bit sum: those of a whole business may pass 64 bits.
type total struct {
	high int64
	low  uint64
}

func sumOf(n int64) (t total) {
	t.add(n)
	return t
}

func (t *total) add(n int64) {
	low, carry := bits.Add64(t.low, uint64(n), 0)
	t.low = low
	t.high += n>>63 + int64(carry)
}

func (t *total) plus(other total) {
	low, carry := bits.Add64(t.low, other.low, 0)
	t.low = low
	t.high += other.high + int64(carry)
}

// above reports whether the sum is more than n.
func (t total) above(n int64) bool {
	t.add(-n)
	return t.high > 0 || t.high == 0 && t.low > 0
}

func (t total) String() string {
	sum := new(big.Int).Lsh(big.NewInt(t.high), 64)
	return sum.Add(sum, new(big.Int).SetUint64(t.low)).String()
}

// sums is the trial balance.
type sums map[sumKey]*sides

type sumKey struct {
	tenant   int64
	currency string
}

// sides are the two sides of all entries of a tenant in a currency: what the
// rows of the wallets say, and the counter accounts by the entries.
type sides struct {
	wallets  total
	accounts [len(accounts)]total
}

func (s sums) sides(tenant int64, currency string) *sides {
	key := sumKey{tenant: tenant, currency: currency}
	if existing, ok := s[key]; ok {
		return existing
	}
	added := new(sides)
	s[key] = added
	return added
}

// check adds a finding for each tenant and currency whose sums are not zero,
// and returns the trial balance.
func (s sums) check(tenants *tenants, found findings) (balance []AccountSum) {
	keys := slices.SortedFunc(maps.Keys(s), func(a, b sumKey) int {
		return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.currency, b.currency))
	})
	for _, key := range keys {
		owner, both := tenants.byNo[key.tenant], s[key]
		line := AccountSum{
			BusinessID: owner.businessID,
			Mode:       owner.mode,
			Currency:   key.currency,
			Account:    "wallets",
			Sum:        both.wallets.String(),
		}
		balance = append(balance, line)
		all := both.wallets
		for i, sum := range both.accounts {
			if sum == (total{}) {
				continue
			}
			line.Account, line.Sum = accounts[i], sum.String()
			balance = append(balance, line)
			all.plus(sum)
		}
		if all != (total{}) {
			where := Finding{BusinessID: owner.businessID, Mode: owner.mode, Currency: key.currency}
			found.add(LawDoubleEntry, where, "wallets and counter accounts sum to %s, want 0", all)
		}
	}
	return balance
}
