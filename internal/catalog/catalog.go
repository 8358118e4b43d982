// Package catalog has the products that a business sells, and what they cost. They
// belong to a business in one mode and to no customer, and no money moves with them.
package catalog

import (
	"context"
	"time"

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

// Filter narrows a list of products. Zero fields do not filter.
type Filter struct {
	Archived  bool // only archived ones; otherwise only those that are not
	Recurring *bool
}

// Store keeps products.
type Store interface {
	// Product returns one, with [ledger.CodeNotFound] where the tenant has none of this id.
	Product(ctx context.Context, tenant ledger.Tenant, id string) (Product, error)

	// Products returns a page of those that pass the filter, newest first.
	Products(ctx context.Context, tenant ledger.Tenant, filter Filter, skip int64, limit int) ([]Product, error)

	// CreateProduct keeps a new product.
	CreateProduct(ctx context.Context, product Product) error

	// UpdateProduct has change decide what becomes of a product, under its lock. An error
	// of change is returned as it is, and nothing is changed then.
	UpdateProduct(ctx context.Context, tenant ledger.Tenant, id string, change func(*Product) error) (Product, error)
}
