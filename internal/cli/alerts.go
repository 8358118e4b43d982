package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/money"
)

// alertsView is what the command line shows of the thresholds of a wallet.
type alertsView struct {
	Currency   money.Currency `json:"currency"`
	Source     string         `json:"source"`
	Available  money.Amount   `json:"available"`
	Thresholds []struct {
		Below     money.Amount `json:"below"`
		RecoverAt money.Amount `json:"recover_at"`
		Standing  string       `json:"standing"`
	} `json:"thresholds"`
}

var (
	alertsColumns = []string{"BELOW", "RECOVERS AT", "STANDING", "AVAILABLE", "SET FOR"}
	alertsNumbers = []string{"BELOW", "RECOVERS AT", "AVAILABLE"}
)

func (v *alertsView) rows() [][]string {
	rows := [][]string{}
	for _, t := range v.Thresholds {
		rows = append(rows, []string{
			money.FormatDecimal(t.Below, v.Currency), money.FormatDecimal(t.RecoverAt, v.Currency), t.Standing,
			money.FormatDecimal(v.Available, v.Currency), "the " + v.Source,
		})
	}
	return rows
}

// alertsFlags say what to change about a wallet's thresholds.
type alertsFlags struct {
	below         []string
	none, inherit bool
}

func (p *program) customersAlertsCommand() *cobra.Command {
	var flags alertsFlags
	command := &cobra.Command{
		Use:   "alerts CUSTOMER CURRENCY",
		Short: "Show or set at what amounts a wallet counts as low",
		Long: "Show or set at what amounts a wallet counts as low.\n\nA wallet is low when less than --below is available, and has " +
			"recovered when as much is again, or the\nsecond amount where one is given. The entry that crosses it tells of it, once.",
		Example: "  billfold customers alerts cus_… USD\n" +
			"  billfold customers alerts cus_… USD --below 5.00:10.00 --below 50.00\n" +
			"  billfold customers alerts cus_… USD --default",
		Args: arguments("CUSTOMER", "CURRENCY"),
	}
	command.Flags().StringArrayVar(&flags.below, "below", nil, "`amount` with a decimal point, or two as in 5.00:10.00; may be repeated, in rising order")
	command.Flags().BoolVar(&flags.none, "none", false, "no alerts for this wallet, whatever the business has")
	command.Flags().BoolVar(&flags.inherit, "default", false, "go by the thresholds of the business again")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		currency := money.Currency(strings.ToUpper(args[1]))
		if !currency.Valid() {
			return withExit(exitUsage, fmt.Errorf("%q is not a supported currency; use an ISO 4217 code such as USD", args[1]))
		}
		change, err := flags.request(currency)
		if err != nil {
			return withExit(exitUsage, err)
		}
		path := customerPath(args[0], "/wallets/"+string(currency)+"/alerts")
		if change != nil {
			change.path, change.key = path, newIdempotencyKey()
			var customer json.RawMessage // the thresholds as they stand say more
			if _, err := client.call(command.Context(), *change, &customer); err != nil {
				return noCustomer(err, args[0])
			}
		}
		var raw json.RawMessage
		if _, err := client.call(command.Context(), request{method: http.MethodGet, path: path}, &raw); err != nil {
			return noCustomer(err, args[0])
		}
		var view alertsView
		if err := json.Unmarshal(raw, &view); err != nil {
			return fmt.Errorf("the server did not answer as Billfold does: %w", err)
		}
		return p.write(answer{
			columns: alertsColumns, right: alertsNumbers, rows: view.rows(), document: raw, empty: "No alerts.",
		})
	})
}

// request is the change that the flags ask for, nil for none.
func (f *alertsFlags) request(currency money.Currency) (*request, error) {
	asked := 0
	for _, given := range []bool{len(f.below) > 0, f.none, f.inherit} {
		if given {
			asked++
		}
	}
	switch {
	case asked > 1:
		return nil, errors.New("give one of --below, --none and --default")
	case f.inherit:
		return &request{method: http.MethodDelete}, nil
	case asked == 0:
		return nil, nil
	}
	thresholds := []map[string]money.Amount{}
	for _, text := range f.below {
		below, recoverAt, two := strings.Cut(text, ":")
		threshold := map[string]money.Amount{}
		for name, amount := range map[string]string{"below": below, "recover_at": recoverAt} {
			if name == "recover_at" && !two {
				continue
			}
			minor, err := money.ParseDecimal(amount, currency)
			if err != nil {
				return nil, fmt.Errorf("--below %s: %w", text, err)
			}
			threshold[name] = minor
		}
		thresholds = append(thresholds, threshold)
	}
	return &request{method: http.MethodPut, body: map[string]any{"thresholds": thresholds}}, nil
}
