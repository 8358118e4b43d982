package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// webhookView is what the command line shows of a webhook.
type webhookView struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"`
	Description string   `json:"description"`
	Disabled    bool     `json:"disabled"`
	FilterTypes []string `json:"filter_types"`
	InOrder     bool     `json:"in_order"`
}

var webhookColumns = []string{"ID", "URL", "TYPES", "STATE", "DESCRIPTION"}

func (v webhookView) row() []string {
	state := "enabled"
	if v.Disabled {
		state = "disabled"
	}
	if v.InOrder {
		state += ", in order"
	}
	return []string{v.ID, v.URL, strings.Join(v.FilterTypes, ","), state, v.Description}
}

// deliveryView is what the command line shows of a delivery.
type deliveryView struct {
	EventID  string     `json:"event_id"`
	Type     string     `json:"type"`
	Status   string     `json:"status"`
	Tries    int        `json:"tries"`
	Next     *time.Time `json:"next_attempt_at"`
	Queued   time.Time  `json:"queued_at"`
	Attempts []struct {
		Outcome    string `json:"outcome"`
		HTTPStatus *int   `json:"http_status"`
	} `json:"attempts"`
}

var (
	deliveryColumns = []string{"EVENT", "TYPE", "STATUS", "TRIES", "LAST", "NEXT", "QUEUED"}
	deliveryNumbers = []string{"TRIES"}
)

func (v deliveryView) row() []string {
	last, next := "", ""
	if n := len(v.Attempts); n > 0 {
		last = v.Attempts[n-1].Outcome
		if status := v.Attempts[n-1].HTTPStatus; status != nil {
			last += fmt.Sprintf(" (%d)", *status)
		}
	}
	if v.Next != nil {
		next = shortTime(*v.Next)
	}
	return []string{v.EventID, v.Type, v.Status, strconv.Itoa(v.Tries), last, next, shortTime(v.Queued)}
}

func webhookPath(id string, rest ...string) string {
	return "/webhooks/" + url.PathEscape(id) + strings.Join(rest, "")
}

func noWebhook(err error, id string) error {
	return missing(err, "webhook "+id+" for this key", "`billfold webhooks list` shows those that there are")
}

func (p *program) webhooksCommand() *cobra.Command {
	return group("webhooks", "Name URLs that events are sent to, and see what became of them",
		p.webhooksCreateCommand(), p.webhooksListCommand(), p.webhooksSecretCommand(), p.webhooksDeliveriesCommand(),
		p.webhooksResendCommand(), p.webhooksDeleteCommand())
}

func (p *program) webhooksCreateCommand() *cobra.Command {
	var types, description, key string
	var inOrder bool
	command := &cobra.Command{
		Use:     "create URL --types TYPES",
		Short:   "Have events sent to a URL",
		Example: "  billfold webhooks create https://example.com/hooks --types wallet.credited,wallet.debited",
		Args:    arguments("URL"),
	}
	command.Flags().StringVar(&types, "types", "", "`types` of events that are sent, with commas between them")
	command.Flags().StringVar(&description, "description", "", "`text` for people")
	command.Flags().BoolVar(&inOrder, "in-order", false, "hold the messages about a wallet back while one before them has not arrived")
	command.Flags().StringVar(&key, "idempotency-key", "", "`key` under which the same command again makes no second webhook")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := requireFlags(command, "types"); err != nil {
			return err
		}
		body := map[string]any{
			"url": args[0], "filter_types": strings.Split(types, ","), "description": description, "in_order": inOrder,
		}
		return p.showWebhook(command, client, request{method: http.MethodPost, path: "/webhooks", body: body, key: key})
	})
}

// showWebhook sends a request and shows the webhook of its answer.
func (p *program) showWebhook(command *cobra.Command, client *apiClient, r request) error {
	var v webhookView
	if _, err := client.call(command.Context(), r, &v); err != nil {
		return err
	}
	return p.write(answer{columns: webhookColumns, rows: [][]string{v.row()}, document: v})
}

func (p *program) webhooksListCommand() *cobra.Command {
	command := &cobra.Command{Use: "list", Short: "List the webhooks", Args: arguments()}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, _ []string) error {
		var page struct {
			Data []webhookView `json:"data"`
		}
		if _, err := client.call(command.Context(), request{method: http.MethodGet, path: "/webhooks"}, &page); err != nil {
			return err
		}
		rows := make([][]string, 0, len(page.Data))
		for _, v := range page.Data {
			rows = append(rows, v.row())
		}
		return p.write(answer{
			columns: webhookColumns, rows: rows, document: page.Data,
			empty: "No webhooks. `billfold webhooks create` makes one; `billfold listen` shows events without.",
		})
	})
}

func (p *program) webhooksSecretCommand() *cobra.Command {
	var rotate bool
	command := &cobra.Command{
		Use:   "secret WEBHOOK",
		Short: "Show the secret that the messages of a webhook are signed with",
		Args:  arguments("WEBHOOK"),
	}
	command.Flags().BoolVar(&rotate, "rotate", false, "draw another one; the one before signs as well for 24 hours")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		var found struct {
			Secret string `json:"secret"`
		}
		r := request{method: http.MethodGet, path: webhookPath(args[0], "/secret")}
		if rotate {
			r = request{method: http.MethodPost, path: webhookPath(args[0], "/secret/rotate")}
		}
		if _, err := client.call(command.Context(), r, &found); err != nil {
			return noWebhook(err, args[0])
		}
		return p.write(answer{columns: []string{"SECRET"}, rows: [][]string{{found.Secret}}, document: found})
	})
}

func (p *program) webhooksDeliveriesCommand() *cobra.Command {
	var status string
	var limit int
	command := &cobra.Command{
		Use:     "deliveries WEBHOOK",
		Short:   "List what was and is to be sent to a webhook, newest first",
		Example: "  billfold webhooks deliveries whk_… --status failed",
		Args:    arguments("WEBHOOK"),
	}
	command.Flags().StringVar(&status, "status", "", "only those of this `status`: pending, delivered or failed")
	command.Flags().IntVar(&limit, "limit", 50, "list at most this `number`; 0 lists all")
	completeFlag(command, "status", "pending", "delivered", "failed")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		r := request{method: http.MethodGet, path: webhookPath(args[0], "/deliveries")}
		if status != "" {
			r.query = url.Values{"status": {status}}
		}
		found, more, err := client.collect(command.Context(), r, limit)
		if err != nil {
			return noWebhook(err, args[0])
		}
		rows, err := rowsOf(found, deliveryView.row)
		if err != nil {
			return err
		}
		err = p.write(answer{
			columns: deliveryColumns, right: deliveryNumbers, rows: rows, document: items{found}, empty: "No deliveries.",
		})
		if err == nil && more {
			p.note("these are the newest %d and there are more; --limit 0 lists all", len(rows))
		}
		return err
	})
}

func (p *program) webhooksResendCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "resend WEBHOOK EVENT",
		Short: "Send an event to a webhook again",
		Args:  arguments("WEBHOOK", "EVENT"),
	}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		var done struct {
			Count int `json:"count"`
		}
		path := webhookPath(args[0], "/deliveries/", url.PathEscape(args[1]), "/resend")
		if _, err := client.call(command.Context(), request{method: http.MethodPost, path: path}, &done); err != nil {
			return missing(err, "event "+args[1]+" for a webhook "+args[0], "`billfold webhooks deliveries "+args[0]+"` shows those that there are")
		}
		return p.write(answer{columns: []string{"SENT AGAIN"}, rows: [][]string{{args[1]}}, document: done})
	})
}

func (p *program) webhooksDeleteCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "delete WEBHOOK",
		Short: "Send nothing more to a webhook, and forget what was sent",
		Args:  arguments("WEBHOOK"),
	}
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, args []string) error {
		var v webhookView
		show := request{method: http.MethodGet, path: webhookPath(args[0])}
		if _, err := client.call(command.Context(), show, &v); err != nil {
			return noWebhook(err, args[0])
		}
		remove := request{method: http.MethodDelete, path: webhookPath(args[0])}
		if _, err := client.call(command.Context(), remove, nil); err != nil {
			return noWebhook(err, args[0])
		}
		return p.write(answer{columns: webhookColumns, rows: [][]string{v.row()}, document: v})
	})
}
