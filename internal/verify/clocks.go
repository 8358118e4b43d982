package verify

// clockedRow is what a customer's row says about their test clock.
type clockedRow struct {
	id     string
	tenant int64
	clock  string

	// at is where the clock stands for the customer, and last the time of the customer's
	// last entry, 0 for none.
	at, last int64
}

// clockKey is the clock of a tenant.
type clockKey struct {
	tenant int64
	id     string
}

// checkClocks holds the customers that have a test clock against the clocks, each with
// where it stands (law Q4). The customers were read before the clocks, which go forward
// only: also where the rows of both stand on several machines, nobody seems to be ahead.
func (t *tenants) checkClocks(customers []clockedRow, clocks map[clockKey]int64) {
	for _, c := range customers {
		where := Finding{CustomerID: c.id}
		if row := t.rows[c.tenant]; row != nil {
			where.BusinessID, where.Mode = row.businessID, row.mode
		}
		frozen, there := clocks[clockKey{c.tenant, c.clock}]
		switch {
		case !there:
			t.broken.add(LawClocks, where, "the test clock %s does not exist", c.clock)
		case where.Mode == "live":
			t.broken.add(LawClocks, where, "a customer in live mode has the test clock %s", c.clock)
		case c.at > frozen:
			t.broken.add(LawClocks, where, "it is %d for the customer, and their test clock %s stands at %d", c.at, c.clock, frozen)
		case c.last > c.at:
			t.broken.add(LawClocks, where, "it is %d for the customer of test clock %s, whose last entry is of %d", c.at, c.clock, c.last)
		}
	}
}
