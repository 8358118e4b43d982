package storetest

import (
	"context"
	"testing"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/ledger"
)

func productMistakes() []mistake {
	open := func(bend func(*Model) catalog.Store) func(testing.TB) Stores {
		return func(testing.TB) Stores {
			m := NewModel()
			return Stores{Ledger: m, Access: m, Products: bend(m)}
		}
	}
	return []mistake{
		{"products of every mode", open(func(m *Model) catalog.Store { return productsOfTest{m} }), [][2]string{
			{"products", "N1 products of another business or mode are not there"},
		}, false},
		{"a key makes another product each time", open(func(m *Model) catalog.Store { return productsByNoKey{m} }), [][2]string{
			{"products", "one key 16 times at once: one product, one answer"},
		}, false},
		{"a line for a change of nothing", open(func(m *Model) catalog.Store { return productsTold{m} }), [][2]string{
			{"products", "what is refused or changes nothing leaves a product and the trail alone"},
		}, false},
	}
}

type productsOfTest struct{ *Model }

func (s productsOfTest) Product(ctx context.Context, tenant ledger.Tenant, id string) (catalog.Product, error) {
	tenant.Mode = ledger.Test
	return s.Model.Product(ctx, tenant, id)
}

type productsByNoKey struct{ *Model }

func (s productsByNoKey) CreateProduct(
	ctx context.Context, p catalog.Product, by access.Change, _ *ledger.Once, _ []byte,
) ([]byte, error) {
	return s.Model.CreateProduct(ctx, p, by, nil, nil)
}

// productsTold writes a line whatever becomes of a product.
type productsTold struct{ *Model }

func (s productsTold) UpdateProduct(
	ctx context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*catalog.Product) error,
) (catalog.Product, error) {
	changed, err := s.Model.UpdateProduct(ctx, tenant, id, by, change)
	if err == nil {
		text, _ := changed.Encode()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.note(s.Model.trail(tenant).ProductChanged(tenant, by, id, text, text))
	}
	return changed, err
}
