package collect_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/billfold/billfold/internal/collect"
	"github.com/billfold/billfold/internal/ledger"
)

// neverDue are the kinds of objects about which nothing is ever due.
var neverDue = []ledger.ObjectKind{
	collect.AutoTopUps, collect.Methods, collect.PortalAccess, collect.ProcessorCustomers, collect.Requests, collect.SandboxPayments,
	collect.Setups,
}

// Every kind of object of which something can be due is one that the workers look for, and
// of which they know what to do: also where the time is that of a test clock. A new kind
// is named in one of the lists, and the file in which a kind is declared about which
// nothing is ever due speaks of no such time.
func TestEveryKindGoesOn(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		declared, due := kindsOf(file)
		for _, kind := range declared {
			kinds++
			goesOn := slices.Contains(collect.DueKinds, kind)
			if goesOn == slices.Contains(neverDue, kind) {
				t.Errorf("%s: the kind %q must be one that goes on, or one about which nothing is ever due", name, kind)
			}
			if due && !goesOn {
				t.Errorf("%s: something is due about objects, but the kind %q is none that goes on", name, kind)
			}
		}
	}
	if want := len(collect.DueKinds) + len(neverDue); kinds != want {
		t.Errorf("got %d kinds declared in the package, want the %d that are listed", kinds, want)
	}
	onStores(t, func(s *stage) {
		k := newClocked(s)
		for _, kind := range collect.DueKinds {
			object := ledger.Object{ObjectKey: ledger.ObjectKey{Kind: kind, ID: "x"}, Tenant: shop, CustomerID: "cus_1", Data: "{}"}
			if err := k.collector.GoOnAbout(s.Context(), &object); err != nil && strings.Contains(err.Error(), "nothing is known") {
				t.Errorf("an object that can be due: %v", err)
			}
		}
		object := ledger.Object{ObjectKey: ledger.ObjectKey{Kind: collect.Methods, ID: "x"}, Tenant: shop, CustomerID: "cus_1"}
		if err := k.collector.GoOnAbout(s.Context(), &object); err == nil || !strings.Contains(err.Error(), "nothing is known") {
			t.Errorf("an object that is never due: got error %v", err)
		}
	})
}

// kindsOf are the kinds of objects that a file declares. Due reports whether the file
// sets when something is due about an object.
func kindsOf(file *ast.File) (kinds []ledger.ObjectKind, due bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			of, ok := n.Type.(*ast.SelectorExpr)
			if !ok || of.Sel.Name != "ObjectKind" {
				return true
			}
			for _, value := range n.Values {
				if text, ok := value.(*ast.BasicLit); ok {
					kinds = append(kinds, ledger.ObjectKind(strings.Trim(text.Value, `"`)))
				}
			}
		case *ast.Ident:
			due = due || n.Name == "DueAt"
		}
		return true
	})
	return kinds, due
}
