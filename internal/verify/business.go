package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// tenantRow is a business in one mode as its rows say it is.
type tenantRow struct {
	tenant
	no        int64
	known     bool   // the business has a row
	name      string // of the business
	createdAt int64  // of the business
	settings  string
	position  int64 // of the last line of the audit trail
	hash      []byte

	keys     []keyRow
	products []productRow
	trail    trail
	first    int64 // when the first line was made

	joined map[string]bool  // the users who were in the team at any time
	madeBy map[int64]string // the users who made lines, by position
}

// keyRow is a raw row of api_keys.
type keyRow struct {
	id, name, scope, hint           string
	tenant                          int64
	hash                            []byte
	createdAt, expiresAt, revokedAt int64 // 0: never
}

// The actions of the trail of a business.
const (
	auditBusiness  = "business.create"
	auditSettings  = "settings.update"
	auditKeyCreate = "key.create"
	auditKeyRevoke = "key.revoke"

	auditProductCreate = "product.create"
	auditProductUpdate = "product.update"

	auditInvite   = "team.invite"
	auditWithdraw = "team.withdraw"
	auditJoin     = "team.join"
	auditRole     = "team.role"
	auditLeave    = "team.leave"
	auditPassword = "team.password"
	auditSecond   = "team.second_factor"
	auditReset    = "team.reset"
)

// What the names of members begin with that are an API key, a product, a user in the team
// or an invitation to it.
const (
	keyPrefix        = "key_"
	productPrefix    = "pdt_"
	userPrefix       = "usr_"
	invitationPrefix = "ivt_"
)

// hasID tells a member that is an object of the business from a setting.
func hasID(name string) bool {
	return strings.HasPrefix(name, keyPrefix) || strings.HasPrefix(name, productPrefix) ||
		strings.HasPrefix(name, userPrefix) || strings.HasPrefix(name, invitationPrefix)
}

func (r *tenantRow) where(position int64) Finding {
	return Finding{BusinessID: r.businessID, Mode: r.mode, Position: position}
}

// line checks the next line of the trail of a business (law N5).
func (t *tenants) line(line *auditRow) {
	row := t.rows[line.customer]
	if row == nil {
		t.broken.add(LawAudit, Finding{Position: line.position}, "the audit entry is of tenant %d, which does not exist", line.customer)
		return
	}
	where := row.where(line.position)
	where.Entry = line.id
	report := func(law Law, format string, args ...any) { t.broken.add(law, where, format, args...) }
	if row.trail.position == 0 {
		row.first = line.createdAt
	}
	if (line.action == auditBusiness) != (row.trail.position == 0) {
		report(LawAudit, "%q is not what the trail of a business goes on with", line.action)
	}
	row.trail.link(line, &customer{businessID: row.businessID, mode: row.mode}, &t.buffer, report)
	if key, ok := t.keyOwner[line.keyID]; ok && key != row.no {
		report(LawTenancy, "the audit entry was made with API key %s of another business or mode", line.keyID)
	}
	row.trail.states(line, businessAction(line), nil, report)
	row.person(line)
}

// businessAction tells whether a line's action can change members of these names.
func businessAction(line *auditRow) func(names []string) bool {
	return func(names []string) bool {
		switch line.action {
		case auditBusiness:
			return slices.Contains(names, "name") && !slices.ContainsFunc(names, hasID)
		case auditSettings:
			return !slices.Contains(names, "name") && !slices.ContainsFunc(names, hasID)
		case auditKeyCreate, auditKeyRevoke:
			return line.isOne(names, keyPrefix, auditKeyCreate)
		case auditProductCreate, auditProductUpdate:
			return line.isOne(names, productPrefix, auditProductCreate)
		}
		return line.isOfTeam(names)
	}
}

// isOne tells whether a line is about one object, and of the action that makes one if
// there was none before.
func (line *auditRow) isOne(names []string, prefix, creation string) bool {
	created := strings.HasSuffix(line.before, ":null}")
	return len(names) == 1 && strings.HasPrefix(names[0], prefix) && created == (line.action == creation)
}

// isOfTeam tells whether a line is about one user or invitation, which the action brings,
// changes or takes away.
func (line *auditRow) isOfTeam(names []string) bool {
	brought, gone := strings.HasSuffix(line.before, ":null}"), strings.HasSuffix(line.after, ":null}")
	if len(names) != 1 {
		return false
	}
	user, invitation := strings.HasPrefix(names[0], userPrefix), strings.HasPrefix(names[0], invitationPrefix)
	switch line.action {
	case auditInvite:
		return invitation && brought && !gone
	case auditWithdraw:
		return invitation && gone && !brought
	case auditJoin:
		return user && !gone
	case auditRole, auditPassword, auditSecond, auditReset:
		return user && !gone && !brought
	case auditLeave:
		return user && gone && !brought
	}
	return false
}

// finish compares the rows of each business with what its trail has left.
func (t *tenants) finish() {
	for _, no := range t.order {
		row := t.rows[no]
		report := func(format string, args ...any) {
			t.broken.add(LawAudit, row.where(row.trail.position), format, args...)
		}
		if row.position != row.trail.position || !bytes.Equal(row.hash, row.trail.hash[:]) {
			report("the audit trail of the business stands at position %d, its last entry at %d, or at another hash",
				row.position, row.trail.position)
		}
		if row.trail.position == 0 {
			report("the business has no audit trail")
			continue
		}
		if row.known && row.first != row.createdAt {
			report("the business was made at %d, the first audit entry at %d", row.createdAt, row.first)
		}
		if row.known {
			row.compare("name", encodeText(row.name), report)
		}
		row.finishSettings(report)
		row.finishKeys(report)
		row.finishProducts(report)
	}
	t.finishPeople()
}

// compare compares what is stored now with the member that the trail has left.
func (r *tenantRow) compare(name string, stored json.RawMessage, report func(format string, args ...any)) {
	left, told := r.trail.members[name]
	if !told {
		left = json.RawMessage("null")
	}
	if !sameJSON(left, stored) {
		report("%s is not what the audit trail has left", name)
	}
	delete(r.trail.members, name)
}

func (r *tenantRow) finishSettings(report func(format string, args ...any)) {
	var settings map[string]json.RawMessage
	if json.Unmarshal([]byte(r.settings), &settings) != nil {
		report("the settings are no JSON object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := settings[name]
		if name == "alerts" {
			var lines string
			own, ok := json.RawMessage(nil), json.Unmarshal(value, &lines) == nil
			if ok {
				own, ok = decodeOwnAlerts(lines)
			}
			if !ok {
				report("the alerts of the business do not decode")
			}
			value = own
		}
		if name == "processor" {
			value = withoutSecrets(value)
		}
		r.compare(name, value, report)
	}
	for _, name := range slices.Sorted(maps.Keys(r.trail.members)) {
		if !hasID(name) && name != "name" {
			r.compare(name, json.RawMessage("null"), report)
		}
	}
}

// withoutSecrets is an account with a card processor without what is sealed of it, which
// the trail does not show. Whoever changes that has sealed it under a key that they do
// not have, or carried it from elsewhere, and it does not open.
func withoutSecrets(account json.RawMessage) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(account, &members) != nil || members == nil {
		return account
	}
	delete(members, "sealed")
	shown, err := json.Marshal(members)
	if err != nil {
		return account
	}
	return shown
}

func (r *tenantRow) finishKeys(report func(format string, args ...any)) {
	for _, key := range r.keys {
		r.compare(key.id, key.encode(), report)
	}
	for _, name := range slices.Sorted(maps.Keys(r.trail.members)) {
		if strings.HasPrefix(name, keyPrefix) {
			report("API key %s is gone, the audit trail has it", name)
		}
	}
}

// encode is a key as a trail has it.
func (k *keyRow) encode() json.RawMessage {
	digest := sha256.Sum256(k.hash)
	at := func(micros int64) *string {
		if micros == 0 {
			return nil
		}
		text := time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z")
		return &text
	}
	encoded, err := json.Marshal(map[string]any{
		"created_at": at(k.createdAt), "digest": hex.EncodeToString(digest[:]), "expires_at": at(k.expiresAt),
		"hint": k.hint, "name": k.name, "revoked_at": at(k.revokedAt), "scope": k.scope,
	})
	if err != nil {
		panic(err) // cannot happen: these are texts
	}
	return encoded
}

func encodeText(text string) json.RawMessage {
	encoded, err := json.Marshal(text)
	if err != nil {
		panic(err) // cannot happen: texts always encode
	}
	return encoded
}
