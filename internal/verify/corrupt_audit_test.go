package verify_test

import "fmt"

// setLine changes a column of a line of Ann's audit trail, see [scene].
func setLine(position int, column, value string) string {
	return fmt.Sprintf(`update audit_entries set %s = %s where customer = %d and position = %d`, column, value, annNo, position)
}

// setAnn changes a column of Ann's row.
func setAnn(column, value string) string {
	return fmt.Sprintf(`update customers set %s = %s where no = %d`, column, value, annNo)
}

var auditCorruptions = []corruption{
	{name: "line gone", do: `delete from audit_entries where position = 2`, law: "N5", customer: ann, position: 3},
	{name: "first line gone", do: `delete from audit_entries where position = 1`, law: "N5", customer: ann, position: 2},
	{name: "last line gone", do: `delete from audit_entries where position = 4`, law: "N5", customer: ann, position: 3},
	{name: "trail gone", do: `delete from audit_entries`, law: "N5", customer: ann},
	{name: "two lines swapped", do: `update audit_entries set position = position + 10 where position in (2, 3);
		update audit_entries set position = 15 - position where position > 10`, law: "N5", customer: ann, position: 2},
	{name: "line of another customer", column: "audit_entries.customer", do: `update audit_entries set customer = 1 where position = 4`, law: "N5", customer: bob, position: 4},
	{name: "line of nobody", column: "audit_entries.customer", do: `update audit_entries set customer = 99 where position = 4`, law: "N1"},
	{name: "line's position", column: "audit_entries.position", do: setLine(4, "position", "5"), law: "N5", customer: ann, position: 5},
	{name: "line's id", column: "audit_entries.id", do: setLine(2, "id", "replace(id, 'aud_', 'aud-')"), law: "N5", customer: ann, position: 2},
	{name: "line's id in another case", column: "audit_entries.id", do: setLine(2, "id", "lower(id)"), law: "N5", customer: ann, position: 2},
	{name: "line's action", column: "audit_entries.action", do: setLine(3, "action", "'customer.freeze'"), law: "N5", customer: ann, position: 3},
	{name: "line's key", column: "audit_entries.key_id", do: setLine(1, "key_id", "'key_other'"), law: "N5", customer: ann, position: 1},
	{name: "line's key of another business", column: "audit_entries.key_id", do: setLine(1, "key_id", "'key_bus_zeta_test'"), law: "N1", customer: ann, position: 1},
	{name: "line's address", column: "audit_entries.address", do: setLine(1, "address", "'192.0.2.2'"), law: "N5", customer: ann, position: 1},
	{name: "line's state before", column: "audit_entries.before_state", do: setLine(4, "before_state", `'{"freezes":[1]}'`), law: "N5", customer: ann, position: 4},
	{name: "line's state after", column: "audit_entries.after_state", do: setLine(1, "after_state", "before_state"), law: "N5", customer: ann, position: 1},
	{name: "line's state is no JSON", column: "audit_entries.after_state", do: setLine(1, "after_state", "'{'"), law: "N5", customer: ann, position: 1},
	{name: "line's reason", column: "audit_entries.reason", do: setLine(3, "reason", "'Cleared.'"), law: "N5", customer: ann, position: 3},
	{name: "line's reason lost", column: "audit_entries.reason", do: setLine(3, "reason", "''"), law: "N5", customer: ann, position: 3},
	{name: "line's time", column: "audit_entries.created_at", do: setLine(4, "created_at", "created_at + 1"), law: "N5", customer: ann, position: 4},
	{name: "line's time before that of the line before", column: "audit_entries.created_at", do: setLine(4, "created_at", "created_at - 1"), law: "N5", customer: ann, position: 4},
	{name: "line's hash", column: "audit_entries.hash", do: setLine(4, "hash", "zeroblob(32)"), law: "N5", customer: ann, position: 4},
	{name: "line's hash cut", column: "audit_entries.hash", do: setLine(2, "hash", "x'00'"), law: "N5", customer: ann, position: 2},
	{name: "line's reason as a blob", column: "audit_entries.reason", do: loosely("audit_entries") + setLine(3, "reason", "cast(reason as blob)"), law: "N5", customer: ann, position: 3},
	{name: "freeze lifted past the trail", column: "customers.freezes", do: setAnn("freezes", "''"), law: "N5", customer: ann, position: 4},
	{name: "freeze in another scope", column: "customers.freezes", do: setAnn("freezes", "replace(freezes, 'everything', 'debits')"), law: "N5", customer: ann, position: 4},
	{name: "freeze of another wallet", column: "customers.freezes", do: setAnn("freezes", "replace(freezes, 'USD', 'EUR')"), law: "N5", customer: ann, position: 4},
	{name: "freeze at another time", column: "customers.freezes", do: setAnn("freezes", "replace(freezes, '000000', '000001')"), law: "N5", customer: ann, position: 4},
	{name: "freezes that do not decode", column: "customers.freezes", do: setAnn("freezes", "trim(freezes, char(10))"), law: "N5", customer: ann, position: 4},
	{name: "freeze without a trail", column: "customers.freezes", do: `update customers set freezes = (select freezes from customers where no = 2) where no = 1`, law: "N5", customer: bob},
	{name: "trail that stands further on", column: "customers.audit_position", do: setAnn("audit_position", "5"), law: "N5", customer: ann, position: 4},
	{name: "trail that stands nowhere", column: "customers.audit_position", do: setAnn("audit_position", "0"), law: "N5", customer: ann, position: 4},
	{name: "trail with another end", column: "customers.audit_hash", do: setAnn("audit_hash", "zeroblob(32)"), law: "N5", customer: ann, position: 4},
	{name: "name past the trail", column: "customers.name", do: setAnn("name", "'Anne'"), law: "N5", customer: ann, position: 4},
	{name: "phone number past the trail", column: "customers.phone_number", do: setAnn("phone_number", "''"), law: "N5", customer: ann, position: 4},
	{name: "metadata past the trail", column: "customers.metadata", do: setAnn("metadata", "'{}'"), law: "N5", customer: ann, position: 4},
	{name: "time of the last change past the trail", column: "customers.updated_at", do: setAnn("updated_at", "updated_at + 1"), law: "N5", customer: ann, position: 4},
}
