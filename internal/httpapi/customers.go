package httpapi

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"net/http"
	"time"

	"github.com/billfold/billfold/internal/ledger"
)

// The fields of the customer requests. To create one, the first two are
// required; the last two are not fields of an update.
var customerFields = []string{"email", "name", "phone_number", "metadata", "create_new_customer", "test_clock"}

const (
	customerEmail = iota
	customerName
	customerPhone
	customerMetadata
	customerCreateNew
	customerClock
	customerRequired = customerName + 1
)

// Times for which answers to requests about customers are kept.
const (
	// answerKept is for requests with a key (law K5).
	answerKept = 90 * 24 * time.Hour

	// resendWindow is how long a second try without a key finds the answer to
	// the first (law K9).
	resendWindow = 10 * time.Minute
)

// customerUpdate is what a request says about a customer; nil is nothing.
type customerUpdate struct {
	email, name, phone, metadata *string
	reuse                        bool   // the newest customer with this e-mail will do
	clock                        string // id of a test clock, empty for none
}

func (c *call) decodeCustomer(names []string, required int) (customerUpdate, error) {
	var update customerUpdate
	f, err := c.fields(names, required)
	if err != nil {
		return update, err
	}
	for _, field := range []struct {
		index int
		into  **string
	}{{customerEmail, &update.email}, {customerName, &update.name}, {customerPhone, &update.phone}} {
		text, given, err := f.text(field.index)
		if err != nil {
			return update, err
		}
		if given {
			*field.into = &text
		}
	}
	metadata, given, err := f.metadata(customerMetadata)
	if err != nil {
		return update, err
	}
	if given {
		update.metadata = &metadata
	}
	if len(names) > customerCreateNew {
		createNew, given, err := f.boolean(customerCreateNew)
		if err != nil {
			return update, err
		}
		update.reuse = given && !createNew
		if update.clock, _, err = f.text(customerClock); err != nil {
			return update, err
		}
	}
	return update, nil
}

// apply returns the customer with the changes made. It is pure.
func (u *customerUpdate) apply(customer ledger.Customer) ledger.Customer {
	for _, field := range []struct {
		from *string
		into *string
	}{
		{u.email, &customer.Email}, {u.name, &customer.Name},
		{u.phone, &customer.PhoneNumber}, {u.metadata, &customer.Metadata},
	} {
		if field.from != nil {
			*field.into = *field.from
		}
	}
	return customer
}

// dropDefaults forgets what a new customer has anyway: to say it does not make
// another request (law K4).
func (u *customerUpdate) dropDefaults() {
	if u.phone != nil && *u.phone == "" {
		u.phone = nil
	}
	if u.metadata != nil && *u.metadata == "{}" {
		u.metadata = nil
	}
}

// fingerprint covers what the request says about the customer.
func (u *customerUpdate) fingerprint() ledger.Fingerprint {
	b := []byte("billfold.customer.v1")
	for _, field := range []*string{u.email, u.name, u.phone, u.metadata} {
		if field == nil {
			b = append(b, 0)
			continue
		}
		b = append(b, 1)
		b = binary.BigEndian.AppendUint64(b, uint64(len(*field)))
		b = append(b, *field...)
	}
	if u.reuse {
		b = append(b, 1)
	}
	if u.clock != "" {
		b = append(b, 2)
		b = append(b, u.clock...)
	}
	sum := sha256.Sum256(b)
	return ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
}

// once makes a request about a customer idempotent under the Idempotency-Key
// header; it returns nil when there is none.
func (s *Server) once(c *call, route string, fingerprint ledger.Fingerprint) (*ledger.Once, error) {
	var key string
	byHeader, err := c.takeKey(&key)
	if err != nil || !byHeader {
		return nil, err
	}
	now := s.book.Now()
	return &ledger.Once{
		Tenant:      c.tenant(),
		Route:       route,
		Key:         key,
		Fingerprint: fingerprint,
		Answer:      customerAnswer,
		At:          now,
		KeepUntil:   now.Add(answerKept),
	}, nil
}

// onceResent lets a second try of a request without a key find the first
// answer: the key is made of who asks and what they say. A first try records
// its answer and takes none, so that two equal requests make two customers.
func (s *Server) onceResent(c *call, route string, fingerprint ledger.Fingerprint) *ledger.Once {
	now := s.book.Now()
	accept := now.Add(time.Hour) // nothing
	if c.resent() {
		accept = now.Add(-resendWindow)
	}
	return &ledger.Once{
		Tenant:      c.tenant(),
		Route:       route + " without a key",
		Key:         c.key.ID + " " + hex.EncodeToString(fingerprint[:]),
		Fingerprint: fingerprint,
		Answer:      customerAnswer,
		At:          now,
		Accept:      accept,
		KeepUntil:   now.Add(resendWindow),
	}
}

func customerAnswer(customer ledger.Customer) []byte { return appendCustomer(nil, customer) }

// handleCustomerCreate makes a customer.
func (s *Server) handleCustomerCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	update, err := c.decodeCustomer(customerFields, customerRequired)
	if err != nil {
		return err
	}
	update.dropDefaults()
	now := s.book.Now()
	customer := update.apply(ledger.Customer{
		Tenant:    c.tenant(),
		Metadata:  "{}",
		CreatedAt: now,
		UpdatedAt: now,
	})
	if err := ledger.ValidateCustomer(customer); err != nil {
		return err
	}
	fingerprint := update.fingerprint()
	once, err := s.once(c, c.route.label, fingerprint)
	if err != nil {
		return err
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	if update.clock != "" {
		if err := s.attach(c, &customer, update.clock); err != nil {
			return err
		}
	}
	if update.reuse {
		return s.findOrCreate(c, customer, once)
	}
	return s.createCustomer(c, customer, once)
}

func (s *Server) createCustomer(c *call, customer ledger.Customer, once *ledger.Once) error {
	customer.ID = s.book.NewID("cus_")
	first, err := s.book.Store().CreateCustomer(c.r.Context(), customer, once)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, first)
	return nil
}

// findOrCreate answers with the newest customer that has the e-mail address,
// or a new one. Within one process the two steps cannot be overtaken by
// another request for the same address.
func (s *Server) findOrCreate(c *call, customer ledger.Customer, once *ledger.Once) error {
	hash := fnv.New32a()
	hash.Write([]byte(customer.Tenant.BusinessID + string(customer.Tenant.Mode) + customer.Email))
	lock := &s.emails[hash.Sum32()%uint32(len(s.emails))]
	lock.Lock()
	defer lock.Unlock()

	store := s.book.Store()
	filter := ledger.CustomerFilter{Email: customer.Email}
	found, err := store.Customers(c.r.Context(), customer.Tenant, filter, ledger.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(found.Customers) == 0 {
		return s.createCustomer(c, customer, once)
	}
	// An update that changes nothing records the answer for repeats, or finds
	// the one that was recorded.
	same := func(customer ledger.Customer) ledger.Customer { return customer }
	id := found.Customers[0].ID
	customer, first, err := s.book.UpdateCustomer(c.r.Context(), customer.Tenant, id, c.actor(), same, once)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, first)
	return nil
}

// replyCustomer answers with a customer, or with the first answer to the same
// request.
func (c *call) replyCustomer(customer ledger.Customer, first []byte) {
	if first != nil {
		c.w.Header()["Idempotency-Replayed"] = headerTrue
		c.reply(http.StatusOK, append(c.scratch.out[:0], first...))
		return
	}
	c.reply(http.StatusOK, appendCustomer(c.scratch.out[:0], customer))
}

// handleCustomerUpdate changes a customer.
func (s *Server) handleCustomerUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	update, err := c.decodeCustomer(customerFields[:customerCreateNew], 0)
	if err != nil {
		return err
	}
	// What the request leaves alone was valid when it was set.
	if err := ledger.ValidateCustomer(update.apply(ledger.Customer{Email: "a@example.com", Name: "a"})); err != nil {
		return err
	}
	id, malformed := c.customerID()
	once, err := s.once(c, "PATCH /customers/"+id, update.fingerprint())
	if err != nil {
		return err
	}
	if malformed != nil {
		return malformed
	}
	customer, first, err := s.book.UpdateCustomer(c.r.Context(), c.tenant(), id, c.actor(), update.apply, once)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, first)
	return nil
}

// handleCustomer returns one customer.
func (s *Server) handleCustomer(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	customer, err := s.book.Store().Customer(c.r.Context(), c.tenant(), id)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, nil)
	return nil
}

// Query parameters of the list of customers.
const (
	paramEmail = "email"
	paramName  = "name"
)

var customerListParams = []string{
	paramPageNumber, paramPageSize, paramCursor, paramEmail, paramName, paramCreatedGTE, paramCreatedLTE,
}

// handleCustomerList lists customers, newest first.
func (s *Server) handleCustomerList(c *call) error {
	q, err := c.query(customerListParams...)
	if err != nil {
		return err
	}
	filter := ledger.CustomerFilter{Email: q.get(paramEmail), Name: q.get(paramName)}
	if filter.CreatedAtGTE, err = q.since(paramCreatedGTE); err != nil {
		return err
	}
	if filter.CreatedAtLTE, err = q.until(paramCreatedLTE); err != nil {
		return err
	}
	bound := c.bound()
	page, err := s.page(c, &q, bound)
	if err != nil {
		return err
	}
	var list ledger.CustomerList
	err = s.inTurn(c, walksCustomers(&filter, page), func() (err error) {
		list, err = s.book.Store().Customers(c.r.Context(), c.tenant(), filter, page)
		return err
	})
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Customers {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendCustomer(out, list.Customers[i])
	}
	out = append(out, ']')
	out = s.appendNext(out, list.Next, bound)
	return s.replyList(c, append(out, '}'))
}
