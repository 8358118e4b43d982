package cli

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/ledger"
)

func (p *program) customersFreezeCommand() *cobra.Command {
	var scope, currency, reason string
	command := &cobra.Command{
		Use:   "freeze CUSTOMER --reason TEXT",
		Short: "Refuse debits of a customer or of one of the wallets, or credits as well",
		Long: "Refuse debits of a customer or of one of the wallets, or credits as well.\n\nWhat is frozen stays so until " +
			"`billfold customers unfreeze`. The reason is kept in the customer's audit trail.",
		Example: "  billfold customers freeze cus_… --reason \"Card reported stolen\"\n" +
			"  billfold customers freeze cus_… --currency USD --scope everything --reason \"Court order 12/26\"",
		Args: arguments("CUSTOMER"),
	}
	command.Flags().StringVar(&scope, "scope", string(ledger.FreezeDebits), "`what` is refused: debits or everything")
	command.Flags().StringVar(&currency, "currency", "", "only the wallet in this `currency`")
	command.Flags().StringVar(&reason, "reason", "", "`text` that says why")
	completeFlag(command, "scope", string(ledger.FreezeDebits), string(ledger.FreezeEverything))
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		return p.freeze(command, client, args[0], "/freeze", map[string]any{"scope": scope, "reason": reason}, currency)
	})
}

func (p *program) customersUnfreezeCommand() *cobra.Command {
	var currency, reason string
	command := &cobra.Command{
		Use:   "unfreeze CUSTOMER --reason TEXT",
		Short: "Lift the freeze of a customer, or that of one of the wallets",
		Example: "  billfold customers unfreeze cus_… --reason \"Card replaced\"\n" +
			"  billfold customers unfreeze cus_… --currency USD --reason \"Order lifted\"",
		Args: arguments("CUSTOMER"),
	}
	command.Flags().StringVar(&currency, "currency", "", "only that of the wallet in this `currency`")
	command.Flags().StringVar(&reason, "reason", "", "`text` that says why")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		return p.freeze(command, client, args[0], "/unfreeze", map[string]any{"reason": reason}, currency)
	})
}

func (p *program) freeze(
	command *cobra.Command, client *apiClient, customer, action string, body map[string]any, currency string,
) error {
	if err := requireFlags(command, "reason"); err != nil {
		return err
	}
	if command.Flags().Changed("currency") {
		body["currency"] = currency
	}
	err := p.customer(command, client, request{
		method: http.MethodPost, path: customerPath(customer, action), body: body, key: newIdempotencyKey(),
	})
	return noCustomer(err, customer)
}

// auditView is what the command line shows of a line of an audit trail.
type auditView struct {
	Position  int64           `json:"position"`
	Action    string          `json:"action"`
	KeyID     string          `json:"key_id"`
	Address   string          `json:"address"`
	Before    json.RawMessage `json:"before"`
	After     json.RawMessage `json:"after"`
	Reason    string          `json:"reason"`
	CreatedAt time.Time       `json:"created_at"`
}

var (
	auditColumns = []string{"TIME", "ACTION", "KEY", "ADDRESS", "REASON", "BEFORE", "AFTER"}
	auditTexts   = []string{"REASON", "BEFORE", "AFTER"}
	auditSpare   = []string{"ADDRESS", "BEFORE"}
)

func (v auditView) row() []string {
	return []string{shortTime(v.CreatedAt), v.Action, v.KeyID, v.Address, v.Reason, string(v.Before), string(v.After)}
}

func (p *program) customersAuditCommand() *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:   "audit CUSTOMER",
		Short: "List who changed what about a customer, newest first",
		Args:  arguments("CUSTOMER"),
	}
	limitFlag(command, &limit)
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		return noCustomer(p.writeAudit(command.Context(), client, customerPath(args[0], "/audit"), limit), args[0])
	})
}

// writeAudit shows the audit trail at a path.
func (p *program) writeAudit(ctx context.Context, client *apiClient, path string, limit int) error {
	found, more, err := client.collect(ctx, request{method: http.MethodGet, path: path}, limit)
	if err != nil {
		return err
	}
	rows, err := rowsOf(found, auditView.row)
	if err != nil {
		return err
	}
	return p.writeList(answer{
		columns: auditColumns, texts: auditTexts, spare: auditSpare, rows: rows,
		document: items{found}, empty: "Nothing was changed.",
	}, more)
}
