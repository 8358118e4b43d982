package postgres

// BeginSettings are what each transaction sets; its parameters are how durable
// it is and how long it waits for a lock.
const BeginSettings = beginSettings

// HotStatements are the statements that a transaction of ledger entries runs on
// tables that grow, each with the columns of the key that it must look up by.
var HotStatements = []struct {
	Name, Query string
	Key         []string
}{
	{"lock customers", lockCustomersQuery, customerKeyColumns},
	{"read wallets", readWalletsQuery, customerKeyColumns},
	{"read priors", readPriorsQuery, priorKeyColumns},
	{"update wallets", updateWalletsQuery, walletKeyColumns},
	{"lock a customer", lockCustomerQuery, customerKeyColumns},
	{"read a customer's wallets", readCustomerWalletsQuery, customerKeyColumns},
	{"read a customer's priors", readCustomerPriorsQuery, priorKeyColumns},
	{"update a wallet", updateWalletQuery, walletKeyColumns},
	{"read credits", readCreditsQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"look for an entry", lookQuery, []string{"customer_id", "tenant", "position"}},
}

var (
	customerKeyColumns = []string{"customer_id", "tenant"}
	priorKeyColumns    = []string{"customer_id", "tenant", "idempotency_key"}
	walletKeyColumns   = []string{"customer_id", "tenant", "currency"}
)
