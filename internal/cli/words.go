package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// counted writes a number of things: 1 entry, 2 entries.
func counted[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(int64(n), 10) + " " + many
}

// byteCount writes a number of bytes for people, with one decimal, rounded
// down: free space must not look like more than there is.
func byteCount(n int64) string {
	for _, unit := range sizeUnits {
		if unit.bytes > 1 && n >= unit.bytes {
			tenths := n / unit.bytes * 10
			tenths += n % unit.bytes * 10 / unit.bytes
			return strings.TrimSuffix(fmt.Sprintf("%d.%d", tenths/10, tenths%10), ".0") + " " + unit.suffix
		}
	}
	return counted(n, "byte", "bytes")
}

// arguments asks for arguments by their names and says which is missing. Names
// in brackets may be left out.
func arguments(names ...string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		if rest := names[len(args):]; len(rest) > 0 && !strings.HasPrefix(rest[0], "[") {
			return fmt.Errorf("%s is missing", rest[0])
		}
		return nil
	}
}

// flagError says in our words what is wrong with a flag; those of the library
// speak of functions that it calls.
func flagError(command *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1:
		var names []string
		command.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
		given := "--" + unknown.GetSpecifiedName()
		if secretOption(unknown.GetSpecifiedName()) {
			return fmt.Errorf("%s is no flag, because every user of a machine can read the flags of its processes; set %s",
				given, envName(unknown.GetSpecifiedName()))
		}
		return fmt.Errorf("unknown flag %s%s", given, nearest(given, names, ""))
	case errors.As(err, &invalid):
		name, kind := "--"+invalid.GetFlag().Name, invalid.GetFlag().Value.Type()
		switch {
		case kind == "uint64":
			return fmt.Errorf("%s: %q is not a whole number from 0 on", name, invalid.GetValue())
		case strings.HasPrefix(kind, "int"):
			return fmt.Errorf("%s: %q is not a whole number", name, invalid.GetValue())
		case kind == "duration":
			return fmt.Errorf("%s: %q is not a duration such as 15s or 2m", name, invalid.GetValue())
		}
		return fmt.Errorf("%s: %w", name, invalid.Unwrap())
	}
	return err
}

func secretOption(name string) bool {
	config := defaultConfig()
	return slices.ContainsFunc(config.options(), func(o option) bool { return o.secret && o.name == name })
}

// requireFlags asks for flags without which a command means nothing.
func requireFlags(command *cobra.Command, names ...string) error {
	var missing []string
	for _, name := range names {
		if !command.Flags().Changed(name) {
			missing = append(missing, "--"+name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	verb := "is"
	if len(missing) > 1 {
		verb = "are"
	}
	return withExit(exitUsage, fmt.Errorf("%s %s missing; `%s --help` shows an example",
		strings.Join(missing, " and "), verb, command.CommandPath()))
}

// requireFile says in words when a file that a command shall read is not there
// or not to be seen.
func requireFile(path, otherwise string) error {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no file %s; %s", path, otherwise)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("this user may not read %s; run the command as its owner", path)
	case err != nil:
		return err
	}
	return file.Close()
}

// requireDatabase is requireFile for the database of a data directory.
func requireDatabase(path string) error {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no database %s; set --data-dir to the server's data directory", path)
	}
	return requireFile(path, "")
}

// requireDirectoryOf asks that there is a directory for a file to be made.
func requireDirectoryOf(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("there is no directory %s; make it first", dir)
	case err == nil && !info.IsDir():
		return fmt.Errorf("%s is not a directory; name another place", dir)
	}
	return err
}

// nearest names the candidate that is near enough to be meant, and otherwise
// says what is given for that case.
func nearest(name string, candidates []string, otherwise string) string {
	best, bestDistance := "", len(name)/3+2
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		if distance := editDistance(name, candidate); distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	if best == "" {
		return otherwise
	}
	return "; did you mean " + best + "?"
}
