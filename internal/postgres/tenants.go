package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/ledger"
)

// tenants maps each business in each mode to its number in the database, and
// back. None is ever removed or renumbered, so what was read once is true for
// ever; what is missing is looked up again, because another instance may have
// added it.
type tenants struct {
	mu      sync.RWMutex
	numbers map[ledger.Tenant]int32
	names   map[int32]ledger.Tenant
}

// known returns the number of a tenant that was looked up before.
func (t *tenants) known(tenant ledger.Tenant) (int32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	number, ok := t.numbers[tenant]
	return number, ok
}

// of returns the tenant of a number that was looked up before.
func (t *tenants) of(number int32) ledger.Tenant {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.names[number]
}

// storable reports whether PostgreSQL can hold a text at all: it must be UTF-8
// without U+0000. Nothing is stored under any other, so there is no need to ask.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// number returns the number of a tenant, or errNoBusiness.
func (t *tenants) number(ctx context.Context, q querier, tenant ledger.Tenant) (int32, error) {
	if number, ok := t.known(tenant); ok {
		return number, nil
	}
	if !storable(tenant.BusinessID) {
		return 0, errNoBusiness
	}
	rows, err := q.Query(ctx, `select no from tenants where business_id = $1 and mode = $2`, tenant.BusinessID, tenant.Mode)
	if err != nil {
		return 0, err
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, err
	}
	if len(numbers) == 0 {
		return 0, errNoBusiness
	}
	t.learn(tenant, numbers[0])
	return numbers[0], nil
}

func (t *tenants) learn(tenant ledger.Tenant, number int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.numbers == nil {
		t.numbers, t.names = map[ledger.Tenant]int32{}, map[int32]ledger.Tenant{}
	}
	t.numbers[tenant], t.names[number] = number, tenant
}

// name returns the tenant of a number, or errNoBusiness.
func (t *tenants) name(ctx context.Context, q querier, number int32) (tenant ledger.Tenant, err error) {
	if tenant = t.of(number); tenant != (ledger.Tenant{}) {
		return tenant, nil
	}
	err = q.QueryRow(ctx, `select business_id, mode from tenants where no = $1`, number).Scan(&tenant.BusinessID, &tenant.Mode)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoBusiness
	}
	if err == nil {
		t.learn(tenant, number)
	}
	return tenant, err
}
