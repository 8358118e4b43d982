package verify_test

import (
	"fmt"
	"testing"

	"github.com/billfold/billfold/internal/verify"
)

// setClock gives a customer of the scene a test clock of a tenant that stands at a time,
// and has it be another time for the customer.
func setClock(customer, tenant int, frozen, at string) string {
	return fmt.Sprintf(`insert into test_clocks (tenant, id, name, frozen_at, deleted, failure, created_at)
		values (%d, 'clk_1', '', %s, 0, '', 1); update customers set clock = 'clk_1', clock_at = %s where no = %d;`,
		tenant, frozen, at, customer)
}

const farOn = "4000000000000000" // in the year 2096

var clockCorruptions = []corruption{
	{name: "customer past the clock", do: setClock(annNo, 1, farOn, farOn+" + 1"), law: "Q4", customer: ann, quick: true, only: true},
	{name: "clock behind its customer", column: "test_clocks.frozen_at", do: setClock(annNo, 1, farOn, farOn) +
		`update test_clocks set frozen_at = frozen_at - 1`, law: "Q4", customer: ann, quick: true, only: true},
	{name: "customer behind their entries", do: setClock(annNo, 1, farOn, "5"), law: "Q4", customer: ann, quick: true, only: true},
	{name: "clock gone", column: "test_clocks.id", do: setClock(annNo, 1, farOn, farOn) + `delete from test_clocks`, law: "Q4",
		customer: ann, quick: true, only: true},
	{name: "clock of another business", column: "test_clocks.tenant", do: setClock(annNo, 3, farOn, farOn), law: "Q4",
		customer: ann, quick: true, only: true},
	{name: "clock in live mode", do: setClock(annLiveNo, 2, farOn, farOn), law: "Q4", customer: annLive, quick: true, only: true},
}

// A customer of a clock, who has entries and is where it stands, is nothing to find.
func TestClocksAreClean(t *testing.T) {
	t.Parallel()
	f := scene(t)
	f.corrupt(setClock(annNo, 1, farOn, farOn))
	if report := run(t, verify.Options{Path: f.path}); !report.Clean() {
		t.Errorf("got findings %+v, want none", report.Findings)
	}
}
