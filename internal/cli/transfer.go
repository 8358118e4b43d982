package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/money"
)

// transferView is what the command line shows of a transfer.
type transferView struct {
	ID       string         `json:"transfer_id"`
	From     string         `json:"from_customer_id"`
	To       string         `json:"to_customer_id"`
	Currency money.Currency `json:"currency"`
	Amount   money.Amount   `json:"amount"`
	Status   string         `json:"status"`
}

var (
	transferColumns = []string{"TRANSFER", "FROM", "TO", "CURRENCY", "AMOUNT", "STATUS"}
	transferNumbers = []string{"AMOUNT"}
)

func (v transferView) row() []string {
	return []string{v.ID, v.From, v.To, string(v.Currency), money.FormatDecimal(v.Amount, v.Currency), v.Status}
}

func (p *program) transferCommand() *cobra.Command {
	var reason, key string
	command := &cobra.Command{
		Use:   "transfer FROM TO CURRENCY MINOR_UNITS",
		Short: "Move money from one customer to another",
		Long: "Move money from one customer to another.\n\nThe money keeps its category and its expiry. Without --idempotency-key the command makes a key; when the\n" +
			"answer is lost it names the key, and the same command with it is safe to repeat.",
		Example: "  billfold ledger transfer cus_… cus_… USD 500 --reason \"A gift\"",
		Args:    arguments("FROM", "TO", "CURRENCY", "MINOR_UNITS"),
	}
	command.Flags().StringVar(&reason, "reason", "", "`text` to read beside the entries of both customers")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the transfer is made at most once")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		minor, err := strconv.ParseInt(args[3], 10, 64)
		if err != nil {
			return withExit(exitUsage, fmt.Errorf("%q is not a whole number of minor units", args[3]))
		}
		body := map[string]any{"to_customer_id": args[1], "currency": args[2], "amount": minor}
		if reason != "" {
			body["reason"] = reason
		}
		raw, err := p.send(command, client, request{
			method: http.MethodPost, path: customerPath(args[0], "/wallets/transfers"), body: body, key: key,
		})
		if err != nil {
			return missing(err, "customer "+args[0]+" or "+args[1]+" for this key", "`billfold customers list` shows those that there are")
		}
		var sent struct{ Transfer json.RawMessage }
		if err := json.Unmarshal(raw, &sent); err != nil {
			return fmt.Errorf("the server did not answer as Billfold does: %w", err)
		}
		rows, err := rowsOf([]json.RawMessage{sent.Transfer}, transferView.row)
		if err != nil {
			return err
		}
		return p.write(answer{columns: transferColumns, right: transferNumbers, rows: rows, document: raw})
	})
}
