package httpapi

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/billfold/billfold/internal/ledger"
)

const (
	paramTypes      = "types"
	paramCustomerID = "customer_id"
)

var eventListParams = []string{paramPageSize, paramCursor, paramTypes, paramCustomerID, paramCreatedGTE}

// handleEventList answers with the events behind a cursor, oldest first. There is
// always a next cursor: at the end of the feed it waits for what comes. Whoever asks
// for a stream gets what comes as well.
func (s *Server) handleEventList(c *call) error {
	q, err := c.query(eventListParams...)
	if err != nil {
		return err
	}
	bound := c.bound()
	size, err := q.integer(paramPageSize, pageSizeMax)
	if err != nil {
		return err
	}
	if size == 0 {
		size = pageSizeDefault
	}
	var from ledger.EventCursor
	cursor := q.get(paramCursor)
	stream := wantsStream(c.r)
	if last := c.r.Header["Last-Event-Id"]; stream && len(last) > 0 && last[0] != "" {
		cursor = last[0] // what a client that was cut sends beside the query that it began with
	}
	if cursor != "" {
		if from, err = s.cursors.openEvents(cursor, bound); err != nil {
			return err
		}
	}
	filter, err := q.events()
	if err != nil {
		return err
	}
	if stream {
		return s.streamEvents(c, filter, from)
	}
	list, err := s.book.Events(c.r.Context(), c.tenant(), filter, from, int(size))
	if err != nil {
		return err
	}
	out := append(c.scratch.out[:0], `{"items":[`...)
	for i := range list.Events {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendEvent(out, &list.Events[i])
	}
	out = append(out, `],"next_cursor":`...)
	out = appendString(out, s.cursors.sealEvents(list.Next, bound))
	out = append(out, `,"has_more":`...)
	out = strconv.AppendBool(out, list.More)
	return s.replyList(c, append(out, '}'))
}

// events returns which events are asked for. A customer that there is not has
// none.
func (q *query) events() (filter ledger.EventFilter, err error) {
	if types := q.get(paramTypes); types != "" {
		for name := range strings.SplitSeq(types, ",") {
			kind := ledger.EventKind(name)
			if !ledger.IsEventKind(kind) {
				return filter, queryError(paramTypes, "%q is no type of event; write those that are wanted with commas between them, such as %s,%s.",
					clip(name), ledger.WalletCredited, ledger.WalletDebited)
			}
			filter.Kinds = append(filter.Kinds, kind)
		}
	}
	filter.CustomerID = q.get(paramCustomerID)
	if filter.CustomerID != "" && !isID(filter.CustomerID, "cus_") {
		return filter, queryError(paramCustomerID, "customer_id must be the id of a customer.")
	}
	filter.CreatedAtGTE, err = q.since(paramCreatedGTE)
	return filter, err
}

// eventCursorMax is more than any cursor over events is long.
const eventCursorMax = 512

// sealEvents returns a cursor over events. It is a number in one byte and the place
// of a store, which no one is to read.
func (s *sealer) sealEvents(cursor ledger.EventCursor, bound string) string {
	place := append([]byte{byte(cursor.Told)}, cursor.Place...)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, place, []byte(bound)))
}

// openEvents is the reverse of sealEvents. It refuses every other text.
func (s *sealer) openEvents(text, bound string) (cursor ledger.EventCursor, err error) {
	if len(text) > eventCursorMax || strings.ContainsAny(text, "\r\n") { // see open
		return cursor, errInvalidCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return cursor, errInvalidCursor
	}
	place, err := s.aead.Open(nil, nil, sealed, []byte(bound))
	if err != nil || len(place) == 0 {
		return cursor, errInvalidCursor
	}
	return ledger.EventCursor{Told: int(place[0]), Place: ledger.FeedPlace(place[1:])}, nil
}

// EventBody is the body of the message that tells of an event: the event as GET /events
// has it.
func EventBody(e *ledger.Event) []byte { return appendEvent(nil, e) }

// appendEvent appends an event in the envelope of the published webhooks, and with
// an id. The data about an object of billing are those that were kept with the event.
func appendEvent(out []byte, e *ledger.Event) []byte {
	out = append(out, `{"id":`...)
	out = appendString(out, e.ID)
	out = append(out, `,"business_id":`...)
	out = appendString(out, e.Tenant.BusinessID)
	out = append(out, `,"type":"`...)
	out = append(out, e.Kind...)
	out = append(out, `","timestamp":`...)
	out = appendTime(out, e.At)
	if e.Object != nil {
		return append(append(append(out, `,"data":`...), e.Object.Event.Data...), '}')
	}
	out = append(out, `,"data":{"payload_type":"`...)
	switch {
	case e.Alert != nil:
		out = appendCrossing(append(out, `CustomerWalletBalance"`...), e)
	case e.Entry != nil:
		out = appendMembers(append(out, `CustomerWalletTransaction"`...), e.Entry, appendEntry)
	case e.Hold != nil:
		out = appendHoldEvent(append(out, `CustomerWalletHold"`...), e.Hold)
	case e.Notice != nil:
		out = appendNotice(append(out, `CustomerWalletFundsExpiring"`...), e.Notice)
	case e.Audit != nil:
		out = appendMembers(append(out, `CustomerChange"`...), e.Audit, appendAuditEntry)
	case e.Customer != nil:
		out = appendMembers(append(out, `Customer"`...), *e.Customer, appendCustomer)
	}
	return append(out, '}')
}

// appendMembers appends an object's members and closing brace to an object that
// has some already.
func appendMembers[T any](out []byte, item T, appendItem func([]byte, T) []byte) []byte {
	brace := len(out)
	out = appendItem(out, item)
	out[brace] = ','
	return out
}

// appendHoldEvent appends a hold as it was right after something happened to it, what
// that was and what the wallet was then, and the closing brace.
func appendHoldEvent(out []byte, change *ledger.HoldChange) []byte {
	brace := len(out)
	out = appendHold(out, &change.Hold, change.Hold.State)
	out[brace] = ','
	event := &change.Event
	out = append(out[:len(out)-1], `,"event_number":`...)
	out = strconv.AppendInt(out, event.Number, 10)
	out = append(out, `,"event_amount":`...)
	out = strconv.AppendInt(out, int64(event.Amount), 10)
	out = append(out, `,"available_balance":`...)
	out = strconv.AppendInt(out, int64(event.Available), 10)
	out = append(out, `,"balance":`...)
	out = strconv.AppendInt(out, int64(event.Balance), 10)
	out = append(out, `,"held":`...)
	out = strconv.AppendInt(out, int64(event.Held), 10)
	out = append(out, `,"position":`...)
	if event.Position == 0 {
		out = append(out, `null`...)
	} else {
		out = strconv.AppendInt(out, event.Position, 10)
	}
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, event.Seq, 10)
	out = append(out, `,"alerts":`...)
	return append(appendCrossings(out, event.Alerts), '}')
}

// appendNotice appends what is told of money that expires soon, in the words of the
// list of lots, and the closing brace.
func appendNotice(out []byte, n *ledger.Notice) []byte {
	out = append(out, `,"customer_id":`...)
	out = appendString(out, n.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, n.Currency...)
	out = append(out, `","lot_seq":`...)
	out = strconv.AppendInt(out, n.Lot.Seq, 10)
	out = append(out, `,"category":"`...)
	out = append(out, n.Lot.Category...)
	out = append(out, `","remaining":`...)
	out = strconv.AppendInt(out, int64(n.Lot.Remaining), 10)
	out = append(out, `,"expires_at":`...)
	out = appendTime(out, n.Lot.ExpiresAt)
	out = append(out, `,"notice_id":`...)
	out = appendString(out, n.ID)
	out = append(out, `,"notice_number":`...)
	out = strconv.AppendInt(out, n.Number, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, n.Seq, 10)
	return append(out, '}')
}

// appendCrossing appends what an entry or a hold did to one of the wallet's
// thresholds, in the words of the published event about virtual credits, and the
// closing brace. What is not about an entry names the hold and the number of what
// happened to it.
func appendCrossing(out []byte, e *ledger.Event) []byte {
	out = append(out, `,"customer_id":`...)
	out = appendString(out, e.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, e.Currency()...)
	out = append(out, `","threshold_amount":`...)
	out = strconv.AppendInt(out, int64(e.Alert.Below), 10)
	out = append(out, `,"recover_at":`...)
	out = strconv.AppendInt(out, int64(e.Alert.RecoverAt), 10)
	out = append(out, `,"available_balance":`...)
	if e.Hold != nil {
		return appendCrossingOfHold(out, &e.Hold.Event)
	}
	out = strconv.AppendInt(out, int64(e.Entry.Available), 10)
	out = append(out, `,"balance":`...)
	out = strconv.AppendInt(out, int64(e.Entry.After), 10)
	out = append(out, `,"held":`...)
	out = strconv.AppendInt(out, int64(e.Entry.Held), 10)
	out = append(out, `,"ledger_entry_id":`...)
	out = appendString(out, e.Entry.ID)
	out = append(out, `,"position":`...)
	out = strconv.AppendInt(out, e.Entry.Position, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, e.Entry.Seq, 10)
	return append(out, `,"hold_id":null,"event_number":null}`...)
}

// appendCrossingOfHold appends the amounts of the wallet and what crossed, as far as
// they are not the same whatever it was.
func appendCrossingOfHold(out []byte, event *ledger.HoldEvent) []byte {
	out = strconv.AppendInt(out, int64(event.Available), 10)
	out = append(out, `,"balance":`...)
	out = strconv.AppendInt(out, int64(event.Balance), 10)
	out = append(out, `,"held":`...)
	out = strconv.AppendInt(out, int64(event.Held), 10)
	out = append(out, `,"ledger_entry_id":null,"position":null,"seq":`...)
	out = strconv.AppendInt(out, event.Seq, 10)
	out = append(out, `,"hold_id":`...)
	out = appendString(out, event.HoldID)
	out = append(out, `,"event_number":`...)
	out = strconv.AppendInt(out, event.Number, 10)
	return append(out, '}')
}
