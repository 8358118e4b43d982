package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/billing/calendar"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

func productScenarios() []scenario {
	return []scenario{
		{"products read back to the last member", productsReadBack},
		{"products are listed newest first, by filter and page", productLists},
		{"a product is changed, archived and sold again, each with its line", productChanges},
		{"what is refused or changes nothing leaves a product and the trail alone", productRefusals},
		{"N1 products of another business or mode are not there", productTenancy},
		{"one key 16 times at once: one product, one answer", productKeys},
		{"concurrent changes of a product are all in it", productRace},
	}
}

// newProduct makes a product without storing it: one with every member.
func (w *world) newProduct(changes ...func(*catalog.Product)) catalog.Product {
	w.names++
	at := epoch.Add(time.Duration(w.names) * time.Microsecond)
	p := catalog.Product{
		Tenant: w.shop, ID: w.book.NewID(catalog.ProductIDPrefix), Name: fmt.Sprintf(`Product "%d" & Söhne`, w.names),
		Description: "a <b>\n'c' \u2028", TaxCategory: "saas", Metadata: `{"a":1.5,"b":"<ü>"}`,
		Price: billing.Price{
			Kind: billing.RecurringPrice, Currency: "KWD", Amount: money.EntryMax, TrialDays: 14,
			Payment:      billing.Interval{Count: 3, Unit: calendar.Month},
			Subscription: billing.Interval{Count: 1, Unit: calendar.Year},
		},
		CreatedAt: at, UpdatedAt: at,
	}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func (w *world) product(changes ...func(*catalog.Product)) catalog.Product {
	w.Helper()
	p := w.newProduct(changes...)
	first, err := w.products.CreateProduct(w.Context(), p, w.change(), nil, nil)
	w.wantCode(err, "")
	if first != nil {
		w.Errorf("a new product: got the answer %q, want none", first)
	}
	return p
}

// once is a product that is paid once.
func once(p *catalog.Product) {
	p.Price = billing.Price{Kind: billing.OneTimePrice, Currency: "JPY", PayWhatYouWant: true, Suggested: 100}
}

// wantMember compares the one member of a line's state with a text of JSON.
func (w *world) wantMember(state, name, want string) {
	w.Helper()
	var got map[string]json.RawMessage
	if err := json.Unmarshal([]byte(state), &got); err != nil || len(got) != 1 {
		w.Errorf("state: got %s, want one member", state)
	}
	var left, right any
	w.wantCode(json.Unmarshal(got[name], &left), "")
	w.wantCode(json.Unmarshal([]byte(want), &right), "")
	w.same("member "+name, right, left)
}

func (w *world) wantProduct(want catalog.Product) {
	w.Helper()
	got, err := w.products.Product(w.Context(), want.Tenant, want.ID)
	w.wantCode(err, "")
	w.same("product", want, got)
}

func productsReadBack(w *world) {
	for _, want := range []catalog.Product{w.product(), w.product(once), w.product(func(p *catalog.Product) {
		p.Description, p.Metadata, p.Price.TrialDays, p.ArchivedAt = "", "{}", 0, epoch
	})} {
		w.wantProduct(want)
	}
	for _, id := range []string{"pdt_unknown", "", "a\x00b", "\xff"} {
		_, err := w.products.Product(w.Context(), w.shop, id)
		w.wantCode(err, ledger.CodeNotFound)
	}
}

// listed are the ids of a page.
func (w *world) listed(filter catalog.Filter, page ledger.Page) (ids []string, next int64) {
	w.Helper()
	list, err := w.products.Products(w.Context(), w.shop, filter, page)
	w.wantCode(err, "")
	for _, p := range list.Products {
		w.wantProduct(p)
		ids = append(ids, p.ID)
	}
	return ids, list.Next
}

func productLists(w *world) {
	archived := w.product(func(p *catalog.Product) { p.ArchivedAt = epoch })
	var recurring, all []string
	for range 3 {
		recurring = append([]string{w.product().ID}, recurring...)
		all = append([]string{w.product(once).ID, recurring[0]}, all...)
	}
	yes, no := true, false
	for _, c := range []struct {
		filter catalog.Filter
		page   ledger.Page
		want   []string
	}{
		{catalog.Filter{}, ledger.Page{Limit: 10}, all},
		{catalog.Filter{}, ledger.Page{Limit: 2, Skip: 4}, all[4:]},
		{catalog.Filter{}, ledger.Page{Limit: 2, Skip: 6}, nil},
		{catalog.Filter{Recurring: &yes}, ledger.Page{Limit: 10}, recurring},
		{catalog.Filter{Recurring: &no}, ledger.Page{Limit: 1, Skip: 1}, all[2:3]},
		{catalog.Filter{Archived: true}, ledger.Page{Limit: 10}, []string{archived.ID}},
		{catalog.Filter{Archived: true, Recurring: &no}, ledger.Page{Limit: 10}, nil},
	} {
		got, _ := w.listed(c.filter, c.page)
		w.same(fmt.Sprintf("products by %+v, %+v", c.filter, c.page), c.want, got)
	}
	var walked []string
	for page := (ledger.Page{Limit: 4}); ; {
		ids, next := w.listed(catalog.Filter{}, page)
		walked = append(walked, ids...)
		if page.Before = next; next == 0 {
			break
		}
	}
	w.same("products by cursor", all, walked)
	nobody := ledger.Tenant{BusinessID: "bus_none", Mode: ledger.Test}
	list, err := w.products.Products(w.Context(), nobody, catalog.Filter{}, ledger.Page{Limit: 1})
	w.wantCode(err, "")
	w.same("products of no business", catalog.List{}, list)
}

func productChanges(w *world) {
	p := w.product()
	lines := len(w.trail(w.shop))
	text := func(p catalog.Product) string {
		text, err := p.Encode()
		w.wantCode(err, "")
		return text
	}
	for _, change := range []func(*catalog.Product){
		func(p *catalog.Product) { once(p); p.Name, p.Metadata = "Other", "{}" },
		func(p *catalog.Product) { p.ArchivedAt = epoch.Add(time.Hour) },
		func(p *catalog.Product) { p.ArchivedAt, p.UpdatedAt = time.Time{}, epoch.Add(2*time.Hour) },
	} {
		want, by := p, w.change()
		change(&want)
		got, err := w.products.UpdateProduct(w.Context(), w.shop, p.ID, by, func(p *catalog.Product) error {
			change(p)
			return nil
		})
		w.wantCode(err, "")
		w.same("changed product", want, got)
		w.wantProduct(want)
		ids, _ := w.listed(catalog.Filter{Archived: want.Archived(), Recurring: new(bool)}, ledger.Page{Limit: 10})
		w.same("products that are sold so", []string{p.ID}, ids)
		trail := w.trail(w.shop)
		if lines++; len(trail) != lines {
			w.Fatalf("got %d lines in the trail, want %d", len(trail), lines)
		}
		last := trail[lines-1]
		w.wantMember(last.Before, p.ID, text(p))
		w.wantMember(last.After, p.ID, text(want))
		if last.Action != access.AuditProductUpdate || last.By != by.By {
			w.Errorf("line: got %s by %+v, want %s by %+v", last.Action, last.By, access.AuditProductUpdate, by.By)
		}
		p = want
	}
}

func productRefusals(w *world) {
	p := w.product()
	before := w.trail(w.shop)
	if last := before[len(before)-1]; last.Action != access.AuditProductCreate || last.Before != `{"`+p.ID+`":null}` {
		w.Errorf("line of the new product: got %+v", last)
	}
	refusal := ledger.Errorf(ledger.CodeInvalidName, "no")
	_, err := w.products.UpdateProduct(w.Context(), w.shop, p.ID, w.change(), func(p *catalog.Product) error {
		p.Name = "Other"
		return refusal
	})
	w.wantCode(err, ledger.CodeInvalidName)
	nothing := func(*catalog.Product) error { return nil }
	got, err := w.products.UpdateProduct(w.Context(), w.shop, p.ID, w.change(), nothing)
	w.wantCode(err, "")
	w.same("product that stays what it is", p, got)
	_, err = w.products.UpdateProduct(w.Context(), w.shop, "pdt_unknown", w.change(), nothing)
	w.wantCode(err, ledger.CodeNotFound)
	nobodys := w.newProduct(func(p *catalog.Product) { p.Tenant.BusinessID = "bus_none" })
	_, err = w.products.CreateProduct(w.Context(), nobodys, w.change(), nil, nil)
	w.wantCode(err, ledger.CodeNotFound)
	w.wantProduct(p)
	w.same("trail", before, w.trail(w.shop))
}

func productTenancy(w *world) {
	p := w.product()
	live := ledger.Tenant{BusinessID: w.shop.BusinessID, Mode: ledger.Live}
	for _, tenant := range []ledger.Tenant{live, w.business("Second Shop"), {BusinessID: "bus_none", Mode: ledger.Test}} {
		_, err := w.products.Product(w.Context(), tenant, p.ID)
		w.wantCode(err, ledger.CodeNotFound)
		_, err = w.products.UpdateProduct(w.Context(), tenant, p.ID, w.change(), func(p *catalog.Product) error {
			p.Name = "Theirs"
			return nil
		})
		w.wantCode(err, ledger.CodeNotFound)
		list, err := w.products.Products(w.Context(), tenant, catalog.Filter{}, ledger.Page{Limit: 10})
		w.wantCode(err, "")
		w.same("products of another", catalog.List{}, list)
	}
	// The same id somewhere else is another product.
	theirs := w.product(func(other *catalog.Product) { other.Tenant, other.ID = live, p.ID; other.Name = "Theirs" })
	w.wantProduct(p)
	w.wantProduct(theirs)
}

func productKeys(w *world) {
	const many = 16
	key := w.onceOf("a key", func(o *ledger.Once) { o.Route, o.Answer = "POST /products", nil })
	var offered []catalog.Product
	for range many {
		offered = append(offered, w.newProduct())
	}
	var wait sync.WaitGroup
	answers := make([]string, many)
	for i := range many {
		by := w.change()
		wait.Go(func() {
			first, err := w.products.CreateProduct(w.Context(), offered[i], by, key, []byte(offered[i].ID))
			if err != nil {
				w.Errorf("create product: got error %v, want none", err)
			}
			answers[i] = string(first)
		})
	}
	wait.Wait()
	ids, _ := w.listed(catalog.Filter{}, ledger.Page{Limit: 2 * many})
	if len(ids) != 1 {
		w.Fatalf("got %d products under one key, want 1", len(ids))
	}
	for i, answer := range answers {
		if want := ids[0]; answer != want && (answer != "" || offered[i].ID != want) {
			w.Errorf("answer to %s: got %q, want that of %s", offered[i].ID, answer, want)
		}
	}
	kept, err := w.products.ProductAnswer(w.Context(), key)
	w.wantCode(err, "")
	w.wantAnswer(ids[0], kept)
	none, err := w.products.ProductAnswer(w.Context(), w.onceOf("another key"))
	w.wantCode(err, "")
	w.wantAnswer("", none)
	other := *key
	other.Fingerprint = ledger.Fingerprint{2}
	_, err = w.products.ProductAnswer(w.Context(), &other)
	w.wantCode(err, ledger.CodeKeyReused)
	_, err = w.products.CreateProduct(w.Context(), w.newProduct(), w.change(), &other, nil)
	w.wantCode(err, ledger.CodeKeyReused)
}

func productRace(w *world) {
	const many = 16
	p := w.product()
	lines := len(w.trail(w.shop))
	var wait sync.WaitGroup
	for range many {
		by := w.change()
		wait.Go(func() {
			_, err := w.products.UpdateProduct(w.Context(), w.shop, p.ID, by, func(p *catalog.Product) error {
				p.Price.TrialDays++
				return nil
			})
			if err != nil {
				w.Errorf("change product: got error %v, want none", err)
			}
		})
	}
	wait.Wait()
	p.Price.TrialDays += many
	w.wantProduct(p)
	if got := len(w.trail(w.shop)) - lines; got != many {
		w.Errorf("got %d lines for %d changes", got, many)
	}
}
