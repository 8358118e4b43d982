package verify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// productRow is a raw row of products.
type productRow struct {
	id, definition      string
	tenant              int64
	recurring, archived bool
}

// addProduct takes a product.
func (t *tenants) addProduct(product productRow) {
	row, ok := t.rows[product.tenant]
	if !ok {
		t.broken.add(LawTenancy, Finding{}, "product %s belongs to tenant %d, which does not exist", product.id, product.tenant)
		return
	}
	row.products = append(row.products, product)
}

// finishProducts compares the products of a business with what its trail has left.
func (r *tenantRow) finishProducts(report func(format string, args ...any)) {
	for _, product := range r.products {
		r.compare(product.id, json.RawMessage(product.definition), report)
		var says struct {
			Price struct {
				Type string `json:"type"`
			} `json:"price"`
			ArchivedAt *string `json:"archived_at"`
		}
		if json.Unmarshal([]byte(product.definition), &says) != nil {
			continue // and so it is not what the trail has left
		}
		if product.recurring != (says.Price.Type == "recurring_price") || product.archived != (says.ArchivedAt != nil) {
			report("product %s is listed as what it is not", product.id)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.trail.members)) {
		if strings.HasPrefix(name, productPrefix) {
			report("product %s is gone, the audit trail has it", name)
		}
	}
}
