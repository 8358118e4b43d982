package sqlite

import (
	"context"
	"strings"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

var errNoProduct = ledger.Errorf(ledger.CodeNotFound, "there is no such product")

// Product implements catalog.Store.
func (db *DB) Product(ctx context.Context, tenant ledger.Tenant, id string) (product catalog.Product, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return product, errNoProduct
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		product, _, err = readProduct(conn, tenant, number, id)
		return err
	})
	return product, err
}

// readProduct returns a product with the text that is kept of it.
func readProduct(
	conn *sqlite.Conn, tenant ledger.Tenant, number int64, id string,
) (product catalog.Product, text string, err error) {
	const query = `select definition from products where tenant = ? and id = ?`
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
		Args:       []any{number, id},
		ResultFunc: func(stmt *sqlite.Stmt) error { text = stmt.ColumnText(0); return nil },
	})
	if err == nil && text == "" {
		err = errNoProduct
	}
	if err != nil {
		return product, "", err
	}
	product, err = catalog.Decode(tenant, id, text)
	return product, text, err
}

// Products implements catalog.Store. Its cursor is the product's number.
func (db *DB) Products(
	ctx context.Context, tenant ledger.Tenant, filter catalog.Filter, page ledger.Page,
) (list catalog.List, err error) {
	number, known := db.tenants.number(tenant)
	if !known {
		return list, nil
	}
	clauses, args := []string{"tenant = ?", "archived = ?"}, []any{number, filter.Archived}
	if filter.Recurring != nil {
		clauses, args = append(clauses, "recurring = ?"), append(args, *filter.Recurring)
	}
	if page.Before > 0 {
		clauses, args = append(clauses, "no < ?"), append(args, page.Before)
	}
	query := `select id, definition, no from products where ` + strings.Join(clauses, " and ") +
		` order by no desc limit ? offset ?`
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		last := int64(0)
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{
			Args: append(args, page.Limit+1, page.Skip),
			ResultFunc: func(stmt *sqlite.Stmt) error {
				if len(list.Products) == page.Limit {
					list.Next = last
					return nil
				}
				product, err := catalog.Decode(tenant, stmt.ColumnText(0), stmt.ColumnText(1))
				list.Products, last = append(list.Products, product), stmt.ColumnInt64(2)
				return err
			},
		})
	})
	return list, err
}

// CreateProduct implements catalog.Store.
func (db *DB) CreateProduct(
	ctx context.Context, product catalog.Product, by access.Change, once *ledger.Once, answer []byte,
) ([]byte, error) {
	text, err := product.Encode()
	if err != nil {
		return nil, err
	}
	var first []byte // as in CreateCustomer
	err = db.write(ctx, func(conn *sqlite.Conn) error {
		first = nil
		tenant, known := db.tenants.number(product.Tenant)
		if !known {
			return errNoBusiness
		}
		kept, err := keptAnswer(conn, tenant, once)
		if err != nil || kept != nil {
			first = kept
			return err
		}
		const insert = `insert into products (tenant, id, recurring, archived, definition) values (?, ?, ?, ?, ?)`
		err = sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: []any{
			tenant, product.ID, product.Recurring(), product.Archived(), text,
		}})
		if err != nil {
			return err
		}
		err = addBusinessAudit(conn, product.Tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.ProductChanged(product.Tenant, by, product.ID, "", text)
		})
		if err != nil || once == nil {
			return err
		}
		return putAnswer(conn, tenant, once, answer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// ProductAnswer implements catalog.Store.
func (db *DB) ProductAnswer(ctx context.Context, once *ledger.Once) (first []byte, err error) {
	tenant, known := db.tenants.number(once.Tenant)
	if !known {
		return nil, errNoBusiness
	}
	err = db.read(ctx, func(conn *sqlite.Conn) error {
		first, err = keptAnswer(conn, tenant, once)
		return err
	})
	return first, err
}

// UpdateProduct implements catalog.Store.
func (db *DB) UpdateProduct(
	ctx context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*catalog.Product) error,
) (catalog.Product, error) {
	var changed catalog.Product // not a result, which the caller takes away when it gives up
	err := db.write(ctx, func(conn *sqlite.Conn) error {
		number, known := db.tenants.number(tenant)
		if !known {
			return errNoProduct
		}
		current, before, err := readProduct(conn, tenant, number, id)
		if err != nil {
			return err
		}
		changed, err = groupcommit.Guarded(func(p catalog.Product) (catalog.Product, error) { return p, change(&p) }, current)
		if err != nil || changed == current {
			return err
		}
		after, err := changed.Encode()
		if err != nil {
			return err
		}
		const update = `update products set recurring = ?, archived = ?, definition = ? where tenant = ? and id = ?`
		err = sqlitex.Execute(conn, update, &sqlitex.ExecOptions{Args: []any{
			changed.Recurring(), changed.Archived(), after, number, id,
		}})
		if err != nil {
			return err
		}
		return addBusinessAudit(conn, tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.ProductChanged(tenant, by, id, before, after)
		})
	})
	if err != nil {
		return catalog.Product{}, err
	}
	return changed, nil
}
