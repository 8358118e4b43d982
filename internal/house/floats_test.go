package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floatsAllowed are the packages and files that may use floating point, each
// with the reason. Every other file of the program must do without (law M7).
// Tests are free, because they measure.
var floatsAllowed = map[string]string{
	"internal/groupcommit/meter.go": "Prometheus counts in float64; only commands and seconds are counted",
	"internal/httpapi/metrics.go":   "Prometheus counts in float64; only requests and seconds are counted",
	"internal/httpapi/ratelimit.go": "requests per second may be a fraction",
	"internal/selfaudit/meter.go":   "Prometheus counts in float64; only customers, laws and seconds are counted",
	"internal/sweep/meter.go":       "Prometheus counts in float64; only entries and seconds are counted",
	"internal/bus/meter.go":         "Prometheus counts in float64; only messages and seconds are counted",
	"internal/webhook/meter.go":     "Prometheus counts in float64; only messages are counted",
	"internal/paper/paper.go":       "a place on a page is a number of millimetres; amounts come as texts",
	"internal/storetest/bench.go":   "benchmarks report rates in float64",

	"internal/storetest/bench_webhooks.go": "benchmarks report rates in float64",
	"internal/httpapi/metadata.go":         "metadata may hold decimal numbers, which nobody counts as money",
}

// moneyRooms are the packages that no row of floatsAllowed may free as a whole.
var moneyRooms = []string{"internal/money", "internal/ledger", "internal/access", "internal/billing", "internal/catalog",
	"internal/collect", "internal/groupcommit", "internal/postgres", "internal/processor", "internal/processor/stripe",
	"internal/sqlite", "internal/verify", "internal/walletrow"}

func TestNoFloatComesNearMoney(t *testing.T) {
	t.Parallel()
	report(t, checkFloats(sources(t), floatsAllowed))
	for _, file := range textFiles(t) {
		if strings.HasSuffix(file.path, ".sql") {
			report(t, checkFloatColumns(file))
		}
	}
	for _, name := range moneyRooms {
		if _, ok := floatsAllowed[name]; ok {
			t.Errorf("floatsAllowed frees all of %s; free single files", name)
		}
	}
}

// checkFloats complains of floating point in files that are not allowed it, and
// of allowances that nothing uses.
func checkFloats(all []*source, allowed map[string]string) []string {
	var complaints []string
	used := map[string]bool{}
	for _, s := range all {
		if s.isTest() {
			continue
		}
		found := findFloats(s)
		freed := false
		for _, name := range []string{s.path, s.directory()} {
			if _, ok := allowed[name]; ok {
				used[name] = used[name] || len(found) > 0
				freed = true
			}
		}
		if !freed {
			complaints = append(complaints, found...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		if !used[name] {
			complaints = append(complaints, fmt.Sprintf("floatsAllowed has a row for %s, which uses none", name))
		}
	}
	return complaints
}

// floatName is any name that speaks of floating point: the types, and the many
// functions that read, write or convert them, such as strconv.ParseFloat,
// big.NewFloat or a database's ColumnFloat.
var floatName = regexp.MustCompile(`^complex(64|128)$|^math\.|[fF]loat`)

// integerLimit is all of package math that has nothing to do with floats.
var integerLimit = regexp.MustCompile(`^(Max|Min)(Int|Uint)(8|16|32|64)?$`)

// durationFloats are the methods of time.Duration that return a float64 without
// saying so in their name.
var durationFloats = []string{"Seconds", "Minutes", "Hours"}

func findFloats(s *source) []string {
	var found []string
	for _, spec := range s.file.Imports {
		if spec.Path.Value == `"math"` && spec.Name != nil {
			found = append(found, s.complain(spec.Pos(), "package math has another name here"))
		}
	}
	ast.Inspect(s.file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.BasicLit:
			if node.Kind == token.FLOAT || node.Kind == token.IMAG {
				found = append(found, s.complain(node.Pos(), "the literal %s is a float", node.Value))
			}
		case *ast.Ident:
			if floatName.MatchString(node.Name) {
				found = append(found, s.complain(node.Pos(), "%s is about floating point", node.Name))
			}
		case *ast.SelectorExpr:
			from, ok := node.X.(*ast.Ident)
			if ok && from.Name == "math" && !integerLimit.MatchString(node.Sel.Name) {
				found = append(found, s.complain(node.Pos(), "math.%s is about floating point", node.Sel.Name))
			}
		case *ast.CallExpr:
			selector, ok := node.Fun.(*ast.SelectorExpr)
			if ok && len(node.Args) == 0 && slices.Contains(durationFloats, selector.Sel.Name) {
				found = append(found, s.complain(node.Pos(), "%s() returns a float64", selector.Sel.Name))
			}
		}
		return true
	})
	return found
}

// floatColumn is a column type in which SQLite or PostgreSQL keeps a number
// that is not whole.
var floatColumn = regexp.MustCompile(`(?i)\b(real|float[48]?|double|numeric|decimal)\b`)

func checkFloatColumns(file textFile) []string {
	var complaints []string
	for i, line := range strings.Split(string(file.text), "\n") {
		statement, _, _ := strings.Cut(line, "--")
		if match := floatColumn.FindString(statement); match != "" {
			complaints = append(complaints, fmt.Sprintf("%s:%d: a column of type %s; amounts are integers", file.path, i+1, match))
		}
	}
	return complaints
}

func TestFloatsHaveTeeth(t *testing.T) {
	t.Parallel()
	bad := mustParse(t, "internal/money/bad.go", `package money
import m "math"
type price float64
var half = 0.5
const tiny = 1e-3
func parse() { strconv.ParseFloat("1", 64) }
var root = math.Sqrt(2) + math.Pi
func bigger(x *big.Float) {}
func read(s *stmt) { s.ColumnFloat(1) }
var c complex128
func wait(d time.Duration) int { return int(d.Seconds()) }
`)
	complaints := []string{
		"bad.go:2: package math has another name", "bad.go:3: float64", "bad.go:4: the literal 0.5", "bad.go:5: the literal 1e-3",
		"bad.go:6: ParseFloat", "bad.go:7: math.Sqrt", "bad.go:7: math.Pi",
		"bad.go:8: Float", "bad.go:9: ColumnFloat", "bad.go:10: complex128", "bad.go:11: Seconds()",
	}
	wantTeeth(t, checkFloats([]*source{bad}, nil), complaints...)
	wantTeeth(t, checkFloats([]*source{bad}, map[string]string{"internal/money/bad.go": "a file is free"}))
	wantTeeth(t, checkFloats([]*source{bad}, map[string]string{"internal/money": "a package is free"}))
	wantTeeth(t, checkFloats([]*source{bad}, map[string]string{"internal/money/other.go": "frees nothing"}),
		append(complaints, "other.go, which uses none")...)

	good := mustParse(t, "internal/money/good.go", `package money
import "math"
// A float64 in a comment is no float.
var text = "float64 0.5"
const max = 1<<53 - 1
const least = math.MinInt64
var at = t.Second()
`)
	wantTeeth(t, checkFloats([]*source{good}, nil))

	wantTeeth(t, checkFloatColumns(textFile{"bad.sql", []byte(
		"create table t (\n  rate real, -- real is bad\n  amount integer -- not a float\n, share NUMERIC, d double precision);")}),
		"bad.sql:2: a column of type real", "bad.sql:4: a column of type NUMERIC")
}
