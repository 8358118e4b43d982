package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionStamp is set by the linker in a release:
// -ldflags "-X github.com/billfold/billfold/internal/cli.versionStamp=v1.2.3".
var versionStamp string

// versionDocument is what `version -o json` prints.
type versionDocument struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from files that were not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// buildVersion says what this binary is: the release's stamp, the version that
// `go install` recorded, or the commit that it was built from.
func buildVersion() versionDocument {
	found := versionDocument{
		Version:  versionStamp,
		Go:       runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, setting := range info.Settings {
			switch setting.Key {
			case "vcs.revision":
				found.Commit = setting.Value
			case "vcs.modified":
				found.Modified = setting.Value == "true"
			}
		}
		if found.Version == "" && info.Main.Version != "(devel)" {
			found.Version = info.Main.Version
		}
	}
	if found.Version == "" {
		found.Version = "development"
	}
	return found
}

// line is the version for people.
func (v versionDocument) line() string {
	return fmt.Sprintf("billfold %s %s %s\n", v.Version, v.Platform, v.Go)
}

func (p *program) versionCommand() *cobra.Command {
	return p.outputFlag(&cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			version := buildVersion()
			if p.output == formatTable {
				_, err := fmt.Fprint(p.stdout, version.line())
				return err
			}
			return p.write(answer{
				columns:  []string{"VERSION", "COMMIT", "GO", "PLATFORM"},
				rows:     [][]string{{version.Version, version.Commit, version.Go, version.Platform}},
				document: version,
			})
		},
	})
}
