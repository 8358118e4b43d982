package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/catalog"
	"github.com/billfold/billfold/internal/groupcommit"
	"github.com/billfold/billfold/internal/ledger"
)

var errNoProduct = ledger.Errorf(ledger.CodeNotFound, "there is no such product")

// Product implements catalog.Store.
func (db *DB) Product(ctx context.Context, tenant ledger.Tenant, id string) (product catalog.Product, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoProduct)
		}
		product, _, err = readProduct(ctx, q, tenant, number, id, "")
		return err
	})
	return product, err
}

// readProduct returns a product, locked as lock says, with the text that is kept of it.
func readProduct(
	ctx context.Context, q querier, tenant ledger.Tenant, number int32, id, lock string,
) (product catalog.Product, text string, err error) {
	if !storable(id) {
		return product, "", errNoProduct
	}
	query := `select definition from products where tenant = $1 and id = $2 ` + lock
	if err := q.QueryRow(ctx, query, number, id).Scan(&text); err != nil {
		return product, "", ignoreAs(err, pgx.ErrNoRows, errNoProduct)
	}
	product, err = catalog.Decode(tenant, id, text)
	return product, text, err
}

// Products implements catalog.Store. Its cursor is the product's number.
func (db *DB) Products(
	ctx context.Context, tenant ledger.Tenant, filter catalog.Filter, page ledger.Page,
) (list catalog.List, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		list = catalog.List{}
		number, err := db.tenants.number(ctx, q, tenant)
		if err != nil {
			return ignore(err, errNoBusiness)
		}
		query, args := productsQuery(number, filter, page)
		rows, err := q.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		last := int64(0)
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (none struct{}, err error) {
			var id, text string
			var no int64
			if err := row.Scan(&id, &text, &no); err != nil {
				return none, err
			}
			if len(list.Products) == page.Limit {
				list.Next = last
				return none, nil
			}
			product, err := catalog.Decode(tenant, id, text)
			list.Products, last = append(list.Products, product), no
			return none, err
		})
		return err
	})
	return list, err
}

// productsQuery has a clause only for each filter that is set. It asks for one row more
// than the page has.
func productsQuery(tenant int32, filter catalog.Filter, page ledger.Page) (query string, args []any) {
	query, args = `select id, definition, no from products where tenant = $1 and archived = $2`, []any{tenant, filter.Archived}
	add := func(clause string, arg any) {
		args = append(args, arg)
		query += fmt.Sprintf(clause, len(args))
	}
	if filter.Recurring != nil {
		add(" and recurring = $%d", *filter.Recurring)
	}
	if page.Before > 0 {
		add(" and no < $%d", page.Before)
	}
	add(" order by no desc limit $%d", page.Limit+1)
	add(" offset $%d", page.Skip)
	return query, args
}

// CreateProduct implements catalog.Store.
func (db *DB) CreateProduct(
	ctx context.Context, product catalog.Product, by access.Change, once *ledger.Once, answer []byte,
) (first []byte, err error) {
	text, err := product.Encode()
	if err != nil {
		return nil, err
	}
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, product.Tenant)
		if err != nil {
			return false, err
		}
		_, _, err = readProduct(ctx, conn, product.Tenant, number, product.ID, "")
		return err == nil, ignore(err, errNoProduct)
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, product.Tenant)
		if err != nil {
			return err
		}
		if first, err = keptAnswer(ctx, conn, number, once); err != nil || first != nil {
			return err
		}
		_, err = addBusinessAudit(ctx, conn, product.Tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.ProductChanged(product.Tenant, by, product.ID, "", text)
		})
		if err != nil {
			return err
		}
		const insert = `insert into products (tenant, id, recurring, archived, definition) values ($1, $2, $3, $4, $5)`
		_, err = conn.Exec(ctx, insert, number, product.ID, product.Recurring(), product.Archived(), text)
		if err != nil || once == nil {
			return err
		}
		return putAnswer(ctx, conn, number, once, answer)
	})
	if err != nil {
		return nil, err
	}
	return first, nil
}

// ProductAnswer implements catalog.Store. It claims nothing, as keptAnswer does.
func (db *DB) ProductAnswer(ctx context.Context, once *ledger.Once) (first []byte, err error) {
	err = db.read(ctx, func(ctx context.Context, q querier) error {
		number, err := db.tenants.number(ctx, q, once.Tenant)
		if err != nil {
			return err
		}
		var fingerprint []byte
		var at time.Time
		const query = `
		  select fingerprint, answer, created_at
		    from request_answers
		   where tenant = $1 and route = $2 and key = $3 and created_at >= $4`
		err = q.QueryRow(ctx, query, number, once.Route, once.Key, once.Accept).Scan(&fingerprint, &first, &at)
		if err == nil && ledger.Fingerprint(fingerprint) != once.Fingerprint {
			err = ledger.KeyReused(at.UTC())
		}
		return ignore(err, pgx.ErrNoRows)
	})
	return first, err
}

// UpdateProduct implements catalog.Store.
func (db *DB) UpdateProduct(
	ctx context.Context, tenant ledger.Tenant, id string, by access.Change, change func(*catalog.Product) error,
) (changed catalog.Product, err error) {
	const lock = "for no key update"
	happened := func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return false, err
		}
		now, _, err := readProduct(ctx, conn, tenant, number, id, lock)
		return err == nil && now == changed, err
	}
	err = db.write(ctx, happened, func(ctx context.Context, conn *pgx.Conn) error {
		number, err := db.tenants.number(ctx, conn, tenant)
		if err != nil {
			return ignoreAs(err, errNoBusiness, errNoProduct)
		}
		current, before, err := readProduct(ctx, conn, tenant, number, id, lock)
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
		const update = `update products set recurring = $3, archived = $4, definition = $5 where tenant = $1 and id = $2`
		if _, err := conn.Exec(ctx, update, number, id, changed.Recurring(), changed.Archived(), after); err != nil {
			return err
		}
		_, err = addBusinessAudit(ctx, conn, tenant, func(trail access.Trail) ledger.AuditEntry {
			return trail.ProductChanged(tenant, by, id, before, after)
		})
		return err
	})
	if err != nil {
		return catalog.Product{}, err
	}
	return changed, nil
}
