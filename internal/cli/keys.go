package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const keysPath = "/admin/keys"

// keyView is what the command line shows of an API key.
type keyView struct {
	KeyID      string    `json:"key_id"`
	BusinessID string    `json:"business_id"`
	Mode       string    `json:"mode"`
	Name       string    `json:"name"`
	Scope      string    `json:"scope"`
	Hint       string    `json:"hint"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	RevokedAt  time.Time `json:"revoked_at"`
}

var (
	keyColumns = []string{"KEY", "BUSINESS", "MODE", "SCOPE", "HINT", "NAME", "CREATED", "EXPIRES", "REVOKED"}
	keyTexts   = []string{"NAME"}
	keySpare   = []string{"CREATED", "EXPIRES", "MODE", "BUSINESS", "NAME"}
)

// noBusiness says that the server did not find the business that was named.
func noBusiness(err error, id string) error {
	return missing(err, "business "+id, "`billfold business list` shows those that there are")
}

func (v keyView) row() []string {
	return []string{
		v.KeyID, v.BusinessID, v.Mode, v.Scope, v.Hint, v.Name,
		shortTime(v.CreatedAt), shortTime(v.ExpiresAt), shortTime(v.RevokedAt),
	}
}

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "Make, list and revoke API keys",
		p.keysCreateCommand(), p.keysListCommand(), p.keysRevokeCommand())
}

// newKeyRequest asks for an API key on the admin socket.
type newKeyRequest struct {
	BusinessID string `json:"business_id"`
	Mode       string `json:"mode"`
	Name       string `json:"name"`
	Scope      string `json:"scope"`
	ExpiresAt  string `json:"expires_at,omitempty"`
}

func (p *program) keysCreateCommand() *cobra.Command {
	asked := newKeyRequest{}
	command := &cobra.Command{
		Use:     "create",
		Short:   "Make an API key, which is shown this once",
		Example: "  billfold keys create --mode live --scope read --name reports",
		Args:    arguments(),
	}
	command.Flags().StringVar(&asked.BusinessID, "business", "", "`id` of the business; may be left out when there is only one")
	command.Flags().StringVar(&asked.Mode, "mode", "test", "`mode` that the key works in: test or live")
	command.Flags().StringVar(&asked.Name, "name", "made on the command line", "`name` to recognise the key by")
	command.Flags().StringVar(&asked.Scope, "scope", "write", "what the key may do: `read` or write, which includes read")
	command.Flags().StringVar(&asked.ExpiresAt, "expires-at", "", "`time` at which it stops working, such as 2027-01-31T00:00:00Z")
	completeFlag(command, "mode", "test", "live")
	completeFlag(command, "scope", "read", "write")
	return p.adminCommand(command, false, func(ctx context.Context, client *apiClient, _ []string) error {
		if asked.BusinessID == "" {
			var err error
			if asked.BusinessID, err = onlyBusiness(ctx, client); err != nil {
				return err
			}
		}
		return p.keysCreate(ctx, client, asked)
	})
}

// onlyBusiness returns the id of the business when there is just one.
func onlyBusiness(ctx context.Context, client *apiClient) (string, error) {
	var found struct {
		Items []businessView `json:"items"`
	}
	if _, err := client.call(ctx, request{method: http.MethodGet, path: businessesPath}, &found); err != nil {
		return "", err
	}
	switch len(found.Items) {
	case 0:
		return "", errors.New("there is no business yet; `billfold business create NAME` makes one with its first keys")
	case 1:
		return found.Items[0].BusinessID, nil
	}
	return "", withExit(exitUsage, errors.New("there are several businesses; name one with --business, `billfold business list` shows them"))
}

func (p *program) keysCreate(ctx context.Context, client *apiClient, asked newKeyRequest) error {
	var raw json.RawMessage
	if _, err := client.call(ctx, request{method: http.MethodPost, path: keysPath, body: asked}, &raw); err != nil {
		return noBusiness(err, asked.BusinessID)
	}
	var made struct {
		keyView
		Key string `json:"key"`
	}
	if err := json.Unmarshal(raw, &made); err != nil {
		return fmt.Errorf("the server did not answer as Billfold does: %w", err)
	}
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "Made the %s key %s (%s, %s). It is shown only this once:\n\n  %s\n",
			made.Mode, made.KeyID, made.Scope, printable(made.Name), made.Key)
		return err
	}
	return p.write(answer{
		columns:  append([]string{"SECRET"}, keyColumns...),
		rows:     [][]string{append([]string{made.Key}, made.row()...)},
		document: raw,
	})
}

func (p *program) keysListCommand() *cobra.Command {
	var business string
	command := &cobra.Command{
		Use:   "list",
		Short: "List API keys, newest first, without their secrets",
		Args:  arguments(),
	}
	command.Flags().StringVar(&business, "business", "", "only keys of the business with this `id`")
	return p.adminCommand(command, false, func(ctx context.Context, client *apiClient, _ []string) error {
		query := url.Values{}
		if business != "" {
			query.Set("business_id", business)
		}
		var found list
		if _, err := client.call(ctx, request{method: http.MethodGet, path: keysPath, query: query}, &found); err != nil {
			return noBusiness(err, business)
		}
		rows, err := rowsOf(found.Items, keyView.row)
		if err != nil {
			return err
		}
		return p.write(answer{
			columns: keyColumns, texts: keyTexts, spare: keySpare, rows: rows,
			document: items{found.Items}, empty: "There are no keys; `billfold keys create` makes one.",
		})
	})
}

func (p *program) keysRevokeCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "revoke KEY",
		Short: "Make an API key stop working at once",
		Long:  "Revoke takes the id of a key, key_…, as `billfold keys list` shows it, not the key itself.",
		Args:  arguments("KEY"),
	}
	return p.adminCommand(command, false, func(ctx context.Context, client *apiClient, args []string) error {
		if strings.HasPrefix(args[0], "bf_") {
			return withExit(exitUsage, errors.New("this is a key itself; name it by its id, key_…, "+
				"which `billfold keys list` shows beside the key's last four characters"))
		}
		var raw json.RawMessage
		_, err := client.call(ctx, request{
			method: http.MethodPost, path: keysPath + "/" + url.PathEscape(args[0]) + "/revoke",
		}, &raw)
		if err != nil {
			return missing(err, "key "+args[0], "`billfold keys list` shows those that there are")
		}
		rows, err := rowsOf([]json.RawMessage{raw}, keyView.row)
		if err != nil {
			return err
		}
		return p.write(answer{columns: keyColumns, texts: keyTexts, spare: keySpare, rows: rows, document: raw})
	})
}
