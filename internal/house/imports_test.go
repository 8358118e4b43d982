package house

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room says what one package may import.
type room struct {
	// imports are packages of this module; tests are more of them, for the
	// package's _test.go files.
	imports []string
	tests   []string

	// modules are the packages of other modules, each by its path or a part of
	// it that ends before a slash.
	modules []string

	// pure packages may import only the standard packages in pureStandard.
	pure bool

	// forTests marks a package that every test and nothing else may import.
	forTests bool
}

// rooms is the table of the house: money knows nobody, the ledger knows money,
// the stores and the HTTP face stand around them and never know each other,
// and the command line ties the knots. Whoever adds a package adds a row.
var rooms = map[string]room{
	"cmd/billfold": {imports: []string{"internal/cli"}},
	"internal/cli": {
		imports: []string{"internal/access", "internal/bench", "internal/bus", "internal/bus/kafka", "internal/bus/nats",
			"internal/catalog", "internal/checkpoint", "internal/collect", "internal/dashboard",
			"internal/demo", "internal/hosted", "internal/httpapi", "internal/ledger", "internal/money",
			"internal/people", "internal/postgres", "internal/processor", "internal/processor/accounts",
			"internal/processor/stripe", "internal/report", "internal/schema", "internal/selfaudit",
			"internal/sqlite", "internal/sweep", "internal/transfer", "internal/vault", "internal/verify", "internal/webhook"},
		tests: []string{"internal/billing"},
		modules: []string{"github.com/BurntSushi/toml", "github.com/jedib0t/go-pretty/v6", "github.com/lmittmann/tint",
			"github.com/mattn/go-isatty", "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go",
			"github.com/prometheus/client_golang", "github.com/spf13/cobra",
			"github.com/spf13/pflag", "github.com/standard-webhooks/standard-webhooks", "github.com/stripe/stripe-go/v85/webhook",
			"github.com/twmb/franz-go/pkg/kfake",
			"go.opentelemetry.io", "golang.org/x/sys"},
	},
	"internal/httpapi": {
		imports: []string{"api", "internal/access", "internal/billing", "internal/billing/calendar", "internal/catalog",
			"internal/collect", "internal/hosted", "internal/ledger", "internal/money", "internal/paper",
			"internal/people", "internal/processor", "internal/processor/accounts", "internal/receipt",
			"internal/report", "internal/statement", "internal/strictjson", "internal/vault", "internal/webhook"},
		tests:   []string{"internal/sqlite", "internal/vault"},
		modules: []string{"github.com/pquerna/otp", "github.com/prometheus/client_golang", "golang.org/x/time"},
	},
	"internal/hosted": {
		imports: []string{"internal/access", "internal/billing", "internal/collect", "internal/ledger", "internal/money",
			"internal/processor"},
		tests:   []string{"internal/pgtest", "internal/postgres", "internal/sqlite"},
		modules: []string{"golang.org/x/time"},
	},
	"internal/report": {
		imports: []string{"internal/ledger", "internal/money", "internal/paper"},
		tests:   []string{"internal/access", "internal/pgtest", "internal/postgres", "internal/sqlite", "internal/verify"},
		modules: []string{"github.com/jackc/pgx/v5", "zombiezen.com/go/sqlite"},
	},
	"internal/dashboard":       {},
	"internal/statement":       {imports: []string{"internal/ledger", "internal/money", "internal/paper"}},
	"internal/receipt":         {imports: []string{"internal/money", "internal/paper"}},
	"internal/paper/papertest": {forTests: true},
	"internal/paper":           {modules: []string{"codeberg.org/go-pdf/fpdf", "github.com/go-fonts/dejavu"}},
	"api":                      {},
	"internal/money":           {pure: true},
	"internal/money/gen":       {},
	"internal/strictjson":      {pure: true},
	"internal/ledger": {
		imports: []string{"internal/money"},
		tests:   []string{"internal/access"},
		pure:    true,
	},
	"internal/billing": {
		imports: []string{"internal/billing/calendar", "internal/ledger", "internal/money"},
		pure:    true,
	},
	"internal/catalog": {imports: []string{"internal/access", "internal/billing", "internal/billing/calendar", "internal/ledger",
		"internal/money"}},
	"internal/billing/calendar": {pure: true},
	"internal/processor": {
		imports: []string{"internal/billing", "internal/ledger", "internal/money"},
	},
	// What a business's account is, from the sealed secrets to what becomes of a notification.
	"internal/processor/accounts": {
		imports: []string{"internal/access", "internal/billing", "internal/collect", "internal/ledger", "internal/processor",
			"internal/processor/stripe"},
		modules: []string{"github.com/prometheus/client_golang"},
	},
	"internal/processor/stripe": {
		imports: []string{"internal/billing", "internal/money", "internal/processor"},
		tests:   []string{"internal/ledger"},
		modules: []string{"github.com/stripe/stripe-go/v85"},
	},
	"internal/processor/processortest": {imports: []string{"internal/billing", "internal/money", "internal/processor"}, forTests: true},
	"internal/vault":                   {},
	"internal/collect": {
		imports: []string{"internal/access", "internal/billing", "internal/ledger", "internal/money", "internal/processor",
			"internal/processor/stripe"},
		tests: []string{"internal/billing/calendar", "internal/pgtest", "internal/postgres", "internal/sqlite",
			"internal/verify"},
	},
	"internal/access": {imports: []string{"internal/ledger", "internal/money"}},
	"internal/people": {
		imports: []string{"internal/access", "internal/ledger", "internal/vault"},
		tests:   []string{"internal/sqlite", "internal/storetest", "internal/verify"},
		modules: []string{"github.com/pquerna/otp", "golang.org/x/crypto/argon2"},
	},
	// What the stores have in common, so that they need not know each other.
	"internal/walletrow": {imports: []string{"internal/ledger", "internal/money"}},
	"internal/groupcommit": {
		imports: []string{"internal/ledger"},
		modules: []string{"github.com/prometheus/client_golang"},
	},
	"internal/schema": {},
	"internal/sweep": {
		imports: []string{"internal/ledger"},
		tests:   []string{"internal/access", "internal/money"},
		modules: []string{"github.com/prometheus/client_golang"},
	},
	// The brokers' libraries stand apart from what stores and tests know of them.
	"internal/bus": {
		imports: []string{"internal/ledger"},
		tests: []string{"internal/access", "internal/bus/kafka", "internal/bus/nats", "internal/money", "internal/pgtest",
			"internal/postgres", "internal/sqlite"},
		modules: []string{"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "github.com/prometheus/client_golang",
			"github.com/twmb/franz-go"},
	},
	"internal/bus/nats":  {imports: []string{"internal/bus"}, modules: []string{"github.com/nats-io/nats.go"}},
	"internal/bus/kafka": {imports: []string{"internal/bus"}, modules: []string{"github.com/twmb/franz-go"}},
	"internal/webhook": {
		imports: []string{"internal/ledger"},
		tests:   []string{"internal/access", "internal/money"},
		modules: []string{"code.dny.dev/ssrf", "github.com/prometheus/client_golang", "github.com/standard-webhooks/standard-webhooks", "golang.org/x/net/dns/dnsmessage",
			"golang.org/x/time"},
	},
	// What a copy asks of both stores.
	"internal/transfer": {tests: []string{"internal/access", "internal/billing", "internal/catalog", "internal/demo", "internal/ledger", "internal/people", "internal/postgres",
		"internal/sqlite", "internal/vault", "internal/verify", "internal/webhook"}},
	"internal/sqlite": {
		imports: []string{"internal/access", "internal/bus", "internal/catalog", "internal/groupcommit", "internal/ledger", "internal/money",
			"internal/people", "internal/processor", "internal/report", "internal/schema", "internal/transfer",
			"internal/walletrow", "internal/webhook"},
		tests: []string{"internal/billing", "internal/verify"},
		modules: []string{"zombiezen.com/go/sqlite", "modernc.org/libc", "modernc.org/sqlite/lib", "golang.org/x/sys",
			"github.com/prometheus/client_golang"},
	},
	"internal/postgres": {
		imports: []string{"internal/access", "internal/bus", "internal/catalog", "internal/groupcommit", "internal/ledger", "internal/money",
			"internal/people", "internal/processor", "internal/report", "internal/schema", "internal/transfer",
			"internal/walletrow", "internal/webhook"},
		tests:   []string{"internal/pgtest", "internal/verify"},
		modules: []string{"github.com/jackc/pgx/v5", "github.com/prometheus/client_golang"},
	},
	"internal/module": {forTests: true},
	"internal/pgtest": {
		imports:  []string{"internal/module"},
		modules:  []string{"github.com/jackc/pgx/v5"},
		forTests: true,
	},
	"internal/mutant": {imports: []string{"internal/module"}, forTests: true},
	// Verify shares no code with the write path, so that it cannot share a bug.
	"internal/verify": {
		tests:   []string{"internal/access", "internal/ledger", "internal/money", "internal/sqlite"},
		modules: []string{"github.com/jackc/pgx/v5", "zombiezen.com/go/sqlite"},
	},
	// What it audits it knows by verify alone.
	"internal/selfaudit": {
		imports: []string{"internal/verify"},
		tests: []string{"internal/access", "internal/ledger", "internal/money", "internal/mutant", "internal/pgtest",
			"internal/postgres", "internal/sqlite"},
		modules: []string{"github.com/prometheus/client_golang"},
	},
	"internal/checkpoint": {imports: []string{"internal/verify"}},
	"internal/demo": {
		imports: []string{"internal/ledger", "internal/money"},
		tests:   []string{"internal/access", "internal/sqlite"},
	},
	// Bench fills ledgers through the store, because ten million entries over
	// HTTP would take the better part of an hour.
	"internal/bench": {
		imports: []string{"internal/access", "internal/ledger", "internal/money", "internal/postgres", "internal/sqlite",
			"internal/verify"},
		tests:   []string{"internal/cli", "internal/pgtest"},
		modules: []string{"github.com/jackc/pgx/v5", "github.com/jedib0t/go-pretty/v6"},
	},
	"internal/storetest": {
		imports: []string{"internal/access", "internal/billing", "internal/billing/calendar", "internal/bus", "internal/catalog",
			"internal/ledger", "internal/money", "internal/people", "internal/processor", "internal/report",
			"internal/webhook"},
		modules:  []string{"github.com/google/go-cmp", "pgregory.net/rapid"},
		forTests: true,
	},
	"internal/apitest": {
		imports:  []string{"api"},
		tests:    []string{"internal/money"},
		modules:  []string{"github.com/getkin/kin-openapi", "github.com/santhosh-tekuri/jsonschema"},
		forTests: true,
	},
	"e2e/harness": {
		imports:  []string{"internal/module", "internal/pgtest"},
		modules:  []string{"golang.org/x/sys"},
		forTests: true,
	},
	"e2e/crash":    {},
	"e2e/power":    {tests: []string{"internal/access", "internal/ledger", "internal/sqlite", "internal/verify"}},
	"e2e/races":    {},
	"e2e/saga":     {tests: []string{"internal/module", "internal/mutant"}, modules: []string{"github.com/jackc/pgx/v5", "zombiezen.com/go/sqlite"}},
	"e2e/mutants":  {},
	"e2e/portal":   {},
	"e2e/postgres": {},
	"e2e/copy":     {},
	"e2e/failover": {modules: []string{"github.com/jackc/pgx/v5"}},
	"e2e/faultdisk": {
		tests:    []string{"internal/access", "internal/ledger", "internal/money", "internal/sqlite", "internal/verify"},
		modules:  []string{"modernc.org/libc", "modernc.org/sqlite/lib", "zombiezen.com/go/sqlite"},
		forTests: true,
	},
	"e2e/linear":    {},
	"e2e/dashboard": {},
	"e2e/webhooks":  {modules: []string{"github.com/standard-webhooks/standard-webhooks"}},
	"e2e/sdk":       {tests: []string{"internal/webhook"}, modules: []string{"github.com/standard-webhooks/standard-webhooks"}},
	"e2e/faults":    {tests: []string{"internal/ledger", "internal/money", "internal/sqlite", "internal/verify"}},

	"internal/house":        {},
	"internal/house/gotest": {},
}

// testModules may be imported by every _test.go file and by no other file that
// is not named in the table.
var testModules = []string{
	"github.com/anishathalye/porcupine",
	"github.com/dodopayments/dodopayments-go",
	"github.com/getkin/kin-openapi",
	"github.com/go-json-experiment/json",
	"github.com/google/go-cmp",
	"github.com/jackc/pgx/v5",
	"github.com/oasdiff/yaml3",
	"github.com/santhosh-tekuri/jsonschema",
	"github.com/stripe/stripe-mock",
	"go.uber.org/goleak",
	"golang.org/x/sys",
	"pgregory.net/rapid",
	"zombiezen.com/go/sqlite",
}

// pureStandard is all that a pure package may use of the standard library:
// nothing here reads a clock by itself, draws a random number, opens a file or
// speaks to a network. time is for its types; see [checkPurity] for the rest.
var pureStandard = []string{
	"bytes", "cmp", "context", "crypto/sha256", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "iter", "maps",
	"math/big", "math/bits", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf16", "unicode/utf8",
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	all := sources(t)
	report(t, checkImports(all, rooms))
	report(t, checkRooms(all, rooms))
}

// checkImports complains of each import that the table does not allow, with
// both names.
func checkImports(all []*source, rooms map[string]room) []string {
	var complaints []string
	for _, s := range all {
		own := s.directory()
		room, ok := rooms[own]
		if !ok {
			complaints = append(complaints, fmt.Sprintf(
				"%s: package %s has no row in the table of internal/house/imports_test.go", s.path, own))
			continue
		}
		for _, spec := range s.file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				complaints = append(complaints, s.complain(spec.Pos(), "import %s: %v", spec.Path.Value, err))
				continue
			}
			if why := refuseImport(s, room, rooms, imported); why != "" {
				complaints = append(complaints, s.complain(spec.Pos(), "%s may not import %s: %s", own, imported, why))
			}
		}
	}
	return complaints
}

// refuseImport returns why a file may not import something, or "".
func refuseImport(s *source, own room, rooms map[string]room, imported string) string {
	if target, ours := strings.CutPrefix(imported, module+"/"); ours {
		return refuseOurs(s, own, rooms, target)
	}
	first, _, _ := strings.Cut(imported, "/")
	if strings.Contains(first, ".") {
		if hasModule(own.modules, imported) || s.isTest() && hasModule(testModules, imported) {
			return ""
		}
		return "its row names the modules that it may use"
	}
	if own.pure && !s.isTest() && !slices.Contains(pureStandard, imported) {
		return "it is pure, and the package is not in pureStandard"
	}
	return ""
}

func refuseOurs(s *source, own room, rooms map[string]room, target string) string {
	if target == s.directory() {
		return "" // an external test of the package
	}
	targetRoom, known := rooms[target]
	switch {
	case !known:
		return "it has no row in the table"
	case targetRoom.forTests && s.isTest():
		return ""
	case targetRoom.forTests && !own.forTests:
		return "only tests may import it"
	case slices.Contains(own.imports, target):
		return ""
	case s.isTest() && slices.Contains(own.tests, target):
		return ""
	}
	return "its row in the table does not say so"
}

// hasModule reports whether a list has the imported path, or a path above it.
func hasModule(modules []string, imported string) bool {
	return slices.ContainsFunc(modules, func(module string) bool {
		return imported == module || strings.HasPrefix(imported, module+"/")
	})
}

// checkRooms complains of rows that say more than the sources need, so that
// the table stays the picture of the house.
func checkRooms(all []*source, rooms map[string]room) []string {
	used := map[string]map[string]bool{} // by package, what it imports
	for _, s := range all {
		own := s.directory()
		if used[own] == nil {
			used[own] = map[string]bool{}
		}
		for _, spec := range s.file.Imports {
			used[own][strings.TrimPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")] = true
		}
	}
	var complaints []string
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		if used[name] == nil {
			complaints = append(complaints, fmt.Sprintf("the table has a row for %s, which does not exist", name))
			continue
		}
		row := rooms[name]
		for _, target := range slices.Concat(row.imports, row.tests) {
			if !used[name][target] {
				complaints = append(complaints, fmt.Sprintf("the table lets %s import %s, which it does not", name, target))
			}
		}
		for _, module := range row.modules {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(used[name])), func(imported string) bool {
				return hasModule([]string{module}, imported)
			}) {
				complaints = append(complaints, fmt.Sprintf("the table lets %s import %s, which it does not", name, module))
			}
		}
	}
	return complaints
}

func TestImportsHaveTeeth(t *testing.T) {
	t.Parallel()
	table := map[string]room{
		"internal/money":     {pure: true},
		"internal/ledger":    {imports: []string{"internal/money"}, pure: true},
		"internal/sqlite":    {imports: []string{"internal/ledger"}},
		"internal/httpapi":   {imports: []string{"internal/ledger"}, modules: []string{"golang.org/x/time"}},
		"internal/storetest": {imports: []string{"internal/ledger"}, forTests: true},
	}
	file := func(path string, imports ...string) *source {
		text := "package p\n"
		for _, imported := range imports {
			text += "import _ " + strconv.Quote(imported) + "\n"
		}
		return mustParse(t, path, text)
	}
	allowed := []*source{
		file("internal/money/money.go", "strconv"),
		file("internal/ledger/post.go", module+"/internal/money", "time"),
		file("internal/ledger/post_test.go", "os", module+"/internal/ledger", "pgregory.net/rapid"),
		file("internal/sqlite/sqlite.go", module+"/internal/ledger", "os", "database/sql"),
		file("internal/sqlite/sqlite_test.go", module+"/internal/storetest"),
		file("internal/httpapi/limit.go", module+"/internal/ledger", "golang.org/x/time/rate"),
		file("internal/storetest/suite.go", module+"/internal/ledger"),
	}
	wantTeeth(t, checkImports(allowed, table))
	wantTeeth(t, checkRooms(allowed, table))

	wantTeeth(t, checkImports([]*source{
		file("internal/money/up.go", module+"/internal/ledger"),
		file("internal/ledger/file.go", "os", "math/rand/v2", "log/slog", "net/http", "database/sql"),
		file("internal/sqlite/face.go", module+"/internal/httpapi"),
		file("internal/sqlite/face_test.go", module+"/internal/httpapi"),
		file("internal/sqlite/suite.go", module+"/internal/storetest"),
		file("internal/sqlite/check.go", "pgregory.net/rapid"),
		file("internal/httpapi/assert_test.go", "github.com/stretchr/testify/assert"),
		file("internal/httpapi/timer.go", "golang.org/x/timeless"),
		file("internal/new/new.go", "fmt"),
		file("internal/httpapi/new.go", module+"/internal/new"),
	}, table),
		"internal/money may not import "+module+"/internal/ledger",
		"internal/ledger may not import os",
		"internal/ledger may not import math/rand/v2",
		"internal/ledger may not import log/slog",
		"internal/ledger may not import net/http",
		"internal/ledger may not import database/sql",
		"internal/sqlite may not import "+module+"/internal/httpapi",
		"face_test.go:2: internal/sqlite may not import "+module+"/internal/httpapi",
		"only tests may import it",
		"internal/sqlite may not import pgregory.net/rapid",
		"internal/httpapi may not import github.com/stretchr/testify/assert",
		"internal/httpapi may not import golang.org/x/timeless",
		"package internal/new has no row",
		"internal/httpapi may not import "+module+"/internal/new",
	)
	wantTeeth(t, checkRooms(allowed[:5], table),
		"a row for internal/httpapi, which does not exist",
		"a row for internal/storetest, which does not exist")
	wantTeeth(t, checkRooms([]*source{file("internal/httpapi/a.go")}, map[string]room{"internal/httpapi": table["internal/httpapi"]}),
		"lets internal/httpapi import internal/ledger, which it does not",
		"lets internal/httpapi import golang.org/x/time, which it does not")
}
