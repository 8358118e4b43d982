package cli

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// healthCommand is for containers that have no other program in them.
func (p *program) healthCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "health",
		Short: "Ask a server whether it can serve",
		Long:  "Health asks /readyz of the server at --base-url. Exit code 0: it can serve. 3: it cannot.",
		Args:  arguments(),
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := p.config(command)
			if err != nil {
				return err
			}
			client := newAPIClient(config)
			defer client.http.CloseIdleConnections()
			var ready struct {
				Status string `json:"status"`
			}
			_, err = client.call(command.Context(), request{method: http.MethodGet, path: "/readyz"}, &ready)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(p.stdout, ready.Status)
			return err
		},
	}
	return optionFlags(command, "base-url")
}
