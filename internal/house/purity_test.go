package house

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// clockNames are the members of package time that read a clock, wait for one,
// or depend on where the machine stands.
var clockNames = []string{
	"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation",
}

func TestPurePackagesArePure(t *testing.T) {
	t.Parallel()
	report(t, checkPurity(sources(t), rooms))
}

// checkPurity complains of what a pure package must not do and an import alone
// does not show: read the clock, start a goroutine, wait on a channel, run
// code at start. A decision that did could not be run twice and compared.
func checkPurity(all []*source, rooms map[string]room) []string {
	var complaints []string
	for _, s := range all {
		if s.isTest() || !rooms[s.directory()].pure {
			continue
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			if what := impurity(node); what != "" {
				complaints = append(complaints, s.complain(node.Pos(), "%s, and %s is pure", what, s.directory()))
			}
			return true
		})
	}
	return complaints
}

// impurity says what an expression or statement does that is not pure, or "".
func impurity(node ast.Node) string {
	switch node := node.(type) {
	case *ast.SelectorExpr:
		from, ok := node.X.(*ast.Ident)
		if ok && from.Name == "time" && slices.Contains(clockNames, node.Sel.Name) {
			return "time." + node.Sel.Name + " needs the clock of the machine"
		}
	case *ast.ImportSpec:
		// Another name would hide the clock from the case above.
		if node.Name != nil && strings.Trim(node.Path.Value, `"`) == "time" {
			return "package time has another name here"
		}
	case *ast.GoStmt:
		return "a goroutine is started"
	case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
		return "a channel is used"
	case *ast.UnaryExpr:
		if node.Op == token.ARROW {
			return "a channel is used"
		}
	case *ast.FuncDecl:
		if node.Name.Name == "init" && node.Recv == nil {
			return "init runs at start"
		}
	}
	return ""
}

func TestPurityHasTeeth(t *testing.T) {
	t.Parallel()
	const text = `package ledger
import clock "time"
func init() {}
func post() {
	now := time.Now()
	later := time.Since(now)
	go post()
	var done chan int
	done <- 1
	<-done
	select {}
}
func fine(t time.Time) time.Duration { return t.Sub(t) + time.Minute }
func (b *Book) Now() time.Time { return b.now() }
`
	table := map[string]room{"internal/ledger": {pure: true}, "internal/sqlite": {}}
	wantTeeth(t, checkPurity([]*source{mustParse(t, "internal/ledger/post.go", text)}, table),
		"post.go:2: package time has another name", "post.go:3: init runs at start", "post.go:5: time.Now",
		"post.go:6: time.Since", "post.go:7: a goroutine", "post.go:8: a channel", "post.go:9: a channel",
		"post.go:10: a channel", "post.go:11: a channel")
	wantTeeth(t, checkPurity([]*source{
		mustParse(t, "internal/ledger/post_test.go", text),
		mustParse(t, "internal/sqlite/sqlite.go", text),
	}, table))
}
