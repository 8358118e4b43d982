package httpapi

import (
	"crypto/sha256"
	"net/http"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request to create a product, of which the first three are required.
// Only to change one there is the last. Those from addons on are of the published format
// and not offered: they may say that there is nothing.
var productFields = []string{
	"name", "price", "tax_category", "description", "metadata", "brand_id",
	"addons", "credit_entitlements", "digital_product_delivery", "entitlements", "license_key_activation_message",
	"license_key_activations_limit", "license_key_duration", "license_key_enabled", "pricing_mode", "image_id",
}

const (
	productName = iota
	productPrice
	productTaxCategory
	productDescription
	productMetadata
	productBrand
	productAddons // the first that is not offered
	productCreditEntitlements
	productDelivery
	productEntitlements
	productLicenseMessage
	productLicenseActivations
	productLicenseDuration
	productLicense
	productPricingMode
	productImage

	productRequired = productTaxCategory + 1
)

// productKinds are the types of the fields, see reversalKinds.
var productKinds = [...]strictjson.Kind{
	productName: strictjson.String, productPrice: strictjson.Object, productTaxCategory: strictjson.String,
	productDescription: strictjson.String, productMetadata: strictjson.Object, productBrand: strictjson.String,
	productAddons: strictjson.Array, productCreditEntitlements: strictjson.Array, productDelivery: strictjson.Object,
	productEntitlements: strictjson.Array, productLicenseMessage: strictjson.String,
	productLicenseActivations: strictjson.Number, productLicenseDuration: strictjson.Object,
	productLicense: strictjson.Bool, productPricingMode: strictjson.String, productImage: strictjson.String,
}

// productUpdate is what a request says about a product; nil is nothing.
type productUpdate struct {
	name, taxCategory, description, metadata *string
	price                                    *billing.Price
}

// apply makes the changes. It is pure.
func (u *productUpdate) apply(p *catalog.Product) {
	put(u.name, &p.Name)
	put(u.taxCategory, &p.TaxCategory)
	put(u.description, &p.Description)
	put(u.metadata, &p.Metadata)
	put(u.price, &p.Price)
}

// decodeProduct reads what a request says about a product. Types come before values.
func (c *call) decodeProduct(names []string, required int) (u productUpdate, err error) {
	f, err := c.fields(names, required)
	if err != nil {
		return u, err
	}
	if err := f.checkKinds(productKinds[:len(names)]); err != nil {
		return u, err
	}
	if f.given(productPrice) {
		price, err := decodePrice(f.values[productPrice])
		if err != nil {
			return u, within("price", err)
		}
		u.price = &price
	}
	for index, into := range map[int]**string{
		productName: &u.name, productTaxCategory: &u.taxCategory, productDescription: &u.description,
	} {
		if text, given, _ := f.text(index); given {
			*into = &text
		}
	}
	metadata, given, err := f.metadata(productMetadata)
	if err != nil {
		return u, err
	}
	if given {
		u.metadata = &metadata
	}
	if brand, given, _ := f.text(productBrand); given && brand != c.tenant().BusinessID {
		return u, notOffered("brand_id", "brands, but for that of the business itself")
	}
	for index := productAddons; index < len(names); index++ {
		value := f.values[index]
		if isNothing(value) || index == productPricingMode && string(value.Text()) == "by_currency" {
			continue
		}
		return u, notOffered(names[index], names[index])
	}
	return u, nil
}

// notOffered refuses what the published format has and Billfold does not.
func notOffered(param, what string) error {
	return ledger.FieldErrorf(catalog.CodeNotOffered, param, "Billfold does not offer %s; leave it out", what)
}

// isNothing reports whether a value says that there is none of it.
func isNothing(value strictjson.Value) bool {
	switch value.Kind() {
	case strictjson.Bool:
		return string(value.Text()) == "false"
	case strictjson.Number:
		n, whole := integer(value)
		return whole && n == 0
	case strictjson.String:
		return len(value.Text()) == 0
	case strictjson.Array:
		return value.Len() == 0
	case strictjson.Object:
		for _, member := range value.Members {
			if member.Kind() != strictjson.Null {
				return false
			}
		}
	}
	return true
}

// within names the member of the request in which the field of an error is.
func within(member string, err error) error {
	refused, ok := err.(*ledger.Error)
	if !ok || refused.Param == "" {
		return err
	}
	inside := *refused
	inside.Param = member + "." + refused.Param
	return &inside
}

// productID returns the id in the path, or that there is no such product.
func (c *call) productID() (string, error) {
	if !isID(c.params[0], catalog.ProductIDPrefix) {
		return "", errNotFound
	}
	return c.params[0], nil
}

var errProductDeleted = ledger.Errorf(catalog.CodeProductDeleted, "The product is archived; POST …/unarchive sells it again.")

// enabled refuses a currency that the business does not have.
func (c *call) enabled(currency money.Currency) error {
	if c.settings.Enabled(currency) {
		return nil
	}
	return ledger.FieldErrorf(ledger.CodeUnsupportedCurrency, "price.currency", "%s is not enabled for this business", currency)
}

// handleProductCreate makes a product. A repeat gets its first answer also when the
// currency is not enabled any more (law K10).
func (s *Server) handleProductCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	update, err := c.decodeProduct(productFields[:productImage], productRequired)
	if err != nil {
		return err
	}
	product := catalog.Product{Tenant: c.tenant(), Metadata: "{}"}
	update.apply(&product)
	if err := catalog.Validate(&product); err != nil {
		return err
	}
	asked, err := product.Encode()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte("billfold.product.v1" + asked))
	fingerprint := ledger.Fingerprint(sum[:len(ledger.Fingerprint{})])
	once, err := s.once(c, c.route.label, fingerprint)
	if err != nil {
		return err
	}
	if once == nil {
		once = s.onceResent(c, c.route.label, fingerprint)
	}
	if refused := c.enabled(product.Price.Currency); refused != nil {
		first, err := s.products.ProductAnswer(c.r.Context(), once)
		if err == nil && first == nil {
			err = refused
		}
		if err != nil {
			return err
		}
		c.replyFirst(first)
		return nil
	}
	change, err := s.directory.Change(c.actor())
	if err != nil {
		return err
	}
	product.ID = s.book.NewID(catalog.ProductIDPrefix)
	product.CreatedAt, product.UpdatedAt = change.Now, change.Now
	out := appendProduct(nil, &product)
	first, err := s.products.CreateProduct(c.r.Context(), product, change, once, out)
	if err != nil {
		return err
	}
	if first != nil {
		c.replyFirst(first)
		return nil
	}
	c.reply(http.StatusOK, append(c.scratch.out[:0], out...))
	return nil
}

// replyFirst answers with the first answer to the same request.
func (c *call) replyFirst(first []byte) {
	c.w.Header()["Idempotency-Replayed"] = headerTrue
	c.reply(http.StatusOK, append(c.scratch.out[:0], first...))
}

// handleProduct returns one product that is sold.
func (s *Server) handleProduct(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.productID()
	if err != nil {
		return err
	}
	product, err := s.products.Product(c.r.Context(), c.tenant(), id)
	if err == nil && product.Archived() {
		err = errProductDeleted
	}
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, appendProduct(c.scratch.out[:0], &product))
	return nil
}

// handleProductUpdate changes a product that is sold.
func (s *Server) handleProductUpdate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	update, err := c.decodeProduct(productFields, 0)
	if err != nil {
		return err
	}
	// What the request leaves alone was valid when it was set.
	whole := catalog.Product{
		Name: "a", TaxCategory: "saas", Price: billing.Price{Kind: billing.OneTimePrice, Currency: "USD"},
	}
	update.apply(&whole)
	if err := catalog.Validate(&whole); err != nil {
		return err
	}
	return s.changeProduct(c, func(p *catalog.Product, _ time.Time) error {
		switch {
		case p.Archived():
			return errProductDeleted
		case update.price != nil && update.price.Kind != p.Price.Kind:
			return ledger.FieldErrorf(catalog.CodeInvalidProduct, "price.type", "the type of a product's price cannot change; make another product")
		case update.price != nil && update.price.Currency != p.Price.Currency:
			if err := c.enabled(update.price.Currency); err != nil {
				return err
			}
		}
		update.apply(p)
		return nil
	})
}

// handleProductArchive takes a product from sale.
func (s *Server) handleProductArchive(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	return s.changeProduct(c, func(p *catalog.Product, now time.Time) error {
		if p.Archived() {
			return errProductDeleted
		}
		p.ArchivedAt = now
		return nil
	})
}

// handleProductUnarchive sells a product again. One that is sold stays so.
func (s *Server) handleProductUnarchive(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	if err := c.noFields(); err != nil {
		return err
	}
	return s.changeProduct(c, func(p *catalog.Product, _ time.Time) error {
		p.ArchivedAt = time.Time{}
		return nil
	})
}

// changeProduct changes the product in the path and answers without a body, as the
// published format does. Change is pure.
func (s *Server) changeProduct(c *call, change func(p *catalog.Product, now time.Time) error) error {
	id, err := c.productID()
	if err != nil {
		return err
	}
	by, err := s.directory.Change(c.actor())
	if err != nil {
		return err
	}
	_, err = s.products.UpdateProduct(c.r.Context(), c.tenant(), id, by, func(p *catalog.Product) error {
		before := *p
		if err := change(p, by.Now); err != nil {
			return err
		}
		if *p != before && by.Now.After(p.UpdatedAt) {
			p.UpdatedAt = by.Now
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.replyEmpty()
	return nil
}

// Query parameters of the list of products.
const (
	paramArchived  = "archived"
	paramRecurring = "recurring"
	paramBrand     = "brand_id"
)

var productListParams = []string{paramPageNumber, paramPageSize, paramCursor, paramArchived, paramRecurring, paramBrand}

// handleProductList lists products, newest first. A business has one brand, itself.
func (s *Server) handleProductList(c *call) error {
	q, err := c.query(productListParams...)
	if err != nil {
		return err
	}
	archived, err := q.boolean(paramArchived)
	if err != nil {
		return err
	}
	filter := catalog.Filter{Archived: archived != nil && *archived}
	if filter.Recurring, err = q.boolean(paramRecurring); err != nil {
		return err
	}
	bound := c.bound()
	page, err := s.page(c, &q, bound)
	if err != nil {
		return err
	}
	var list catalog.List
	if brand := q.get(paramBrand); brand == "" || brand == c.tenant().BusinessID {
		// There is no index for the kind of a price.
		err = s.inTurn(c, filter.Recurring != nil || page.Skip > walkSkip, func() (err error) {
			list, err = s.products.Products(c.r.Context(), c.tenant(), filter, page)
			return err
		})
		if err != nil {
			return err
		}
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Products {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendProductItem(out, &list.Products[i])
	}
	out = append(out, ']')
	out = s.appendNext(out, list.Next, bound)
	return s.replyList(c, append(out, '}'))
}

// boolean returns a parameter that is true or false, nil when it is absent.
func (q *query) boolean(name string) (*bool, error) {
	yes := q.get(name) == "true"
	switch q.get(name) {
	case "":
		return nil, nil
	case "true", "false":
		return &yes, nil
	}
	return nil, queryError(name, "%s must be true or false.", name)
}
