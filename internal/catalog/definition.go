package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/billfold/billfold/internal/billing"
	"github.com/billfold/billfold/internal/ledger"
)

// definition is a product as stores keep it, and as the audit trail of its business
// shows it. What is not there is null, so that each change of it can be told.
type definition struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	TaxCategory string          `json:"tax_category"`
	Price       billing.Price   `json:"price"`
	Metadata    json.RawMessage `json:"metadata"`
	ArchivedAt  *string         `json:"archived_at"`
	CreatedAt   *string         `json:"created_at"`
	UpdatedAt   *string         `json:"updated_at"`
}

// timeLayout is RFC 3339 with microseconds, as in the audit trails.
const timeLayout = "2006-01-02T15:04:05.000000Z"

// Encode returns what a store keeps of a product beside its tenant and id.
func (p *Product) Encode() (string, error) {
	at := func(t time.Time) *string {
		if t.IsZero() {
			return nil
		}
		text := t.UTC().Format(timeLayout)
		return &text
	}
	var b bytes.Buffer
	to := json.NewEncoder(&b)
	to.SetEscapeHTML(false) // which would write metadata in another way
	err := to.Encode(definition{
		Name: p.Name, Description: p.Description, TaxCategory: p.TaxCategory, Price: p.Price,
		Metadata: json.RawMessage(p.Metadata), ArchivedAt: at(p.ArchivedAt), CreatedAt: at(p.CreatedAt),
		UpdatedAt: at(p.UpdatedAt),
	})
	if err != nil {
		return "", fmt.Errorf("encode product %s: %w", p.ID, err)
	}
	return string(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// Decode returns the product that Encode made a text of.
func Decode(tenant ledger.Tenant, id, text string) (Product, error) {
	var d definition
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return Product{}, fmt.Errorf("decode product %s: %w", id, err)
	}
	p := Product{
		Tenant: tenant, ID: id, Name: d.Name, Description: d.Description, TaxCategory: d.TaxCategory, Price: d.Price,
		Metadata: string(d.Metadata),
	}
	for _, at := range []struct {
		from *string
		into *time.Time
	}{{d.ArchivedAt, &p.ArchivedAt}, {d.CreatedAt, &p.CreatedAt}, {d.UpdatedAt, &p.UpdatedAt}} {
		if at.from == nil {
			continue
		}
		t, err := time.Parse(timeLayout, *at.from)
		if err != nil {
			return Product{}, fmt.Errorf("decode product %s: %w", id, err)
		}
		*at.into = t.UTC()
	}
	return p, nil
}
