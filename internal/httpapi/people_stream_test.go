package httpapi_test

import (
	"maps"
	"net/http"
	"testing"

	"github.com/billfold/billfold/internal/apitest"
	"github.com/billfold/billfold/internal/httpapi"
	"github.com/billfold/billfold/internal/people"
	"github.com/billfold/billfold/internal/vault"
)

// A stream of events ends with the session, and with the place in the team, of whom it is for.
func TestStreamsOfPersonsEnd(t *testing.T) {
	t.Parallel()
	sealing, err := vault.New([]byte("a secret of the tests, long enough"))
	if err != nil {
		t.Fatal(err)
	}
	o := &office{contract: apitest.Billfold(t)}
	h := newStreamHouse(t, withinStream, func(c *httpapi.Config) {
		o.desk = people.NewDesk(c.Products.(people.Store), sealing, people.Options{Now: c.Now})
		c.People = o.desk
	})
	o.house = h.house
	owner := o.join(people.Owner, o.bus())
	for name, end := range map[string]func(b, other *browser){
		"signing out":      func(b, _ *browser) { b.ask("DELETE", dashboard+"/session", "").want200(t) },
		"leaving the team": func(b, _ *browser) { owner.ask("DELETE", dashboard+"/team/"+b.id(), "").want200(t) },
		"another password": func(_, other *browser) {
			body := text("password", password, "new_password", "another horse battery")
			other.ask("POST", dashboard+"/user/password", body).want200(t)
		},
	} {
		b := o.join(people.ReadOnly, o.bus())
		other := o.browser()
		other.signIn(b.email(), password)
		headers := maps.Clone(b.headers)
		headers["Cookie"] = b.cookie
		s, err := h.openWith("", headers)
		if err != nil || s.response.StatusCode != http.StatusOK {
			t.Fatalf("open a stream: got %+v and error %v, want one", s, err)
		}
		h.awaitStreams(1)
		end(b, other)
		s.wantEnd(t)
		h.awaitStreams(0)
		s.close()
		if s, err = h.openWith("", headers); err != nil || s.response.StatusCode != http.StatusUnauthorized {
			t.Errorf("after %s: got %+v and error %v, want 401", name, s, err)
		}
		s.close()
	}
}
