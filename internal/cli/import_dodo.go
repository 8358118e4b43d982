package cli

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/sqlite"
)

const (
	// adoptedAtOnce is how many entries of a customer are taken over in one
	// transaction.
	adoptedAtOnce = 500

	// differencesShown is how many differences stand on the terminal.
	differencesShown = 20
)

func (p *program) importDodoCommand() *cobra.Command {
	var business, mode string
	var dryRun bool
	command := &cobra.Command{
		Use:   "dodo --base-url URL --mode MODE",
		Short: "Take over customers, wallets and ledgers from Dodo Payments",
		Long: "Dodo reads all customers of another installation through the published API, with the key in\n" +
			envName("api-key") + ", and writes them with their whole ledgers into the store of this one: customer ids,\n" +
			"entry ids, order, times and amounts stay. Stop the server on the store first.\n\n" +
			"Run the same command again after any interruption, or to fetch what was posted since: what was taken\n" +
			"over is compared, and only what is missing is added. At the end everything is read once more, and\n" +
			"each balance and each entry is held against the source. Until nothing differs, the code is 1.",
		Example: "  export " + envName("api-key") + "=…\n" +
			"  billfold import dodo --base-url https://live.dodopayments.com --mode live --dry-run",
		Args: arguments(),
	}
	command.Flags().StringVar(&business, "business", "", "`id` of the business to take them into; may be left out when there is only one")
	command.Flags().StringVar(&mode, "mode", "", "`mode` to take them into: test or live")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "read and check everything, and write nothing")
	completeFlag(command, "mode", string(ledger.Test), string(ledger.Live))
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := requireFlags(command, "base-url", "mode"); err != nil {
			return err
		}
		if !ledger.Mode(mode).Valid() {
			return withExit(exitUsage, fmt.Errorf("--mode: %q is not test or live", mode))
		}
		config, err := p.config(command)
		if err != nil {
			return err
		}
		client, err := p.api(config)
		if err != nil {
			return err
		}
		defer client.http.CloseIdleConnections()
		into := ledger.Tenant{BusinessID: business, Mode: ledger.Mode(mode)}
		return p.moveIn(command.Context(), config, client, into, dryRun)
	}
	return p.outputFlag(optionFlags(command, "base-url", "data-dir", "database-url"))
}

// movedCurrency is what there is in one currency. The balance is in minor units.
type movedCurrency struct {
	Currency money.Currency `json:"currency"`
	Wallets  int64          `json:"wallets"`
	Entries  int64          `json:"entries"`
	Balance  money.Amount   `json:"balance"`
}

// difference is what is not here as it is in the source.
type difference struct {
	CustomerID string `json:"customer_id"`
	What       string `json:"what"`
}

// movedDocument is what `import dodo -o json` prints.
type movedDocument struct {
	Source     string `json:"source"`
	BusinessID string `json:"business_id"`
	Mode       string `json:"mode"`
	DryRun     bool   `json:"dry_run"`

	// Of the source.
	Customers  int64           `json:"customers"`
	Entries    int64           `json:"entries"`
	Currencies []movedCurrency `json:"currencies"`

	// Taken over by this run; of a dry run, what would be.
	TakenCustomers int64 `json:"taken_customers"`
	TakenEntries   int64 `json:"taken_entries"`

	// NewIDs counts the entries of the source whose ids do not contain their
	// positions. They have ids of this installation, and the others in metadata.
	NewIDs int64 `json:"new_ids"`

	Reconciled  bool         `json:"reconciled"`
	Differences []difference `json:"differences"`
}

// move is one taking over.
type move struct {
	source *source
	store  ledger.Store
	done   movedDocument
	bar    *progress
}

func (p *program) moveIn(
	ctx context.Context, config Config, client *apiClient, tenant ledger.Tenant, dryRun bool,
) (err error) {
	if config.DatabaseURL == "" {
		if err := requireDatabase(filepath.Join(config.DataDir, sqlite.FileName)); err != nil {
			return err
		}
	}
	quiet := config
	quiet.LogLevel = "warn"
	logger, err := newLogger(quiet, p.stderr, lookup(p.environ, "NO_COLOR") != "")
	if err != nil {
		return err
	}
	store, err := openStore(ctx, config, logger, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if tenant.BusinessID, err = chosenBusiness(ctx, config, store, tenant.BusinessID); err != nil {
		return err
	}
	m := &move{
		source: &source{client: client, tenant: tenant, pauses: retryPauses, now: time.Now},
		store:  store,
		done: movedDocument{
			Source: config.BaseURL, BusinessID: tenant.BusinessID, Mode: string(tenant.Mode), DryRun: dryRun,
			Currencies: []movedCurrency{}, Differences: []difference{},
		},
		bar: p.progress("import"),
	}
	err = m.run(ctx)
	m.bar.done()
	if err != nil {
		return fmt.Errorf("%w\nstopped with %s taken over; run the same command again to go on",
			err, counted(m.done.TakenEntries, "entry", "entries"))
	}
	return p.writeMove(&m.done)
}

// chosenBusiness checks the business that was named, or finds the only one.
func chosenBusiness(ctx context.Context, config Config, store store, id string) (string, error) {
	found, err := newDirectory(config, store).Businesses(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, one := range found {
		ids = append(ids, one.ID)
	}
	switch {
	case id != "" && !slices.Contains(ids, id):
		return "", fmt.Errorf("there is no business %s; `billfold business list` shows those that there are", id)
	case id == "" && len(ids) == 0:
		return "", errors.New("there is no business yet; `billfold business create NAME` makes one with its first keys")
	case id == "" && len(ids) > 1:
		return "", withExit(exitUsage,
			errors.New("there are several businesses; name one with --business, `billfold business list` shows them"))
	case id == "":
		id = ids[0]
	}
	return id, nil
}

// run takes over what is missing, and then reads the source once more and holds
// everything against it.
func (m *move) run(ctx context.Context) error {
	err := m.each(ctx, m.take)
	if err != nil || m.done.DryRun {
		return err
	}
	// What was in doubt the first time is judged by the second.
	m.done.Customers, m.done.Entries, m.done.NewIDs = 0, 0, 0
	m.done.Currencies, m.done.Differences = []movedCurrency{}, []difference{}
	if err := m.each(ctx, m.reconcile); err != nil {
		return err
	}
	m.done.Reconciled = len(m.done.Differences) == 0
	return nil
}

// each does something with each customer of the source. What is doubtful about
// one is noted and does not stop the others.
func (m *move) each(ctx context.Context, do func(context.Context, *sourceLedger) error) error {
	return m.source.customers(ctx, func(c *sourceCustomer) error {
		m.done.Customers++
		read, err := m.source.ledger(ctx, c)
		if err == nil {
			err = m.count(read)
		}
		if err == nil {
			err = do(ctx, read)
		}
		var unsure *doubt
		if errors.As(err, &unsure) {
			m.done.Differences = append(m.done.Differences, difference{c.ID, unsure.what})
			return nil
		}
		if err != nil {
			return fmt.Errorf("customer %s: %w", c.ID, err)
		}
		m.bar.count(m.done.Customers, "customers")
		return nil
	})
}

// count adds what a customer has in the source.
func (m *move) count(read *sourceLedger) error {
	m.done.Entries += int64(len(read.entries))
	entries := map[money.Currency]int64{}
	for _, adoption := range read.entries {
		entries[adoption.Request.Currency]++
		if !adoption.KeepsID() {
			m.done.NewIDs++
		}
	}
	for _, currency := range slices.Sorted(maps.Keys(entries)) {
		index := slices.IndexFunc(m.done.Currencies, func(c movedCurrency) bool { return c.Currency == currency })
		if index < 0 {
			index = len(m.done.Currencies)
			m.done.Currencies = append(m.done.Currencies, movedCurrency{Currency: currency})
		}
		one := &m.done.Currencies[index]
		one.Wallets++
		one.Entries += entries[currency]
		sum, ok := one.Balance.Add(read.balances[currency])
		if !ok {
			return fmt.Errorf("the balances in %s are more together than can be counted", currency)
		}
		one.Balance = sum
	}
	return nil
}

// take adds what is missing of a customer.
func (m *move) take(ctx context.Context, read *sourceLedger) error {
	here, there, err := m.here(ctx, read)
	if err != nil {
		return err
	}
	missing := read.entries[len(here):]
	if !m.done.DryRun && !there {
		if _, err := m.store.CreateCustomer(ctx, read.customer, nil); err != nil {
			return err
		}
	}
	if !there {
		m.done.TakenCustomers++
	}
	if m.done.DryRun {
		m.done.TakenEntries += int64(len(missing))
		return nil
	}
	for part := range slices.Chunk(missing, adoptedAtOnce) {
		commands := make([]ledger.Command, len(part))
		for i, adoption := range part {
			commands[i] = adoption.Command(randomNumber())
		}
		_, err := m.store.TransactMany(ctx, commands, true)
		var refused *ledger.LineError
		if errors.As(err, &refused) {
			return doubtf("%s; does a server post here at the same time?", refusalOf(refused))
		}
		if err != nil {
			return err
		}
		m.done.TakenEntries += int64(len(part))
	}
	return nil
}

// here returns the entries that a customer has here, oldest first, which must be
// the first ones of those that they have in the source.
func (m *move) here(ctx context.Context, read *sourceLedger) (entries []ledger.Entry, there bool, err error) {
	tenant, id := read.customer.Tenant, read.customer.ID
	_, err = m.store.Customer(ctx, tenant, id)
	if ledger.CodeOf(err) == ledger.CodeNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	page := ledger.Page{Limit: pageSize}
	for {
		list, err := m.store.Entries(ctx, tenant, id, ledger.EntryFilter{}, page)
		if err != nil {
			return nil, false, err
		}
		entries = append(entries, list.Entries...)
		if page.Before = list.Next; list.Next == 0 {
			break
		}
	}
	slices.Reverse(entries)
	if len(entries) > len(read.entries) {
		return nil, true, doubtf("has %d entries here and %d in the source; entry %s is not there",
			len(entries), len(read.entries), entries[len(read.entries)].ID)
	}
	for i := range entries {
		if what := read.entries[i].Differs(&entries[i]); what != "" {
			return nil, true, doubtf("entry %s is not entry %s of the source: %s differs", entries[i].ID, read.entries[i].ID, what)
		}
	}
	return entries, true, nil
}

// reconcile compares a customer with the source: every entry, every balance, and
// who they are.
func (m *move) reconcile(ctx context.Context, read *sourceLedger) error {
	entries, there, err := m.here(ctx, read)
	switch {
	case err != nil:
		return err
	case !there:
		return doubtf("is not here; run the same command again")
	case len(entries) < len(read.entries):
		return doubtf("%s missing here, the first is %s; run the same command again, while nobody posts there or here",
			counted(len(read.entries)-len(entries), "entry is", "entries are"), read.entries[len(entries)].ID)
	}
	list, err := m.store.Wallets(ctx, read.customer.Tenant, read.customer.ID, time.Now())
	if err != nil {
		return err
	}
	for i := range list.Wallets {
		wallet := &list.Wallets[i]
		if want := read.balances[wallet.Currency]; wallet.Balance != want {
			return doubtf("has %d %s here and %d in the source", wallet.Balance, wallet.Currency, want)
		}
		delete(read.balances, wallet.Currency)
	}
	for currency, want := range read.balances {
		return doubtf("has no %s here and %d in the source", currency, want)
	}
	was, is := list.Customer, read.customer
	switch {
	case was.Email != is.Email || was.Name != is.Name || was.PhoneNumber != is.PhoneNumber:
		return doubtf("has another name, e-mail address or phone number here; `billfold customers update` changes them")
	case was.Metadata != is.Metadata || !was.CreatedAt.Equal(is.CreatedAt):
		return doubtf("has other metadata or another time of creation here")
	case read.blocked && was.Freezes == "":
		return doubtf("is blocked in the source and not frozen here; freeze them with POST /customers/%s/freeze", was.ID)
	}
	return nil
}

// randomNumber is the part of an entry's id that nobody can guess.
func randomNumber() uint64 {
	var bytes [8]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return binary.BigEndian.Uint64(bytes[:])
}

func (p *program) writeMove(done *movedDocument) error {
	columns := []string{"CURRENCY", "WALLETS", "ENTRIES", "BALANCE"}
	rows := make([][]string, 0, len(done.Currencies))
	for _, c := range done.Currencies {
		rows = append(rows, []string{
			string(c.Currency), strconv.FormatInt(c.Wallets, 10), strconv.FormatInt(c.Entries, 10),
			money.FormatDecimal(c.Balance, c.Currency),
		})
	}
	err := p.write(answer{
		columns: columns, right: columns[1:], rows: rows, document: done, empty: "The source has no entries.",
	})
	if err != nil {
		return err
	}
	taken := counted(done.TakenCustomers, "customer", "customers") + " and " + counted(done.TakenEntries, "entry", "entries")
	if done.NewIDs > 0 {
		p.note("%s ids of this installation; those of the source are in their metadata as imported_entry_id",
			counted(done.NewIDs, "entry has", "entries have"))
	}
	if len(done.Differences) > 0 {
		text := ""
		for _, one := range done.Differences[:min(differencesShown, len(done.Differences))] {
			text += "customer " + printable(one.CustomerID) + ": " + printable(one.What) + "\n"
		}
		if more := len(done.Differences) - differencesShown; more > 0 {
			text += fmt.Sprintf("and %d more; -o json has them all\n", more)
		}
		did := "taken over"
		if done.DryRun {
			did = "would be taken over"
		}
		return withExit(exitFailed, fmt.Errorf("%s%s %s; %s not as in the source", text, taken, did,
			counted(len(done.Differences), "customer is", "customers are")))
	}
	if done.DryRun {
		p.note("%s would be taken over; nothing was", taken)
		return nil
	}
	p.note("%s taken over. Every balance and all %d entries of %s are as in the source", taken, done.Entries,
		counted(done.Customers, "customer", "customers"))
	return nil
}
