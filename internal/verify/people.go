package verify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// personRow is a raw row of people.
type personRow struct {
	kind, id, about, data string
	expires               bool
}

// peopleQuery leaves out sessions and tries to sign in, which come and go all day.
const peopleQuery = `
	select kind, id, about, data, expires_at > 0
	  from people
	 where kind <> 'session' and kind <> 'tries'
	 order by kind, id`

func readPerson(stmt *sqlite.Stmt) personRow {
	return personRow{
		kind: stmt.ColumnText(0), id: stmt.ColumnText(1), about: stmt.ColumnText(2), data: stmt.ColumnText(3),
		expires: stmt.ColumnBool(4),
	}
}

// The kinds of rows of people that the audit trails of businesses tell of.
const (
	kindUser       = "user"
	kindEmail      = "email"
	kindTeam       = "team"
	kindInvitation = "invitation"
)

// personFields are what is checked of the data of a user, of a team or of an invitation.
type personFields struct {
	ID           string `json:"id"`
	Email        string `json:"email"`
	Password     string `json:"password"`
	SecondFactor string `json:"second_factor"`
	Generation   int64  `json:"generation"`
	BusinessID   string `json:"business_id"`

	Roles map[string]string `json:"roles"` // by business, in a team by user
}

// team is who is in the team of a business by the users' own rows, and by the team's.
type team struct{ users, listed map[string]string }

// persons is what the rows of people come to.
type persons struct {
	users  map[string]personFields
	emails map[string]string // user by address
	teams  map[string]*team
}

func (p *persons) team(businessID string) *team {
	if p.teams[businessID] == nil {
		p.teams[businessID] = &team{users: map[string]string{}, listed: map[string]string{}}
	}
	return p.teams[businessID]
}

// digestOf is how a trail shows what it must not show.
func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// finishPeople compares the rows of people with one another and with what the trails of the
// businesses in live mode have left: a team has no modes. Whoever made a line in a trail was in
// the team.
func (t *tenants) finishPeople() {
	all := persons{users: map[string]personFields{}, emails: map[string]string{}, teams: map[string]*team{}}
	live := map[string]*tenantRow{}
	for _, row := range t.rows {
		if row.mode == "live" {
			live[row.businessID] = row
		}
	}
	for _, row := range t.people {
		t.person(&row, &all, live)
	}
	t.compareUsers(&all, live)
	for _, row := range t.rows {
		where := row.where(row.trail.position)
		for _, name := range slices.Sorted(maps.Keys(row.trail.members)) {
			switch left := string(row.trail.members[name]); {
			case strings.HasPrefix(name, userPrefix) && left != "null":
				t.broken.add(LawAudit, where, "user %s is not in the team, the audit trail has them in it", name)
			case row.mode != "live" && strings.HasPrefix(name, invitationPrefix):
				t.broken.add(LawAudit, where, "invitation %s is in the trail of %s mode, and a team has no modes", name, row.mode)
			}
		}
		for position, id := range row.madeBy {
			if team := live[row.businessID]; team == nil || !team.joined[id] {
				t.broken.add(LawTenancy, row.where(position), "the audit entry was made by user %s, who was never in the team", id)
			}
		}
	}
}

// person remembers who is in the team by a line of the trail, and who made the line.
func (r *tenantRow) person(line *auditRow) {
	if strings.HasPrefix(line.keyID, userPrefix) {
		r.madeBy[line.position] = line.keyID
	}
	if line.action != auditJoin {
		return
	}
	for name := range r.trail.members {
		if strings.HasPrefix(name, userPrefix) {
			r.joined[name] = true
		}
	}
}

// person takes one row, and compares it where it can be compared by itself.
func (t *tenants) person(row *personRow, all *persons, live map[string]*tenantRow) {
	report := func(format string, args ...any) { t.broken.add(LawAudit, Finding{}, format, args...) }
	var fields personFields
	if json.Unmarshal([]byte(row.data), &fields) != nil {
		report("the %s %s does not decode", row.kind, row.id)
		return
	}
	stays := row.kind == kindUser || row.kind == kindEmail || row.kind == kindTeam
	if row.expires == stays {
		report("the %s %s expires: %t, want %t", row.kind, row.id, row.expires, !stays)
	}
	if named := row.about != ""; named != (row.kind == kindEmail || row.kind == kindInvitation) {
		report("the %s %s is found by %q", row.kind, row.id, row.about)
	}
	switch row.kind {
	case kindUser:
		if fields.ID != row.id {
			report("the user %s says that they are %s", row.id, fields.ID)
		}
		all.users[row.id] = fields
		for businessID, role := range fields.Roles {
			all.team(businessID).users[row.id] = role
		}
	case kindEmail:
		all.emails[row.id] = row.about
	case kindTeam:
		maps.Copy(all.team(row.id).listed, fields.Roles)
	case kindInvitation:
		t.invitation(row, &fields, live[row.about])
	default:
		report("%q is no kind of record of people", row.kind)
	}
}

// invitation compares one that can still be used with the trail that tells of it.
func (t *tenants) invitation(row *personRow, fields *personFields, of *tenantRow) {
	if of == nil || fields.BusinessID != row.about {
		t.broken.add(LawTenancy, Finding{}, "invitation %s is to the team of %q and of %q", fields.ID, row.about, fields.BusinessID)
		return
	}
	var told map[string]json.RawMessage
	if json.Unmarshal([]byte(row.data), &told) == nil {
		told["digest"] = encodeText(digestOf(row.id))
	}
	kept, err := json.Marshal(told)
	if err != nil {
		panic(err) // cannot happen: it was read a moment ago
	}
	if left := of.trail.members[fields.ID]; left == nil || !sameJSON(left, kept) {
		t.broken.add(LawAudit, of.where(of.trail.position), "invitation %s is not what the audit trail has left", fields.ID)
	}
}

// compareUsers compares each user with their address, their teams, and the trails of these.
func (t *tenants) compareUsers(all *persons, live map[string]*tenantRow) {
	report := func(format string, args ...any) { t.broken.add(LawAudit, Finding{}, format, args...) }
	for _, address := range slices.Sorted(maps.Keys(all.emails)) {
		if id := all.emails[address]; all.users[id].Email != address {
			report("the address %s leads to user %s, who has another", address, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(all.users)) {
		if email := all.users[id].Email; all.emails[email] != id {
			report("user %s is not found by their address", id)
		}
	}
	for _, businessID := range slices.Sorted(maps.Keys(all.teams)) {
		of, row := all.teams[businessID], live[businessID]
		if row == nil {
			t.broken.add(LawTenancy, Finding{}, "there is a team of business %s, which does not exist", businessID)
			continue
		}
		where := row.where(row.trail.position)
		if !maps.Equal(of.users, of.listed) {
			t.broken.add(LawAudit, where, "the team is %v by its users, %v by its own record", of.users, of.listed)
		}
		for _, id := range slices.Sorted(maps.Keys(of.users)) {
			user := all.users[id]
			stored, err := json.Marshal(map[string]any{
				"email": user.Email, "role": of.users[id], "second_factor": user.SecondFactor != "",
				"credential_changes": user.Generation, "digest": digestOf(user.Password),
			})
			if err != nil {
				panic(err) // cannot happen: these are texts and numbers
			}
			row.compare(id, stored, func(format string, args ...any) { t.broken.add(LawAudit, where, format, args...) })
		}
	}
}
