// Package catalog has the products that a business sells, and what they cost. They
// belong to a business in one mode and to no customer, and no money moves with them.
package catalog

import (
	"context"
	"time"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// ProductIDPrefix begins the id of every product.
const ProductIDPrefix = "pdt_"

// Product is something that a business sells.
type Product struct {
	Tenant      ledger.Tenant
	ID          string
	Name        string
	Description string // empty for none
	TaxCategory string // in the words of the wire
	Price       billing.Price
	Metadata    string // a JSON object in canonical form

	ArchivedAt time.Time // zero while it is sold
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Archived reports whether the product is not sold any more.
func (p *Product) Archived() bool { return !p.ArchivedAt.IsZero() }

// Recurring reports whether the product is paid for again and again.
func (p *Product) Recurring() bool { return p.Price.Kind == billing.RecurringPrice }

// Filter narrows a list of products. Zero fields do not filter.
type Filter struct {
	Archived  bool // only archived ones; otherwise only those that are not
	Recurring *bool
}

// List is a page of products. Next is the cursor of the page after it, 0 for none.
type List struct {
	Products []Product
	Next     int64
}

// Store keeps products. Each change of one is a line in the audit trail of its
// business, in the same transaction, see [access.Trail.ProductChanged].
type Store interface {
	// Product returns one, with [ledger.CodeNotFound] where the tenant has none of this id.
	Product(ctx context.Context, tenant ledger.Tenant, id string) (Product, error)

	// Products returns a page of those that pass the filter, newest first.
	Products(ctx context.Context, tenant ledger.Tenant, filter Filter, page ledger.Page) (List, error)

	// CreateProduct keeps a new product. With once it keeps the answer under that key
	// in the same transaction, and asks nothing of once to make it; if the key already
	// has an answer that once accepts, nothing is added and that first answer is returned.
	// Another request under the same key is [ledger.CodeKeyReused].
	CreateProduct(
		ctx context.Context, product Product, by access.Change, once *ledger.Once, answer []byte,
	) (first []byte, err error)

	// ProductAnswer returns the answer that CreateProduct has kept under a key, nil for
	// none that once accepts.
	ProductAnswer(ctx context.Context, once *ledger.Once) ([]byte, error)

	// UpdateProduct has change decide what becomes of a product, under its lock. An error
	// of change is returned as it is, and nothing is changed then; nor is anything written
	// if the product stays what it was. Change is pure and may be called more than once.
	UpdateProduct(
		ctx context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*Product) error,
	) (Product, error)
}
