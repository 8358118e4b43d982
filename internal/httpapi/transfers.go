package httpapi

import (
	"net/http"
	"strconv"

	"github.com/billfold/billfold/internal/access"
	"github.com/billfold/billfold/internal/ledger"
	"github.com/billfold/billfold/internal/money"
	"github.com/billfold/billfold/internal/strictjson"
)

// The fields of a request to transfer, of which the first three are required.
var transferFields = []string{
	"to_customer_id", "currency", "amount", "if_seq", "if_available_at_least", "reason", "metadata", "idempotency_key",
}

const (
	transferTo = iota
	transferCurrency
	transferAmount
	transferIfSeq
	transferIfAvailable
	transferReason
	transferMetadata
	transferKey

	transferRequired = transferAmount + 1
)

// transferKinds are the types of the fields but the amount, see reversalKinds.
var transferKinds = [...]strictjson.Kind{
	transferTo: strictjson.String, transferCurrency: strictjson.String, transferIfSeq: strictjson.Number,
	transferIfAvailable: strictjson.Number, transferReason: strictjson.String, transferMetadata: strictjson.Object,
	transferKey: strictjson.String,
}

// handleTransferCreate moves money to another customer and answers with the
// transfer and with the wallet that the money came from. Fields come before
// objects and objects before keys, as where entries are made.
func (s *Server) handleTransferCreate(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	request := ledger.TransferRequest{Tenant: c.tenant(), CustomerID: c.params[0], CreatedBy: c.key.ID}
	err := c.decodeTransfer(&request)
	byHeader := false
	if err == nil {
		byHeader, err = c.takeKey(&request.IdempotencyKey)
	}
	if err != nil {
		return err
	}
	c.keyed = request.IdempotencyKey != ""
	request.CurrencyEnabled, request.DefaultAlerts = c.settings.Enabled(request.Currency), c.settings.Alerts
	if _, err := c.customerID(); err != nil {
		return err
	}
	if !isID(request.ToCustomerID, "cus_") {
		return errNotFound
	}
	if err := request.Validate(); err != nil { // the same customer
		return err
	}
	if !c.keyed && c.resent() {
		for _, id := range []string{request.CustomerID, request.ToCustomerID} {
			if _, err := s.book.Store().Customer(c.r.Context(), request.Tenant, id); err != nil {
				return err
			}
		}
		return errKeyRequired
	}
	sent, err := s.book.Transfer(c.r.Context(), request)
	if err != nil {
		return err
	}
	if sent.Change.Replayed {
		if !byHeader && !c.resent() && c.settings.OnDuplicate != access.Replay {
			c.replyDuplicate(&sent.Change)
			return nil
		}
		c.w.Header()["Idempotency-Replayed"] = headerTrue
	}
	out := append(c.scratch.out[:0], `{"transfer":`...)
	out = appendTransfer(out, &sent.Transfer)
	out = append(out, `,"wallet":`...)
	out = appendPosted(out, &sent.Change)
	c.reply(http.StatusOK, append(out, '}'))
	return nil
}

// decodeTransfer reads a request to transfer. Types come before values, and the
// values in the order of [ledger.TransferRequest.Validate].
func (c *call) decodeTransfer(r *ledger.TransferRequest) error {
	f, err := c.fields(transferFields, transferRequired)
	if err != nil {
		return err
	}
	if err := f.checkKinds(transferKinds[:]); err != nil {
		return err
	}
	if r.ToCustomerID, _, err = f.text(transferTo); err != nil {
		return err
	}
	currency, _, err := f.text(transferCurrency)
	if err != nil {
		return err
	}
	r.Currency = money.Currency(currency)
	valid := *r // whose later fields are in order, to hear of the currency first
	valid.Amount, valid.ToCustomerID = 1, r.CustomerID+" "
	if err := valid.Validate(); err != nil {
		return err
	}
	if r.Amount, err = amount(f.values[transferAmount]); err != nil {
		return err
	}
	valid.Amount = r.Amount
	if err := valid.Validate(); err != nil {
		return err
	}
	if err := decodeConditions(&f, transferIfSeq, transferIfAvailable, &r.Conditions); err != nil {
		return err
	}
	if r.Reason, _, err = f.text(transferReason); err != nil {
		return err
	}
	valid.Conditions, valid.Reason = r.Conditions, r.Reason
	if err := valid.Validate(); err != nil {
		return err
	}
	r.Metadata, r.IdempotencyKey, err = f.metadataAndKey(transferMetadata, transferKey)
	return err
}

// handleTransfer answers with one transfer of a customer.
func (s *Server) handleTransfer(c *call) error {
	if err := c.noQuery(); err != nil {
		return err
	}
	id, err := c.customerID()
	if err != nil {
		return err
	}
	if !isID(c.params[1], ledger.TransferIDPrefix) {
		return errNotFound
	}
	transfer, err := s.book.Store().Transfer(c.r.Context(), c.tenant(), id, c.params[1])
	if err != nil {
		return err
	}
	if transfer.State == ledger.TransferRefused { // the source's matter
		return errNotFound
	}
	c.reply(http.StatusOK, appendTransfer(c.scratch.out[:0], &transfer))
	return nil
}

// handleTransferList lists what a customer has sent and received, newest first.
func (s *Server) handleTransferList(c *call) error {
	return replyPages(s, c, func(id string, limit int, before int64) ([]ledger.Transfer, int64, error) {
		list, err := s.book.Store().Transfers(c.r.Context(), c.tenant(), id, ledger.Page{Limit: limit, Before: before})
		return list.Transfers, list.Next, err
	}, appendTransfer)
}

// appendTransfer appends a transfer as one of its customers has it.
func appendTransfer(out []byte, t *ledger.Transfer) []byte {
	from, to, direction := t.CustomerID, t.OtherID, "outgoing"
	if !t.Outgoing {
		from, to, direction = t.OtherID, t.CustomerID, "incoming"
	}
	out = append(out, `{"transfer_id":`...)
	out = appendString(out, t.ID)
	out = append(out, `,"direction":"`...)
	out = append(out, direction...)
	out = append(out, `","from_customer_id":`...)
	out = appendString(out, from)
	out = append(out, `,"to_customer_id":`...)
	out = appendString(out, to)
	out = append(out, `,"currency":`...)
	out = appendString(out, string(t.Currency))
	out = append(out, `,"amount":`...)
	out = strconv.AppendInt(out, int64(t.Amount), 10)
	out = append(out, `,"status":"`...)
	out = append(out, t.State...)
	out = append(out, `","refusal":`...)
	if t.Refusal == "" {
		out = append(out, "null"...)
	} else {
		out = appendString(out, string(t.Refusal))
	}
	out = append(out, `,"ledger_entry_id":`...)
	out = appendString(out, t.EntryID)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, t.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, t.UpdatedAt)
	return append(out, '}')
}
