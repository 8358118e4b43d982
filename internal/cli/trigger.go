package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
)

// triggers are how each kind of event is brought about, on a customer in test mode.
var triggers = map[ledger.EventKind]func(*trigger) error{
	ledger.CustomerCreated: func(*trigger) error { return nil }, // it was made to begin with
	ledger.CustomerUpdated: func(t *trigger) error {
		return t.send(http.MethodPatch, "", map[string]any{"name": "Triggered again"})
	},
	ledger.WalletCredited: func(t *trigger) error { return t.post("credit", 500) },
	ledger.WalletDebited:  func(t *trigger) error { return errors.Join(t.post("credit", 500), t.post("debit", 200)) },
	ledger.WalletEntryReversed: func(t *trigger) error {
		if err := t.post("credit", 500); err != nil {
			return err
		}
		return t.send(http.MethodPost, "/wallets/ledger-entries/"+t.entry+"/reverse", map[string]any{"amount": 200})
	},
	ledger.WalletHoldCreated: func(t *trigger) error { return t.hold(time.Hour) },
	ledger.WalletHoldCaptured: func(t *trigger) error {
		return errors.Join(t.hold(time.Hour), t.endHold("capture"))
	},
	ledger.WalletHoldReleased: func(t *trigger) error {
		return errors.Join(t.hold(time.Hour), t.endHold("release"))
	},
	ledger.WalletHoldExpired: func(t *trigger) error {
		if err := t.hold(5 * time.Second); err != nil {
			return err
		}
		t.program.note("the hold expires in five seconds, and the event follows within a minute")
		return nil
	},
	ledger.WalletBalanceLow:       func(t *trigger) error { return t.cross(false) },
	ledger.WalletBalanceRecovered: func(t *trigger) error { return t.cross(true) },
	ledger.WalletFundsExpiring: func(t *trigger) error {
		if _, err := t.expiring(time.Hour); err != nil {
			return err
		}
		return t.wantNotices()
	},
	ledger.WalletFundsExpired: func(t *trigger) error {
		soon, err := t.expiring(ledger.ExpiryAheadMin + 5*time.Second)
		if err != nil {
			return err
		}
		t.program.note("the money expires at %s, and the event follows within a minute", soon)
		return nil
	},
}

const triggerCurrency = "USD"

// trigger makes events happen to a customer of its own.
type trigger struct {
	ctx      context.Context
	program  *program
	client   *apiClient
	customer string
	entry    string // the last one that was posted
	held     string // the last hold that was made
}

func (p *program) triggerCommand() *cobra.Command {
	var kinds []string
	for _, kind := range ledger.EventKinds() {
		kinds = append(kinds, string(kind))
	}
	command := &cobra.Command{
		Use:   "trigger EVENT",
		Short: "Make an event happen in test mode, to see what your receiver does with it",
		Long: "Trigger makes a customer in test mode and does to it what the event tells of, so that the\n" +
			"event is a real one: it is in the feed, reaches the webhooks, and `billfold listen` shows it.\n" +
			"Others may come before it. It takes a test key.\n\n" +
			"Events: " + strings.Join(kinds, ", "),
		Example:   "  billfold trigger wallet.balance_low",
		Args:      arguments("EVENT"),
		ValidArgs: kinds,
	}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		happen := triggers[ledger.EventKind(args[0])]
		if happen == nil && slices.Contains(ledger.BillingKinds(), ledger.EventKind(args[0])) {
			return withExit(exitUsage, fmt.Errorf("%s is told by billing, and no request sets it off yet; there are %s",
				args[0], strings.Join(kinds, ", ")))
		}
		if happen == nil {
			return withExit(exitUsage, fmt.Errorf("there is no event %q; there are %s", args[0], strings.Join(kinds, ", ")))
		}
		if !strings.HasPrefix(client.key, access.KeyPrefix(ledger.Test)) {
			return withExit(exitUsage, errors.New("trigger takes a test key, bf_test_…: it makes a customer and moves money"))
		}
		t := &trigger{ctx: command.Context(), program: p, client: client}
		if err := t.begin(args[0]); err != nil {
			return err
		}
		if err := happen(t); err != nil {
			return err
		}
		return p.write(answer{
			columns: []string{"EVENT", "CUSTOMER"}, rows: [][]string{{args[0], t.customer}},
			document: map[string]string{"event": args[0], "customer_id": t.customer},
		})
	})
}

// begin makes the customer.
func (t *trigger) begin(kind string) error {
	var made customerView
	_, err := t.client.call(t.ctx, request{method: http.MethodPost, path: "/customers", body: map[string]any{
		"email": "trigger@example.com", "name": "Triggered: " + kind,
	}}, &made)
	t.customer = made.CustomerID
	return err
}

// send sends something about the customer.
func (t *trigger) send(method, path string, body any) error {
	var answered struct {
		EntryID string `json:"ledger_entry_id"`
		Hold    struct {
			ID string `json:"hold_id"`
		}
	}
	_, err := t.client.call(t.ctx, request{method: method, path: customerPath(t.customer, path), body: body}, &answered)
	t.entry, t.held = answered.EntryID, answered.Hold.ID
	return err
}

func (t *trigger) post(entryType string, amount int64) error {
	return t.send(http.MethodPost, "/wallets/ledger-entries", map[string]any{
		"amount": amount, "currency": triggerCurrency, "entry_type": entryType,
	})
}

// hold promises money for a while.
func (t *trigger) hold(lasting time.Duration) error {
	if err := t.post("credit", 500); err != nil {
		return err
	}
	return t.send(http.MethodPost, "/wallets/holds", map[string]any{
		"amount": 200, "currency": triggerCurrency, "expires_at": time.Now().Add(lasting).UTC().Format(time.RFC3339Nano),
	})
}

// expiring credits money that expires after a while, and says when.
func (t *trigger) expiring(ahead time.Duration) (at string, err error) {
	at = time.Now().Add(ahead).UTC().Format(time.RFC3339)
	return at, t.send(http.MethodPost, "/wallets/ledger-entries", map[string]any{
		"amount": 500, "currency": triggerCurrency, "entry_type": "credit", "expires_at": at,
	})
}

// wantNotices has the business, in test mode, be told of money that expires soon, if it
// is not.
func (t *trigger) wantNotices() error {
	var business struct {
		Days int64 `json:"expiry_notice_days"`
	}
	_, err := t.client.call(t.ctx, request{method: http.MethodGet, path: "/business"}, &business)
	if err == nil && business.Days == 0 {
		change := map[string]any{"expiry_notice_days": 1}
		if _, err = t.client.call(t.ctx, request{method: http.MethodPatch, path: "/business", body: change}, &business); err == nil {
			t.program.note("expiry_notice_days of the business in test mode was 0 and is 1 now: nothing is announced with 0")
		}
	}
	if err == nil {
		t.program.note("the event follows within a minute")
	}
	return err
}

// endHold captures or releases the hold.
func (t *trigger) endHold(how string) error {
	return t.send(http.MethodPost, "/wallets/holds/"+t.held+"/"+how, map[string]any{})
}

// cross takes the wallet below a threshold, and back above it if that is asked for.
func (t *trigger) cross(back bool) error {
	err := t.send(http.MethodPut, "/wallets/"+triggerCurrency+"/alerts", map[string]any{
		"thresholds": []map[string]any{{"below": 300}},
	})
	for _, step := range []struct {
		entryType string
		amount    int64
		wanted    bool
	}{{"credit", 500, true}, {"debit", 400, true}, {"credit", 900, back}} {
		if err == nil && step.wanted {
			err = t.post(step.entryType, step.amount)
		}
	}
	return err
}
