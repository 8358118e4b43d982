package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// customerView is what the command line shows of a customer.
type customerView struct {
	CustomerID  string    `json:"customer_id"`
	Email       string    `json:"email"`
	Name        string    `json:"name"`
	PhoneNumber string    `json:"phone_number"`
	CreatedAt   time.Time `json:"created_at"`
}

var (
	customerColumns = []string{"CUSTOMER", "NAME", "EMAIL", "PHONE", "CREATED"}
	customerTexts   = []string{"NAME", "EMAIL"}
	customerSpare   = []string{"PHONE", "CREATED"}
)

func (v customerView) row() []string {
	return []string{v.CustomerID, v.Name, v.Email, v.PhoneNumber, shortTime(v.CreatedAt)}
}

// shortTime is a time for people: UTC, to the second.
func shortTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

func (p *program) clientCommands() []*cobra.Command {
	return []*cobra.Command{p.customersCommand(), p.walletsCommand(), p.ledgerCommand(), p.importCommand(),
		p.webhooksCommand(), p.listenCommand(), p.triggerCommand()}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	command := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  knownCommand,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.SuggestionsMinimumDistance = 2
	command.AddCommand(commands...)
	return command
}

// clientCommand finishes a command that uses the API: run gets a client of the
// configured server.
func (p *program) clientCommand(
	command *cobra.Command, run func(command *cobra.Command, client *apiClient, args []string) error,
) *cobra.Command {
	command.RunE = func(command *cobra.Command, args []string) error {
		config, err := p.config(command)
		if err != nil {
			return err
		}
		client, err := p.api(config)
		if err != nil {
			return err
		}
		defer client.http.CloseIdleConnections()
		return run(command, client, args)
	}
	return p.outputFlag(optionFlags(command, "base-url"))
}

func (p *program) customersCommand() *cobra.Command {
	return group("customers", "Create, list, show, update and freeze customers",
		p.customersCreateCommand(), p.customersListCommand(), p.customersShowCommand(), p.customersUpdateCommand(),
		p.customersFreezeCommand(), p.customersUnfreezeCommand(), p.customersAuditCommand(),
		p.customersAlertsCommand())
}

// customerFlags are the fields of a customer that a caller sets.
type customerFlags struct {
	email, name, phoneNumber string
	metadata                 []string
}

func (f *customerFlags) register(command *cobra.Command) {
	command.Flags().StringVar(&f.email, "email", "", "e-mail `address`")
	command.Flags().StringVar(&f.name, "name", "", "`name` of the person or company")
	command.Flags().StringVar(&f.phoneNumber, "phone-number", "", "international `number`, such as +14155552671")
	command.Flags().StringArrayVar(&f.metadata, "metadata", nil, "`name=value` to keep with the customer; may be repeated")
}

// body holds the fields that were given.
func (f *customerFlags) body(command *cobra.Command) (map[string]any, error) {
	body := map[string]any{}
	for name, text := range map[string]string{"email": f.email, "name": f.name, "phone-number": f.phoneNumber} {
		if command.Flags().Changed(name) {
			body[strings.ReplaceAll(name, "-", "_")] = text
		}
	}
	if len(f.metadata) > 0 {
		metadata, err := pairs(f.metadata)
		if err != nil {
			return nil, err
		}
		body["metadata"] = metadata
	}
	return body, nil
}

// pairs reads name=value pairs.
func pairs(texts []string) (map[string]string, error) {
	read := map[string]string{}
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, withExit(exitUsage, fmt.Errorf("--metadata: %q is not name=value", text))
		}
		if _, twice := read[name]; twice {
			return nil, withExit(exitUsage, fmt.Errorf("--metadata: %q is given twice", name))
		}
		read[name] = value
	}
	return read, nil
}

func (p *program) customersCreateCommand() *cobra.Command {
	var flags customerFlags
	command := &cobra.Command{
		Use:     "create --email ADDRESS --name NAME",
		Short:   "Create a customer, whose wallets exist from then on",
		Example: `  billfold customers create --email jane@example.com --name "Jane Doe"`,
		Args:    arguments(),
	}
	flags.register(command)
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, _ []string) error {
		if err := requireFlags(command, "email", "name"); err != nil {
			return err
		}
		body, err := flags.body(command)
		if err != nil {
			return err
		}
		return p.customer(command, client, request{
			method: http.MethodPost, path: "/customers", body: body, key: newIdempotencyKey(),
		})
	})
}

func (p *program) customersShowCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "show CUSTOMER",
		Short: "Show a customer",
		Args:  arguments("CUSTOMER"),
	}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		err := p.customer(command, client, request{method: http.MethodGet, path: customerPath(args[0])})
		return noCustomer(err, args[0])
	})
}

func (p *program) customersUpdateCommand() *cobra.Command {
	var flags customerFlags
	command := &cobra.Command{
		Use:   "update CUSTOMER",
		Short: "Change the fields of a customer that are given",
		Args:  arguments("CUSTOMER"),
	}
	flags.register(command)
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		body, err := flags.body(command)
		if err != nil {
			return err
		}
		if len(body) == 0 {
			return withExit(exitUsage, errors.New("nothing to change: give --email, --name, --phone-number or --metadata"))
		}
		err = p.customer(command, client, request{method: http.MethodPatch, path: customerPath(args[0]), body: body})
		return noCustomer(err, args[0])
	})
}

// customer makes a call that answers with a customer, and writes it.
func (p *program) customer(command *cobra.Command, client *apiClient, r request) error {
	var raw json.RawMessage
	if _, err := client.call(command.Context(), r, &raw); err != nil {
		return err
	}
	rows, err := rowsOf([]json.RawMessage{raw}, customerView.row)
	if err != nil {
		return err
	}
	return p.write(answer{
		columns: customerColumns, texts: customerTexts, spare: customerSpare, rows: rows, document: raw,
	})
}

func (p *program) customersListCommand() *cobra.Command {
	var email, name string
	var limit int
	command := &cobra.Command{
		Use:   "list",
		Short: "List customers, newest first",
		Args:  arguments(),
	}
	command.Flags().StringVar(&email, "email", "", "only those with exactly this `address`")
	command.Flags().StringVar(&name, "name", "", "only those whose name contains this `text`")
	limitFlag(command, &limit)
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, _ []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		query := url.Values{}
		setGiven(command, query, "email", email)
		setGiven(command, query, "name", name)
		found, more, err := client.collect(command.Context(), request{
			method: http.MethodGet, path: "/customers", query: query,
		}, limit)
		if err != nil {
			return err
		}
		rows, err := rowsOf(found, customerView.row)
		if err != nil {
			return err
		}
		return p.writeList(answer{
			columns: customerColumns, texts: customerTexts, spare: customerSpare, rows: rows,
			document: items{found}, empty: "No customers found.",
		}, more)
	})
}

func limitFlag(command *cobra.Command, limit *int) {
	command.Flags().IntVar(limit, "limit", 20, "how many to list; 0 for all")
}

func checkLimit(limit int) error {
	if limit < 0 {
		return withExit(exitUsage, fmt.Errorf("--limit: %d is below 0; 0 lists all", limit))
	}
	return nil
}

// writeList writes a list and says when it is not all that there is.
func (p *program) writeList(a answer, more bool) error {
	if err := p.write(a); err != nil {
		return err
	}
	if more {
		p.note("these are the newest %d and there are more; --limit 0 lists all", len(a.rows))
	}
	return nil
}

// setGiven adds a query parameter if its flag was given.
func setGiven(command *cobra.Command, query url.Values, flag, text string) {
	if command.Flags().Changed(flag) {
		query.Set(strings.ReplaceAll(flag, "-", "_"), text)
	}
}
