package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/webhook"
)

// eventHead is what of an event the command line shows.
type eventHead struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		CustomerID string `json:"customer_id"`
	} `json:"data"`
}

// eventPage is a page of the feed. Its events stay as the server wrote them, because
// that is what is signed.
type eventPage struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next_cursor"`
	More  bool              `json:"has_more"`
}

const (
	// listenEvery is how long there is between two looks at the feed.
	listenEvery = 500 * time.Millisecond

	// forwardWithin is how long a receiver has, as one of a webhook does.
	forwardWithin = webhook.AttemptWithin
)

func (p *program) listenCommand() *cobra.Command {
	var to, types, secret string
	command := &cobra.Command{
		Use:   "listen [--forward-to URL]",
		Short: "Show events as they happen, and forward them to a receiver on your machine",
		Long: "Listen follows the feed of events from now on, and shows each. With --forward-to it sends\n" +
			"each to a URL as well, in the form and with the signature of a webhook, so that a receiver\n" +
			"can be written and tried without an address on the Internet. The secret to verify with is\n" +
			"shown first; --secret takes one that you have. What the receiver refuses is not sent again.",
		Example: "  billfold listen\n" +
			"  billfold listen --forward-to http://localhost:3000/hooks --types wallet.credited,wallet.debited",
		Args: arguments(),
	}
	command.Flags().StringVar(&to, "forward-to", "", "`url` of a receiver that gets each event by POST")
	command.Flags().StringVar(&types, "types", "", "only events of these `types`, with commas between them")
	command.Flags().StringVar(&secret, "secret", "", "sign with this `whsec_…` and not with one that is made now")
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, _ []string) error {
		l, err := p.newListener(client, to, types, secret)
		if err != nil {
			return err
		}
		err = l.run(command.Context())
		if command.Context().Err() != nil {
			return nil // whoever listens ends it so
		}
		return err
	})
}

// eventListener follows the feed.
type eventListener struct {
	program *program
	client  *apiClient
	types   string
	to      string
	secret  webhook.Secret
	http    *http.Client
}

func (p *program) newListener(client *apiClient, to, types, secret string) (*eventListener, error) {
	l := &eventListener{
		program: p, client: client, types: types, to: to, secret: webhook.NewSecret(), http: &http.Client{Timeout: forwardWithin},
	}
	if secret != "" {
		given, err := webhook.ParseSecret(secret)
		if err != nil {
			return nil, withExit(exitUsage, fmt.Errorf("--secret: %w", err))
		}
		l.secret = given
	}
	if to != "" {
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, withExit(exitUsage, errors.New("--forward-to: it is not a URL such as http://localhost:3000/hooks"))
		}
		p.note("signed with %s", l.secret.Text())
	}
	return l, nil
}

// run shows what happens from now on until ctx ends or the server refuses.
func (l *eventListener) run(ctx context.Context) error {
	cursor, err := l.end(ctx)
	if err != nil {
		return err
	}
	l.program.note("listening; stop with an interrupt")
	for {
		page, err := l.page(ctx, url.Values{"cursor": {cursor}})
		if err != nil {
			return err
		}
		for _, event := range page.Items {
			if err := l.tell(ctx, event); err != nil {
				return err
			}
		}
		if cursor = page.Next; page.More {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(listenEvery):
		}
	}
}

// end returns the cursor behind all that has happened. Nothing that is asked for lies
// in the future, so that the server passes over it quickly.
func (l *eventListener) end(ctx context.Context) (cursor string, err error) {
	query := url.Values{"created_at_gte": {time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)}}
	for {
		page, err := l.page(ctx, query)
		if err != nil || !page.More {
			return page.Next, err
		}
		query.Set("cursor", page.Next)
	}
}

func (l *eventListener) page(ctx context.Context, query url.Values) (page eventPage, err error) {
	query.Set("page_size", strconv.Itoa(pageSize))
	if l.types != "" {
		query.Set("types", l.types)
	}
	_, err = l.client.call(ctx, request{method: http.MethodGet, path: "/events", query: query}, &page)
	return page, err
}

// tell shows an event, and forwards it if that was asked for.
func (l *eventListener) tell(ctx context.Context, event json.RawMessage) error {
	var head eventHead
	if err := json.Unmarshal(event, &head); err != nil {
		return fmt.Errorf("the server sent an event that cannot be read: %w", err)
	}
	said := ""
	if l.to != "" {
		said = "  → " + l.forward(ctx, head.ID, event)
	}
	if l.program.output == formatJSON {
		_, err := fmt.Fprintf(l.program.stdout, "%s\n", event)
		return err
	}
	_, err := fmt.Fprintf(l.program.stdout, "%s  %-24s  %s  %s%s\n", shortTime(head.Timestamp), printable(head.Type),
		printable(head.Data.CustomerID), printable(head.ID), said)
	return err
}

// forward sends an event and says what came of it.
func (l *eventListener) forward(ctx context.Context, id string, event []byte) string {
	sent, err := http.NewRequestWithContext(ctx, http.MethodPost, l.to, bytes.NewReader(event))
	if err != nil {
		return err.Error()
	}
	now := time.Now()
	sent.Header.Set("Content-Type", "application/json")
	sent.Header.Set("User-Agent", "billfold-cli/"+buildVersion().Version)
	sent.Header.Set("Webhook-Id", id)
	sent.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	sent.Header.Set("Webhook-Signature", webhook.Signature(id, now, event, l.secret))
	response, err := l.http.Do(sent)
	if err != nil {
		var urlErr *url.Error
		if errors.As(err, &urlErr) {
			err = urlErr.Err
		}
		return printable(err.Error())
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode == http.StatusSwitchingProtocols {
		return "101: it wanted to speak another protocol" // and would have the connection without an end
	}
	// What was read to its end leaves a connection that is used again.
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20)); err != nil {
		return printable(err.Error())
	}
	return fmt.Sprintf("%d in %d ms", response.StatusCode, time.Since(now).Milliseconds())
}
