package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/storetest"
)

// FuzzPost reads a sequence of commands from bytes, eight for each, posts them
// on the model, and checks after each that the decision is pure, that the laws
// hold, and that a refusal changed nothing.
func FuzzPost(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x10\x00\x00\x00" + "\x01\x01\x00\x00\x08\x00\x00\x00"))
	f.Add([]byte("\x00\x05\x11\x02\x10\x03\x00\x01" + "\x00\x05\x11\x02\x10\x03\x00\x01" + "\x01\x05\x11\x02\x10\x03\x00\x01"))
	f.Add([]byte("\x02\xff\xff\x00\xff\x04\x03\x02" + "\x04\x20\x00\x00\x00\x01\x00\x00" + "\x01\x00\x01\x00\xff\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const commandsMax = 60
		s := newFuzzShop(t)
		for n := 0; len(data) >= 8 && n < commandsMax; n++ {
			s.step([8]byte(data[:8]))
			data = data[8:]
		}
	})
}

type fuzzShop struct {
	*testing.T
	store *storetest.Model
	book  *ledger.Book
	clock *storetest.Clock
	last  storetest.History
}

func newFuzzShop(t *testing.T) *fuzzShop {
	t.Helper()
	s := &fuzzShop{T: t, store: storetest.NewModel(), clock: storetest.NewClock(noon)}
	draws := uint64(0)
	s.book = ledger.NewBook(s.store, s.clock.Now, func() uint64 { draws++; return draws })
	if err := s.store.CreateBusiness(t.Context(), access.Business{ID: "bus_1"}, access.Settings{}, nil); err != nil {
		t.Fatal(err)
	}
	customer := ledger.Customer{Tenant: fullRequest().Tenant, ID: "cus_1", CreatedAt: noon}
	if _, err := s.store.CreateCustomer(t.Context(), customer, nil); err != nil {
		t.Fatal(err)
	}
	s.last = s.history()
	return s
}

func (s *fuzzShop) history() storetest.History {
	s.Helper()
	h, err := storetest.ReadHistory(s.Context(), s.store, fullRequest().Tenant, "cus_1")
	if err != nil {
		s.Fatal(err)
	}
	return h
}

// step reads one command: what to do, amount (two bytes and a scale), currency,
// category, expiry and key.
func (s *fuzzShop) step(b [8]byte) {
	if b[0]%8 == 7 {
		unit := []time.Duration{time.Microsecond, time.Second, time.Minute, time.Hour}[b[2]%4]
		s.clock.Move(time.Duration(int8(b[1])) * unit)
		return
	}
	r := ledger.PostRequest{
		Tenant:          fullRequest().Tenant,
		CustomerID:      "cus_1",
		Currency:        []money.Currency{"USD", "INR", "usd"}[min(b[4]%8, 2)],
		Direction:       []ledger.Direction{ledger.Credit, ledger.Debit, "other"}[min(b[0]%8/3, 2)],
		Amount:          money.Amount(int16(b[1])|int16(b[2])<<8) * []money.Amount{1, 1, 1 << 10, 1 << 40}[b[3]%4],
		Category:        []ledger.Category{"", ledger.Paid, ledger.Promotional, "other"}[b[5]%4],
		Metadata:        "",
		IdempotencyKey:  []string{"", "", "", "k1", "k2", " "}[b[7]%6],
		CurrencyEnabled: b[7] < 240,
	}
	if r.Direction == ledger.Debit && b[5] < 200 {
		r.Category = ""
	} else if b[6]%3 > 0 {
		r.ExpiresAt = s.clock.Now().Add(time.Duration(b[6]) * time.Second)
	}
	s.post(r)
}

func (s *fuzzShop) post(r ledger.PostRequest) {
	s.Helper()
	s.pure(r)
	change, err := s.book.Post(s.Context(), r)
	now := s.history()
	for _, violation := range storetest.CheckLaws(now) {
		s.Errorf("%+v: %s", r, violation)
	}
	grew := len(now.Entries) - len(s.last.Entries)
	switch {
	case err != nil || change.Replayed:
		if diff := cmp.Diff(s.last, now); diff != "" {
			s.Errorf("%+v: error %v, replayed %v, but the state has changed (-before +after):\n%s", r, err, change.Replayed, diff)
		}
	case grew != 1:
		s.Errorf("%+v: accepted, got %d new entries, want 1", r, grew)
	}
	if err != nil && ledger.CodeOf(err) == ledger.CodeInternal {
		s.Errorf("%+v: got error %v, want a refusal by a rule", r, err)
	}
	s.last = now
}

// pure runs the bare decision twice on equal snapshots.
func (s *fuzzShop) pure(r ledger.PostRequest) {
	s.Helper()
	if r.Validate() != nil {
		return
	}
	scope := ledger.Scope{
		Tenant:     r.Tenant,
		CustomerID: r.CustomerID,
		Currency:   r.Currency,
		Key:        r.IdempotencyKey,
		At:         s.clock.Now(),
		Need:       r.Amount,
	}
	var outcomes [2]string
	for i := range outcomes {
		snapshot, err := storetest.Peek(s.Context(), s.store, scope)
		if err != nil {
			s.Fatal(err)
		}
		before := fmt.Sprintf("%+v", snapshot)
		change, err := ledger.Post(snapshot, &r, ledger.Moment{Now: s.clock.Now(), Random: 1})
		outcomes[i] = fmt.Sprintf("%+v %v", change, err)
		if after := fmt.Sprintf("%+v", snapshot); before != after {
			s.Errorf("%+v: the snapshot was changed\nbefore %s\n after %s", r, before, after)
		}
	}
	if outcomes[0] != outcomes[1] {
		s.Errorf("%+v: two runs differ\n first %s\nsecond %s", r, outcomes[0], outcomes[1])
	}
}
