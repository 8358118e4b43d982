package verify_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// ledgerFile writes a ledger file with SQL of its own. The rules decide what an
// entry is; how it is stored is said here a second time, so that neither the
// store nor verify is measured by itself.
type ledgerFile struct {
	t         testing.TB
	path      string
	conn      *sqlite.Conn
	now       time.Time
	grace     time.Duration // of reversals
	debts     bool          // whether reversals may leave one
	defaults  ledger.Alerts // of the business, for holds
	inRow     int           // how many lots that can expire are written out, 0 for all
	entries   int64
	walletNo  int64
	customers map[string]*customer

	// by is who makes entries and holds, the tenant's key where it is empty. About is what
	// holds and reversals name.
	by, about string
}

type customer struct {
	no      int64
	tenant  ledger.Tenant
	id      string
	chain   ledger.Chain
	last    int64 // no of the last entry
	wallets map[money.Currency]*wallet
	state   ledger.Customer
	holds   []ledger.Hold // by the order of their making
	events  int64

	objects    []ledger.Object
	objectHead ledger.ObjectHead
}

type wallet struct {
	state   ledger.Wallet
	last    ledger.Entry
	lastNo  int64
	entries []ledger.Entry // by seq
	touched map[int64]bool // lots that a debit took from, if it was no reversal

	holdNumber int64 // of the last event about a hold
	holdAt     time.Time

	noticeNumber int64          // of the last notice
	told         map[int64]bool // lots that were announced
}

var (
	acmeTest = ledger.Tenant{BusinessID: "bus_acme", Mode: ledger.Test}
	acmeLive = ledger.Tenant{BusinessID: "bus_acme", Mode: ledger.Live}
	zetaTest = ledger.Tenant{BusinessID: "bus_zeta", Mode: ledger.Test}

	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// newLedgerFile makes an empty ledger with two businesses.
func newLedgerFile(t testing.TB) *ledgerFile {
	t.Helper()
	f := &ledgerFile{
		t:         t,
		path:      filepath.Join(t.TempDir(), "billfold.db"),
		now:       start,
		customers: make(map[string]*customer),
	}
	f.open()
	t.Cleanup(func() { f.close() })
	files, err := filepath.Glob("../sqlite/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: got %d files, error %v", len(files), err)
	}
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := sqlitex.ExecuteScript(f.conn, string(script), nil); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	f.exec(`insert into installation (no, created_at, secret) values (1, 1, zeroblob(32))`)
	for _, id := range []string{"bus_acme", "bus_zeta"} {
		f.exec(`insert into businesses (id, name, created_at) values (?, ?, 1)`, id, strings.ToUpper(id))
	}
	for i, tenant := range []ledger.Tenant{acmeTest, acmeLive, zetaTest} {
		f.addTenant(i+1, tenant)
	}
	return f
}

// addTenant adds a business in one mode, whose settings were changed once, with a key
// of its own and one that was revoked.
func (f *ledgerFile) addTenant(no int, tenant ledger.Tenant) {
	made := time.UnixMicro(1).UTC()
	business := access.Business{ID: tenant.BusinessID, Name: strings.ToUpper(tenant.BusinessID), CreatedAt: made}
	key := access.Key{ID: keyID(tenant), Tenant: tenant, Name: "a", Scope: access.Write, Hint: "h", CreatedAt: made}
	copy(key.Hash[:], fmt.Appendf(nil, "%032d", no))
	old := access.Key{
		ID: "key_old_" + fmt.Sprint(no), Tenant: tenant, Name: "b", Scope: access.Read, Hint: "i", CreatedAt: made,
		ExpiresAt: time.UnixMicro(9).UTC(),
	}
	copy(old.Hash[:], fmt.Appendf(nil, "%032d", 100+no))
	before, after := access.DefaultSettings(), access.DefaultSettings()
	after.USDRates = map[money.Currency]string{"INR": "0.0119"}
	after.Alerts = after.Alerts.With("USD", ledger.MakeThresholds([]ledger.Threshold{{Below: 500, RecoverAt: 1000}}))

	lines := access.Opening(tenant, business, before, []access.Key{key, old})
	trail := func() access.Trail {
		last := lines[len(lines)-1]
		return access.Trail{AuditHead: ledger.AuditHead{Position: last.Position, Hash: last.Hash}, At: last.CreatedAt}
	}
	old.RevokedAt = time.UnixMicro(3).UTC()
	lines = append(lines, trail().KeyRevoked(old))
	lines = append(lines, trail().SettingsUpdated(tenant, access.Change{
		By: ledger.Actor{KeyID: key.ID, Address: "192.0.2.1"}, Moment: ledger.Moment{Now: time.UnixMicro(4).UTC()},
	}, before, after))
	if tenant == acmeLive {
		for i, definition := range []string{sceneProduct(5, "null"), sceneProduct(6, "null"), sceneProduct(7, `"2026-01-01T00:00:00.000000Z"`)} {
			before := ""
			if i > 0 {
				before = sceneProduct(4+i, "null")
			}
			by := access.Change{Moment: ledger.Moment{Now: time.UnixMicro(int64(5 + i)).UTC()}}
			lines = append(lines, trail().ProductChanged(tenant, by, "pdt_1", before, definition))
		}
		f.exec(`insert into products (no, tenant, id, recurring, archived, definition) values (1, ?, 'pdt_1', 1, 1, ?)`, no,
			sceneProduct(7, `"2026-01-01T00:00:00.000000Z"`))
	}
	if tenant == acmeLive {
		f.team(func(by, action, id, before, after string) {
			change := access.Change{By: ledger.Actor{KeyID: by}, Moment: ledger.Moment{Now: time.UnixMicro(9).UTC()}}
			lines = append(lines, trail().TeamChanged(tenant, ledger.AuditAction(action), change, id, before, after))
		})
	}
	settings, err := json.Marshal(after)
	if err != nil {
		f.t.Fatal(err)
	}
	end := trail()
	f.exec(`insert into tenants (no, business_id, mode, settings, audit_position, audit_hash) values (?, ?, ?, ?, ?, ?)`,
		no, tenant.BusinessID, string(tenant.Mode), string(settings), end.Position, end.Hash[:])
	for _, k := range []access.Key{key, old} {
		revoked := int64(0)
		if k.ID == old.ID {
			revoked = 3
		}
		f.exec(`insert into api_keys (id, tenant, name, scope, hash, hint, created_at, expires_at, revoked_at)
			values (?, ?, ?, ?, ?, ?, 1, ?, ?)`,
			k.ID, no, k.Name, string(k.Scope), slices.Clone(k.Hash[:]), k.Hint, 3*revoked, revoked)
	}
	for _, line := range lines {
		f.exec(`insert into business_audit_entries (tenant, position, id, action, key_id, address, before_state, after_state,
			reason, created_at, hash) values (?, ?, ?, ?, ?, ?, ?, ?, '', ?, ?)`,
			no, line.Position, line.ID, string(line.Action), line.By.KeyID, line.By.Address, line.Before, line.After,
			line.CreatedAt.UnixMicro(), slices.Clone(line.Hash[:]))
	}
}

// team adds the team of a business: Jane, who owns it, John, who was made support and has
// another password since, and one more who is invited.
func (f *ledgerFile) team(tell func(by, action, id, before, after string)) {
	user := func(id, email, role, password string, generation int) (kept, told string) {
		digest := sha256.Sum256([]byte(password))
		return fmt.Sprintf(`{"id":%q,"email":%q,"password":%q,"generation":%d,"roles":{"bus_acme":%q}}`,
				id, email, password, generation, role),
			fmt.Sprintf(`{"email":%q,"role":%q,"second_factor":false,"credential_changes":%d,"digest":"%x"}`,
				email, role, generation, digest)
	}
	jane, janeTold := user("usr_jane", "jane@example.com", "owner", "$1", 0)
	_, john1 := user("usr_john", "john@example.com", "admin", "$2", 0)
	_, john2 := user("usr_john", "john@example.com", "support", "$2", 0)
	john, john3 := user("usr_john", "john@example.com", "support", "$3", 1)
	invitation := `{"id":"ivt_1","business_id":"bus_acme","role":"support","by":"usr_jane"}`
	told := strings.TrimSuffix(invitation, "}") + fmt.Sprintf(`,"digest":"%x"}`, sha256.Sum256([]byte("token")))
	tell("usr_jane", "team.join", "usr_jane", "", janeTold)
	tell("usr_john", "team.join", "usr_john", "", john1)
	tell("usr_jane", "team.role", "usr_john", john1, john2)
	tell("usr_john", "team.password", "usr_john", john2, john3)
	tell("usr_jane", "team.invite", "ivt_1", "", told)
	for _, row := range [][5]any{
		{"user", "usr_jane", "", 0, jane},
		{"user", "usr_john", "", 0, john},
		{"email", "jane@example.com", "usr_jane", 0, "{}"},
		{"email", "john@example.com", "usr_john", 0, "{}"},
		{"team", "bus_acme", "", 0, `{"roles":{"usr_jane":"owner","usr_john":"support"}}`},
		{"invitation", "token", "bus_acme", 10, invitation},
		{"session", "token", "usr_jane", 10, "{}"},
		{"tries", "x", "", 10, "{}"},
	} {
		f.exec(`insert into people (kind, id, about, expires_at, data) values (?, ?, ?, ?, ?)`, row[:]...)
	}
}

// sceneProduct is what is kept of the scene's one product.
func sceneProduct(price int, archivedAt string) string {
	return fmt.Sprintf(`{"name":"Pro","price":{"type":"recurring_price","price":%d},"archived_at":%s}`, price, archivedAt)
}

// keyID is the one API key of a tenant.
func keyID(tenant ledger.Tenant) string {
	return "key_" + tenant.BusinessID + "_" + string(tenant.Mode)
}

func tenantNo(tenant ledger.Tenant) int {
	return slices.Index([]ledger.Tenant{acmeTest, acmeLive, zetaTest}, tenant) + 1
}

func (f *ledgerFile) open() {
	f.t.Helper()
	var err error
	f.conn, err = sqlite.OpenConn(f.path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		f.t.Fatal(err)
	}
	f.exec(`pragma synchronous = off`)
	f.exec(`pragma foreign_keys = off`)
	f.exec(`pragma ignore_check_constraints = on`) // corruptions break them
}

func (f *ledgerFile) close() {
	if f.conn == nil {
		return
	}
	if err := f.conn.Close(); err != nil {
		f.t.Error(err)
	}
	f.conn = nil
}

func (f *ledgerFile) exec(query string, args ...any) {
	f.t.Helper()
	if err := f.try(query, args...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *ledgerFile) try(query string, args ...any) error {
	for i, arg := range args {
		if c, ok := arg.(money.Currency); ok {
			args[i] = string(c)
		}
	}
	if err := sqlitex.Execute(f.conn, query, &sqlitex.ExecOptions{Args: args}); err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	return nil
}

// customer adds a customer, or returns the one there is.
func (f *ledgerFile) customer(tenant ledger.Tenant, id string) *customer {
	f.t.Helper()
	name := tenant.BusinessID + string(tenant.Mode) + id
	if c, ok := f.customers[name]; ok {
		return c
	}
	c := &customer{
		no:      int64(len(f.customers) + 1),
		tenant:  tenant,
		id:      id,
		wallets: make(map[money.Currency]*wallet),
		state: ledger.Customer{
			Tenant: tenant, ID: id, Email: "a@example.com", Name: "A", Metadata: "{}", CreatedAt: f.now, UpdatedAt: f.now,
		},
	}
	f.customers[name] = c
	f.exec(`insert into customers (no, tenant, id, email, name, name_folded, phone_number, metadata, created_at, updated_at)
	        values (?, ?, ?, 'a@example.com', 'A', 'a', '', '{}', ?, ?)`,
		c.no, tenantNo(tenant), id, f.now.UnixMicro(), f.now.UnixMicro())
	return c
}

// post decides one request by the rules and stores the entry. It returns the
// refusal, if it is one.
func (f *ledgerFile) post(c *customer, r ledger.PostRequest) error {
	f.t.Helper()
	r.Tenant, r.CustomerID, r.CurrencyEnabled, r.CreatedBy = c.tenant, c.id, true, f.creator(c)
	w := c.wallets[r.Currency]
	if w == nil {
		w = &wallet{
			state:   ledger.Wallet{Tenant: c.tenant, CustomerID: c.id, Currency: r.Currency},
			touched: make(map[int64]bool),
		}
	}
	snapshot := ledger.Snapshot{
		Customer: ledger.Customer{Tenant: c.tenant, ID: c.id, Alerts: c.state.Alerts},
		Chain:    c.chain,
		Wallet:   w.state,
	}
	change, err := ledger.Post(snapshot, &r, f.moment())
	if err != nil {
		return err
	}
	f.keep(c, w, change)
	return nil
}

// sweep writes the expiry entry of the first lot of a wallet in USD that has
// expired, and reports whether there was one.
func (f *ledgerFile) sweep(c *customer) bool {
	f.t.Helper()
	w := c.wallets["USD"]
	if w == nil {
		return false
	}
	snapshot := ledger.Snapshot{Customer: ledger.Customer{Tenant: c.tenant, ID: c.id}, Chain: c.chain, Wallet: w.state}
	change, err := ledger.Expire(snapshot, f.moment())
	if err == nil {
		f.keep(c, w, change)
	}
	return err == nil
}

// freeze carries out a request to freeze or unfreeze that must be accepted.
func (f *ledgerFile) freeze(c *customer, r ledger.FreezeRequest) {
	f.t.Helper()
	r.By = ledger.Actor{KeyID: keyID(c.tenant), Address: "192.0.2.1"}
	change, err := ledger.DecideFreeze(c.state, &r, f.moment())
	if err != nil {
		f.t.Fatal(err)
	}
	f.amend(c, change)
}

// amend stores what became of a customer, with the line of the audit trail.
func (f *ledgerFile) amend(c *customer, change ledger.CustomerChange) {
	f.t.Helper()
	c.state = change.Customer
	f.exec(`update customers set name = ?, phone_number = ?, metadata = ?, freezes = ?, updated_at = ?, audit_position = ?,
	          audit_hash = ?, alerts = ? where no = ?`,
		c.state.Name, c.state.PhoneNumber, c.state.Metadata, string(c.state.Freezes), micros(c.state.UpdatedAt),
		c.state.Audit.Position, c.state.Audit.Hash[:], string(c.state.Alerts), c.no)
	line := change.Audit
	f.exec(`insert into audit_entries (customer, position, id, action, key_id, address, before_state, after_state, reason,
	          created_at, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.no, line.Position, line.ID, string(line.Action), line.By.KeyID, line.By.Address, line.Before, line.After,
		line.Reason, micros(line.CreatedAt), line.Hash[:])
}

func (f *ledgerFile) moment() ledger.Moment {
	return ledger.Moment{Now: f.now, Random: uint64(f.entries)}
}

// keep stores the entries of a change.
func (f *ledgerFile) keep(c *customer, w *wallet, change ledger.Change) {
	f.t.Helper()
	for e := range change.Entries() {
		f.entries++
		f.insertEntry(c, w, e)
		c.chain = ledger.Chain{Position: e.Position, Hash: e.Hash, LastAt: e.CreatedAt}
		c.last = f.entries
		w.last, w.lastNo = *e, f.entries
		for _, part := range e.Allocations {
			w.touched[part.LotSeq] = w.touched[part.LotSeq] || e.Reverses == "" || e.Direction == ledger.Credit
			delete(w.touched, ledger.LoanLot)
		}
		w.entries = append(w.entries, *e)
	}
	before := w.state.Seq
	w.state = change.Wallet
	c.wallets[change.Entry.Currency] = w
	if before/64 != w.state.Seq/64 {
		f.markLots(c, w, 0, w.last.CreatedAt)
	}
}

func (f *ledgerFile) insertEntry(c *customer, w *wallet, e *ledger.Entry) {
	f.t.Helper()
	var allocations any
	if !e.OpensLot() {
		blob := []byte{}
		for _, part := range e.Allocations {
			blob = binary.AppendUvarint(blob, uint64(part.LotSeq))
			blob = binary.AppendUvarint(blob, uint64(part.Amount))
		}
		allocations = blob
	}
	f.exec(`insert into ledger_entries (no, id, customer, currency, position, seq, previous, wallet_previous, is_credit,
	          amount, before_balance, after_balance, available, event_type, account, category, expires_at, allocations,
	          reason, reference_object_id, metadata, idempotency_key, fingerprint, created_by, created_at, hash, reverses,
	          alerts,
	          hold_id, held)
	        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.entries, e.ID, c.no, e.Currency, e.Position, e.Seq, c.last, w.lastNo, e.Direction == ledger.Credit,
		int64(e.Amount), int64(e.Before), int64(e.After), int64(e.Available), string(e.EventType), string(e.Account),
		string(e.Category), micros(e.ExpiresAt), allocations, orNull(e.Reason, ""), orNull(e.ReferenceObjectID, ""),
		orNull(e.Metadata, "{}"), orNull(e.IdempotencyKey, ""), e.Fingerprint[:], e.CreatedBy, micros(e.CreatedAt),
		e.Hash[:], orNull(e.Reverses, ""), orNull(string(e.Alerts), ""), orNull(e.HoldID, ""), heldOrNull(e))
	if e.Position%64 == 0 {
		f.exec(`insert into customer_marks (customer, position, entry) values (?, ?, ?)`, c.no, e.Position, f.entries)
	}
	if e.Seq%64 == 0 {
		f.exec(`insert into wallet_marks (customer, currency, seq, entry) values (?, ?, ?, ?)`,
			c.no, e.Currency, e.Seq, f.entries)
	}
}

func orNull(text, nothing string) any {
	if text == nothing {
		return nil
	}
	return text
}

func heldOrNull(e *ledger.Entry) any {
	if e.Held == 0 {
		return nil
	}
	return int64(e.Held)
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// finish writes the rows of the wallets, each with as short a list of lots as
// the format allows: every lot that may be implied is.
func (f *ledgerFile) finish() {
	f.t.Helper()
	sorted := make([]*customer, 0, len(f.customers))
	for _, c := range f.customers {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b *customer) int { return cmp.Compare(a.no, b.no) })
	for _, c := range sorted {
		for _, currency := range slices.Sorted(func(yield func(money.Currency) bool) {
			for currency := range c.wallets {
				if !yield(currency) {
					return
				}
			}
		}) {
			f.insertWallet(c, c.wallets[currency])
		}
	}
	f.tell()
}

// tell has the feed tell of everything beside the entries, in the order of the kinds.
func (f *ledgerFile) tell() {
	f.t.Helper()
	f.exec(`delete from customer_events`)
	for _, facts := range []string{
		`no, 'made', 0, 0 from customers`, `customer, 'audit', position, 0 from audit_entries`,
		`customer, 'hold', number, 0 from hold_events`, `customer, 'notice', number, 0 from expiry_notices`,
		`customer, 'object', number, 0 from object_events where kind <> ''`,
	} {
		f.exec(`insert into customer_events (customer, kind, position, after_entry) select ` + facts)
	}
}

func (f *ledgerFile) insertWallet(c *customer, w *wallet) {
	f.t.Helper()
	var written []byte
	var from, sum [2]int64
	var shelved, lapsed, lapsedAt int64
	for category := range from {
		from[category] = w.tailFrom(category)
	}
	e := &w.last
	for i, lot := range w.state.Lots {
		category := categoryOf(lot)
		if f.inRow > 0 && i >= f.inRow && !lot.ExpiresAt.IsZero() {
			f.exec(`insert into wallet_lots (customer, currency, expires_at, category, seq, remaining) values (?, ?, ?, ?, ?, ?)`,
				c.no, e.Currency, micros(lot.ExpiresAt), category, lot.Seq, int64(lot.Remaining))
			shelved, lapsedAt = shelved+int64(lot.Remaining), micros(e.CreatedAt)
			if lot.ExpiredAt(e.CreatedAt) {
				lapsed += int64(lot.Remaining)
			}
			continue
		}
		if lot.ExpiresAt.IsZero() && from[category] != 0 && lot.Seq >= from[category] {
			sum[category] += int64(lot.Remaining)
			continue
		}
		for _, n := range []int64{lot.Seq, int64(category), micros(lot.ExpiresAt), int64(lot.Remaining)} {
			written = binary.AppendUvarint(written, uint64(n))
		}
	}
	if written == nil {
		written = []byte{}
	}
	f.walletNo++
	next := w.unannounced(w.last.CreatedAt.AddDate(100, 0, 0))
	var noticeFrom ledger.Lot
	if len(next) > 0 {
		noticeFrom = next[0]
	}
	noticeLot := noticeFrom.Seq
	if noticeFrom.Category == ledger.Promotional {
		noticeLot = -noticeLot
	}
	f.exec(`insert into wallets (no, tenant, customer, currency, balance, held, seq, position, last_entry, hash, updated_at, lots,
	          promotional_from, promotional_sum, paid_from, paid_sum, next_expiry, alerts, hold_number, hold_at, debt,
	          shelved_sum, lapsed_sum, lapsed_at, next_notice, next_notice_lot, notice_number)
	        values (?1, (select tenant from customers where no = ?2), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
	                ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)`,
		f.walletNo, c.no, e.Currency, int64(w.state.Balance), int64(w.state.Held), e.Seq, e.Position, w.lastNo,
		e.Hash[:], micros(e.CreatedAt),
		written, from[0], sum[0], from[1], sum[1], w.nextExpiry(), orNull(string(w.state.Alerts), ""),
		w.holdNumber, micros(w.holdAt), int64(w.state.Debt), shelved, lapsed, lapsedAt,
		micros(noticeFrom.ExpiresAt), noticeLot, w.noticeNumber)
}

// nextExpiry is the soonest of the open lots' ends, 0 when none has one.
func (w *wallet) nextExpiry() (next int64) {
	for _, lot := range w.state.Lots {
		if end := micros(lot.ExpiresAt); end != 0 && (next == 0 || end < next) {
			next = end
		}
	}
	return next
}

// tailFrom is the seq of the oldest lot that never expires and from which on
// no lot was touched, 0 when there is none.
func (w *wallet) tailFrom(category int) int64 {
	var from, taken int64 // taken is the newest such lot that was touched
	for seq := range w.touched {
		e := &w.entries[seq-1]
		if e.ExpiresAt.IsZero() && categoryOf(ledger.Lot{Category: e.Category}) == category {
			taken = max(taken, seq)
		}
	}
	for _, lot := range slices.Backward(w.state.Lots) {
		if !lot.ExpiresAt.IsZero() || categoryOf(lot) != category {
			continue
		}
		if lot.Seq <= taken {
			break
		}
		from = lot.Seq
	}
	return from
}

func categoryOf(lot ledger.Lot) int {
	if lot.Category == ledger.Promotional {
		return 0
	}
	return 1
}

// mustPost posts a request that the rules must accept.
func (f *ledgerFile) mustPost(c *customer, r ledger.PostRequest) {
	f.t.Helper()
	if err := f.post(c, r); err != nil {
		f.t.Fatal(err)
	}
}

func credit(amount money.Amount) ledger.PostRequest {
	return ledger.PostRequest{Currency: "USD", Direction: ledger.Credit, Amount: amount}
}

func debit(amount money.Amount) ledger.PostRequest {
	return ledger.PostRequest{Currency: "USD", Direction: ledger.Debit, Amount: amount}
}

// isRefusal reports whether the rules refused a request of random funds and
// times, as they may.
func isRefusal(err error) bool {
	if errors.Is(err, ledger.ErrNothingExpired) {
		return true
	}
	switch ledger.CodeOf(err) {
	case ledger.CodeHoldNotActive, ledger.CodeCaptureExceeds, ledger.CodeInsufficientFunds,
		ledger.CodeInvalidExpiry, ledger.CodeNotMovable, ledger.CodeNotReversible, ledger.CodeReversalExceeds,
		ledger.CodeReversalExceedsLot:
		return true
	}
	return false
}

func (f *ledgerFile) creator(c *customer) string {
	if f.by != "" {
		return f.by
	}
	return keyID(c.tenant)
}
