package httpapi

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/billfold/billfold/internal/ledger"
)

// The functions here append JSON by hand. Members stand in the order of the
// published schemas, with what Billfold adds behind them.

const hexDigits = "0123456789abcdef"

// appendString appends a text as a JSON string. What is not UTF-8 becomes
// U+FFFD; nothing that the API accepts is.
func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				out = append(out, text[start:i]...)
				out = append(out, `\ufffd`...)
				start = i + 1
			}
			i += size
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		out = append(out, text[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	out = append(out, text[start:]...)
	return append(out, '"')
}

// appendOptional appends a text, or null when there is none.
func appendOptional(out []byte, text string) []byte {
	if text == "" {
		return append(out, "null"...)
	}
	return appendString(out, text)
}

// appendTime appends a time in UTC with microseconds, as in
// "2026-01-02T03:04:05.000006Z".
func appendTime(out []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	out = append(out, '"')
	out = appendDigits(out, year, 4)
	out = append(out, '-')
	out = appendDigits(out, int(month), 2)
	out = append(out, '-')
	out = appendDigits(out, day, 2)
	out = append(out, 'T')
	out = appendDigits(out, hour, 2)
	out = append(out, ':')
	out = appendDigits(out, minute, 2)
	out = append(out, ':')
	out = appendDigits(out, second, 2)
	out = append(out, '.')
	out = appendDigits(out, t.Nanosecond()/int(time.Microsecond), 6)
	return append(out, 'Z', '"')
}

// appendOptionalTime appends a time, or null for the zero time.
func appendOptionalTime(out []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(out, "null"...)
	}
	return appendTime(out, t)
}

// appendDigits appends the last digits of a number that is not negative.
func appendDigits(out []byte, n, digits int) []byte {
	start := len(out)
	out = append(out, "000000"[:digits]...)
	for i := start + digits - 1; i >= start; i-- {
		out[i] = byte('0' + n%10)
		n /= 10
	}
	return out
}

// appendCustomer appends a customer.
func appendCustomer(out []byte, customer ledger.Customer) []byte {
	out = append(out, `{"customer_id":`...)
	out = appendString(out, customer.ID)
	out = append(out, `,"business_id":`...)
	out = appendString(out, customer.Tenant.BusinessID)
	out = append(out, `,"email":`...)
	out = appendString(out, customer.Email)
	out = append(out, `,"name":`...)
	out = appendString(out, customer.Name)
	out = append(out, `,"phone_number":`...)
	out = appendOptional(out, customer.PhoneNumber)
	out = append(out, `,"metadata":`...)
	out = appendMetadata(out, customer.Metadata)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, customer.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, customer.UpdatedAt)
	out = appendFreezes(out, customer.Freezes)
	out = append(out, `,"alerts":`...)
	out = append(out, customer.Alerts.JSON()...)
	out = append(out, `,"test_clock":`...)
	out = appendOptional(out, customer.Clock)
	return append(out, '}')
}

// appendMetadata appends metadata, which are kept as canonical JSON.
func appendMetadata(out []byte, metadata string) []byte {
	if metadata == "" {
		return append(out, '{', '}')
	}
	return append(out, metadata...)
}

// appendWallet appends a wallet of which a debit may take available. What it owes is
// known where it is read, and not where it is as an entry has left it.
func appendWallet(out []byte, wallet *ledger.Wallet, available int64) []byte {
	out = append(out, `{"customer_id":`...)
	out = appendString(out, wallet.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, wallet.Currency...)
	out = append(out, `","balance":`...)
	out = strconv.AppendInt(out, int64(wallet.Balance), 10)
	out = append(out, `,"created_at":`...)
	out = appendTime(out, wallet.CreatedAt)
	out = append(out, `,"updated_at":`...)
	out = appendTime(out, wallet.UpdatedAt)
	out = append(out, `,"available":`...)
	out = strconv.AppendInt(out, available, 10)
	out = append(out, `,"held":`...)
	out = strconv.AppendInt(out, int64(wallet.Held), 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, wallet.Seq, 10)
	if wallet.Debt > 0 {
		out = append(out, `,"debt":`...)
		out = strconv.AppendInt(out, int64(wallet.Debt), 10)
	}
	return append(out, '}')
}

// appendEntry appends a ledger entry.
func appendEntry(out []byte, entry *ledger.Entry) []byte {
	return appendEntryExtensions(appendPublishedEntry(out, entry), entry)
}

// appendPublishedEntry appends the members of an entry that the published format has,
// without the closing brace.
func appendPublishedEntry(out []byte, entry *ledger.Entry) []byte {
	out = append(out, `{"id":`...)
	out = appendString(out, entry.ID)
	out = append(out, `,"business_id":`...)
	out = appendString(out, entry.Tenant.BusinessID)
	out = append(out, `,"customer_id":`...)
	out = appendString(out, entry.CustomerID)
	out = append(out, `,"currency":"`...)
	out = append(out, entry.Currency...)
	out = append(out, `","amount":`...)
	out = strconv.AppendInt(out, int64(entry.Amount), 10)
	out = append(out, `,"is_credit":`...)
	out = strconv.AppendBool(out, entry.Direction == ledger.Credit)
	out = append(out, `,"event_type":"`...)
	out = append(out, entry.EventType...)
	out = append(out, `","before_balance":`...)
	out = strconv.AppendInt(out, int64(entry.Before), 10)
	out = append(out, `,"after_balance":`...)
	out = strconv.AppendInt(out, int64(entry.After), 10)
	out = append(out, `,"reason":`...)
	out = appendOptional(out, entry.Reason)
	out = append(out, `,"reference_object_id":`...)
	out = appendOptional(out, entry.ReferenceObjectID)
	out = append(out, `,"created_at":`...)
	return appendTime(out, entry.CreatedAt)
}

// appendEntryExtensions appends the members of an entry that the published
// format does not have, and the closing brace.
func appendEntryExtensions(out []byte, entry *ledger.Entry) []byte {
	out = append(out, `,"available":`...)
	out = strconv.AppendInt(out, int64(entry.Available), 10)
	out = append(out, `,"position":`...)
	out = strconv.AppendInt(out, entry.Position, 10)
	out = append(out, `,"seq":`...)
	out = strconv.AppendInt(out, entry.Seq, 10)
	out = append(out, `,"counter_account":"`...)
	out = append(out, entry.Account...)
	out = append(out, `","category":`...)
	out = appendOptional(out, string(entry.Category))
	out = append(out, `,"expires_at":`...)
	out = appendOptionalTime(out, entry.ExpiresAt)
	out = append(out, `,"allocations":[`...)
	for i, part := range entry.Allocations {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"lot_seq":`...)
		out = strconv.AppendInt(out, part.LotSeq, 10)
		out = append(out, `,"amount":`...)
		out = strconv.AppendInt(out, int64(part.Amount), 10)
		out = append(out, '}')
	}
	out = append(out, `],"reverses":`...)
	out = appendOptional(out, entry.Reverses)
	out = append(out, `,"hold_id":`...)
	out = appendOptional(out, entry.HoldID)
	out = append(out, `,"alerts":`...)
	out = appendCrossings(out, entry.Alerts)
	out = append(out, `,"metadata":`...)
	out = appendMetadata(out, entry.Metadata)
	out = append(out, `,"idempotency_key":`...)
	out = appendOptional(out, entry.IdempotencyKey)
	out = append(out, `,"hash":"`...)
	for _, b := range entry.Hash {
		out = append(out, hexDigits[b>>4], hexDigits[b&15])
	}
	return append(out, '"', '}')
}
