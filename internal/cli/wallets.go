package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// walletView is what the command line shows of a wallet.
type walletView struct {
	Currency  money.Currency `json:"currency"`
	Balance   money.Amount   `json:"balance"`
	Available money.Amount   `json:"available"`
	Held      money.Amount   `json:"held"`
	Debt      money.Amount   `json:"debt"` // absent where nothing is owed
	Seq       int64          `json:"seq"`
	UpdatedAt time.Time      `json:"updated_at"`
}

var (
	walletColumns = []string{"CURRENCY", "BALANCE", "AVAILABLE", "HELD", "OWED", "ENTRIES", "UPDATED"}
	walletNumbers = []string{"BALANCE", "AVAILABLE", "HELD", "OWED", "ENTRIES"}
)

func (v walletView) row() []string {
	return []string{
		string(v.Currency),
		money.FormatDecimal(v.Balance, v.Currency),
		money.FormatDecimal(v.Available, v.Currency),
		money.FormatDecimal(v.Held, v.Currency),
		money.FormatDecimal(v.Debt, v.Currency),
		strconv.FormatInt(v.Seq, 10), shortTime(v.UpdatedAt),
	}
}

func (p *program) walletsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "list CUSTOMER",
		Short: "List a customer's wallets",
		Args:  arguments("CUSTOMER"),
	}
	return group("wallets", "Look at a customer's wallets",
		p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
			var raw json.RawMessage
			_, err := client.call(command.Context(), request{
				method: http.MethodGet, path: customerPath(args[0], "/wallets"),
			}, &raw)
			if err != nil {
				return noCustomer(err, args[0])
			}
			var found list
			if err := json.Unmarshal(raw, &found); err != nil {
				return fmt.Errorf("the server did not answer as Billfold does: %w", err)
			}
			rows, err := rowsOf(found.Items, walletView.row)
			if err != nil {
				return err
			}
			return p.write(answer{columns: walletColumns, right: walletNumbers, rows: rows, document: raw, empty: "No wallets."})
		}))
}

func (p *program) ledgerCommand() *cobra.Command {
	return group("ledger", "Credit and debit wallets, and list their entries",
		p.postCommand(ledger.Credit), p.postCommand(ledger.Debit), p.reverseCommand(), p.transferCommand(),
		p.holdCommand(), p.captureCommand(), p.releaseCommand(), p.holdsCommand(),
		p.lotsCommand(), p.moveExpiryCommand(), p.ledgerListCommand())
}

// postFlags are the optional parts of an entry.
type postFlags struct {
	amount    string
	reason    string
	key       string
	category  string
	expiresAt string
	reference string
	metadata  []string
}

func (p *program) postCommand(direction ledger.Direction) *cobra.Command {
	var flags postFlags
	short, example := "Add money to a wallet",
		"  billfold ledger credit cus_… USD 5000 --reason \"Welcome bonus\"\n  billfold ledger credit cus_… USD --amount 50.00"
	if direction == ledger.Debit {
		short, example = "Take money from a wallet", "  billfold ledger debit cus_… USD 1500 --idempotency-key charge_1"
	}
	command := &cobra.Command{
		Use:   string(direction) + " CUSTOMER CURRENCY [MINOR_UNITS]",
		Short: short,
		Long: short + ".\n\nThe amount is either a whole number of minor units (cents, paise), or --amount with a\n" +
			"decimal point, which is read exactly. Without --idempotency-key the command makes a key; when the\n" +
			"answer is lost it names the key, and the same command with it is safe to repeat.",
		Example: example,
		Args:    arguments("CUSTOMER", "CURRENCY", "[MINOR_UNITS]"),
	}
	command.Flags().StringVar(&flags.amount, "amount", "", "amount with a decimal point, such as `12.34`, in place of MINOR_UNITS")
	command.Flags().StringVar(&flags.reason, "reason", "", "`text` to read beside the entry")
	command.Flags().StringVar(&flags.key, "idempotency-key", "", "`key` under which the entry is made at most once")
	command.Flags().StringVar(&flags.reference, "reference-object-id", "", "`id` of what the entry belongs to, such as a payment")
	command.Flags().StringArrayVar(&flags.metadata, "metadata", nil, "`name=value` to keep with the entry; may be repeated")
	if direction == ledger.Credit {
		command.Flags().StringVar(&flags.category, "category", "", "`kind` of money: paid (the default) or promotional")
		command.Flags().StringVar(&flags.expiresAt, "expires-at", "", "`time` after which it cannot be spent, such as 2027-01-31T00:00:00Z")
		completeFlag(command, "category", "paid", "promotional")
	}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		body, err := flags.body(args)
		if err != nil {
			return withExit(exitUsage, err)
		}
		body["entry_type"] = direction
		path := customerPath(args[0], "/wallets/ledger-entries")
		return noCustomer(p.post(command, client, path, body, flags.key), args[0])
	})
}

func (f *postFlags) body(args []string) (map[string]any, error) {
	currency := money.Currency(strings.ToUpper(args[1]))
	if !currency.Valid() {
		return nil, fmt.Errorf("%q is not a supported currency; use an ISO 4217 code such as USD", args[1])
	}
	amount, err := f.minorUnits(args, currency)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"amount": amount, "currency": currency}
	for name, text := range map[string]string{
		"reason": f.reason, "category": f.category, "expires_at": f.expiresAt, "reference_object_id": f.reference,
	} {
		if text != "" {
			body[name] = text
		}
	}
	if len(f.metadata) > 0 {
		if body["metadata"], err = pairs(f.metadata); err != nil {
			return nil, err
		}
	}
	return body, nil
}

func (f *postFlags) minorUnits(args []string, currency money.Currency) (money.Amount, error) {
	if (len(args) == 3) == (f.amount != "") {
		return 0, errors.New("give the amount once: MINOR_UNITS, or --amount with a decimal point")
	}
	if f.amount != "" {
		amount, err := money.ParseDecimal(f.amount, currency)
		if err != nil {
			return 0, fmt.Errorf("--amount %s: %w", f.amount, err)
		}
		return amount, nil
	}
	minor, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number of minor units; --amount takes a decimal point", args[2])
	}
	return money.Amount(minor), nil
}

// post sends what makes an entry, under a key, so that a lost answer can be asked
// for again.
func (p *program) post(command *cobra.Command, client *apiClient, path string, body map[string]any, key string) error {
	raw, err := p.send(command, client, request{method: http.MethodPost, path: path, body: body, key: key})
	if err != nil {
		return err
	}
	rows, err := rowsOf([]json.RawMessage{raw}, walletView.row)
	if err != nil {
		return err
	}
	return p.write(answer{columns: walletColumns, right: walletNumbers, rows: rows, document: raw})
}

// send moves money under a key, which it makes when there is none.
func (p *program) send(command *cobra.Command, client *apiClient, r request) (raw json.RawMessage, err error) {
	made := r.key == ""
	if made {
		r.key = newIdempotencyKey()
	}
	replayed, err := client.call(command.Context(), r, &raw)
	var coded *exitError
	if errors.As(err, &coded) && coded.code == exitUnreachable && made {
		return nil, withExit(exitUnreachable, fmt.Errorf("%w\nthe entry may have been made; "+
			"the same command with --idempotency-key %s is safe and tells", err, r.key))
	}
	if err != nil {
		return nil, err
	}
	if replayed {
		fmt.Fprintln(p.stderr, "billfold: this key was used before for the same entry; this is the first answer, nothing was moved now")
	}
	return raw, nil
}

// newIdempotencyKey returns a key that no other command has used.
func newIdempotencyKey() string { return "cli_" + rand.Text() }

// entryView is what the command line shows of an entry.
type entryView struct {
	ID        string         `json:"id"`
	Position  int64          `json:"position"`
	CreatedAt time.Time      `json:"created_at"`
	IsCredit  bool           `json:"is_credit"`
	Amount    money.Amount   `json:"amount"`
	Currency  money.Currency `json:"currency"`
	After     money.Amount   `json:"after_balance"`
	Category  string         `json:"category"`
	Reason    string         `json:"reason"`
}

var (
	entryColumns = []string{"POSITION", "CREATED", "ENTRY", "AMOUNT", "CURRENCY", "BALANCE", "CATEGORY", "REASON"}
	entryNumbers = []string{"POSITION", "AMOUNT", "BALANCE"}
	entryTexts   = []string{"REASON"}
	entrySpare   = []string{"ENTRY", "CATEGORY", "POSITION"}
)

func (v entryView) row() []string {
	amount := v.Amount
	if !v.IsCredit {
		amount = -amount
	}
	return []string{
		strconv.FormatInt(v.Position, 10), shortTime(v.CreatedAt), v.ID,
		money.FormatDecimal(amount, v.Currency), string(v.Currency), money.FormatDecimal(v.After, v.Currency),
		v.Category, v.Reason,
	}
}

func (p *program) ledgerListCommand() *cobra.Command {
	filters := map[string]*string{}
	var limit int
	command := &cobra.Command{
		Use:   "list CUSTOMER",
		Short: "List a customer's ledger entries, newest first",
		Args:  arguments("CUSTOMER"),
	}
	for _, filter := range []struct{ name, usage string }{
		{"currency", "only entries in this `currency`"},
		{"entry-type", "only this `type`: credit or debit"},
		{"event-type", "only this `type`, such as payment"},
		{"reference-object-id", "only entries that belong to this `id`"},
		{"idempotency-key", "only the entry that was made under this `key`"},
		{"created-at-gte", "only entries at this `time` or later"},
		{"created-at-lte", "only entries at this `time` or earlier"},
	} {
		filters[filter.name] = command.Flags().String(filter.name, "", filter.usage)
	}
	limitFlag(command, &limit)
	completeFlag(command, "entry-type", string(ledger.Credit), string(ledger.Debit))
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		query := url.Values{}
		for name, text := range filters {
			setGiven(command, query, name, *text)
		}
		found, more, err := client.collect(command.Context(), request{
			method: http.MethodGet, path: customerPath(args[0], "/wallets/ledger-entries"), query: query,
		}, limit)
		if err != nil {
			return noCustomer(err, args[0])
		}
		rows, err := rowsOf(found, entryView.row)
		if err != nil {
			return err
		}
		return p.writeList(answer{
			columns: entryColumns, right: entryNumbers, texts: entryTexts, spare: entrySpare, rows: rows,
			document: items{found}, empty: "No entries found.",
		}, more)
	})
}
