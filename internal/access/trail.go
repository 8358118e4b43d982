package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// What the audit trail of a business tells of. It has a trail in each of its modes,
// of lines like those of a customer's, see [ledger.AuditEntry], in a chain of their
// own (law N5).
const (
	AuditBusiness  ledger.AuditAction = "business.create"
	AuditSettings  ledger.AuditAction = "settings.update"
	AuditKeyCreate ledger.AuditAction = "key.create"
	AuditKeyRevoke ledger.AuditAction = "key.revoke"

	AuditProductCreate ledger.AuditAction = "product.create"
	AuditProductUpdate ledger.AuditAction = "product.update"
)

// Change is who changes something of a business, and when. An Actor without a key is
// the operator, who came by the terminal of the server.
type Change struct {
	By ledger.Actor
	ledger.Moment
}

// Change is one that is made now.
func (d *Directory) Change(by ledger.Actor) (Change, error) {
	var bits [8]byte
	if _, err := io.ReadFull(d.random, bits[:]); err != nil {
		return Change{}, fmt.Errorf("draw random bits for the audit trail: %w", err)
	}
	return Change{By: by, Moment: ledger.Moment{Now: d.moment(), Random: binary.BigEndian.Uint64(bits[:])}}, nil
}

// Trail is where the audit trail of a business in one mode stands: the last line's
// position and hash, and its time. The zero Trail has no line yet.
type Trail struct {
	ledger.AuditHead
	At time.Time
}

// Opening returns the first lines of the trail of a new business in one mode: its
// settings, and those of its first keys that are of this mode.
func Opening(tenant ledger.Tenant, business Business, settings Settings, keys []Key) []ledger.AuditEntry {
	after := members(auditedSettings(settings))
	after["name"] = encode(business.Name)
	change := Change{Moment: ledger.Moment{Now: business.CreatedAt, Random: bitsOf(business.ID, string(tenant.Mode))}}
	lines := []ledger.AuditEntry{Trail{}.line(tenant, AuditBusiness, change, nil, after)}
	for _, key := range keys {
		if key.Tenant == tenant {
			last := lines[len(lines)-1]
			lines = append(lines, trailAt(last).KeyCreated(key))
		}
	}
	return lines
}

func trailAt(line ledger.AuditEntry) Trail {
	return Trail{AuditHead: ledger.AuditHead{Position: line.Position, Hash: line.Hash}, At: line.CreatedAt}
}

// SettingsUpdated returns the line that tells of new settings.
func (t Trail) SettingsUpdated(tenant ledger.Tenant, by Change, before, after Settings) ledger.AuditEntry {
	return t.line(tenant, AuditSettings, by, members(auditedSettings(before)), members(auditedSettings(after)))
}

// KeyCreated returns the line that tells of a new key, which the operator made.
func (t Trail) KeyCreated(key Key) ledger.AuditEntry {
	change := Change{Moment: ledger.Moment{Now: key.CreatedAt, Random: bitsOf(key.ID, "create")}}
	return t.line(key.Tenant, AuditKeyCreate, change, nil, auditedKey(key))
}

// KeyRevoked returns the line that tells that the operator revoked a key. It is the
// key as it is then.
func (t Trail) KeyRevoked(key Key) ledger.AuditEntry {
	before := key
	before.RevokedAt = time.Time{}
	change := Change{Moment: ledger.Moment{Now: key.RevokedAt, Random: bitsOf(key.ID, "revoke")}}
	return t.line(key.Tenant, AuditKeyRevoke, change, auditedKey(before), auditedKey(key))
}

// ProductChanged returns the line that tells what became of a product, which is given
// as the JSON that is kept of it; before is empty for a new one. It is one member, named
// by the id, with all that is kept of it.
func (t Trail) ProductChanged(tenant ledger.Tenant, by Change, id, before, after string) ledger.AuditEntry {
	is := map[string]json.RawMessage{id: json.RawMessage(after)}
	if before == "" {
		return t.line(tenant, AuditProductCreate, by, nil, is)
	}
	return t.line(tenant, AuditProductUpdate, by, map[string]json.RawMessage{id: json.RawMessage(before)}, is)
}

// TeamChanged returns the line that tells what became of somebody's place in a team, or
// of an invitation to it: JSON before and after, empty for none. It is one member, named by
// the id.
func (t Trail) TeamChanged(
	tenant ledger.Tenant, action ledger.AuditAction, by Change, id, before, after string,
) ledger.AuditEntry {
	was, is := map[string]json.RawMessage{}, map[string]json.RawMessage{id: json.RawMessage("null")}
	if before != "" {
		was[id] = json.RawMessage(before)
	}
	if after != "" {
		is[id] = json.RawMessage(after)
	}
	return t.line(tenant, action, by, was, is)
}

// line is the next line of the trail, about the members that are not the same before
// and after. A member that is missing is null there: one that is new, or is not set any
// more.
func (t Trail) line(
	tenant ledger.Tenant, action ledger.AuditAction, by Change, before, after map[string]json.RawMessage,
) ledger.AuditEntry {
	was, is := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	either := maps.Clone(after)
	maps.Copy(either, before)
	for name := range either {
		old, left := orNull(before[name]), orNull(after[name])
		if !bytes.Equal(old, left) {
			was[name], is[name] = old, left
		}
	}
	return t.Follow(ledger.AuditEntry{
		Tenant: tenant, Action: action, By: by.By, Before: string(encode(was)), After: string(encode(is)),
	}, t.At, by.Moment)
}

func orNull(member json.RawMessage) json.RawMessage {
	if member == nil {
		return json.RawMessage("null")
	}
	return member
}

// auditedSettings are settings as a trail shows them: by the names that they have on
// the wire, with thresholds as JSON.
func auditedSettings(s Settings) any {
	shown := struct {
		Settings
		Alerts    json.RawMessage   `json:"alerts"`
		Processor *auditedProcessor `json:"processor,omitempty"`
	}{Settings: s, Alerts: json.RawMessage(s.Alerts.JSON())}
	if s.Processor != nil {
		shown.Processor = &auditedProcessor{ProcessorAccount: *s.Processor}
	}
	return shown
}

// auditedProcessor is an account as a trail shows it, without its secrets.
type auditedProcessor struct {
	ProcessorAccount
	Sealed *struct{} `json:"sealed,omitempty"`
}

// auditedKey is a key as a trail shows it: one member, named by the id. What is kept
// of the secret is there as a digest, so that another one in its place is noticed.
func auditedKey(key Key) map[string]json.RawMessage {
	digest := sha256.Sum256(key.Hash[:])
	at := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		text := t.UTC().Format(auditTime)
		return &text
	}
	shown := struct {
		CreatedAt *string `json:"created_at"`
		Digest    string  `json:"digest"`
		ExpiresAt *string `json:"expires_at"`
		Hint      string  `json:"hint"`
		Name      string  `json:"name"`
		RevokedAt *string `json:"revoked_at"`
		Scope     Scope   `json:"scope"`
	}{
		CreatedAt: at(key.CreatedAt), Digest: hex.EncodeToString(digest[:]), ExpiresAt: at(key.ExpiresAt),
		Hint: key.Hint, Name: key.Name, RevokedAt: at(key.RevokedAt), Scope: key.Scope,
	}
	return map[string]json.RawMessage{key.ID: encode(shown)}
}

// auditTime is RFC 3339 with microseconds.
const auditTime = "2006-01-02T15:04:05.000000Z"

// members are those of a struct as JSON.
func members(value any) map[string]json.RawMessage {
	var of map[string]json.RawMessage
	if err := json.Unmarshal(encode(value), &of); err != nil {
		panic(err) // cannot happen: it was made a moment ago
	}
	return of
}

// encode is the JSON of what always has some, with the characters of HTML as they are.
func encode(value any) json.RawMessage {
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false)
	if err := to.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// bitsOf are the random bits of a line that tells of what has an id and happens to it
// once: the id is random, and so is what is made of it.
func bitsOf(id, what string) uint64 {
	sum := sha256.Sum256([]byte(what + " " + id))
	return binary.BigEndian.Uint64(sum[:])
}
