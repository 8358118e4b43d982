package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/money"
)

// holdView is what the command line shows of a hold.
type holdView struct {
	ID        string         `json:"hold_id"`
	Currency  money.Currency `json:"currency"`
	Amount    money.Amount   `json:"amount"`
	Captured  money.Amount   `json:"captured"`
	Released  money.Amount   `json:"released"`
	Remaining money.Amount   `json:"remaining"`
	Status    string         `json:"status"`
	ExpiresAt string         `json:"expires_at"`
}

var (
	holdColumns = []string{"HOLD", "CURRENCY", "AMOUNT", "CAPTURED", "RELEASED", "REMAINING", "STATUS", "EXPIRES"}
	holdNumbers = []string{"AMOUNT", "CAPTURED", "RELEASED", "REMAINING"}
)

func (v holdView) row() []string {
	row := []string{v.ID, string(v.Currency)}
	for _, amount := range []money.Amount{v.Amount, v.Captured, v.Released, v.Remaining} {
		row = append(row, money.FormatDecimal(amount, v.Currency))
	}
	return append(row, v.Status, v.ExpiresAt)
}

const holdRepeat = "Without --idempotency-key the command makes a key; when the answer is lost it names the key, and the\n" +
	"same command with it is safe to repeat."

// changeHold sends a request about a hold and shows the hold after it. What is
// named to whoever asked for something that is not there.
func (p *program) changeHold(
	command *cobra.Command, client *apiClient, path string, body map[string]any, key, what, hint string,
) error {
	raw, err := p.send(command, client, request{method: http.MethodPost, path: path, body: body, key: key})
	if err != nil {
		return missing(err, what+" for this key", hint)
	}
	var changed struct{ Hold json.RawMessage }
	if err := json.Unmarshal(raw, &changed); err != nil {
		return fmt.Errorf("the server did not answer as Billfold does: %w", err)
	}
	rows, err := rowsOf([]json.RawMessage{changed.Hold}, holdView.row)
	if err != nil {
		return err
	}
	return p.write(answer{columns: holdColumns, right: holdNumbers, rows: rows, document: raw})
}

func (p *program) holdCommand() *cobra.Command {
	var expires, reason, reference, key string
	var partial bool
	command := &cobra.Command{
		Use:   "hold CUSTOMER CURRENCY MINOR_UNITS",
		Short: "Hold money of a wallet, to capture or release it later",
		Long: "Hold money of a wallet, to capture or release it later.\n\nNobody else can spend it until then. What is left at --expires-at is given back.\n" +
			holdRepeat,
		Example: "  billfold ledger hold cus_… USD 1500 --expires-at 2027-01-31T00:00:00Z --reference-object-id order_7",
		Args:    arguments("CUSTOMER", "CURRENCY", "MINOR_UNITS"),
	}
	command.Flags().StringVar(&expires, "expires-at", "", "`time` at which what is left is given back, within a year; required")
	command.Flags().BoolVar(&partial, "allow-partial", false, "hold what is available where that is less")
	command.Flags().StringVar(&reason, "reason", "", "`text` to read beside the hold")
	command.Flags().StringVar(&reference, "reference-object-id", "", "`id` of what the hold is for, such as an order")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the hold is made at most once")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		minor, err := minorUnits(args[2])
		if err != nil {
			return err
		}
		if expires == "" {
			return withExit(exitUsage, errors.New("--expires-at is missing, such as 2027-01-31T00:00:00Z"))
		}
		body := map[string]any{"amount": minor, "currency": args[1], "expires_at": expires}
		if partial {
			body["allow_partial"] = true
		}
		addTexts(body, reason, reference)
		return p.changeHold(command, client, customerPath(args[0], "/wallets/holds"), body, key,
			"customer "+args[0], "`billfold customers list` shows those that there are")
	})
}

func (p *program) captureCommand() *cobra.Command {
	var reason, reference, key string
	var final bool
	command := &cobra.Command{
		Use:     "capture CUSTOMER HOLD [MINOR_UNITS]",
		Short:   "Spend what a hold promised, all that is left or a part",
		Long:    "Spend what a hold promised, all that is left or a part.\n\n" + holdRepeat,
		Example: "  billfold ledger capture cus_… hld_…\n  billfold ledger capture cus_… hld_… 1200 --final",
		Args:    arguments("CUSTOMER", "HOLD", "[MINOR_UNITS]"),
	}
	command.Flags().BoolVar(&final, "final", false, "give back what is left then")
	command.Flags().StringVar(&reason, "reason", "", "`text` to read beside the entry")
	command.Flags().StringVar(&reference, "reference-object-id", "", "`id` of what the entry belongs to, such as an invoice")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which this is captured at most once")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		body := map[string]any{}
		if len(args) == 3 {
			minor, err := minorUnits(args[2])
			if err != nil {
				return err
			}
			body["amount"] = minor
		}
		if final {
			body["final"] = true
		}
		addTexts(body, reason, reference)
		return p.changeHold(command, client, holdPath(args, "/capture"), body, key, holdNamed(args), holdsHint(args))
	})
}

func (p *program) releaseCommand() *cobra.Command {
	var key string
	command := &cobra.Command{
		Use:     "release CUSTOMER HOLD",
		Short:   "Give back what is left of a hold",
		Long:    "Give back what is left of a hold.\n\n" + holdRepeat,
		Example: "  billfold ledger release cus_… hld_…",
		Args:    arguments("CUSTOMER", "HOLD"),
	}
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the hold is released at most once")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		return p.changeHold(command, client, holdPath(args, "/release"), map[string]any{}, key, holdNamed(args), holdsHint(args))
	})
}

func (p *program) holdsCommand() *cobra.Command {
	filters := map[string]*string{}
	var limit int
	command := &cobra.Command{
		Use:   "holds CUSTOMER",
		Short: "List a customer's holds, newest first",
		Args:  arguments("CUSTOMER"),
	}
	for name, usage := range map[string]string{
		"currency":            "only holds in this `currency`",
		"status":              "only this `status`: active, captured, released or expired",
		"reference-object-id": "only holds for this `id`",
	} {
		filters[name] = command.Flags().String(name, "", usage)
	}
	limitFlag(command, &limit)
	completeFlag(command, "status", "active", "captured", "released", "expired")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		query := url.Values{}
		for name, text := range filters {
			setGiven(command, query, name, *text)
		}
		found, more, err := client.collect(command.Context(), request{
			method: http.MethodGet, path: customerPath(args[0], "/wallets/holds"), query: query,
		}, limit)
		if err != nil {
			return noCustomer(err, args[0])
		}
		rows, err := rowsOf(found, holdView.row)
		if err != nil {
			return err
		}
		return p.writeList(answer{
			columns: holdColumns, right: holdNumbers, rows: rows, document: items{found}, empty: "No holds found.",
		}, more)
	})
}

func holdPath(args []string, verb string) string {
	return customerPath(args[0], "/wallets/holds/", url.PathEscape(args[1]), verb)
}

func holdNamed(args []string) string { return "hold " + args[1] + " of customer " + args[0] }

func holdsHint(args []string) string {
	return "`billfold ledger holds " + args[0] + "` shows those that there are"
}

func minorUnits(text string) (int64, error) {
	minor, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, withExit(exitUsage, fmt.Errorf("%q is not a whole number of minor units", text))
	}
	return minor, nil
}

func addTexts(body map[string]any, reason, reference string) {
	for name, text := range map[string]string{"reason": reason, "reference_object_id": reference} {
		if text != "" {
			body[name] = text
		}
	}
}
