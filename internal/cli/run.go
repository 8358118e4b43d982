package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// The exit codes, see the package comment.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// signalEcho is how long after a signal another one counts as the same: some
// runners, timeout(1) among them, signal the process and then its group.
const signalEcho = 500 * time.Millisecond

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error

	said bool // the log has it, in the form that its reader understands
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func withExit(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// program is one run of the command line: the world it was given and the
// options that every verb has.
type program struct {
	environ []string
	stdin   io.Reader
	stdout  io.Writer
	stderr  io.Writer

	configPath string // from --config
	output     format // from --output
	started    bool   // arguments were understood and a verb has begun
}

// Run runs the program with the arguments after its name and returns the exit
// code. Environ has the form of [os.Environ]. Cancelling ctx stops the verb as
// an interrupt does.
func Run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) int {
	// Whatever the program makes, data, backups and sockets, is its owner's
	// alone from the first moment.
	unix.Umask(0o077)
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks; the second finds the default handling again and
	// ends the process at once.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(signalEcho, stop) })()

	p := &program{environ: environ, stdin: stdin, stdout: stdout, stderr: stderr, output: formatTable}
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	return p.exit(command, err)
}

// exit says what went wrong and returns the exit code.
func (p *program) exit(command *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	var coded *exitError
	if errors.As(err, &coded) && coded.said {
		return coded.code
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(p.stderr, "billfold: "+strings.TrimRight(line, "\n"))
	}
	if coded != nil {
		return coded.code
	}
	if !p.started {
		fmt.Fprintf(p.stderr, "Run '%s --help' for usage.\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "billfold",
		Short: "Customer wallets with a ledger that can be proven right",
		Long: "Billfold holds prepaid balances of real money, one per customer and currency.\n" +
			"It speaks the Dodo Payments wire format: start it with `billfold serve` and\n" +
			"point an official SDK at it.",
		Version:       buildVersion().Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(command *cobra.Command, _ []string) error { return command.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			p.started = true
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetVersionTemplate(buildVersion().line())
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand(root))
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(),
		".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", terminalWidth(p.stdout))))
	root.PersistentFlags().StringVar(&p.configPath, "config", "", "TOML `file` with options; also "+configVariable)
	root.AddGroup(
		&cobra.Group{ID: groupServer, Title: "Run a server:"},
		&cobra.Group{ID: groupAdmin, Title: "Administer the installation in a data directory:"},
		&cobra.Group{ID: groupClient, Title: "Use a server's API with a key:"},
	)
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupServer, p.serverCommands()},
		{groupAdmin, p.adminCommands()},
		{groupClient, p.clientCommands()},
	} {
		for _, command := range group.commands {
			command.GroupID = group.id
			root.AddCommand(command)
		}
	}
	return root
}

// helpCommand is the library's, but for names that it does not know.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				err = knownCommand(found, rest)
			}
			if err != nil {
				return withExit(exitUsage, err)
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

const (
	groupServer = "server"
	groupAdmin  = "admin"
	groupClient = "client"
)

// knownCommand refuses the name of a command that is not there, and names those
// that are near.
func knownCommand(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if names := command.SuggestionsFor(args[0]); len(names) > 0 {
		near = "; did you mean " + strings.Join(names, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", args[0], command.CommandPath(), near)
}

// flagText holds an option's flag as the text that was given; load reads it,
// over the file and the environment.
type flagText struct {
	text   string
	option option
}

func (f *flagText) Set(text string) error { f.text = text; return nil }

// Type is what the help shows for the value; the name "bool" stands for none.
func (f *flagText) Type() string {
	if f.option.kind == "" {
		return "bool"
	}
	return f.option.kind
}

// String is what the help shows as the default.
func (f *flagText) String() string { return f.option.value.String() }

// optionFlags gives a command the flags of some options, by name; of all that
// may be flags when no name is given.
func optionFlags(command *cobra.Command, names ...string) *cobra.Command {
	config := defaultConfig()
	for _, option := range config.options() {
		if option.secret || (len(names) > 0 && !oneOf(option.name, names...)) {
			continue
		}
		flag := command.Flags().VarPF(&flagText{option: option}, option.name, "", option.help)
		if option.kind == "" {
			flag.NoOptDefVal = "true"
		}
	}
	return command
}

// config loads the configuration for a command.
func (p *program) config(command *cobra.Command) (Config, error) {
	from := settings{flags: map[string]string{}, environ: p.environ}
	command.Flags().Visit(func(flag *pflag.Flag) {
		if given, ok := flag.Value.(*flagText); ok {
			from.flags[flag.Name] = given.text
		}
	})
	var err error
	if from.path, from.file, err = readConfigFile(p.configPath, p.environ); err != nil {
		return Config{}, withExit(exitUsage, err)
	}
	config, err := load(from)
	return config, withExit(exitUsage, err)
}
