package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

func customerScenarios() []scenario {
	return []scenario{
		{"a customer reads back exactly as it was created", customerReadsBack},
		{"an unknown customer is not found, whatever the id", customerUnknown},
		{"the list is newest first, in pages and by cursor", customersNewestFirst},
		{"the e-mail filter is exact", customersByEmail},
		{"the name filter finds parts in any case and script", customersByName},
		{"the bounds of created_at are inclusive", customersByTime},
		{"filters combine, also page by page", customersByAll},
		{"a cursor meets each customer once while others arrive", customersCursorUnderWriters},
		{"an update commits what change makes", customerUpdate},
		{"a refused update leaves no trace", customerUpdateRefused},
		{"concurrent updates lose none", customerUpdatesConcurrent},
	}
}

func customerReadsBack(w *world) {
	full := w.newCustomer(func(c *ledger.Customer) {
		c.Email = "zoë+tag@exämple.org"
		c.Name = "Zoë \"Z\" O'Neill 王小明 🙂"
		c.PhoneNumber = "+14155552671"
		c.Metadata = `{"a":"1","plan":"gold; drop table customers"}`
		c.UpdatedAt = c.CreatedAt.Add(time.Microsecond)
	})
	bare := w.newCustomer()
	for _, want := range []ledger.Customer{full, bare} {
		w.create(want)
		got, err := w.ledger.Customer(w.Context(), w.shop, want.ID)
		w.wantCode(err, "")
		w.same("customer", want, got)
		if got.CreatedAt.Location() != time.UTC || got.UpdatedAt.Location() != time.UTC {
			w.Errorf("got times in %v and %v, want UTC", got.CreatedAt.Location(), got.UpdatedAt.Location())
		}
		wallets, err := w.ledger.Wallets(w.Context(), w.shop, want.ID, w.book.Now())
		w.wantCode(err, "")
		w.same("wallets of a new customer", ledger.WalletList{Customer: want}, wallets)
	}
}

func customerUnknown(w *world) {
	known := w.customer()
	w.post(credit(known, 500))
	ids := []string{
		"", "cus_", "cus_unknown", known.ID + "x", known.ID[:len(known.ID)-1], strings.ToUpper(known.ID), " " + known.ID,
		known.ID + "\x00", "%", "_", "../" + known.ID, "' or ''='", strings.Repeat("9", 10_000), "\xff\xfe", "cwt_000000000000000000000",
	}
	for _, id := range ids {
		stranger := known
		stranger.ID = id
		for what, err := range w.everyUse(stranger) {
			if got := ledger.CodeOf(err); got != ledger.CodeNotFound {
				w.Errorf("%s of customer %.40q: got code %q (error: %v), want %q", what, id, got, err, ledger.CodeNotFound)
			}
		}
	}
	w.history(known)
}

// everyUse uses a customer in every way that the contract has and returns the
// errors.
func (w *world) everyUse(c ledger.Customer) map[string]error {
	ctx := w.Context()
	uses := map[string]error{}
	_, uses["Customer"] = w.ledger.Customer(ctx, c.Tenant, c.ID)
	_, uses["Wallets"] = w.ledger.Wallets(ctx, c.Tenant, c.ID, epoch)
	_, uses["Entry"] = w.ledger.Entry(ctx, c.Tenant, c.ID, ledger.EntryID(epoch, 1, 1))
	_, uses["Entries"] = w.ledger.Entries(ctx, c.Tenant, c.ID, ledger.EntryFilter{}, ledger.Page{Limit: 10})
	_, uses["Audit"] = w.ledger.Audit(ctx, c.Tenant, c.ID, ledger.AuditPage{Limit: 10})
	_, uses["Transact"] = w.ledger.Transact(ctx,
		ledger.Scope{Tenant: c.Tenant, CustomerID: c.ID, Currency: "USD", Key: "k", At: epoch},
		func(ledger.Snapshot) (ledger.Change, error) {
			w.Errorf("Transact of customer %.40q: decide was called, want it left alone", c.ID)
			return ledger.Change{}, errPeek
		})
	_, _, uses["UpdateCustomer"] = w.ledger.UpdateCustomer(ctx, c.Tenant, c.ID,
		func(c ledger.Customer) (ledger.CustomerChange, error) {
			w.Errorf("UpdateCustomer of customer %.40q: change was called, want it left alone", c.ID)
			return ledger.CustomerChange{Customer: c}, nil
		}, nil)
	return uses
}

func customersNewestFirst(w *world) {
	w.same("list of a tenant without customers", ledger.CustomerList{}, w.customers(ledger.CustomerFilter{}, ledger.Page{Limit: 10}))
	var want []ledger.Customer
	for range 25 {
		want = append([]ledger.Customer{w.customer()}, want...)
	}
	w.walkCustomers(ledger.CustomerFilter{}, want)
}

// customers reads one page of the shop's customers.
func (w *world) customers(filter ledger.CustomerFilter, page ledger.Page) ledger.CustomerList {
	w.Helper()
	list, err := w.ledger.Customers(w.Context(), w.shop, filter, page)
	if err != nil {
		w.Fatalf("list customers %+v %+v: got error %v, want none", filter, page, err)
	}
	return list
}

// walkCustomers reads a list in every way there is and compares each with
// what is wanted: in one page, by page number and by cursor, with pages that
// divide the list evenly and with pages that do not.
func (w *world) walkCustomers(filter ledger.CustomerFilter, want []ledger.Customer) {
	w.Helper()
	w.same("list in one page", ledger.CustomerList{Customers: want}, w.customers(filter, ledger.Page{Limit: 200}))
	for _, limit := range []int{1, 5, 7} {
		var got []ledger.Customer
		for page := (ledger.Page{Limit: limit}); ; {
			list := w.customers(filter, page)
			if len(list.Customers) > limit || (len(list.Customers) == 0 && len(want) > 0) {
				w.Fatalf("cursor, limit %d: got a page of %d after %d items, want 1 to %d", limit, len(list.Customers), len(got), limit)
			}
			got = append(got, list.Customers...)
			if page.Before = list.Next; page.Before == 0 || len(got) > len(want) {
				break
			}
		}
		w.same("list by cursor", want, got)
		got = nil
		for skip := 0; skip < len(want)+limit; skip += limit {
			list := w.customers(filter, ledger.Page{Limit: limit, Skip: int64(skip)})
			if last := skip+limit >= len(want); last != (list.Next == 0) {
				w.Errorf("skip %d, limit %d of %d: got next %d, want it 0 exactly on the last page", skip, limit, len(want), list.Next)
			}
			got = append(got, list.Customers...)
		}
		w.same("list by skipping", want, got)
	}
}

func customersByEmail(w *world) {
	jane := w.customer(func(c *ledger.Customer) { c.Email = "jane@example.com" })
	w.customer(func(c *ledger.Customer) { c.Email = "jane@example.com.au" })
	w.customer(func(c *ledger.Customer) { c.Email = "xjane@example.com" })
	twin := w.customer(func(c *ledger.Customer) { c.Email = "jane@example.com" })
	w.walkCustomers(ledger.CustomerFilter{Email: "jane@example.com"}, []ledger.Customer{twin, jane})
	for _, email := range []string{"jane@example.co", "jane", "%", "jane@example_com", "j%"} {
		w.walkCustomers(ledger.CustomerFilter{Email: email}, nil)
	}
}

func customersByName(w *world) {
	name := func(name string) ledger.Customer {
		return w.customer(func(c *ledger.Customer) { c.Name = name })
	}
	élodie, plain, percent := name("ÉLODIE Müller"), name("Mary Ann"), name("100%_Sure [x]*")
	greek, cyrillic, han := name("Ελένη"), name("Наташа"), name("王小明")
	tests := []struct {
		part string
		want []ledger.Customer
	}{
		{"élo", []ledger.Customer{élodie}},
		{"MÜLLER", []ledger.Customer{élodie}},
		{"mary ann", []ledger.Customer{plain}},
		{"y A", []ledger.Customer{plain}},
		{"ΕΛΈΝΗ", []ledger.Customer{greek}},
		{"НАТ", []ledger.Customer{cyrillic}},
		{"小", []ledger.Customer{han}},
		{"%", []ledger.Customer{percent}},
		{"_", []ledger.Customer{percent}},
		{"*", []ledger.Customer{percent}},
		{"[x]", []ledger.Customer{percent}},
		{`\`, nil},
		{"'", nil},
		{"mary  ann", nil},
		{"a", []ledger.Customer{plain}},
		{"e", []ledger.Customer{percent, élodie}},
	}
	for _, test := range tests {
		got := w.customers(ledger.CustomerFilter{Name: test.part}, ledger.Page{Limit: 200})
		w.same("customers named "+test.part, test.want, got.Customers)
	}
}

func customersByTime(w *world) {
	var all []ledger.Customer
	for i := range 9 {
		at := epoch.Add(time.Duration(i) * time.Microsecond)
		c := w.customer(func(c *ledger.Customer) { c.CreatedAt, c.UpdatedAt = at, at })
		all = append([]ledger.Customer{c}, all...)
	}
	at := func(i int) time.Time { return epoch.Add(time.Duration(i) * time.Microsecond) }
	w.walkCustomers(ledger.CustomerFilter{CreatedAtGTE: at(4)}, all[:5])
	w.walkCustomers(ledger.CustomerFilter{CreatedAtLTE: at(4)}, all[4:])
	w.walkCustomers(ledger.CustomerFilter{CreatedAtGTE: at(2), CreatedAtLTE: at(6)}, all[2:7])
	w.walkCustomers(ledger.CustomerFilter{CreatedAtGTE: at(3), CreatedAtLTE: at(3)}, all[5:6])
	w.walkCustomers(ledger.CustomerFilter{CreatedAtGTE: at(9)}, nil)
	w.walkCustomers(ledger.CustomerFilter{CreatedAtGTE: at(5), CreatedAtLTE: at(4)}, nil)
}

func customersByAll(w *world) {
	var want []ledger.Customer
	for i := range 60 {
		c := w.customer(func(c *ledger.Customer) {
			c.Email = []string{"shared@example.com", "other@example.com"}[i%2]
			c.Name = []string{"Ann Able", "Bob Brick", "Cat Cole"}[i%3]
		})
		if i%6 == 0 && i >= 12 && i <= 48 {
			want = append([]ledger.Customer{c}, want...)
		}
	}
	w.walkCustomers(ledger.CustomerFilter{
		Email:        "shared@example.com",
		Name:         "ANN",
		CreatedAtGTE: want[len(want)-1].CreatedAt,
		CreatedAtLTE: want[0].CreatedAt,
	}, want)
}

func customersCursorUnderWriters(w *world) {
	old := map[string]bool{}
	for range 60 {
		old[w.customer().ID] = true
	}
	arriving := make([]ledger.Customer, 60)
	for i := range arriving {
		arriving[i] = w.newCustomer()
	}
	met := map[string]int{}
	together(2, func(i int) {
		if i == 0 {
			for _, c := range arriving {
				if _, err := w.ledger.CreateCustomer(w.Context(), c, nil); err != nil {
					w.Errorf("create customer: got error %v, want none", err)
				}
			}
			return
		}
		for page := (ledger.Page{Limit: 7}); ; {
			list, err := w.ledger.Customers(w.Context(), w.shop, ledger.CustomerFilter{}, page)
			if err != nil {
				w.Errorf("list customers: got error %v, want none", err)
				return
			}
			for _, c := range list.Customers {
				met[c.ID]++
			}
			if page.Before = list.Next; page.Before == 0 {
				return
			}
		}
	})
	for id, times := range met {
		if times != 1 {
			w.Errorf("customer %s: met %d times, want once", id, times)
		}
	}
	for id := range old {
		if met[id] == 0 {
			w.Errorf("customer %s: never met, want once", id)
		}
	}
}

func customerUpdate(w *world) {
	before := w.customer()
	w.post(credit(before, 700))
	entries := w.history(before).Entries
	want := before
	want.Email, want.Name, want.PhoneNumber = "new@example.com", "Ünew Name", "+4915112345678"
	want.Metadata, want.UpdatedAt = `{"k":"v"}`, before.UpdatedAt.Add(time.Hour)
	var seen ledger.Customer
	got, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, before.ID,
		func(c ledger.Customer) (ledger.CustomerChange, error) {
			seen = c
			return ledger.CustomerChange{Customer: want}, nil
		}, nil)
	w.wantCode(err, "")
	if first != nil {
		w.Errorf("got first answer %q, want none without a key", first)
	}
	w.same("customer that change was given", before, seen)
	w.same("customer that UpdateCustomer returned", want, got)
	h := w.history(before)
	w.same("customer read back", want, h.Customer)
	w.same("entries after an update of the customer", entries, h.Entries)
	w.walkCustomers(ledger.CustomerFilter{Name: "ünew"}, []ledger.Customer{want})
	w.walkCustomers(ledger.CustomerFilter{Email: "new@example.com"}, []ledger.Customer{want})
	w.walkCustomers(ledger.CustomerFilter{Name: before.Name}, nil)
	w.walkCustomers(ledger.CustomerFilter{Email: before.Email}, nil)
}

func customerUpdateRefused(w *world) {
	c := w.customer()
	refusal := ledger.FieldErrorf(ledger.CodeInvalidName, "name", "no")
	w.unchanged(func() {
		_, first, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name = "half done"
				return ledger.CustomerChange{Customer: c}, refusal
			}, nil)
		if !errors.Is(err, refusal) || first != nil {
			w.Errorf("got answer %q and error %v, want the change's own error %v", first, err, refusal)
		}
	}, c)
}

func customerUpdatesConcurrent(w *world) {
	const n = 40
	c := w.customer(func(c *ledger.Customer) { c.Name = "N" })
	together(n, func(int) {
		_, _, err := w.ledger.UpdateCustomer(w.Context(), w.shop, c.ID,
			func(c ledger.Customer) (ledger.CustomerChange, error) {
				c.Name += "x"
				return ledger.CustomerChange{Customer: c}, nil
			}, nil)
		if err != nil {
			w.Errorf("update customer: got error %v, want none", err)
		}
	})
	got, err := w.ledger.Customer(w.Context(), w.shop, c.ID)
	w.wantCode(err, "")
	w.same("name after concurrent updates", "N"+strings.Repeat("x", n), got.Name)
}
