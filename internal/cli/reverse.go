package cli

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func (p *program) reverseCommand() *cobra.Command {
	var reason, key, reference string
	var partial bool
	command := &cobra.Command{
		Use:   "reverse CUSTOMER ENTRY [MINOR_UNITS]",
		Short: "Undo a debit or a credit, all of it or a part",
		Long: "Undo a debit or a credit, all of it or a part.\n\nThe money of a debit goes back to the very lots it was taken from. That of a credit is taken from its own\n" +
			"lot: what of it was spent, has expired or is held cannot be taken. Where the business has set credit_reversal to\n" +
			"debt it is owed instead, and the next credits pay it. Without --idempotency-key the command makes a\n" +
			"key; when the answer is lost it names the key, and the same command with it is safe to repeat.",
		Example: "  billfold ledger reverse cus_… cwt_…\n  billfold ledger reverse cus_… cwt_… 500 --reason \"Item not delivered\"",
		Args:    arguments("CUSTOMER", "ENTRY", "[MINOR_UNITS]"),
	}
	command.Flags().BoolVar(&partial, "allow-partial", false, "take what is left of a credit's lot where that is less")
	command.Flags().StringVar(&reason, "reason", "", "`text` to read beside the entry")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the entry is made at most once")
	command.Flags().StringVar(&reference, "reference-object-id", "", "`id` of what the entry belongs to, such as a refund")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		body := map[string]any{}
		if len(args) == 3 {
			minor, err := strconv.ParseInt(args[2], 10, 64)
			if err != nil {
				return withExit(exitUsage, fmt.Errorf("%q is not a whole number of minor units", args[2]))
			}
			body["amount"] = minor
		}
		if partial {
			body["allow_partial"] = true
		}
		for name, text := range map[string]string{"reason": reason, "reference_object_id": reference} {
			if text != "" {
				body[name] = text
			}
		}
		path := customerPath(args[0], "/wallets/ledger-entries/", url.PathEscape(args[1]), "/reverse")
		return missing(p.post(command, client, path, body, key), "entry "+args[1]+" of customer "+args[0]+" for this key",
			"`billfold ledger list "+args[0]+"` shows those that there are")
	})
}
