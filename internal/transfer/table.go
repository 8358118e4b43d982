// Package transfer moves a whole installation from one store to another: row by
// row, without the rules, so that ids, hashes, times and numbers stay what they
// were. What was interrupted goes on where it stopped, and nothing counts as
// finished before the copy was proved equal to its source.
//
// A store takes part by reading and writing the tables that are listed here,
// see [Source] and [Target].
package transfer

// Kind says what a column holds, and with it the type of its value in a [Row].
type Kind int

// The kinds. The stores keep some of them in ways of their own.
const (
	Text           Kind = iota // string
	OptionalText               // string, or nil for none
	Number                     // int64
	Flag                       // bool
	Bytes                      // []byte
	Time                       // int64, microseconds since 1970
	OptionalTime               // int64, 0 for none
	Numbers                    // []int64, nil for null
	OptionalNumber             // int64, 0 for none
)

// Column is one column of a table.
type Column struct {
	Name string
	Kind Kind
}

// Table is a table as it is carried from store to store.
type Table struct {
	Name    string
	Columns []Column

	// Key names the columns that tell rows apart. Rows are read in their
	// order, in every store alike; those of Entries in the order that suits the
	// store, where only each customer's own order counts.
	Key []string
}

// Row holds a value for each column of its table.
type Row []any

// The tables, in the order in which they are copied: what others refer to comes
// first.
var (
	Businesses = &Table{Name: "businesses", Key: []string{"id"}, Columns: []Column{
		{"id", Text}, {"name", Text}, {"created_at", Time},
	}}
	Tenants = &Table{Name: "tenants", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"business_id", Text}, {"mode", Text}, {"settings", Text},
		{"audit_position", Number}, {"audit_hash", Bytes},
	}}
	BusinessAuditEntries = &Table{Name: "business_audit_entries", Key: []string{"tenant", "position"}, Columns: []Column{
		{"tenant", Number}, {"position", Number}, {"id", Text}, {"action", Text}, {"key_id", Text}, {"address", Text},
		{"before_state", Text}, {"after_state", Text}, {"reason", Text}, {"created_at", Time}, {"hash", Bytes},
	}}
	Keys = &Table{Name: "api_keys", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"id", Text}, {"tenant", Number}, {"name", Text}, {"scope", Text}, {"hash", Bytes},
		{"hint", Text}, {"created_at", Time}, {"expires_at", OptionalTime}, {"revoked_at", OptionalTime},
	}}
	Products = &Table{Name: "products", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"tenant", Number}, {"id", Text}, {"recurring", Flag}, {"archived", Flag}, {"definition", Text},
	}}
	ProcessorNotices = &Table{Name: "processor_notices", Key: []string{"tenant", "id"}, Columns: []Column{
		{"tenant", Number}, {"id", Text}, {"kind", Text}, {"reason", Text}, {"body", Text}, {"received_at", Time},
	}}
	People = &Table{Name: "people", Key: []string{"kind", "id"}, Columns: []Column{
		{"kind", Text}, {"id", Text}, {"about", Text}, {"expires_at", OptionalTime}, {"data", Text},
	}}
	Customers = &Table{Name: "customers", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"customer_id", Text}, {"tenant", Number}, {"email", Text}, {"name", Text},
		{"name_folded", Text}, {"phone_number", Text}, {"metadata", Text}, {"created_at", Time}, {"updated_at", Time},
		{"freezes", Text}, {"alerts", Text}, {"audit_position", Number}, {"audit_hash", Bytes},
		{"object_number", Number}, {"object_hash", Bytes}, {"clock", Text}, {"clock_at", OptionalTime},
	}}
	TestClocks = &Table{Name: "test_clocks", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"tenant", Number}, {"id", Text}, {"name", Text}, {"frozen_at", Time}, {"deleted", Flag},
		{"failure", Text}, {"created_at", Time},
	}}
	AuditEntries = &Table{Name: "audit_entries", Key: []string{"tenant", "customer_id", "position"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"position", Number}, {"id", Text}, {"action", Text}, {"key_id", Text},
		{"address", Text}, {"before_state", Text}, {"after_state", Text}, {"reason", Text}, {"created_at", Time},
		{"hash", Bytes},
	}}
	Transfers = &Table{Name: "transfers", Key: []string{"tenant", "customer_id", "id"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"id", Text}, {"outgoing", Flag}, {"other_id", Text}, {"state", Text},
		{"currency", Text}, {"amount", Number}, {"position", Number}, {"entry_id", Text}, {"refusal", Text},
		{"created_at", Time}, {"updated_at", Time},
	}}
	Wallets = &Table{Name: "wallets", Key: []string{"tenant", "customer_id", "currency"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"currency", Text}, {"balance", Number}, {"held", Number},
		{"seq", Number}, {"position", Number}, {"hash", Bytes}, {"updated_at", Time}, {"lots", Bytes},
		{"promotional_from", Number}, {"promotional_sum", Number}, {"paid_from", Number}, {"paid_sum", Number},
		{"next_expiry", OptionalTime}, {"alerts", OptionalText}, {"hold_number", Number}, {"hold_at", OptionalTime},
		{"debt", Number}, {"shelved_sum", Number}, {"lapsed_sum", Number}, {"lapsed_at", OptionalTime},
		{"next_notice", OptionalTime}, {"next_notice_lot", Number}, {"notice_number", Number},
	}}
	WalletLots = &Table{Name: "wallet_lots", Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"currency", Text}, {"expires_at", Time}, {"category", Number},
		{"seq", Number}, {"remaining", Number},
	}, Key: []string{"tenant", "customer_id", "currency", "seq"}}
	LotMarks = &Table{Name: "lot_marks", Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"currency", Text}, {"seq", Number}, {"made_at", Time}, {"hold_event", Number},
		{"hold_number", Number}, {"lots", Bytes}, {"lot_count", Number}, {"promotional_from", Number},
		{"promotional_sum", Number}, {"paid_from", Number}, {"paid_sum", Number},
	}, Key: []string{"tenant", "customer_id", "currency", "seq", "hold_event"}}
	Holds = &Table{Name: "holds", Key: []string{"tenant", "customer_id", "number"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"number", Number}, {"id", Text}, {"currency", Text}, {"amount", Number},
		{"captured", Number}, {"released", Number}, {"state", Text}, {"expires_at", Time}, {"lots", Bytes},
		{"reason", OptionalText}, {"reference_object_id", OptionalText}, {"metadata", OptionalText}, {"created_by", Text},
		{"created_at", Time}, {"updated_at", Time},
	}}
	HoldEvents = &Table{Name: "hold_events", Key: []string{"tenant", "customer_id", "number"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"number", Number}, {"hold", Number}, {"kind", Text},
		{"allocations", Numbers}, {"amount", Number}, {"captured", Number}, {"released", Number}, {"position", Number}, {"seq", Number},
		{"balance", Number}, {"held", Number}, {"available", Number}, {"moved_at", Time}, {"alerts", OptionalText},
		{"idempotency_key", OptionalText}, {"fingerprint", Bytes}, {"created_by", Text}, {"created_at", Time},
	}}
	Objects = &Table{Name: "objects", Key: []string{"tenant", "customer_id", "kind", "id"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"kind", Text}, {"id", Text}, {"number", Number}, {"version", Number},
		{"state", Text}, {"due_at", OptionalTime}, {"data", Text}, {"created_at", Time}, {"updated_at", Time},
	}}
	ObjectEvents = &Table{Name: "object_events", Key: []string{"tenant", "customer_id", "number"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"number", Number}, {"object", Number}, {"version", Number},
		{"position", Number}, {"kind", Text}, {"data", Text}, {"created_at", Time}, {"digest", Bytes}, {"hash", Bytes},
	}}
	Notices = &Table{Name: "expiry_notices", Key: []string{"tenant", "customer_id", "number"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"number", Number}, {"id", Text}, {"currency", Text}, {"lot", Number},
		{"category", Text}, {"expires_at", Time}, {"remaining", Number}, {"seq", Number}, {"hold_number", Number},
		{"created_at", Time},
	}}
	Answers = &Table{Name: "request_answers", Key: []string{"tenant", "route", "key"}, Columns: []Column{
		{"tenant", Number}, {"route", Text}, {"key", Text}, {"fingerprint", Bytes}, {"answer", Bytes},
		{"created_at", Time}, {"keep_until", OptionalTime},
	}}
	// The place of an endpoint in the feed is another one in each store: in a copy it
	// is the end, and what stood between was queued before the copy.
	WebhookEndpoints = &Table{Name: "webhook_endpoints", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"id", Text}, {"tenant", Number}, {"idempotency_key", OptionalText}, {"definition", Text},
		{"disabled", Flag}, {"deleted", Flag},
	}}
	WebhookDeliveries = &Table{Name: "webhook_deliveries", Key: []string{"no"}, Columns: []Column{
		{"no", Number}, {"endpoint", Number}, {"event_id", Text}, {"kind", Text}, {"queue", Text}, {"body", Bytes},
		{"state", Text}, {"due_at", Time}, {"tries", Number}, {"attempts", Text}, {"queued_at", Time},
	}}
	Entries = &Table{Name: "ledger_entries", Key: []string{"customer_id", "tenant", "position"}, Columns: []Column{
		{"customer_id", Text}, {"tenant", Number}, {"position", Number}, {"currency", Text}, {"seq", Number},
		{"id", Text}, {"is_credit", Flag}, {"amount", Number}, {"before_balance", Number}, {"after_balance", Number},
		{"available", Number}, {"event_type", Text}, {"account", Text}, {"category", Text},
		{"expires_at", OptionalTime}, {"allocations", Numbers}, {"reason", OptionalText},
		{"reference_object_id", OptionalText}, {"metadata", OptionalText}, {"idempotency_key", OptionalText},
		{"fingerprint", Bytes}, {"created_by", Text}, {"created_at", Time}, {"hash", Bytes},
		{"reverses", OptionalText}, {"alerts", OptionalText}, {"hold_id", OptionalText}, {"held", OptionalNumber},
	}}
)

// Tables lists every table in the order of copying. The entries come last: the
// wallets that they link to are there by then.
func Tables() []*Table {
	return []*Table{
		Businesses, Tenants, BusinessAuditEntries, Keys, Products, ProcessorNotices, TestClocks, People, Customers, AuditEntries, Transfers, Wallets, WalletLots, LotMarks,
		Holds, HoldEvents, Objects, ObjectEvents, Notices, Answers,
		WebhookEndpoints, WebhookDeliveries, Entries,
	}
}

// Index returns the place of a column in the table's rows, -1 when it has no
// such column.
func (t *Table) Index(column string) int {
	for i, c := range t.Columns {
		if c.Name == column {
			return i
		}
	}
	return -1
}

// size is roughly how many bytes a row holds.
func (r Row) size() int {
	size := 0
	for _, value := range r {
		size += 16
		switch value := value.(type) {
		case string:
			size += len(value)
		case []byte:
			size += len(value)
		case []int64:
			size += 8 * len(value)
		}
	}
	return size
}
