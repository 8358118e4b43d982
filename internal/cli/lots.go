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

// lotView is what the command line shows of a lot.
type lotView struct {
	Seq       int64        `json:"lot_seq"`
	Category  string       `json:"category"`
	Remaining money.Amount `json:"remaining"`
	ExpiresAt *string      `json:"expires_at"`
	Expired   bool         `json:"expired"`
}

var (
	lotColumns = []string{"LOT", "CATEGORY", "REMAINING", "EXPIRES", "EXPIRED"}
	lotNumbers = []string{"LOT", "REMAINING"}
)

// rowIn shows a lot of a wallet in a currency.
func (v lotView) rowIn(currency money.Currency) []string {
	expires, expired := "never", ""
	if v.ExpiresAt != nil {
		expires = *v.ExpiresAt
	}
	if v.Expired {
		expired = "yes"
	}
	return []string{strconv.FormatInt(v.Seq, 10), v.Category, money.FormatDecimal(v.Remaining, currency), expires, expired}
}

func lotsPath(args []string) string {
	return customerPath(args[0], "/wallets/", url.PathEscape(args[1]), "/lots")
}

func (p *program) lotsCommand() *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:     "lots CUSTOMER CURRENCY",
		Short:   "List what is left in a wallet and what of it expires when, in the order of spending",
		Example: "  billfold ledger lots cus_… USD",
		Args:    arguments("CUSTOMER", "CURRENCY"),
	}
	command.Flags().IntVar(&limit, "limit", 50, "list at most this `number`; 0 lists all")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		found, more, err := client.collect(command.Context(), request{method: http.MethodGet, path: lotsPath(args)}, limit)
		if err != nil {
			return missing(err, "wallet in "+args[1]+" of a customer "+args[0]+" for this key",
				"`billfold wallets list "+args[0]+"` shows those that there are")
		}
		rows, err := rowsOf(found, func(v lotView) []string { return v.rowIn(money.Currency(args[1])) })
		if err != nil {
			return err
		}
		err = p.write(answer{
			columns: lotColumns, right: lotNumbers, rows: rows, document: items{found}, empty: "No open lots.",
		})
		if err == nil && more {
			p.note("these are the first %d and there are more; --limit 0 lists all", len(rows))
		}
		return err
	})
}

func (p *program) moveExpiryCommand() *cobra.Command {
	var expires, reason, key string
	var never bool
	command := &cobra.Command{
		Use:   "move-expiry CUSTOMER CURRENCY LOT",
		Short: "Have what a lot has left expire at another time, or never",
		Long: "Have what a lot has left expire at another time, or never.\n\nThe money becomes a lot of its own, of the same category. What a hold has pinned of it stays\n" +
			"where it is. `billfold ledger lots` shows the numbers of lots. Without --idempotency-key the command makes\n" +
			"a key; when the answer is lost it names the key, and the same command with it is safe to repeat.",
		Example: "  billfold ledger move-expiry cus_… USD 7 --expires-at 2027-01-31T00:00:00Z --reason Goodwill\n" +
			"  billfold ledger move-expiry cus_… USD 7 --never",
		Args: arguments("CUSTOMER", "CURRENCY", "LOT"),
	}
	command.Flags().StringVar(&expires, "expires-at", "", "`time` after which it cannot be spent, such as 2027-01-31T00:00:00Z")
	command.Flags().BoolVar(&never, "never", false, "have it never expire")
	command.Flags().StringVar(&reason, "reason", "", "`text` to read beside both entries")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the lot is moved at most once")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if (expires == "") != never {
			return withExit(exitUsage, errors.New("say either --expires-at, such as 2027-01-31T00:00:00Z, or --never"))
		}
		body := map[string]any{"expires_at": nil}
		if !never {
			body["expires_at"] = expires
		}
		addTexts(body, reason, "")
		raw, err := p.send(command, client, request{
			method: http.MethodPatch, path: lotsPath(args) + "/" + url.PathEscape(args[2]), body: body, key: key,
		})
		if err != nil {
			return missing(err, "lot "+args[2]+" in "+args[1]+" of a customer "+args[0]+" for this key",
				"`billfold ledger lots "+args[0]+" "+args[1]+"` shows those that there are")
		}
		var moved struct{ Lot json.RawMessage }
		if err := json.Unmarshal(raw, &moved); err != nil {
			return fmt.Errorf("the server did not answer as Billfold does: %w", err)
		}
		inCurrency := func(v lotView) []string { return v.rowIn(money.Currency(args[1])) }
		rows, err := rowsOf([]json.RawMessage{moved.Lot}, inCurrency)
		if err != nil {
			return err
		}
		return p.write(answer{columns: lotColumns, right: lotNumbers, rows: rows, document: raw})
	})
}
