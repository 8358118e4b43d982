package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// teamLink is a link for a person that the operator hands on.
type teamLink struct {
	BusinessID string    `json:"business_id"`
	Link       string    `json:"link"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func (p *program) teamCommand() *cobra.Command {
	var business string
	link := &cobra.Command{
		Use:   "link",
		Short: "Make the link with which the first owner of a business joins, while it has none",
		Args:  arguments(),
	}
	link.Flags().StringVar(&business, "business", "", "`id` of the business; by default the one that was made first")
	reset := &cobra.Command{
		Use:   "reset EMAIL",
		Short: "Make a link with which a user chooses another password; it removes their second factor",
		Args:  arguments("EMAIL"),
	}
	return group("team", "Let the first owner in, or a user who has lost a password or a device",
		p.adminCommand(link, false, func(ctx context.Context, client *apiClient, _ []string) error {
			body := map[string]string{}
			if business != "" {
				body["business_id"] = business
			}
			return p.teamLink(ctx, client, "/admin/team/link", body, "Whoever opens this link first becomes the owner")
		}),
		p.adminCommand(reset, false, func(ctx context.Context, client *apiClient, args []string) error {
			body := map[string]string{"email": args[0]}
			return p.teamLink(ctx, client, "/admin/team/reset", body, "Whoever opens this link first chooses the password")
		}))
}

func (p *program) teamLink(
	ctx context.Context, client *apiClient, path string, body map[string]string, says string,
) error {
	var made teamLink
	if _, err := client.call(ctx, request{method: http.MethodPost, path: path, body: body}, &made); err != nil {
		return err
	}
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "%s. It works once, for seven days:\n\n  %s\n", says, made.Link)
		return err
	}
	return p.write(answer{
		columns:  []string{"BUSINESS", "LINK", "EXPIRES"},
		rows:     [][]string{{made.BusinessID, made.Link, shortTime(made.ExpiresAt)}},
		document: made,
	})
}
