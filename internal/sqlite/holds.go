package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/walletrow"
)

var errNoHold = ledger.Errorf(ledger.CodeNotFound, "there is no such hold")

// snapshotHolds adds what a scope names of the customer's holds. It looks at no
// table for a customer who never had one.
func snapshotHolds(conn *sqlite.Conn, state *customerState, scope ledger.Scope, s *ledger.Snapshot) (err error) {
	if s.HoldNumber = state.holdNumber(); s.HoldNumber == 0 {
		return nil
	}
	tenant, id := scope.Tenant, scope.CustomerID
	if scope.Key != "" {
		const byKey = holdEventColumns + ` where e.customer = ? and e.idempotency_key = ?`
		if s.PriorHold, err = readHoldEvent(conn, byKey, state.no, scope.Key); err != nil {
			return err
		}
		if s.PriorHold != nil {
			s.PriorHold.Hold.Tenant, s.PriorHold.Hold.CustomerID = tenant, id
		}
	}
	switch number, ok := ledger.HoldIDNumber(scope.Hold); {
	case ok:
		s.Hold, err = readHold(conn, holdColumns+` where customer = ? and number = ?`, state.no, number)
		if s.Hold != nil && (s.Hold.ID != scope.Hold || s.Hold.Currency != scope.Currency) {
			s.Hold = nil
		}
	case scope.DueHold:
		s.Hold, err = dueHold(conn, state, &scope)
	}
	if s.Hold != nil {
		s.Hold.Tenant, s.Hold.CustomerID = tenant, id
	}
	return err
}

// dueHold returns the active hold of a scope's wallet that expires first, if it has by
// the time that counts, nil when there is none.
func dueHold(conn *sqlite.Conn, state *customerState, scope *ledger.Scope) (*ledger.Hold, error) {
	const due = holdColumns + `
	   where customer = ? and currency = ? and state = 'active' and expires_at <= ?
	   order by expires_at, number
	   limit 1`
	hold, err := readHold(conn, due, state.no, string(scope.Currency), state.chain.At(scope.At).UnixMicro())
	if hold != nil {
		hold.Tenant, hold.CustomerID = scope.Tenant, scope.CustomerID
	}
	return hold, err
}

const holdColumns = `
	  select number, id, currency, amount, captured, released, state, expires_at, lots, coalesce(reason, ''),
	         coalesce(reference_object_id, ''), coalesce(metadata, '{}'), created_by, created_at, updated_at
	    from holds`

// scanHold reads a row of holdColumns. Tenant and CustomerID are left to the
// caller, who knows them.
func scanHold(stmt *sqlite.Stmt) (ledger.Hold, error) {
	lots, err := walletrow.DecodeLots(columnBytes(stmt, 8))
	return ledger.Hold{
		Number:            stmt.ColumnInt64(0),
		ID:                stmt.ColumnText(1),
		Currency:          money.Currency(stmt.ColumnText(2)),
		Amount:            money.Amount(stmt.ColumnInt64(3)),
		Captured:          money.Amount(stmt.ColumnInt64(4)),
		Released:          money.Amount(stmt.ColumnInt64(5)),
		State:             ledger.HoldState(stmt.ColumnText(6)),
		ExpiresAt:         timeOf(stmt.ColumnInt64(7)),
		Lots:              lots,
		Reason:            stmt.ColumnText(9),
		ReferenceObjectID: stmt.ColumnText(10),
		Metadata:          stmt.ColumnText(11),
		CreatedBy:         stmt.ColumnText(12),
		CreatedAt:         timeOf(stmt.ColumnInt64(13)),
		UpdatedAt:         timeOf(stmt.ColumnInt64(14)),
	}, err
}

// readHold reads one hold, nil when there is none.
func readHold(conn *sqlite.Conn, query string, args ...any) (hold *ledger.Hold, err error) {
	holds, err := readHolds(conn, query, args...)
	if err != nil || len(holds) == 0 {
		return nil, err
	}
	return &holds[0], nil
}

func readHolds(conn *sqlite.Conn, query string, args ...any) (holds []ledger.Hold, err error) {
	err = sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: args, ResultFunc: func(stmt *sqlite.Stmt) error {
		hold, err := scanHold(stmt)
		holds = append(holds, hold)
		return err
	}})
	return holds, err
}

const holdEventColumns = `
	  select e.number, e.kind, e.allocations, e.amount, e.captured, e.released, e.position, e.seq, e.balance, e.held,
	         e.available, e.moved_at, e.alerts, e.idempotency_key, e.fingerprint, e.created_by, e.created_at, h.id, h.number
	    from hold_events e
	    join holds h on h.customer = e.customer and h.number = e.hold`

// scanHoldEvent reads a row of holdEventColumns.
func scanHoldEvent(stmt *sqlite.Stmt) (e ledger.HoldEvent, err error) {
	e = ledger.HoldEvent{
		Number:         stmt.ColumnInt64(0),
		Kind:           ledger.HoldEventKind(stmt.ColumnText(1)),
		Amount:         money.Amount(stmt.ColumnInt64(3)),
		Captured:       money.Amount(stmt.ColumnInt64(4)),
		Released:       money.Amount(stmt.ColumnInt64(5)),
		Position:       stmt.ColumnInt64(6),
		Seq:            stmt.ColumnInt64(7),
		Balance:        money.Amount(stmt.ColumnInt64(8)),
		Held:           money.Amount(stmt.ColumnInt64(9)),
		Available:      money.Amount(stmt.ColumnInt64(10)),
		MovedAt:        timeOf(stmt.ColumnInt64(11)),
		Alerts:         ledger.Standings(stmt.ColumnText(12)),
		IdempotencyKey: stmt.ColumnText(13),
		CreatedBy:      stmt.ColumnText(15),
		CreatedAt:      timeOf(stmt.ColumnInt64(16)),
		HoldID:         stmt.ColumnText(17),
	}
	stmt.ColumnBytes(14, e.Fingerprint[:])
	e.Allocations, err = decodeAllocations(columnBytes(stmt, 2))
	return e, err
}

// readHoldEvent returns the event of a customer that a query of holdEventColumns
// finds by which, with its hold as it is now, and nil where there is none.
func readHoldEvent(conn *sqlite.Conn, query string, customer int64, which any) (*ledger.HoldChange, error) {
	var change *ledger.HoldChange
	var number int64
	err := sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{customer, which},
		ResultFunc: func(stmt *sqlite.Stmt) error {
			event, err := scanHoldEvent(stmt)
			change, number = &ledger.HoldChange{Event: event}, stmt.ColumnInt64(18)
			return err
		}})
	if err != nil || change == nil {
		return nil, err
	}
	hold, err := readHold(conn, holdColumns+` where customer = ? and number = ?`, customer, number)
	if err != nil {
		return nil, err
	}
	change.Hold = *hold
	return change, nil
}

// HoldEvents implements ledger.Store.
func (db *DB) HoldEvents(
	ctx context.Context, tenant ledger.Tenant, customerID string, after int64, limit int,
) (events []ledger.HoldEvent, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		const query = holdEventColumns + ` where e.customer = ? and e.number > ? order by e.number limit ?`
		return sqlitex.Execute(conn, query, &sqlitex.ExecOptions{Args: []any{state.no, after, limit},
			ResultFunc: func(stmt *sqlite.Stmt) error {
				event, err := scanHoldEvent(stmt)
				events = append(events, event)
				return err
			}})
	})
	return events, err
}

// writeHold adds an event and the hold as it is after it.
func writeHold(conn *sqlite.Conn, customer int64, change *ledger.HoldChange) error {
	h, e := &change.Hold, &change.Event
	lots := walletrow.AppendLots([]byte{}, h.Lots)
	var err error
	if h.Number == e.Number {
		const insert = `
		  insert into holds (customer, number, id, currency, amount, captured, released, state, expires_at, lots, reason,
		                     reference_object_id, metadata, created_by, created_at, updated_at)
		  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
		err = execute(conn, insert, customer, h.Number, h.ID, string(h.Currency), int64(h.Amount), int64(h.Captured),
			int64(h.Released), string(h.State), h.ExpiresAt.UnixMicro(), lots, optional(h.Reason, ""),
			optional(h.ReferenceObjectID, ""), optional(h.Metadata, "{}"), h.CreatedBy, h.CreatedAt.UnixMicro(),
			h.UpdatedAt.UnixMicro())
	} else {
		const update = `
		  update holds
		     set captured = ?, released = ?, state = ?, lots = ?, updated_at = ?
		   where customer = ? and number = ?`
		err = execute(conn, update, int64(h.Captured), int64(h.Released), string(h.State), lots, h.UpdatedAt.UnixMicro(),
			customer, h.Number)
	}
	if err != nil {
		return err
	}
	const insert = `
	  insert into hold_events (customer, number, hold, kind, allocations, amount, captured, released, position, seq, balance, held,
	                           available, moved_at, alerts, idempotency_key, fingerprint, created_by, created_at)
	  values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	var pinned any
	if e.Kind == ledger.HoldMade {
		pinned = appendAllocations(nil, e.Allocations)
	}
	err = execute(conn, insert, customer, e.Number, h.Number, string(e.Kind), pinned, int64(e.Amount), int64(e.Captured),
		int64(e.Released), e.Position, e.Seq, int64(e.Balance), int64(e.Held), int64(e.Available), e.MovedAt.UnixMicro(),
		optional(string(e.Alerts), ""), optional(e.IdempotencyKey, ""), e.Fingerprint[:], e.CreatedBy,
		e.CreatedAt.UnixMicro())
	if err != nil {
		return err
	}
	return insertCustomerEvent(conn, customer, customerHold, e.Number)
}

// optional is null for the text that stands for nothing.
func optional(text, nothing string) any {
	if text == nothing {
		return nil
	}
	return text
}

// Hold implements ledger.Store. The id contains the number.
func (db *DB) Hold(ctx context.Context, tenant ledger.Tenant, customerID, holdID string) (hold ledger.Hold, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		number, ok := ledger.HoldIDNumber(holdID)
		if !ok {
			return errNoHold
		}
		found, err := readHold(conn, holdColumns+` where customer = ? and number = ?`, state.no, number)
		if err != nil {
			return err
		}
		if found == nil || found.ID != holdID {
			return errNoHold
		}
		hold = *found
		hold.Tenant, hold.CustomerID = tenant, customerID
		return nil
	})
	return hold, err
}

// Holds implements ledger.Store. A page looks at scanMax numbers at the most.
func (db *DB) Holds(
	ctx context.Context, tenant ledger.Tenant, customerID string, f ledger.HoldFilter, page ledger.Page,
) (list ledger.HoldList, err error) {
	err = db.readCustomerState(ctx, directly, tenant, customerID, func(conn *sqlite.Conn, state *customerState) error {
		before := state.holdNumber() + 1
		if page.Before != 0 {
			before = min(before, page.Before)
		}
		from := max(before-scanMax, 1)
		const query = holdColumns + `
		   where customer = ?1 and number >= ?2 and number < ?3 and (?4 = '' or currency = ?4) and (?5 = '' or state = ?5)
		     and (?6 = '' or reference_object_id = ?6)
		   order by number desc
		   limit ?7`
		holds, err := readHolds(conn, query, state.no, from, before, string(f.Currency), string(f.State),
			f.ReferenceObjectID, page.Limit+1)
		list = ledger.HoldList{Chain: state.chain}
		list.Holds, list.Next = ledger.HoldPage(holds, page.Limit, from)
		for i := range list.Holds {
			h := &list.Holds[i]
			h.Tenant, h.CustomerID, h.Lots = tenant, customerID, nil
		}
		return err
	})
	return list, err
}
