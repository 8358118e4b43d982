package people_test

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pquerna/otp/totp"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/people"
)

const over = people.CodeInvitationOver

// stands says whether an invitation still counts.
func (w *walk) stands(l *letter) bool {
	return !l.over && w.clock.Now().Before(l.until) && (l.by == nil || l.by.mayTouch(l.business, l.role))
}

// join has somebody join, or choose another password, by a link.
func (w *walk) join() {
	letters := maps.Clone(w.letters)
	if w.random.IntN(4) > 0 {
		maps.DeleteFunc(letters, func(_ string, l *letter) bool { return !w.stands(l) })
	}
	token, l := pick(w, letters)
	if l == nil {
		return
	}
	email := l.email
	if email == "" || w.random.IntN(8) == 0 {
		email = fmt.Sprintf("user-%d@example.com", w.random.IntN(7))
	}
	s := w.souls[email]
	code, rightCode := w.code(s)
	right, chosen := true, w.newPassword()
	if s != nil && l.reset == nil {
		if chosen = s.password; w.random.IntN(8) == 0 {
			chosen, right = "another horse battery", false
		}
	}
	joining := people.Joining{Email: email, Name: "Jane", Password: chosen, Code: code, Address: "192.0.2.1"}
	user, err := w.desk.Join(w, token, joining)
	switch {
	case !w.stands(l) || l.email != "" && l.email != email:
		w.ended("join", err, over)
	case l.reset != nil:
		w.chosen(l, err, chosen)
	case !right:
		w.ended("join", err, people.CodeInvalidPassword)
	case s != nil && s.secret != "" && code == "":
		w.ended("join", err, people.CodeSecondFactor)
	case !rightCode:
		w.ended("join", err, people.CodeInvalidCode)
	case l.first && w.hasOwner(l.business, nil):
		w.ended("join", err, over)
	case s != nil && (s.roles[l.business] == people.Owner || s.roles[l.business] == l.role):
		w.ended("join", err, people.CodeUserExists)
	default:
		w.joined(l, s, user, err, email, chosen, code)
		_, err := w.desk.Join(w, token, joining)
		w.ended("join again", err, over)
	}
}

func (w *walk) joined(l *letter, s *soul, user *people.User, err error, email, password, code string) {
	what := "join"
	if l.first {
		what = "join as the first"
	}
	if !w.ended(what, err, "") {
		return
	}
	if s == nil {
		s = &soul{id: user.ID, email: email, password: password, roles: map[string]people.Role{}}
		w.souls[email] = s
	}
	s.used(code)
	s.roles[l.business], l.over = l.role, true
}

// chosen is what becomes of a user who has used a link of the operator.
func (w *walk) chosen(l *letter, err error, password string) {
	if l.changes != l.reset.changes {
		w.ended("reset", err, over)
		return
	}
	if w.ended("reset", err, "") {
		l.over = true
		l.reset.password, l.reset.secret, l.reset.recovery = password, "", nil
		w.changed(l.reset, nil)
	}
}

// signIn has somebody sign in, rightly or not.
func (w *walk) signIn() {
	_, s := pick(w, w.souls)
	if s == nil || w.random.IntN(30) == 0 {
		_, _, err := w.desk.SignIn(w, people.Attempt{Email: "nobody@example.com", Password: password})
		w.ended("sign in", err, people.CodeSignInFailed)
		return
	}
	code, right := w.code(s)
	attempt := people.Attempt{Email: s.email, Password: s.password, Code: code, Address: "192.0.2.1"}
	wrong := w.random.IntN(6) == 0
	if wrong {
		attempt.Password = "another horse battery"
	}
	token, signed, err := w.desk.SignIn(w, attempt)
	switch {
	case wrong || code != "" && !right:
		w.ended("sign in", err, people.CodeSignInFailed)
		return
	case s.secret != "" && code == "":
		w.ended("sign in", err, people.CodeSecondFactor)
		return
	case !w.ended("sign in", err, "") || signed.User.ID != s.id:
		return
	}
	w.stays[token] = &stay{of: s, id: signed.Session.ID, until: w.clock.Now().Add(people.SessionLives)}
	if s.used(code); code != "" {
		_, _, err := w.desk.SignIn(w, attempt)
		w.ended("the code again", err, people.CodeSignInFailed)
	}
}

func (w *walk) signOut() {
	token, s := pick(w, w.stays)
	if s != nil && w.rarely() {
		w.ended("sign out", w.desk.SignOut(w, token), "")
		s.over = true
	}
}

// endSessions ends one session or all others, of the user or, which does nothing, of another.
func (w *walk) endSessions() {
	s, mine, _ := w.somebody()
	if s == nil {
		return
	}
	if w.rarely() {
		w.ended("end the others", w.desk.EndSessions(w, s.id, mine.id), "")
		for _, other := range w.stays {
			other.over = other.over || other.of == s && other != mine
		}
		return
	}
	_, other := pick(w, w.stays)
	w.ended("end one", w.desk.EndSession(w, s.id, other.id), "")
	other.over = other.over || other.of == s
}

func (w *walk) invite() {
	s, _, signed := w.somebody()
	if s == nil {
		return
	}
	business, role := w.business(), people.Roles()[w.random.IntN(5)]
	email := ""
	if w.rarely() {
		email = fmt.Sprintf("user-%d@example.com", w.random.IntN(7))
	}
	token, made, err := w.desk.Invite(w, signed.User, ledger.Actor{KeyID: s.id}, business, email, role)
	want := ledger.Code("")
	if !s.mayTouch(business, role) {
		want = people.CodeForbidden
	}
	if w.ended("invite", err, want) {
		w.letters[token] = &letter{
			id: made.ID, business: business, email: email, role: role, by: s, until: w.clock.Now().Add(people.InvitationLives),
		}
	}
}

func (w *walk) withdraw() {
	s, _, signed := w.somebody()
	_, l := pick(w, w.letters)
	if s == nil || l == nil {
		return
	}
	business := l.business
	if w.random.IntN(6) == 0 {
		business = w.business()
	}
	err := w.desk.Withdraw(w, signed.User, ledger.Actor{KeyID: s.id}, business, l.id)
	switch {
	case business != l.business || l.over || !w.clock.Now().Before(l.until):
		w.ended("withdraw", err, over)
	case !s.mayTouch(business, l.role):
		w.ended("withdraw", err, people.CodeForbidden)
	case w.ended("withdraw", err, ""):
		l.over = true
	}
}

// role has somebody give a role to, or take it from, somebody or themselves.
func (w *walk) role() {
	s, _, signed := w.somebody()
	_, whom := pick(w, w.souls)
	if s == nil {
		return
	}
	if w.rarely() {
		whom = s
	}
	business, role := w.business(), slices.Concat(people.Roles(), []people.Role{""})[w.random.IntN(6)]
	was := whom.roles[business]
	_, err := w.desk.SetRole(w, signed.User, ledger.Actor{KeyID: s.id}, business, whom.id, role)
	leaves := whom == s && role == ""
	switch {
	case was == "":
		w.ended("role", err, ledger.CodeNotFound)
	case !leaves && (!s.mayTouch(business, was) || !s.mayTouch(business, role)):
		w.ended("role", err, people.CodeForbidden)
	case was == people.Owner && role != people.Owner && !w.hasOwner(business, whom):
		w.ended("role", err, people.CodeLastOwner)
	case w.ended("role", err, ""):
		if whom.roles[business] = role; role == "" {
			delete(whom.roles, business)
		}
		if len(whom.roles) == 0 {
			w.changed(whom, nil)
		}
		for _, l := range w.letters {
			l.over = l.over || l.by == whom && l.business == business && !whom.mayTouch(business, l.role)
		}
	}
}

func (w *walk) password() {
	s, mine, signed := w.somebody()
	if s == nil {
		return
	}
	old, chosen := s.password, w.newPassword()
	want := ledger.Code("")
	if w.rarely() {
		old, want = "another horse battery", people.CodeInvalidPassword
	}
	if w.ended("password", w.desk.SetPassword(w, signed, old, chosen), want) {
		s.password = chosen
		w.changed(s, mine)
	}
}

// second sets up a second factor, or removes it.
func (w *walk) second() {
	s, mine, signed := w.somebody()
	if s == nil {
		return
	}
	if s.secret != "" && w.rarely() {
		w.drop(s, mine, signed)
		return
	}
	begun, err := w.desk.BeginSecond(w, signed, s.password)
	if s.secret != "" {
		w.ended("begin", err, people.CodeForbidden)
		return
	}
	if !w.ended("begin", err, "") {
		return
	}
	code, err := totp.GenerateCode(begun.Secret, w.clock.Now())
	want := ledger.Code("")
	if err != nil || w.random.IntN(6) == 0 {
		code, want = "000000", people.CodeInvalidCode
	}
	recovery, err := w.desk.ConfirmSecond(w, signed, code)
	if w.ended("confirm", err, want) {
		s.secret, s.recovery = begun.Secret, recovery
		w.changed(s, mine)
	}
}

func (w *walk) drop(s *soul, mine *stay, signed people.Signed) {
	code, right := w.code(s)
	want := ledger.Code("")
	if !right {
		want = people.CodeInvalidCode
	}
	if w.ended("drop", w.desk.DropSecond(w, signed, s.password, code), want) {
		s.secret, s.recovery = "", nil
		w.changed(s, mine)
	}
}

// operator makes a link at the terminal of the server.
func (w *walk) operator() {
	business := w.business()
	if _, s := pick(w, w.souls); s != nil && w.rarely() {
		token, of, err := w.desk.Reset(w, s.email)
		want := ledger.Code("")
		if len(s.roles) == 0 {
			want = ledger.CodeNotFound
		}
		if w.ended("link to reset", err, want) {
			id := w.newest(of)
			w.letters[token] = &letter{
				id: id, business: of, email: s.email, role: s.roles[of], reset: s, changes: s.changes,
				until: w.clock.Now().Add(people.InvitationLives),
			}
		}
		return
	}
	token, err := w.desk.Welcome(w, business)
	if w.hasOwner(business, nil) {
		w.ended("first link", err, people.CodeUserExists)
		return
	}
	for _, l := range w.letters {
		l.over = l.over || l.first && l.business == business
	}
	if w.ended("first link", err, "") {
		w.letters[token] = &letter{
			id: w.newest(business), business: business, role: people.Owner, first: true,
			until: w.clock.Now().Add(people.InvitationLives),
		}
	}
}

// newest is the id of the invitation that was made last.
func (w *walk) newest(business string) string {
	list, err := w.desk.Invitations(w, business)
	if err != nil || len(list) == 0 {
		w.complain("invitations: got %v (error %v), want one", list, err)
		return ""
	}
	last := slices.MaxFunc(list, func(a, b *people.Invitation) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return last.ID
}

// guess tries passwords of somebody, or of nobody, in a row: not more than five are looked at,
// and then the right one has to wait as well.
func (w *walk) guess() {
	_, s := pick(w, w.souls)
	if s == nil || w.rarely() {
		return
	}
	attempt := people.Attempt{Email: s.email, Password: "another horse battery", Address: "203.0.113.9"}
	looked := 0
	for range 6 {
		if _, _, err := w.desk.SignIn(w, attempt); ledger.CodeOf(err) == people.CodeSignInFailed {
			looked++
		}
	}
	if looked == 0 || looked > 5 {
		w.complain("guesses: got %d looked at in a row, want 1 to 5", looked)
	}
	attempt.Password = s.password
	_, _, err := w.desk.SignIn(w, attempt)
	w.ended("guess", err, people.CodeTooManyTries)
}
