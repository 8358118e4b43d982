package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// settings are what a command line, an environment and a file say, before
// they are read as values.
type settings struct {
	flags   map[string]string // by option name, only what was given
	environ []string          // as os.Environ gives it
	path    string            // of the file, empty for none
	file    []byte
}

// load builds the configuration: defaults, then the file, then the
// environment, then the flags, each over the one before. It names every
// problem at once and says where each came from.
func load(from settings) (Config, error) {
	config := defaultConfig()
	options := map[string]value{}
	names := []string{}
	for _, option := range config.options() {
		options[option.name] = option.value
		names = append(names, option.name)
	}
	problems := loadFile(from, options, names)
	problems = append(problems, loadEnviron(from.environ, options, names)...)
	for _, name := range sortedKeys(from.flags) {
		if err := options[name].Set(from.flags[name]); err != nil {
			problems = append(problems, fmt.Errorf("--%s: %w", name, err))
		}
	}
	// What could not be read has its default here, which is valid, so nothing is
	// reported twice.
	problems = append(problems, config.Validate())
	return config, errors.Join(problems...)
}

func loadFile(from settings, options map[string]value, names []string) []error {
	var members map[string]any
	if _, err := toml.Decode(string(from.file), &members); err != nil {
		return []error{fmt.Errorf("%s: %w", from.path, err)}
	}
	var problems []error
	for _, name := range sortedKeys(members) {
		option, known := options[name]
		if !known {
			problems = append(problems, fmt.Errorf("%s: unknown option %q%s", from.path, name, didYouMean(name, names)))
			continue
		}
		text, err := tomlText(members[name])
		if err == nil {
			err = option.Set(text)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", from.path, name, err))
		}
	}
	return problems
}

// tomlText writes a member of the file the way a flag would give it.
func tomlText(member any) (string, error) {
	switch member := member.(type) {
	case string:
		return member, nil
	case int64:
		return strconv.FormatInt(member, 10), nil
	case bool:
		return strconv.FormatBool(member), nil
	default:
		return "", errors.New("must be a text, a whole number, true or false")
	}
}

// standardNames are variables that other programs set for the same purpose,
// so that an application's own environment serves the client commands.
var standardNames = []struct{ variable, option string }{
	{"DODO_PAYMENTS_BASE_URL", "base-url"},
	{"DODO_PAYMENTS_API_KEY", "api-key"},
}

func loadEnviron(environ []string, options map[string]value, names []string) []error {
	variables := map[string]string{}
	for _, pair := range environ {
		name, text, _ := strings.Cut(pair, "=")
		variables[name] = text
	}
	var problems []error
	set := func(variable, name string) {
		// Container tools pass variables that nobody filled in as empty, so
		// empty counts as not set.
		if variables[variable] == "" {
			return
		}
		if err := options[name].Set(variables[variable]); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", variable, err))
		}
	}
	for _, standard := range standardNames {
		set(standard.variable, standard.option)
	}
	known := map[string]bool{configVariable: true}
	candidates := []string{configVariable}
	for _, name := range names {
		variable := envName(name)
		known[variable] = true
		candidates = append(candidates, variable)
		set(variable, name)
	}
	for _, variable := range sortedKeys(variables) {
		if strings.HasPrefix(variable, "BILLFOLD_") && !known[variable] && !foreignVariable(variable) {
			problems = append(problems, fmt.Errorf("unknown variable %s%s", variable, didYouMean(variable, candidates)))
		}
	}
	return problems
}

// configVariable names the file when no --config does.
const configVariable = "BILLFOLD_CONFIG"

// serviceLink matches what Kubernetes and Docker put into the environment of
// every neighbour of a service that is called "billfold".
var serviceLink = regexp.MustCompile(`^BILLFOLD_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?|NAME|ENV_\w+)$`)

// foreignVariable reports whether a BILLFOLD_ variable is not meant for the
// program: links between services, and what the project's own tests read.
func foreignVariable(name string) bool {
	return serviceLink.MatchString(name) ||
		strings.HasPrefix(name, "BILLFOLD_TEST_") || name == "BILLFOLD_PUBLISHED_OPENAPI"
}

// readConfigFile returns the path and text of the file that the flag or the
// environment names, and nothing when neither names one.
func readConfigFile(flag string, environ []string) (path string, text []byte, err error) {
	path = flag
	if path == "" {
		path = lookup(environ, configVariable)
	}
	if path == "" {
		return "", nil, nil
	}
	text, err = os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil, fmt.Errorf("config: there is no file %s; billfold.example.toml shows every option", path)
	case err != nil:
		return path, nil, fmt.Errorf("config: %w", err)
	}
	return path, text, nil
}

// lookup returns the last value of a variable in an environment, as the
// operating system does.
func lookup(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if text, found := strings.CutPrefix(environ[i], name+"="); found {
			return text
		}
	}
	return ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// didYouMean names the option that a misspelt name is nearest to, or says where
// all stand.
func didYouMean(name string, candidates []string) string {
	return nearest(name, candidates, "; docs/configuration.md lists them all")
}

// editDistance counts the single-character changes between two texts.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
