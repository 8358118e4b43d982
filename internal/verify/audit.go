package verify

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
)

// auditRow is a raw row of audit_entries.
type auditRow struct {
	customer  int64 // or tenant, in the trail of a business
	position  int64
	id        string
	action    string
	keyID     string
	address   string
	before    string
	after     string
	reason    string
	createdAt int64
	hash      []byte
	misfit    string // the column that is not stored as it should be
}

// standing is what a customer's row says that the audit trail tells of.
type standing struct {
	email     string
	name      string
	phone     string
	metadata  string
	freezes   string
	alerts    string
	updatedAt int64
	position  int64 // of the last line of the trail
	hash      []byte
}

const auditColumns = `
	select customer,
	       position,
	       id,
	       action,
	       key_id,
	       address,
	       before_state,
	       after_state,
	       reason,
	       created_at,
	       hash
	  from audit_entries`

const auditShape shape = "iittttttt" + "ib"

func (r *reader) readAudit(b *batch, stmt *sqlite.Stmt) {
	b.steps = append(b.steps, stepAudit)
	b.audits = append(b.audits, readAuditRow(stmt))
}

func readAuditRow(stmt *sqlite.Stmt) auditRow {
	row := auditRow{
		misfit:    auditShape.misfit(stmt),
		customer:  stmt.ColumnInt64(0),
		position:  stmt.ColumnInt64(1),
		id:        stmt.ColumnText(2),
		action:    stmt.ColumnText(3),
		keyID:     stmt.ColumnText(4),
		address:   stmt.ColumnText(5),
		before:    stmt.ColumnText(6),
		after:     stmt.ColumnText(7),
		reason:    stmt.ColumnText(8),
		createdAt: stmt.ColumnInt64(9),
		hash:      make([]byte, stmt.ColumnLen(10)),
	}
	stmt.ColumnBytes(10, row.hash)
	return row
}

// trail is a customer's audit trail as its lines make it.
type trail struct {
	position  int64
	hash      [32]byte
	createdAt int64

	// members are the values that the lines have left, as JSON.
	members map[string]json.RawMessage
}

// The actions of a trail.
const (
	auditUpdate   = "customer.update"
	auditFreeze   = "customer.freeze"
	auditUnfreeze = "customer.unfreeze"
	auditAlerts   = "customer.alerts"
)

// audit checks the customer's next line: number, time, hash, and that it goes on
// where the lines before it have left the customer (law N5).
func (c *checker) audit(owner *customer, line *auditRow) {
	t := &owner.trail
	where := owner.where("", line.position)
	where.Entry = line.id
	report := func(law Law, format string, args ...any) { c.found.add(law, where, format, args...) }
	t.link(line, owner, &c.buffer, report)
	if key, ok := c.tenants.keyOwner[line.keyID]; ok && key != owner.tenant {
		report(LawTenancy, "the audit entry was made with API key %s of another business or mode", line.keyID)
	}
	t.states(line, customerAction(line), map[string]json.RawMessage{
		"freezes": json.RawMessage("[]"), "alerts": json.RawMessage("{}"),
	}, report)
}

// link checks that a line comes next in its trail, and goes on to it.
func (t *trail) link(line *auditRow, owner *customer, buffer *bytes.Buffer, report reporter) {
	if line.misfit != "" {
		report(LawAudit, "%s of the audit entry is stored as another type", line.misfit)
	}
	if want := t.position + 1; line.position != want {
		report(LawAudit, "the next audit entry has position %d, want %d", line.position, want)
	}
	if position, ok := idPosition("aud_", []byte(line.id)); !ok || position != line.position {
		report(LawAudit, "the id of the audit entry does not contain the position")
	}
	if line.createdAt < t.createdAt || line.createdAt <= 0 {
		report(LawAudit, "the audit entry was made at %d, before %d of the one before", line.createdAt, t.createdAt)
	}
	want := auditHash(buffer, t.hash, owner, line)
	if !bytes.Equal(line.hash, want[:]) {
		report(LawAudit, "the hash of the audit entry is %x…, the row and the hash before make %x…",
			line.hash[:min(8, len(line.hash))], want[:8])
	}
	t.position, t.createdAt = line.position, max(line.createdAt, t.createdAt)
	t.hash = [32]byte{}
	copy(t.hash[:], line.hash)
}

// customerAction tells whether a line's action can change members of these names.
func customerAction(line *auditRow) func(names []string) bool {
	return func(names []string) bool {
		only := func(name string) bool { return slices.Equal(names, []string{name}) }
		switch line.action {
		case auditUpdate:
			return !slices.Contains(names, "freezes") && !slices.Contains(names, "alerts")
		case auditFreeze, auditUnfreeze:
			return only("freezes") && line.reason != ""
		case auditAlerts:
			return only("alerts")
		}
		return false
	}
}

// states checks what the line says of before and after, and moves on to after. A
// trail begins with the members that are given; what else a trail tells of must be
// null before, where it is to be complete, as that of a business is.
func (t *trail) states(
	line *auditRow, fits func(names []string) bool, begin map[string]json.RawMessage, report reporter,
) {
	var before, after map[string]json.RawMessage
	if json.Unmarshal([]byte(line.before), &before) != nil || json.Unmarshal([]byte(line.after), &after) != nil {
		report(LawAudit, "the states of the audit entry are no JSON objects")
		return
	}
	names := slices.Sorted(maps.Keys(after))
	if !slices.Equal(names, slices.Sorted(maps.Keys(before))) || len(names) == 0 {
		report(LawAudit, "the states of the audit entry have not the same members")
		return
	}
	if !fits(names) {
		report(LawAudit, "%q is no action that changes %s", line.action, strings.Join(names, ", "))
	}
	complete := begin == nil
	if t.members == nil {
		t.members = maps.Clone(begin)
		if complete {
			t.members = make(map[string]json.RawMessage)
		}
	}
	for _, name := range names {
		left, known := t.members[name]
		if complete && !known {
			left, known = json.RawMessage("null"), true
		}
		if known && !bytes.Equal(left, before[name]) {
			report(LawAudit, "%s was %s before the audit entry, the one before has left %s", name, before[name], left)
		}
		if bytes.Equal(before[name], after[name]) {
			report(LawAudit, "the audit entry tells of a change of %s, which stays %s", name, after[name])
		}
		t.members[name] = after[name]
	}
}

// finishTrail compares the customer's row with what the trail has left.
func (c *checker) finishTrail(owner *customer) {
	t, row := &owner.trail, owner.standing
	where := owner.where("", t.position)
	report := func(format string, args ...any) { c.found.add(LawAudit, where, format, args...) }
	if row == nil {
		return // nobody's lines are a finding of their own
	}
	if row.position != t.position || !bytes.Equal(row.hash, t.hash[:]) {
		report("the customer's audit trail stands at position %d, its last entry at %d, or at another hash",
			row.position, t.position)
	}
	if t.position > 0 && row.updatedAt != t.createdAt {
		report("the customer was changed at %d, the last audit entry was made at %d", row.updatedAt, t.createdAt)
	}
	frozen, ok := decodeFreezes(row.freezes)
	if !ok {
		report("the customer's freezes do not decode")
	}
	left := t.members["freezes"]
	if left == nil {
		left = json.RawMessage("[]")
	}
	if ok && !sameJSON(left, frozen) {
		report("the customer is frozen as %s, the audit trail has left %s", frozen, left)
	}
	t.checkAlerts(row.alerts, report)
	for name, value := range map[string]string{"email": row.email, "name": row.name, "phone_number": row.phone} {
		var left string
		if raw, told := t.members[name]; told && (json.Unmarshal(raw, &left) != nil || left != value) {
			report("the customer's %s is not what the audit trail has left", name)
		}
	}
	if raw, told := t.members["metadata"]; told && string(raw) != row.metadata {
		report("the customer's metadata are not what the audit trail has left")
	}
}

// decodeFreezes turns the lines of customers.freezes into the JSON that a trail
// has for them.
func decodeFreezes(text string) (_ json.RawMessage, ok bool) {
	type freeze struct {
		AuditID  string  `json:"audit_entry_id"`
		Currency *string `json:"currency"`
		FrozenAt string  `json:"frozen_at"`
		Reason   string  `json:"reason"`
		Scope    string  `json:"scope"`
	}
	frozen := []freeze{}
	last := ""
	for line := range strings.SplitAfterSeq(text, "\n") {
		if line == "" {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if !strings.HasSuffix(line, "\n") || len(parts) != 5 || len(frozen) > 0 && parts[0] <= last {
			return nil, false
		}
		at, err := strconv.ParseInt(parts[2], 10, 64)
		if err != nil || strconv.FormatInt(at, 10) != parts[2] || parts[0] != "" && !isCurrency(parts[0]) {
			return nil, false
		}
		f := freeze{AuditID: parts[3], Reason: parts[4], Scope: parts[1]}
		f.FrozenAt = time.UnixMicro(at).UTC().Format("2006-01-02T15:04:05.000000Z")
		if last = parts[0]; last != "" {
			f.Currency = &parts[0]
		}
		frozen = append(frozen, f)
	}
	encoded, err := json.Marshal(frozen)
	return encoded, err == nil
}

func sameJSON(a, b []byte) bool {
	var left, right any
	return json.Unmarshal(a, &left) == nil && json.Unmarshal(b, &right) == nil && reflect.DeepEqual(left, right)
}

// auditDomain is the first text in every hashed line of a trail.
const auditDomain = "billfold.audit.v1"

// auditHash is the hash that a line must have on top of the hash of the
// customer's line before. As chainHash, it is the second implementation of the
// encoding that docs/ledger.md describes.
func auditHash(buffer *bytes.Buffer, previous [32]byte, owner *customer, line *auditRow) [32]byte {
	b := encode(buffer)
	b.text(auditDomain)
	b.bytes(previous[:])
	b.text(line.id)
	b.text(owner.businessID)
	b.text(owner.mode)
	b.text(owner.id)
	b.number(line.position)
	b.text(line.action)
	b.text(line.keyID)
	b.text(line.address)
	b.text(line.before)
	b.text(line.after)
	b.text(line.reason)
	b.number(line.createdAt)
	return b.sum(buffer)
}
