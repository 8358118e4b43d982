package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/demo"
)

// seedRequest asks for demo data on the admin socket.
type seedRequest struct {
	BusinessID string `json:"business_id"`
	Customers  int    `json:"customers"`
	Months     int    `json:"months"`
	Seed       uint64 `json:"seed"`
}

// seedDocument is what `seed -o json` prints.
type seedDocument struct {
	businessCreated
	demo.Result
}

const (
	seedCustomersMax = 10_000
	seedMonthsMax    = 36

	// seedPatience is how long making the data may take.
	seedPatience = 10 * time.Minute
)

func (p *program) seedCommand() *cobra.Command {
	var wanted bool
	asked := seedRequest{Customers: 300, Months: 6, Seed: 1}
	command := &cobra.Command{
		Use:   "seed --demo",
		Short: "Make a demo business with customers and months of entries",
		Long: "Seed makes a business of its own, in test mode, with believable customers, deposits,\n" +
			"usage, promotional credits and refunds in USD and INR, and prints the business's\n" +
			"keys. The same --seed makes the same data. It works beside a running server.",
		Args: arguments(),
	}
	command.Flags().BoolVar(&wanted, "demo", false, "make demo data; nothing else can be seeded")
	command.Flags().IntVar(&asked.Customers, "customers", asked.Customers, "how many `customers`")
	command.Flags().IntVar(&asked.Months, "months", asked.Months, "how many `months` of history")
	command.Flags().Uint64Var(&asked.Seed, "seed", asked.Seed, "`number` from which everything is drawn")
	return p.adminCommand(command, true, func(ctx context.Context, client *apiClient, _ []string) error {
		switch {
		case !wanted:
			return withExit(exitUsage, errors.New("say --demo to make demo data"))
		case asked.Customers < 1 || asked.Customers > seedCustomersMax:
			return withExit(exitUsage, fmt.Errorf("--customers: %d is not between 1 and %d", asked.Customers, seedCustomersMax))
		case asked.Months < 1 || asked.Months > seedMonthsMax:
			return withExit(exitUsage, fmt.Errorf("--months: %d is not between 1 and %d", asked.Months, seedMonthsMax))
		}
		return p.seed(ctx, client, asked)
	})
}

func (p *program) seed(ctx context.Context, client *apiClient, asked seedRequest) error {
	var made seedDocument
	_, err := client.call(ctx, request{
		method: http.MethodPost, path: businessesPath, body: map[string]string{"name": "Demo"},
	}, &made.businessCreated)
	if err != nil {
		return err
	}
	asked.BusinessID = made.BusinessID
	_, err = client.call(ctx, request{
		method: http.MethodPost, path: seedPath, body: asked, patience: seedPatience,
	}, &made.Result)
	if err != nil {
		return err
	}
	if p.output == formatTable {
		_, err := fmt.Fprintf(p.stdout, "Made the business Demo (%s) with %s and %s; %s refused for funds.\n\n"+
			"  test key  %s\n  live key  %s\n\nThe data are in test mode. Look at them:\n\n"+
			"  export BILLFOLD_API_KEY=%s\n  billfold customers list\n",
			made.BusinessID, counted(made.Customers, "customer", "customers"), counted(made.Entries, "entry", "entries"),
			counted(made.Refused, "debit was", "debits were"), made.TestKey, made.LiveKey, made.TestKey)
		return err
	}
	return p.write(answer{
		columns: []string{"BUSINESS", "TEST KEY", "LIVE KEY", "CUSTOMERS", "ENTRIES", "REFUSED"},
		rows: [][]string{{
			made.BusinessID, made.TestKey, made.LiveKey,
			strconv.Itoa(made.Customers), strconv.Itoa(made.Entries), strconv.Itoa(made.Refused),
		}},
		document: made,
	})
}
