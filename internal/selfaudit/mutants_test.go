package selfaudit_test

import (
	"flag"
	"testing"

	"github.com/billfold/billfold/internal/mutant"
)

// mistakes are in how a patrol goes through a store that is written to. Each of
// them makes it find what is not there, on the store that is named.
var mistakes = map[string]struct {
	store string
	mutant.Change
	usual bool // it is planted in every run of the tests, and the others in the campaign
}{
	"a debit undone behind its back is taken for none": {"sqlite", mutant.Change{
		File: "internal/verify/patrol.go", Old: "case v.check.late && !v.whole:", New: "case false:",
	}, false},
	"the customer's row is that of the first piece": {"sqlite", mutant.Change{
		File: "internal/verify/patrol.go", Old: "if v.pieces > 1 {", New: "if v.pieces < 0 {",
	}, false},
	"holds stand as they did in the first piece": {"sqlite", mutant.Change{
		File: "internal/verify/patrol.go", Old: "p.store.holds(ctx, s, v.whom, 0, math.MaxInt64)",
		New: "p.store.holds(ctx, s, v.whom, v.event, math.MaxInt64)",
	}, false},
	"businesses are those of the begin of the round": {"sqlite", mutant.Change{
		File: "internal/verify/patrol.go", Old: "row.known && !known {", New: "row.known && !known && false {",
	}, false},
	"each statement on a file has a moment of its own": {"sqlite", mutant.Change{
		File: "internal/verify/patrol_file.go", Old: `sqlitex.Execute(m.file.conn, "begin", nil)`, New: "nil",
	}, true},
	"each statement on a database has a moment of its own": {"postgres", mutant.Change{
		File: "internal/verify/patrol_postgres.go", Old: "IsoLevel: pgx.RepeatableRead", New: "IsoLevel: pgx.ReadCommitted",
	}, true},
}

var everyMistake = flag.Bool("audit.mistakes", false, "plant every mistake, and not one on each store")

func TestEachMistakeIsNoticed(t *testing.T) {
	for name, mistake := range mistakes {
		if !mistake.usual && !*everyMistake {
			continue
		}
		t.Run(name, func(t *testing.T) {
			mutant.Test(t, mistake.Change, "./internal/selfaudit",
				"-run", "TestNothingIsFoundUnderLoad/"+mistake.store, "-audit.operations", "20000")
		})
	}
}
