package cli

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

const businessesPath = "/admin/businesses"

// businessCreated is what `business create -o json` prints. Programs that
// prepare an installation read it.
type businessCreated struct {
	BusinessID string `json:"business_id"`
	TestKey    string `json:"test_key"`
	LiveKey    string `json:"live_key"`
}

// businessView is what the command line shows of a business.
type businessView struct {
	BusinessID string    `json:"business_id"`
	Name       string    `json:"name"`
	CreatedAt  time.Time `json:"created_at"`
}

func (v businessView) row() []string { return []string{v.BusinessID, v.Name, shortTime(v.CreatedAt)} }

func (p *program) businessCommand() *cobra.Command {
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a business with its first keys, which are shown this once",
		Args:  arguments("NAME"),
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List all businesses",
		Args:  arguments(),
	}
	return group("business", "Make and list businesses, and who changed what about one",
		p.adminCommand(create, true, p.businessCreate), p.adminCommand(list, false, p.businessList),
		p.businessAuditCommand())
}

func (p *program) businessAuditCommand() *cobra.Command {
	var limit int
	command := &cobra.Command{
		Use:   "audit",
		Short: "List who changed settings and keys in the mode of the API key, newest first",
		Args:  arguments(),
	}
	limitFlag(command, &limit)
	return p.clientCommand(command, func(command *cobra.Command, client *apiClient, _ []string) error {
		if err := checkLimit(limit); err != nil {
			return err
		}
		return p.writeAudit(command.Context(), client, "/business/audit", limit)
	})
}

func (p *program) businessCreate(ctx context.Context, client *apiClient, args []string) error {
	var made businessCreated
	_, err := client.call(ctx, request{
		method: http.MethodPost, path: businessesPath, body: map[string]string{"name": args[0]},
	}, &made)
	if err != nil {
		return err
	}
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "Made the business %q (%s). Its keys are shown only this once:\n\n"+
			"  test key  %s\n  live key  %s\n", printable(args[0]), made.BusinessID, made.TestKey, made.LiveKey)
		return err
	}
	return p.write(answer{
		columns:  []string{"BUSINESS", "TEST KEY", "LIVE KEY"},
		rows:     [][]string{{made.BusinessID, made.TestKey, made.LiveKey}},
		document: made,
	})
}

func (p *program) businessList(ctx context.Context, client *apiClient, _ []string) error {
	var found list
	if _, err := client.call(ctx, request{method: http.MethodGet, path: businessesPath}, &found); err != nil {
		return err
	}
	rows, err := rowsOf(found.Items, businessView.row)
	if err != nil {
		return err
	}
	return p.write(answer{
		columns: []string{"BUSINESS", "NAME", "CREATED"}, rows: rows,
		document: items{found.Items}, empty: "There is no business yet; `billfold business create NAME` makes one.",
	})
}
