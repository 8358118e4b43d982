package verify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// Head is where the chain of a customer's entries, that of the audit trail and that
// of the events about the customer's objects stand. A position is 0, and its hash all
// zero, before the first link.
type Head struct {
	BusinessID string
	Mode       string
	CustomerID string

	Position int64
	Hash     [32]byte

	AuditPosition int64
	AuditHash     [32]byte

	ObjectNumber int64
	ObjectHash   [32]byte
}

// moreHeads are where the chains beside that of the entries stand, as the customer's
// row has them.
type moreHeads struct {
	auditPosition, objectNumber int64
	auditHash, objectHash       []byte
}

// headOrder gives heads on in the order of id, business and mode. They come in
// that of the ids; few customers share one.
type headOrder struct {
	tenants *tenants
	emit    func(Head) error
	same    []Head // with the id that came last
}

// add takes where a wallet of a customer stands, and their other chains. The
// wallet that got the last entry has the head of the chain.
func (o *headOrder) add(id string, owner, position int64, hash []byte, more moreHeads) error {
	if len(o.same) > 0 && o.same[0].CustomerID != id {
		if err := o.flush(); err != nil {
			return err
		}
	}
	of := o.tenants.byNo[owner]
	at := slices.IndexFunc(o.same, func(h Head) bool { return h.BusinessID == of.businessID && h.Mode == of.mode })
	if at < 0 {
		at = len(o.same)
		head := Head{
			BusinessID: of.businessID, Mode: of.mode, CustomerID: id, AuditPosition: more.auditPosition,
			ObjectNumber: more.objectNumber,
		}
		copy(head.AuditHash[:], more.auditHash)
		copy(head.ObjectHash[:], more.objectHash)
		o.same = append(o.same, head)
	}
	if head := &o.same[at]; position > head.Position {
		head.Position = position
		copy(head.Hash[:], hash)
	}
	return nil
}

func (o *headOrder) flush() error {
	slices.SortFunc(o.same, func(a, b Head) int {
		return cmp.Or(strings.Compare(a.BusinessID, b.BusinessID), strings.Compare(a.Mode, b.Mode))
	})
	for _, head := range o.same {
		if err := o.emit(head); err != nil {
			return err
		}
	}
	o.same = o.same[:0]
	return nil
}

// links is what the ledger has of a customer at the positions of a head; a hash
// is nil when there is no such link.
type links struct {
	known  bool
	entry  []byte
	audit  []byte
	object []byte
}

// extend adds a finding when the ledger does not go on from where a customer
// stood. It may have grown, and nothing else.
func (f findings) extend(head Head, now links) {
	where := Finding{
		BusinessID: head.BusinessID, Mode: head.Mode, CustomerID: head.CustomerID, Position: head.Position,
	}
	if !now.known {
		f.add(LawImmutable, where, "the checkpoint has the customer, who is gone")
		return
	}
	link := func(law Law, number int64, what string, then [32]byte, now []byte) {
		switch {
		case number == 0 || bytes.Equal(then[:], now):
		case now == nil:
			f.add(law, where, "the checkpoint has %s, which is gone", what)
		default:
			f.add(law, where, "the hash of %s is %x…, at the checkpoint it was %x…: history was written anew here or before",
				what, now[:min(8, len(now))], then[:8])
		}
	}
	link(LawImmutable, head.Position, "the entry at this position", head.Hash, now.entry)
	where.Position = head.AuditPosition
	link(LawAudit, head.AuditPosition, "the audit entry at this position", head.AuditHash, now.audit)
	where.Position = 0 // which is that of entries
	what := fmt.Sprintf("object event %d", head.ObjectNumber)
	link(LawImmutable, head.ObjectNumber, what, head.ObjectHash, now.object)
}

// numbers are the tenants by what they are called in a checkpoint.
func (t *tenants) numbers() map[tenant]int64 {
	numbers := make(map[tenant]int64, len(t.byNo))
	for no, owner := range t.byNo {
		numbers[owner] = no
	}
	return numbers
}

// heads compares the file with a checkpoint and then gives its own heads on,
// as the options ask, in the transaction of the run.
func (f *file) heads(tenants *tenants, options Options, found findings) error {
	if options.Checkpoint != nil {
		numbers := tenants.numbers()
		err := options.Checkpoint(func(head Head) error {
			now, err := f.links(numbers[tenant{head.BusinessID, head.Mode}], head)
			found.extend(head, now)
			return err
		})
		if err != nil {
			return err
		}
	}
	if options.Heads == nil || len(found) > 0 {
		return nil
	}
	order := &headOrder{tenants: tenants, emit: options.Heads}
	const query = `
	select c.id,
	       c.tenant,
	       c.audit_position,
	       c.audit_hash,
	       w.position,
	       w.hash,
	       c.object_number,
	       c.object_hash
	  from customers c
	  left join wallets w on w.customer = c.no
	 order by c.id, c.tenant`
	err := sqlitex.ExecuteTransient(f.conn, query, &sqlitex.ExecOptions{
		ResultFunc: func(stmt *sqlite.Stmt) error {
			return order.add(stmt.ColumnText(0), stmt.ColumnInt64(1), stmt.ColumnInt64(4), blob(stmt, 5), moreHeads{
				auditPosition: stmt.ColumnInt64(2), auditHash: blob(stmt, 3),
				objectNumber: stmt.ColumnInt64(6), objectHash: blob(stmt, 7),
			})
		},
	})
	return errors.Join(err, order.flush())
}

func blob(stmt *sqlite.Stmt, column int) []byte {
	value := make([]byte, stmt.ColumnLen(column))
	stmt.ColumnBytes(column, value)
	return value
}

// links looks a head up by the index of its customer.
func (f *file) links(owner int64, head Head) (now links, err error) {
	var no int64
	const customer = `select no from customers where tenant = ? and id = ?`
	err = sqlitex.Execute(f.conn, customer, &sqlitex.ExecOptions{
		Args: []any{owner, head.CustomerID},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			no, now.known = stmt.ColumnInt64(0), true
			return nil
		},
	})
	if err != nil || !now.known {
		return now, err
	}
	const audit = `select hash from audit_entries where customer = ? and position = ?`
	const object = `select hash from object_events where customer = ? and number = ?`
	for _, chain := range []struct {
		query string
		at    int64
		hash  *[]byte
	}{{audit, head.AuditPosition, &now.audit}, {object, head.ObjectNumber, &now.object}} {
		if chain.at == 0 || err != nil {
			continue
		}
		err = sqlitex.Execute(f.conn, chain.query, &sqlitex.ExecOptions{
			Args: []any{no, chain.at},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				*chain.hash = blob(stmt, 0)
				return nil
			},
		})
	}
	if err == nil && head.Position > 0 {
		now.entry, err = f.entryAt(no, head.Position)
	}
	return now, err
}

// entryAt returns the hash of a customer's entry, nil when there is none. No
// index has the positions, so it walks back from the mark after it, or from the
// last entry. A link that does not lead back ends the walk; the run names it.
func (f *file) entryAt(customer, position int64) (hash []byte, err error) {
	const after = `
	select coalesce(
	         (select entry from customer_marks where customer = ?1 and position >= ?2 order by position limit 1),
	         (select last_entry from wallets where customer = ?1 order by position desc limit 1))`
	next, err := f.number(after, customer, position)
	const step = `select customer, position, previous, hash from ledger_entries where no = ?`
	for last := int64(0); err == nil && next > 0 && hash == nil; {
		no := next
		next = 0
		err = sqlitex.Execute(f.conn, step, &sqlitex.ExecOptions{
			Args: []any{no},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				at := stmt.ColumnInt64(1)
				switch {
				case stmt.ColumnInt64(0) != customer || at < position || last > 0 && at >= last:
				case at == position:
					hash = blob(stmt, 3)
				default:
					last, next = at, stmt.ColumnInt64(2)
				}
				return nil
			},
		})
	}
	return hash, err
}

// lookups is how many heads are sent to a PostgreSQL server at a time.
const lookups = 500

// heads does for a database what [file.heads] does for a file.
func (r *rowReader) heads(options Options) error {
	if options.Checkpoint != nil {
		if err := r.extends(options.Checkpoint); err != nil {
			return err
		}
	}
	if options.Heads == nil || len(r.check.found) > 0 {
		return nil
	}
	order := &headOrder{tenants: r.check.tenants, emit: options.Heads}
	const query = `
	  select c.customer_id, c.tenant, c.audit_position, c.audit_hash, c.object_number, c.object_hash, coalesce(w.position, 0),
	         w.hash
	    from customers c
	    left join wallets w on w.customer_id = c.customer_id and w.tenant = c.tenant
	   order by c.customer_id, c.tenant`
	const cursor = "heads_in_order"
	if _, err := r.tx.Exec(r.ctx, "declare "+cursor+" no scroll cursor for "+query); err != nil {
		return err
	}
	for {
		rows, err := r.tx.Query(r.ctx, fmt.Sprintf("fetch %d from %s", fetchRows, cursor))
		if err != nil {
			return err
		}
		var id string
		var owner, position int64
		var more moreHeads
		var hash []byte
		tag, err := pgx.ForEachRow(rows, []any{
			&id, &owner, &more.auditPosition, &more.auditHash, &more.objectNumber, &more.objectHash, &position, &hash,
		}, func() error {
			return order.add(id, owner, position, hash, more)
		})
		if err != nil {
			return err
		}
		if tag.RowsAffected() < fetchRows {
			return order.flush()
		}
	}
}

// extends compares the database with a checkpoint, many customers at a time.
func (r *rowReader) extends(checkpoint func(func(Head) error) error) error {
	numbers := r.check.tenants.numbers()
	var waiting []Head
	err := checkpoint(func(head Head) error {
		waiting = append(waiting, head)
		if len(waiting) < lookups {
			return nil
		}
		err := r.look(numbers, waiting)
		waiting = waiting[:0]
		return err
	})
	if err != nil || len(waiting) == 0 {
		return err
	}
	return r.look(numbers, waiting)
}

func (r *rowReader) look(numbers map[tenant]int64, heads []Head) error {
	const query = `
	  select (select hash from ledger_entries where customer_id = $1 and tenant = $2 and position = $3),
	         (select hash from audit_entries where customer_id = $1 and tenant = $2 and position = $4),
	         (select hash from object_events where customer_id = $1 and tenant = $2 and number = $5)
	    from customers
	   where customer_id = $1 and tenant = $2`
	questions := &pgx.Batch{}
	for _, head := range heads {
		owner := numbers[tenant{head.BusinessID, head.Mode}]
		ask := questions.Queue(query, head.CustomerID, owner, head.Position, head.AuditPosition, head.ObjectNumber)
		ask.QueryRow(func(row pgx.Row) error {
			now := links{known: true}
			err := row.Scan(&now.entry, &now.audit, &now.object)
			if errors.Is(err, pgx.ErrNoRows) {
				now, err = links{}, nil
			}
			r.check.found.extend(head, now)
			return err
		})
	}
	return r.tx.SendBatch(r.ctx, questions).Close()
}
