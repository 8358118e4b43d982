package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestWordsThatMustNotStand(t *testing.T) {
	t.Parallel()
	for _, file := range textFiles(t) {
		report(t, checkReminders(file))
		report(t, checkMachine(file))
		report(t, checkImmutable(file))
	}
	for _, s := range sources(t) {
		report(t, checkSkips(s))
		report(t, checkImmutableStrings(s))
	}
}

// reminder is what people leave behind when they mean to come back. It is put
// together from parts so that this file does not complain of itself.
var reminder = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|HA` + `CK|[Nn]ot impl` + `emented|[Uu]nimpl` + `emented)\b`)

// threeX is a reminder in a comment; elsewhere it is what ISO 4217 calls no currency.
var threeX = regexp.MustCompile(`(//|#|--|/\*).*\bXX` + `X\b`)

// codeEndings are the files in which a reminder is one. Prose may speak of them.
var codeEndings = []string{".go", ".sql", ".sh", ".ts", ".tsx", ".js", ".mjs", ".yaml", ".yml", ".toml", ".run"}

func checkReminders(file textFile) []string {
	name := path.Base(file.path)
	if !slices.Contains(codeEndings, path.Ext(name)) && name != "Makefile" && name != "run" {
		return nil
	}
	return append(checkLines(file, reminder, "a reminder was left behind"), checkLines(file, threeX, "a reminder was left behind")...)
}

// machine is a path of the machine that a file was written on, or a host that
// packages were fetched from: neither is there for the next reader.
var machine = regexp.MustCompile(`(^|[^A-Za-z0-9_.])/(wo` + `rk|fa` + `rm|ro` + `ot)/[A-Za-z.]|/tmp/br` + `ief|` +
	`proxy\.gol` + `ang\.org|sum\.gol` + `ang\.org|registry\.np` + `mjs\.org|deb\.deb` + `ian\.org`)

func checkMachine(file textFile) []string {
	return checkLines(file, machine, "names a path of one machine or a host of packages")
}

func checkLines(file textFile, pattern *regexp.Regexp, what string) []string {
	var complaints []string
	for i, line := range strings.Split(string(file.text), "\n") {
		if match := pattern.FindString(line); match != "" {
			complaints = append(complaints, fmt.Sprintf("%s:%d: %s: %q", file.path, i+1, what, match))
		}
	}
	return complaints
}

// mutation is a statement that changes or removes what was once written to the
// ledger or to an audit trail (laws M6, N5). The triggers that forbid it say "before update on".
var mutation = regexp.MustCompile(`(?is)\b(update(\s+or\s+\w+)?|delete\s+from|truncate(\s+table)?|drop\s+table(\s+if\s+exists)?|replace\s+into)` +
	`\s+(only\s+)?("?main"?\.)?"?(ledger|(business_)?audit)_entries\b` +
	`|\binto\s+"?(ledger|(business_)?audit)_entries\b[^;]*\bdo\s+update\b|\binsert\s+or\s+replace\s+into\s+"?(ledger|(business_)?audit)_entries\b` +
	`|\bdrop\s+trigger\b[^;]*\b(ledger|(business_)?audit)_entries`)

// mutators are the files that may do so all the same, each with the reason.
var mutators = map[string]string{
	"internal/postgres/distribute.go":              "drops a guard and makes it again, so that entries can move to other servers",
	"internal/postgres/migrations/0001_ledger.sql": "takes away the rows that it showed the planner, before there are others",
}

// checkImmutable looks through SQL files.
func checkImmutable(file textFile) []string {
	if path.Ext(file.path) != ".sql" || mutators[file.path] != "" {
		return nil
	}
	var complaints []string
	for _, place := range mutation.FindAllIndex(file.text, -1) {
		line := 1 + strings.Count(string(file.text[:place[0]]), "\n")
		complaints = append(complaints, fmt.Sprintf("%s:%d: changes ledger or audit entries, which are immutable", file.path, line))
	}
	return complaints
}

// checkImmutableStrings looks through the texts of a Go file, joined where they
// are added up. Tests may break the ledger on purpose, to see it noticed.
func checkImmutableStrings(s *source) []string {
	if s.isTest() || mutators[s.path] != "" {
		return nil
	}
	var complaints []string
	ast.Inspect(s.file, func(node ast.Node) bool {
		expression, ok := node.(ast.Expr)
		if !ok {
			return true
		}
		text, ok := constantText(expression)
		if !ok {
			return true
		}
		if mutation.MatchString(text) {
			complaints = append(complaints, s.complain(node.Pos(), "changes ledger or audit entries, which are immutable"))
		}
		return false // its parts have been looked at
	})
	return complaints
}

// constantText returns the text of a literal or of literals added up. What is
// not a literal in a sum counts as a space.
func constantText(expression ast.Expr) (string, bool) {
	switch expression := expression.(type) {
	case *ast.BasicLit:
		if expression.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(expression.Value)
		return text, err == nil
	case *ast.ParenExpr:
		return constantText(expression.X)
	case *ast.BinaryExpr:
		if expression.Op != token.ADD {
			return "", false
		}
		left, leftOK := constantText(expression.X)
		right, rightOK := constantText(expression.Y)
		if !leftOK {
			left = " "
		}
		if !rightOK {
			right = " "
		}
		return left + right, leftOK || rightOK
	}
	return "", false
}

// skipNames are the ways for a test to count as passed without having run.
var skipNames = []string{"Skip", "Skipf", "SkipNow", "Short"}

// checkSkips complains of tests that skip: what is not there must be installed
// or fail the test, never pass in silence.
func checkSkips(s *source) []string {
	if !slices.ContainsFunc(s.file.Imports, func(spec *ast.ImportSpec) bool {
		return spec.Path.Value == `"testing"` || spec.Path.Value == `"pgregory.net/rapid"`
	}) {
		return nil
	}
	var complaints []string
	ast.Inspect(s.file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if ok && slices.Contains(skipNames, selector.Sel.Name) {
			complaints = append(complaints, s.complain(call.Pos(), "a test calls %s; a skipped test is a failed one", selector.Sel.Name))
		}
		return true
	})
	return complaints
}

func TestWordsHaveTeeth(t *testing.T) {
	t.Parallel()
	text := func(path, text string) textFile { return textFile{path, []byte(text)} }

	wantTeeth(t, checkReminders(text("a.go", "// TO"+"DO: later\n\n// FIX"+"ME\nvar a = \"not impl"+"emented\"\n")),
		"a.go:1:", "a.go:3:", "a.go:4:")
	wantTeeth(t, checkReminders(text("Makefile", "# XX"+"X\n")), "Makefile:1:")
	wantTeeth(t, checkReminders(text("a.go", "var none = \"XX"+"X\"\n")))
	wantTeeth(t, checkReminders(text("a.go", "// Todos los santos, TODOS.\n")))
	wantTeeth(t, checkReminders(text("a.md", "No TO"+"DO may stay in the code.\n")))

	wantTeeth(t, checkMachine(text("a.md", "cd /wo"+"rk/main\nfine/wo"+"rk/place\n\"/ro"+"ot/go\"\n")), "a.md:1:", "a.md:3:")
	wantTeeth(t, checkMachine(text("package-lock.json", `"resolved": "https://registry.np`+`mjs.org/x"`)), "package-lock.json:1:")

	for _, statement := range []string{
		"update ledger_entries set amount = 1", "DELETE FROM ledger_entries where no = 1", "update or ignore ledger_entries set",
		"delete\n  from\n  ledger_entries", "truncate ledger_entries", "drop table ledger_entries", "drop table if exists ledger_entries",
		"replace into ledger_entries values (1)", "insert or replace into ledger_entries values (1)",
		"insert into ledger_entries (no) values (1) on conflict (no) do update set no = 2",
		"update audit_entries set reason = ''", "delete from business_audit_entries", "drop trigger audit_entries_are_not_deleted",
		"drop trigger ledger_entries_are_not_updated", `update "ledger_entries" set`, "update main.ledger_entries set",
	} {
		wantTeeth(t, checkImmutable(text("a.sql", "select 1;\n"+statement)), "a.sql:2:")
		wantTeeth(t, checkImmutableStrings(mustParse(t, "a.go", "package a\nvar s = "+strconv.Quote(statement)+"\n")), "a.go:2:")
		wantTeeth(t, checkImmutableStrings(mustParse(t, "a_test.go", "package a\nvar s = "+strconv.Quote(statement)+"\n")))
	}
	for _, sum := range []string{"`update ` + `ledger_entries set`", "`update` + mode + `ledger_entries`", "f(`delete from ` + (`ledger_entries`))"} {
		wantTeeth(t, checkImmutableStrings(mustParse(t, "a.go", "package a\nvar s = "+sum+"\n")), "a.go:2:")
	}
	for _, statement := range []string{
		"create trigger t before update on ledger_entries", "insert into ledger_entries (no) values (1); update wallets set seq = 2 where 1",
		"select no from ledger_entries", "update wallets set last_entry = (select max(no) from ledger_entries)", "delete from ledger_entries_index",
	} {
		wantTeeth(t, checkImmutable(text("a.sql", statement)))
	}

	wantTeeth(t, checkSkips(mustParse(t, "a_test.go", `package a
import "testing"
func TestA(t *testing.T) {
	t.Skip("no database")
	if testing.Short() { return }
	t.Skipf("%d", 1)
	t.SkipNow()
	page.Skip = 1
}
`)), "a_test.go:4:", "a_test.go:5:", "a_test.go:6:", "a_test.go:7:")
	wantTeeth(t, checkSkips(mustParse(t, "a.go", "package a\nfunc f(d *decoder) { d.Skip() }\n")))
}
