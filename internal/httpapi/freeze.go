package httpapi

import (
	"net/netip"
	"strconv"

	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
)

// The fields of a request to freeze, of which the first two are required, and of
// one to unfreeze, which requires the first.
var (
	freezeFields   = []string{"reason", "scope", "currency"}
	unfreezeFields = []string{"reason", "currency"}
)

// actor is who asks: the API key, and the address that the request came from.
// Behind a proxy that is the proxy's.
func (c *call) actor() ledger.Actor {
	by := ledger.Actor{KeyID: c.key.ID}
	if address, err := netip.ParseAddrPort(c.r.RemoteAddr); err == nil { // else not over a network
		by.Address = address.Addr().Unmap().WithZone("").String()
	}
	return by
}

// handleFreeze freezes a customer or one of the wallets.
func (s *Server) handleFreeze(c *call) error { return s.freeze(c, false) }

// handleUnfreeze lifts a freeze.
func (s *Server) handleUnfreeze(c *call) error { return s.freeze(c, true) }

func (s *Server) freeze(c *call, lift bool) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.FreezeRequest{Tenant: c.tenant(), Lift: lift, By: c.actor()}
	if err := c.decodeFreeze(&request); err != nil {
		return err
	}
	id, malformed := c.customerID()
	once, err := s.once(c, string(request.Action())+" "+id, request.Fingerprint())
	if err != nil {
		return err
	}
	if malformed != nil {
		return malformed
	}
	request.CustomerID = id
	customer, first, err := s.book.Freeze(c.r.Context(), request, once)
	if err != nil {
		return err
	}
	c.replyCustomer(customer, first)
	return nil
}

func (c *call) decodeFreeze(r *ledger.FreezeRequest) error {
	names, required := freezeFields, 2
	if r.Lift {
		names, required = unfreezeFields, 1
	}
	f, err := c.fields(names, required)
	if err != nil {
		return err
	}
	// An empty currency is none, and does not stand for all of them.
	var texts [3]string
	given := false
	for i := range names {
		if texts[i], given, err = f.text(i); err != nil {
			return err
		}
	}
	r.Reason, r.Currency = texts[0], money.Currency(texts[len(names)-1])
	if given && r.Currency == "" {
		return unsupportedCurrency("currency", "")
	}
	if !r.Lift {
		r.Scope = ledger.FreezeScope(texts[1])
	}
	return r.Validate()
}

// appendFreezes appends what is frozen of a customer. The published format knows
// a customer as a whole to be blocked or not.
func appendFreezes(out []byte, freezes ledger.Freezes) []byte {
	if freezes == "" {
		return append(out, `,"blocked_at":null,"blocklist_entry_id":null,"freezes":[]`...)
	}
	whole, _ := freezes.Whole()
	out = append(out, `,"blocked_at":`...)
	out = appendOptionalTime(out, whole.At)
	out = append(out, `,"blocklist_entry_id":`...)
	out = appendOptional(out, whole.AuditID)
	out = append(out, `,"freezes":`...)
	return append(out, freezes.JSON()...)
}

// handleAuditList lists who changed what about a customer, newest first.
func (s *Server) handleAuditList(c *call) error {
	return replyPages(s, c, func(id string, limit int, before int64) ([]ledger.AuditEntry, int64, error) {
		list, err := s.book.Store().Audit(c.r.Context(), c.tenant(), id, ledger.AuditPage{Limit: limit, Before: before})
		return list.Entries, list.Next, err
	}, appendAuditEntry)
}

// handleBusinessAudit lists who changed settings and keys, newest first.
func (s *Server) handleBusinessAudit(c *call) error {
	q, err := c.query(pageParams...)
	if err != nil {
		return err
	}
	return replyItems(s, c, &q, func(limit int, before int64) ([]ledger.AuditEntry, int64, error) {
		list, err := s.directory.Audit(c.r.Context(), c.tenant(), ledger.AuditPage{Limit: limit, Before: before})
		return list.Entries, list.Next, err
	}, appendAuditEntry)
}

// appendAuditEntry appends a line of an audit trail. That of a business has no
// customer, and no key where the operator did it.
func appendAuditEntry(out []byte, line *ledger.AuditEntry) []byte {
	out = append(out, `{"id":`...)
	out = appendString(out, line.ID)
	if line.CustomerID != "" {
		out = append(out, `,"customer_id":`...)
		out = appendString(out, line.CustomerID)
	}
	out = append(out, `,"position":`...)
	out = strconv.AppendInt(out, line.Position, 10)
	out = append(out, `,"action":`...)
	out = appendString(out, string(line.Action))
	out = append(out, `,"key_id":`...)
	out = appendOptional(out, line.By.KeyID)
	out = append(out, `,"address":`...)
	out = appendOptional(out, line.By.Address)
	out = append(out, `,"before":`...)
	out = append(out, line.Before...)
	out = append(out, `,"after":`...)
	out = append(out, line.After...)
	out = append(out, `,"reason":`...)
	out = appendOptional(out, line.Reason)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, line.CreatedAt)
	out = append(out, `,"hash":"`...)
	for _, b := range line.Hash {
		out = append(out, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(out, '"', '}')
}
