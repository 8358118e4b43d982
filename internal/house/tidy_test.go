package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The shape of the code. Arguments about style end here.
const (
	functionLinesMax = 70
	fileLinesMax     = 500
	testFileLinesMax = 700
	lineColumnsMax   = 120 // a tab is one
)

func TestShapeOfTheCode(t *testing.T) {
	t.Parallel()
	all := sources(t)
	for _, s := range all {
		report(t, checkFileLength(s))
		report(t, checkFunctionLength(s))
		report(t, checkLineLength(s))
		report(t, checkInit(s))
	}
	report(t, checkPackageComments(all))
}

func checkFileLength(s *source) []string {
	most := fileLinesMax
	if s.isTest() {
		most = testFileLinesMax
	}
	lines := strings.Count(string(s.text), "\n")
	if s.isGenerated() || lines <= most {
		return nil
	}
	return []string{fmt.Sprintf("%s: has %d lines, more than %d; split it by subject", s.path, lines, most)}
}

// checkFunctionLength counts all lines of a function but the rows of its
// tables, which are data, and its subtests, which are functions of their own.
func checkFunctionLength(s *source) []string {
	if s.isGenerated() {
		return nil
	}
	rows, subtests := tableRows(s), subtestsOf(s)
	var complaints []string
	check := func(name string, function ast.Node) {
		lines := 0
		for line := s.line(function.Pos()); line <= s.line(function.End()); line++ {
			if inner, ok := subtests[line]; ok && inner != function && s.line(inner.Pos()) > s.line(function.Pos()) {
				line = s.line(inner.End())
			}
			if !rows[line] {
				lines++
			}
		}
		if lines > functionLinesMax {
			complaints = append(complaints, s.complain(function.Pos(),
				"function %s has %d lines, more than %d", name, lines, functionLinesMax))
		}
	}
	for _, declaration := range s.file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			check(function.Name.Name, function)
		}
	}
	for _, line := range slices.Sorted(maps.Keys(subtests)) {
		check("of a subtest", subtests[line])
	}
	return complaints
}

// subtestsOf returns the functions that a test file gives to Run, by the line
// on which they begin.
func subtestsOf(s *source) map[int]*ast.FuncLit {
	subtests := map[int]*ast.FuncLit{}
	if !s.isTest() {
		return subtests
	}
	ast.Inspect(s.file, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		selector, named := call.Fun.(*ast.SelectorExpr)
		function, literal := call.Args[1].(*ast.FuncLit)
		if named && literal && selector.Sel.Name == "Run" {
			subtests[s.line(function.Pos())] = function
		}
		return true
	})
	return subtests
}

// checkLineLength measures lines without what stands between quotes, because a
// message is easier to search for in one piece, and without the rows of
// tables.
func checkLineLength(s *source) []string {
	if s.isGenerated() {
		return nil
	}
	exempt := tableRows(s)
	quoted := map[int]int{} // columns between quotes, by line
	ast.Inspect(s.file, func(node ast.Node) bool {
		literal, ok := node.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return true
		}
		first, last := s.line(literal.Pos()), s.line(literal.End())
		if first == last {
			quoted[first] += utf8.RuneCountInString(literal.Value) - len(`""`)
		}
		for line := first; first < last && line <= last; line++ {
			exempt[line] = true
		}
		return true
	})
	var complaints []string
	for i, line := range strings.Split(string(s.text), "\n") {
		columns := utf8.RuneCountInString(line) - quoted[i+1]
		if columns > lineColumnsMax && !exempt[i+1] && !strings.HasPrefix(line, "//go:") {
			complaints = append(complaints, fmt.Sprintf(
				"%s:%d: is %d columns wide without its texts, more than %d", s.path, i+1, columns, lineColumnsMax))
		}
	}
	return complaints
}

// tableRows returns the lines that are rows of a table: whole elements, one or
// more a line, of a composite literal that is written over several lines.
func tableRows(s *source) map[int]bool {
	rows := map[int]bool{}
	ast.Inspect(s.file, func(node ast.Node) bool {
		table, ok := node.(*ast.CompositeLit)
		if !ok || s.line(table.Lbrace) == s.line(table.Rbrace) {
			return true
		}
		for _, element := range table.Elts {
			line := s.line(element.Pos())
			if line == s.line(element.End()) && line != s.line(table.Lbrace) && line != s.line(table.Rbrace) {
				rows[line] = true
			}
		}
		return true
	})
	return rows
}

// checkInit complains of code that runs at start, before anybody called it.
func checkInit(s *source) []string {
	var complaints []string
	for _, declaration := range s.file.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if ok && function.Name.Name == "init" && function.Recv == nil {
			complaints = append(complaints, s.complain(function.Pos(), "init runs at start; call it from main instead"))
		}
	}
	return complaints
}

// checkPackageComments complains of packages that do not say what they are.
func checkPackageComments(all []*source) []string {
	documented := map[string]bool{}
	var directories []string
	for _, s := range all {
		directory := s.directory()
		if !slices.Contains(directories, directory) {
			directories = append(directories, directory)
		}
		opening := "Package " + strings.TrimSuffix(s.file.Name.Name, "_test") + " "
		if s.file.Name.Name == "main" {
			opening = "Command " + path.Base(directory) + " "
		}
		if s.file.Doc != nil && strings.HasPrefix(s.file.Doc.Text(), opening) {
			documented[directory] = true
		}
	}
	var complaints []string
	for _, directory := range directories {
		if !documented[directory] {
			complaints = append(complaints, fmt.Sprintf(
				`%s: has no comment that begins with "Package" or "Command" and its name`, directory))
		}
	}
	return complaints
}

func TestShapeHasTeeth(t *testing.T) {
	t.Parallel()
	long := func(lines int) string { return strings.Repeat("\t_ = 1\n", lines) }

	wantTeeth(t, checkFileLength(mustParse(t, "a.go", "package a\n"+strings.Repeat("\n", fileLinesMax-1))))
	wantTeeth(t, checkFileLength(mustParse(t, "a.go", "package a\n"+strings.Repeat("\n", fileLinesMax))), "a.go: has 501 lines")
	wantTeeth(t, checkFileLength(mustParse(t, "a_test.go", "package a\n"+strings.Repeat("\n", testFileLinesMax-1))))
	wantTeeth(t, checkFileLength(mustParse(t, "a_test.go", "package a\n"+strings.Repeat("\n", testFileLinesMax))), "701 lines")
	wantTeeth(t, checkFileLength(mustParse(t, "a.go",
		"// Code generated by x; DO NOT EDIT.\n\npackage a\n"+strings.Repeat("\n", fileLinesMax))))

	wantTeeth(t, checkFunctionLength(mustParse(t, "a.go", "package a\nfunc f() {\n"+long(functionLinesMax-2)+"}\n")))
	wantTeeth(t, checkFunctionLength(mustParse(t, "a.go", "package a\nfunc (t T) f() {\n"+long(functionLinesMax-1)+"}\n")),
		"a.go:2: function f has 71 lines")
	table := "package a\nfunc f() {\n\t_ = []int{\n" + strings.Repeat("\t\t1,\n", functionLinesMax) + "\t}\n}\n"
	wantTeeth(t, checkFunctionLength(mustParse(t, "a.go", table)))

	inner := "package a\nfunc f(t *T) {\n" + strings.Repeat("\tt.Run(n, func(t *T) {\n"+long(functionLinesMax-2)+"\t})\n", 3) + "}\n"
	wantTeeth(t, checkFunctionLength(mustParse(t, "a_test.go", inner)))
	wantTeeth(t, checkFunctionLength(mustParse(t, "a.go", inner)), "a.go:2: function f has 212 lines")
	inner = strings.Replace(inner, "t.Run", "_ = 2\n\tt.Run", functionLinesMax)
	inner = strings.Replace(inner, "_ = 1\n", "_ = 1\n\t_ = 1\n", 1)
	wantTeeth(t, checkFunctionLength(mustParse(t, "a_test.go", inner)), "a_test.go:4: function of a subtest has 71 lines")

	wide := strings.Repeat("x", lineColumnsMax)
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\n// "+wide+"\n")), "a.go:2: is 123 columns")
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar "+wide+" int\n")), "a.go:2: is 128 columns")
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar text = \""+wide+"\"\n")))
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar text = f("+wide+", \""+wide+"\")\n")), "a.go:2: is 138")
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar t = `\n"+wide+wide+"`\n")))
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar t = []T{\n\t{"+wide+", 1},\n}\n")))
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nvar t = []T{{"+wide+", 1}}\n")), "a.go:2: is 138")
	wantTeeth(t, checkLineLength(mustParse(t, "a.go", "package a\nfunc f() {\n"+strings.Repeat("\t", 116)+"_ = 1\n}\n")),
		"a.go:3: is 121 columns")

	wantTeeth(t, checkInit(mustParse(t, "a.go", "package a\nfunc init() {}\nfunc (a A) init() {}\n")), "a.go:2: init")

	wantTeeth(t, checkPackageComments([]*source{
		mustParse(t, "internal/a/a.go", "// Package a says.\npackage a\n"),
		mustParse(t, "internal/a/b.go", "package a\n"),
		mustParse(t, "cmd/b/main.go", "// Command b runs.\npackage main\n"),
		mustParse(t, "internal/c/c.go", "package c\n"),
		mustParse(t, "internal/d/d.go", "// D is something else.\npackage d\n"),
		mustParse(t, "cmd/e/main.go", "// Package main runs.\npackage main\n"),
	}), "internal/c: has no comment", "internal/d: has no comment", "cmd/e: has no comment")
}
