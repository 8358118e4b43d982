package postgres

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/walletrow"
)

// WriteAsSharded has a store on plain PostgreSQL write as on Citus, with all
// customers in one shard. It must have its only connection by then.
func (db *DB) WriteAsSharded() {
	if !db.sharded {
		db.sharded = true
		db.TakeForOneShard()
	}
}

// TakeForOneShard has a store take all customers to be in one shard, as it would
// for a while after that one was split.
func (db *DB) TakeForOneShard() { db.shards.Store(&shards{math.MinInt32}) }

// ShardOf returns where a store takes a customer to be, -1 when it does not know.
func (db *DB) ShardOf(customer string) int {
	if number, known := db.shardOf(customer); known {
		return number
	}
	return -1
}

// HashText is what the store takes PostgreSQL's hashtext for.
func HashText(text string) int32 { return int32(hashText(text)) }

// WriteAsPlain has a store on Citus write as on plain PostgreSQL: a planted bug.
func (db *DB) WriteAsPlain() { db.sharded = false }

// Prepared returns the statements that the only connection of a store has run.
func (db *DB) Prepared(ctx context.Context) ([]string, error) {
	rows, err := db.pool.Query(ctx, `select statement from pg_prepared_statements`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Happened looks for an entry as after a lost answer to its commit.
func (db *DB) Happened(entry *ledger.Entry) (bool, error) {
	number, _ := db.tenants.known(entry.Tenant)
	return (&batch{db: db, entries: []placed{{number, entry}}}).happened()
}

// BeginSettings are what each transaction sets; its parameters are how durable
// it is and how long it waits for a lock.
const BeginSettings = beginSettings

// entryUnderKeyQuery finds the entry that was made under an idempotency key.
var entryUnderKeyQuery, _ = (&entryPage{
	filter: ledger.EntryFilter{IdempotencyKey: "key"}, page: ledger.Page{Limit: 10},
}).query(1, nil, [2]int64{})

// ReadSettings are what each transaction sets that reads; the parameter is how
// long it waits for a lock. ExpiredQuery is how the sweep finds its work, and
// AuditQuery reads an audit trail.
const (
	ReadSettings = beginReadSettings
	ExpiredQuery = expiredQuery
	AuditQuery   = readAuditQuery

	// UnfinishedQuery is how transfers are found that did not come to their end.
	UnfinishedQuery = unfinishedQuery

	ExpiredHoldsQuery = expiredHoldsQuery

	DueNoticesQuery = dueNoticesQuery

	StragglersQuery = stragglersQuery
)

// PastStatements are those that read a wallet's past, each with arguments. They
// look up by the whole key of a wallet and its seqs, whatever the values.
var PastStatements = []struct {
	Query string
	Args  []any
}{
	{readPointsQuery, []any{"cus_0", 1, "USD", []int64{10, 2000, 3000, 4999}}},
	{readOpenedQuery, []any{"cus_0", 1, "USD", []int64{10, 2000, 3000, 4999}}},
	{readTotalsQuery, []any{"cus_0", 1, "USD", []int64{10, 20, 30}, 10, 30}},
	{readEntriesBetweenQuery, []any{"cus_0", 1, "USD", 3000, 3200}},
	{readCreditsAsOfQuery, []any{"cus_0", 1, "USD", 3000, 3200, 3100}},
}

// HotStatements are the statements that a transaction of ledger entries runs on
// tables that grow, and the look-up of an entry by its key, each with the columns
// of the key that it must look up by.
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
	{"find the entry under a key", entryUnderKeyQuery, priorKeyColumns},
	{"read what was reversed", readReversedQuery, []string{"customer_id", "tenant", "reverses"}},
	{"look for an entry", lookQuery, []string{"customer_id", "tenant", "position"}},
	{"read a transfer", readTransferQuery, []string{"customer_id", "tenant", "id"}},
	{"move a transfer", moveTransferQuery, []string{"customer_id", "tenant", "id"}},
	{"list transfers", readTransfersQuery, []string{"customer_id", "tenant", "position"}},
	{"read holds", holdsByNumberQuery, holdKeyColumns},
	{"read holds that are due", dueHoldsQuery, []string{"customer_id", "tenant", "currency"}},
	{"read the hold events under keys", holdEventsByKeyQuery, priorKeyColumns},
	{"read hold events", holdEventsQuery, holdKeyColumns},
	{"update a hold", updateHoldQuery, holdKeyColumns},
	{"list holds", holdsQuery, holdKeyColumns},
	{"look for a hold event", lookHoldQuery, holdKeyColumns},
	{"find what was announced", toldQuery, []string{"customer_id", "tenant", "currency", "lot"}},
	{"read notices", noticesQuery, holdKeyColumns},
	{"look for a notice", lookNoticeQuery, holdKeyColumns},
	{"look for where announcing stands", lookAnnouncedQuery, walletKeyColumns},
	{"read points in the past", readPointsQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"read the lots that credits opened", readOpenedQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"add entries up", readTotalsQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"read entries between", readEntriesBetweenQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"read the next lots of the shelf", shelvedQuery, walletKeyColumns},
	{"find lots of the shelf", findShelvedQuery, shelvedKeyColumns},
	{"add up what has lapsed", lapsingQuery, []string{"customer_id", "tenant", "currency", "expires_at"}},
	{"change a lot of the shelf", updateShelvedQuery, shelvedKeyColumns},
	{"take a lot from the shelf", deleteShelvedQuery, shelvedKeyColumns},
	{"read the last mark", lastMarkQuery, walletKeyColumns},
	{"read a mark of the past", lotMarkQuery, walletKeyColumns},
	{"read what happened to holds", holdStepsQuery, holdKeyColumns},
}

// ShardStatements are those that run on the tables of one shard. The first column
// of its key tells a customer or a wallet from all but a few.
var ShardStatements = []struct {
	Name, Query string
	Key         []string
}{
	{"lock customers", lockShardCustomersQuery, firstKeyColumn},
	{"read wallets", readShardWalletsQuery, firstKeyColumn},
	{"read priors", readShardPriorsQuery, priorKeyColumns},
	{"update wallets", updateShardWalletsQuery, firstKeyColumn},
	{"lock a customer", lockCustomerQuery, customerKeyColumns},
	{"read a customer's wallets", readCustomerWalletsQuery, customerKeyColumns},
	{"read a customer's priors", readCustomerPriorsQuery, priorKeyColumns},
	{"update a wallet", updateWalletQuery, walletKeyColumns},
	{"read credits", readCreditsQuery, []string{"customer_id", "tenant", "currency", "seq"}},
	{"read what was reversed", readReversedQuery, []string{"customer_id", "tenant", "reverses"}},
	{"look for an entry", lookQuery, []string{"customer_id", "tenant", "position"}},
}

var (
	holdKeyColumns     = []string{"customer_id", "tenant", "number"}
	firstKeyColumn     = []string{"customer_id"}
	customerKeyColumns = []string{"customer_id", "tenant"}
	priorKeyColumns    = []string{"customer_id", "tenant", "idempotency_key"}
	walletKeyColumns   = []string{"customer_id", "tenant", "currency"}
	shelvedKeyColumns  = []string{"customer_id", "tenant", "currency", "expires_at", "category", "seq"}
)

// HappenedHold looks for a hold event as after a lost answer to its commit.
func (db *DB) HappenedHold(change *ledger.HoldChange) (bool, error) {
	number, _ := db.tenants.known(change.Hold.Tenant)
	b := newBatch(db, nil)
	b.holds.add(customerKey{change.Hold.CustomerID, number}, change, 1)
	return b.happened()
}

// PruneQuery removes what was delivered long ago.
const PruneQuery = pruneQuery

// HappenedNotice looks for a notice as after a lost answer to its commit, or for where
// announcing stands in its wallet where it is nil.
func (db *DB) HappenedNotice(notice *ledger.Notice, wallet ledger.WalletKey, from ledger.Lot) (bool, error) {
	number, _ := db.tenants.known(wallet.Tenant)
	b := newBatch(db, nil)
	if notice != nil {
		b.notices = append(b.notices, placedNotice{number, notice, 1})
	}
	key := customerKey{wallet.CustomerID, number}
	b.announced = append(b.announced, announcedWallet{key, wallet.Currency, walletrow.Notices{From: from}})
	return b.happened()
}

// The queries of what is due to an endpoint, and of what is due in strict order.
const (
	DueQuery        = dueQuery
	QueuesQuery     = queuesQuery
	DueInOrderQuery = dueInOrderQuery
)
