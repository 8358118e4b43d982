package house

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDocumentsAreComplete(t *testing.T) {
	t.Parallel()
	architecture := readRoot(t, "docs/architecture.md")
	report(t, checkChangelog(readRoot(t, "CHANGELOG.md")))
	report(t, checkDependencies(sources(t), architecture))
	report(t, checkPackagesAreListed(sources(t), architecture))
	report(t, checkMakefile(readRoot(t, "Makefile")))
}

// changelogSections are the headings that a version may have, in their order:
// what the reader must act on comes first.
var changelogSections = []string{
	"Breaking", "Migration", "Security", "Added", "Changed", "Deprecated", "Removed", "Fixed",
}

var (
	changelogVersion = regexp.MustCompile(`^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$`)
	changelogLink    = regexp.MustCompile(`(?m)^\[([^\]]+)\]: https://\S+$`)
)

// checkChangelog checks the form of Keep a Changelog: Unreleased, then versions
// with dates, newest first, each with known sections that have entries, each
// heading linked at the end.
func checkChangelog(text string) []string {
	c := changelog{links: map[string]bool{}}
	for _, match := range changelogLink.FindAllStringSubmatch(text, -1) {
		c.links[match[1]] = true
	}
	lines := strings.Split(text, "\n")
	if lines[0] != "# Changelog" {
		c.complain(1, `the first line must be "# Changelog"`)
	}
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "## "):
			c.closeSection(i)
			c.version(i+1, line)
		case strings.HasPrefix(line, "### "):
			c.closeSection(i)
			c.section(i+1, strings.TrimPrefix(line, "### "))
		case strings.HasPrefix(line, "- "):
			c.entries++
			if c.open == "" {
				c.complain(i+1, "an entry stands outside of a section")
			}
		}
	}
	c.closeSection(len(lines))
	if c.versions == 0 {
		c.complain(1, `there is no "## [Unreleased]"`)
	}
	return c.complaints
}

// changelog is the state of a reader who goes down the page once.
type changelog struct {
	complaints []string
	links      map[string]bool
	versions   int
	lastDate   string
	open       string // the section that is open
	lastOrder  int    // of the last section in this version
	entries    int    // in the open section
}

func (c *changelog) complain(line int, format string, args ...any) {
	c.complaints = append(c.complaints, fmt.Sprintf("CHANGELOG.md:%d: %s", line, fmt.Sprintf(format, args...)))
}

func (c *changelog) version(line int, heading string) {
	c.versions++
	c.lastOrder = -1
	name := "Unreleased"
	if c.versions == 1 {
		if heading != "## [Unreleased]" {
			c.complain(line, `the first version must be "## [Unreleased]"`)
		}
	} else {
		match := changelogVersion.FindStringSubmatch(heading)
		if match == nil {
			c.complain(line, `%q is not "## [1.2.3] - 2006-01-02"`, heading)
			return
		}
		name = match[1]
		if _, err := time.Parse(time.DateOnly, match[2]); err != nil {
			c.complain(line, "%s is no date", match[2])
		}
		if c.lastDate != "" && match[2] > c.lastDate {
			c.complain(line, "%s comes after %s; the newest version stands first", match[2], c.lastDate)
		}
		c.lastDate = match[2]
	}
	if !c.links[name] {
		c.complain(line, "%s has no link at the end of the page", name)
	}
}

func (c *changelog) section(line int, name string) {
	order := slices.Index(changelogSections, name)
	switch {
	case c.versions == 0:
		c.complain(line, "section %s stands before every version", name)
	case order < 0:
		c.complain(line, "section %s is not one of %s", name, strings.Join(changelogSections, ", "))
	case order <= c.lastOrder:
		c.complain(line, "section %s is twice or out of order: %s", name, strings.Join(changelogSections, ", "))
	}
	c.lastOrder = max(c.lastOrder, order)
	c.open, c.entries = name, 0
}

func (c *changelog) closeSection(line int) {
	if c.open != "" && c.entries == 0 {
		c.complain(line, "section %s is empty", c.open)
	}
	c.open = ""
}

// checkDependencies complains of modules that are imported and have no line in
// the table of dependencies.
func checkDependencies(all []*source, architecture string) []string {
	var complaints []string
	seen := map[string]bool{}
	for _, s := range all {
		for _, spec := range s.file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(imported, module) || seen[imported] {
				continue
			}
			seen[imported] = true
			if !slices.ContainsFunc(strings.Split(architecture, "\n"), func(line string) bool {
				listed, ok := strings.CutPrefix(line, "| `")
				listed, _, _ = strings.Cut(listed, "`")
				return ok && strings.Contains(listed, ".") && hasModule([]string{listed}, imported)
			}) {
				complaints = append(complaints, s.complain(spec.Pos(),
					"%s has no line under Dependencies in docs/architecture.md", imported))
			}
		}
	}
	return complaints
}

// checkPackagesAreListed complains of packages that the table of the house in
// docs/architecture.md does not name, by themselves or by a folder above.
func checkPackagesAreListed(all []*source, architecture string) []string {
	var complaints []string
	seen := map[string]bool{}
	for _, s := range all {
		directory := s.directory()
		if seen[directory] {
			continue
		}
		seen[directory] = true
		listed := false
		for above := directory; above != "." && !listed; above = parent(above) {
			listed = strings.Contains(architecture, "\n| `"+above+"` |")
		}
		if !listed {
			complaints = append(complaints, directory+" has no line under The house in docs/architecture.md")
		}
	}
	return complaints
}

func parent(directory string) string {
	if i := strings.LastIndexByte(directory, '/'); i >= 0 {
		return directory[:i]
	}
	return "."
}

var makeTarget = regexp.MustCompile(`^([a-z0-9/-]+):([^=].*)?$`)

// checkMakefile complains of targets that "make help" would not show, and of
// targets that are not declared to be no files.
func checkMakefile(text string) []string {
	var complaints []string
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		match := makeTarget.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		if !strings.Contains(line, " ## ") {
			complaints = append(complaints, fmt.Sprintf("Makefile:%d: target %s has no help after ##", i+1, match[1]))
		}
		if !slices.Contains(lines, ".PHONY: "+match[1]) {
			complaints = append(complaints, fmt.Sprintf("Makefile:%d: target %s is not .PHONY", i+1, match[1]))
		}
	}
	return complaints
}

func TestDocumentsHaveTeeth(t *testing.T) {
	t.Parallel()
	const links = "\n[Unreleased]: https://example.org/u\n[1.1.0]: https://example.org/b\n[1.0.0]: https://example.org/a\n"
	wantTeeth(t, checkChangelog("# Changelog\n\n## [Unreleased]\n\n## [1.1.0] - 2026-02-01\n\n### Breaking\n\n- x\n\n"+
		"### Fixed\n\n- y\n  z\n\n## [1.0.0] - 2026-01-01\n\n### Added\n\n- a\n"+links))
	wantTeeth(t, checkChangelog("# History\n"), `must be "# Changelog"`, "no \"## [Unreleased]\"")
	wantTeeth(t, checkChangelog("# Changelog\n## [1.0.0] - 2026-01-01\n### Added\n- a\n"+links), "the first version must be")
	wantTeeth(t, checkChangelog("# Changelog\n- stray\n### Added\n- a\n## [Unreleased]\n"+links),
		"outside of a section", "stands before every version")
	wantTeeth(t, checkChangelog("# Changelog\n## [Unreleased]\n### New\n- a\n### Fixed\n### Added\n- b\n### Added\n- c\n"+links),
		"section New is not one of", "section Fixed is empty", "section Added is twice or out of order", "section Added is twice")
	wantTeeth(t, checkChangelog("# Changelog\n## [Unreleased]\n## 1.1.0\n## [1.0.0] - 2026-13-01\n## [1.1.0] - 2026-14-01\n"+links),
		`"## 1.1.0" is not`, "2026-13-01 is no date", "2026-14-01 is no date", "newest version stands first")
	wantTeeth(t, checkChangelog("# Changelog\n## [Unreleased]\n## [2.0.0] - 2026-01-01\n"+links), "2.0.0 has no link")

	page := "\n| `internal/a` | x |\n| `golang.org/x/time` | x |\n"
	imports := mustParse(t, "internal/a/a.go", "package a\nimport \"golang.org/x/time/rate\"\nimport \"golang.org/x/sys/unix\"\n"+
		"import \"os\"\nimport \""+module+"/internal/b\"\n")
	wantTeeth(t, checkDependencies([]*source{imports}, page), "a.go:3: golang.org/x/sys/unix has no line")
	wantTeeth(t, checkPackagesAreListed([]*source{
		imports, mustParse(t, "internal/a/gen/main.go", "package main\n"), mustParse(t, "internal/b/b.go", "package b\n"),
	}, page), "internal/b has no line")

	wantTeeth(t, checkMakefile("X := 1\n.PHONY: a\na: ## helps\n\techo\n.PHONY: b\nb: a\nc/d: ## helps\n"),
		"Makefile:6: target b has no help", "Makefile:7: target c/d is not .PHONY")
}
