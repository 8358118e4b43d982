package verify_test

import "fmt"

// setEntry changes a column of Ann's entry at a position.
func setEntry(position int, column, value string) string {
	return fmt.Sprintf(`update ledger_entries set %s = %s where no = %d`, column, value, annAt(position))
}

// loosely lets a table hold values of any type, as only a damaged page does.
func loosely(table string) string {
	return fmt.Sprintf(`pragma writable_schema = on;
		update sqlite_schema set sql = replace(sql, ') strict', ')') where name = '%s';
		pragma writable_schema = reset; `, table)
}

var entryCorruptions = []corruption{
	{name: "number taken over", column: "ledger_entries.no", do: `update ledger_entries set no = 1000 where no = 6`, law: "M5", customer: ann, position: 6},
	{name: "id of another time", column: "ledger_entries.id", do: setEntry(5, "id", `'cwt_00000000' || substr(id, 13)`), law: "M4", customer: ann, position: 5, quick: true},
	{name: "id of another position", column: "ledger_entries.id", do: setEntry(5, "id", `replace(id, '0000005', '0000006')`), law: "M5", customer: ann, position: 5, quick: true},
	{name: "id too short", column: "ledger_entries.id", do: setEntry(5, "id", `substr(id, 1, 24)`), law: "M5", customer: ann, position: 5, quick: true},
	{name: "entry of another customer", column: "ledger_entries.customer", do: setEntry(5, "customer", "1"), law: "M5", customer: bob, position: 5, quick: true},
	{name: "entry of nobody", column: "ledger_entries.customer", do: setEntry(5, "customer", "99"), law: "N1", quick: true},
	{name: "entry in another currency", column: "ledger_entries.currency", do: setEntry(6, "currency", "'INR'"), law: "M5", customer: ann, position: 6, quick: true},
	{name: "entry in another currency breaks the hash", column: "ledger_entries.currency", do: setEntry(6, "currency", "'INR'"), law: "M4", customer: ann, position: 6, quick: true},
	{name: "no currency", column: "ledger_entries.currency", do: setEntry(6, "currency", "'usd'"), law: "M2", customer: ann, position: 6, quick: true},
	{name: "position skipped", column: "ledger_entries.position", do: setEntry(5, "position", "6"), law: "M5", customer: ann, position: 6, quick: true},
	{name: "seq skipped", column: "ledger_entries.seq", do: setEntry(5, "seq", "5"), law: "M5", customer: ann, position: 5, quick: true},
	{name: "previous too far back", column: "ledger_entries.previous", do: setEntry(5, "previous", "4"), law: "R3", customer: ann, position: 5},
	{name: "previous of nobody", column: "ledger_entries.previous", do: setEntry(5, "previous", "1000"), law: "R3", customer: ann, position: 5, quick: true},
	{name: "previous of the other wallet", column: "ledger_entries.wallet_previous", do: setEntry(5, "wallet_previous", "4"), law: "R3", customer: ann, position: 5, quick: true},
	{name: "debit turned credit", column: "ledger_entries.is_credit", do: setEntry(5, "is_credit", "1"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "two ways to say credit", column: "ledger_entries.is_credit", do: setEntry(1, "is_credit", "2"), law: "M6", customer: ann, position: 1, quick: true},
	{name: "amount", column: "ledger_entries.amount", do: setEntry(5, "amount", "401"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "amount of a debit and its parts", column: "ledger_entries.amount", do: setEntry(5, "amount", "401"), law: "L1", customer: ann, position: 5},
	{name: "no amount", column: "ledger_entries.amount", do: setEntry(5, "amount", "0"), law: "M7", customer: ann, position: 5, quick: true},
	{name: "amount too large", column: "ledger_entries.amount", do: setEntry(5, "amount", "1000000000000"), law: "M7", customer: ann, position: 5, quick: true},
	{name: "before", column: "ledger_entries.before_balance", do: setEntry(5, "before_balance", "before_balance + 1"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "before below zero", column: "ledger_entries.before_balance", do: setEntry(1, "before_balance", "-1"), law: "M7", customer: ann, position: 1, quick: true},
	{name: "after", column: "ledger_entries.after_balance", do: setEntry(5, "after_balance", "after_balance + 1"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "after that no JavaScript reads", column: "ledger_entries.after_balance", do: setEntry(5, "after_balance", "9007199254740992"), law: "M7", customer: ann, position: 5, quick: true},
	{name: "debit above the balance", column: "ledger_entries.amount", do: setEntry(8, "amount", "90000"), law: "O1", customer: ann, position: 8},
	{name: "debit above what had not expired", column: "ledger_entries.amount", do: setEntry(8, "amount", "1200"), law: "O1", customer: ann, position: 8},
	{name: "available counts an expired lot", column: "ledger_entries.available", do: setEntry(8, "available", "after_balance"), law: "O1", customer: ann, position: 8},
	{name: "available", column: "ledger_entries.available", do: setEntry(5, "available", "available - 1"), law: "O1", customer: ann, position: 5},
	{name: "event type nobody knows", column: "ledger_entries.event_type", do: setEntry(5, "event_type", "'gift'"), law: "M1", customer: ann, position: 5, quick: true},
	{name: "event type", column: "ledger_entries.event_type", do: setEntry(5, "event_type", "'refund'"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "account", column: "ledger_entries.account", do: setEntry(5, "account", "'cash'"), law: "M1", customer: ann, position: 5, quick: true},
	{name: "account nobody knows", column: "ledger_entries.account", do: setEntry(5, "account", "'pocket'"), law: "M1", customer: ann, position: 5, quick: true},
	{name: "promotion paid by the merchant", column: "ledger_entries.account", do: setEntry(4, "account", "'merchant'"), law: "M1", customer: ann, position: 4, quick: true},
	{name: "category", column: "ledger_entries.category", do: setEntry(4, "category", "'paid'"), law: "M1", customer: ann, position: 4, quick: true},
	{name: "category nobody knows", column: "ledger_entries.category", do: setEntry(1, "category", "'gold'"), law: "L1", customer: ann, position: 1},
	{name: "category on a debit", column: "ledger_entries.category", do: setEntry(5, "category", "'paid'"), law: "L1", customer: ann, position: 5},
	{name: "expiry", column: "ledger_entries.expires_at", do: setEntry(6, "expires_at", "expires_at + 1"), law: "M4", customer: ann, position: 6, quick: true},
	{name: "expiry that the lot does not have", column: "ledger_entries.expires_at", do: setEntry(6, "expires_at", "expires_at + 1"), law: "L1", customer: ann, position: 72},
	{name: "expired when made", column: "ledger_entries.expires_at", do: setEntry(6, "expires_at", "created_at"), law: "L3", customer: ann, position: 6},
	{name: "no allocations", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X''"), law: "L1", customer: ann, position: 5},
	{name: "allocations null on a debit", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "null"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "allocations on a credit", column: "ledger_entries.allocations", do: setEntry(4, "allocations", "X''"), law: "M6", customer: ann, position: 4, quick: true},
	{name: "allocations cut short", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC0203'"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "a number longer than it need be", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC0203E400'"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "part one less", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC020363'"), law: "L1", customer: ann, position: 5},
	{name: "paid before promotional", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC020164'"), law: "L2", customer: ann, position: 5},
	{name: "parts in another order", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'036402AC02'"), law: "L2", customer: ann, position: 5},
	{name: "lot not emptied before the next", column: "ledger_entries.allocations", do: setEntry(8, "allocations", "X'03630133'"), law: "L2", customer: ann, position: 8},
	{name: "expired lot spent", column: "ledger_entries.allocations", do: setEntry(8, "allocations", "X'063203320132'"), law: "L3", customer: ann, position: 8},
	{name: "lot spent twice", column: "ledger_entries.allocations", do: setEntry(8, "allocations", "X'02640132'"), law: "L1", customer: ann, position: 8},
	{name: "lot of the future", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC020A64'"), law: "L1", customer: ann, position: 5},
	{name: "lot overdrawn", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'029003'"), law: "L1", customer: ann, position: 5},
	{name: "part of nothing", column: "ledger_entries.allocations", do: setEntry(5, "allocations", "X'02AC0203640100'"), law: "L1", customer: ann, position: 5},
	{name: "reason", column: "ledger_entries.reason", do: setEntry(1, "reason", "'welcome'"), law: "M4", customer: ann, position: 1, quick: true},
	{name: "empty reason", column: "ledger_entries.reason", do: setEntry(2, "reason", "''"), law: "M6", customer: ann, position: 2, quick: true},
	{name: "reference", column: "ledger_entries.reference_object_id", do: setEntry(1, "reference_object_id", "null"), law: "M4", customer: ann, position: 1, quick: true},
	{name: "reason moved to reference", column: "ledger_entries.reference_object_id", do: setEntry(1, "reference_object_id", "reason || reference_object_id, reason = null"), law: "M4", customer: ann, position: 1, quick: true},
	{name: "empty reference", column: "ledger_entries.reference_object_id", do: setEntry(2, "reference_object_id", "''"), law: "M6", customer: ann, position: 2, quick: true},
	{name: "metadata", column: "ledger_entries.metadata", do: setEntry(1, "metadata", `'{"a":"c"}'`), law: "M4", customer: ann, position: 1, quick: true},
	{name: "empty metadata", column: "ledger_entries.metadata", do: setEntry(2, "metadata", `'{}'`), law: "M6", customer: ann, position: 2, quick: true},
	{name: "key", column: "ledger_entries.idempotency_key", do: setEntry(1, "idempotency_key", "'First'"), law: "M4", customer: ann, position: 1, quick: true},
	{name: "empty key", column: "ledger_entries.idempotency_key", do: setEntry(2, "idempotency_key", "''"), law: "M6", customer: ann, position: 2, quick: true},
	{name: "key used twice", column: "ledger_entries.idempotency_key", do: setEntry(5, "idempotency_key", "'first'"), law: "K1", customer: ann, position: 5},
	{name: "fingerprint", column: "ledger_entries.fingerprint", do: setEntry(5, "fingerprint", "zeroblob(16)"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "short fingerprint", column: "ledger_entries.fingerprint", do: setEntry(5, "fingerprint", "zeroblob(15)"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "made by", column: "ledger_entries.created_by", do: setEntry(5, "created_by", "'key_unknown'"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "made by a stranger", column: "ledger_entries.created_by", do: setEntry(5, "created_by", "'key_bus_zeta_test'"), law: "N1", customer: ann, position: 5, quick: true},
	{name: "made later", column: "ledger_entries.created_at", do: setEntry(5, "created_at", "created_at + 1"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "made before the entry before", column: "ledger_entries.created_at", do: setEntry(9, "created_at", "created_at - 60000000"), law: "R4", customer: ann, position: 9, quick: true},
	{name: "hash", column: "ledger_entries.hash", do: setEntry(5, "hash", "zeroblob(32)"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "short hash", column: "ledger_entries.hash", do: setEntry(5, "hash", "X'00'"), law: "M4", customer: ann, position: 5, quick: true},
	{name: "id as a blob", column: "ledger_entries.id", do: loosely("ledger_entries") + setEntry(5, "id", "cast(id as blob)"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "category as a blob", column: "ledger_entries.category", do: loosely("ledger_entries") + setEntry(5, "category", "cast(category as blob)"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "hash as a text", column: "ledger_entries.hash", do: loosely("ledger_entries") + setEntry(5, "hash", "cast(hash as text)"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "amount as a text", column: "ledger_entries.amount", do: loosely("ledger_entries") + setEntry(5, "amount", "cast(amount as blob)"), law: "M6", customer: ann, position: 5, quick: true},
	{name: "key as a blob", column: "ledger_entries.idempotency_key", do: loosely("ledger_entries") + setEntry(5, "idempotency_key", "cast('k' as blob)"), law: "M6", customer: ann, position: 5, quick: true},
}
