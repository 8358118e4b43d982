package sqlite

import (
	"sync"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
)

// tenants maps each business in each mode to its number in the file. There are
// few and none is ever removed, so all are in memory.
type tenants struct {
	mu      sync.RWMutex
	numbers map[ledger.Tenant]int64
	staged  map[ledger.Tenant]int64 // added by the running transaction
}

func loadTenants(conn *sqlite.Conn) (*tenants, error) {
	t := &tenants{numbers: make(map[ledger.Tenant]int64), staged: make(map[ledger.Tenant]int64)}
	err := sqlitex.ExecuteTransient(conn, `select no, business_id, mode from tenants`, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			tenant := ledger.Tenant{BusinessID: stmt.ColumnText(1), Mode: ledger.Mode(stmt.ColumnText(2))}
			t.numbers[tenant] = stmt.ColumnInt64(0)
			return nil
		},
	})
	return t, err
}

func (t *tenants) number(tenant ledger.Tenant) (int64, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	no, ok := t.numbers[tenant]
	return no, ok
}

// stage, commit and rollback belong to the committer.
func (t *tenants) stage(tenant ledger.Tenant, no int64) { t.staged[tenant] = no }

func (t *tenants) commit() {
	if len(t.staged) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for tenant, no := range t.staged {
		t.numbers[tenant] = no
	}
	clear(t.staged)
}

func (t *tenants) rollback() { clear(t.staged) }
