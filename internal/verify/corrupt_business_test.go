package verify_test

import "fmt"

// setBusinessLine changes a column of a line of the trail of the scene's first
// business: it was made, got two keys, one was revoked, and the settings changed.
func setBusinessLine(position int, column, value string) string {
	return fmt.Sprintf(`update business_audit_entries set %s = %s where tenant = 1 and position = %d`, column, value, position)
}

// nobody is the customer of a finding about a business.
const (
	nobody       = " "
	liveBusiness = " live"
	liveEnd      = 13 // where the trail of the first business in live mode ends
)

var businessCorruptions = []corruption{
	{name: "business's line gone", do: `delete from business_audit_entries where tenant = 1 and position = 3`, law: "N5", customer: nobody, position: 4, quick: true},
	{name: "business's first line gone", do: `delete from business_audit_entries where tenant = 1 and position = 1`, law: "N5", customer: nobody, position: 2, quick: true},
	{name: "business's last line gone", do: `delete from business_audit_entries where tenant = 1 and position = 5`, law: "N5", customer: nobody, position: 4, quick: true},
	{name: "business's trail gone", do: `delete from business_audit_entries where tenant = 1;
		update tenants set audit_position = 0, audit_hash = zeroblob(32) where no = 1`, law: "N5", customer: nobody, quick: true},
	{name: "business's line of another business", column: "business_audit_entries.tenant", do: `update business_audit_entries set tenant = 3, position = 6 where tenant = 1 and position = 5`, law: "N5", customer: nobody, position: 6, quick: true},
	{name: "business's line of nobody", column: "business_audit_entries.tenant", do: `update business_audit_entries set tenant = 99 where tenant = 1 and position = 5`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's position", column: "business_audit_entries.position", do: setBusinessLine(5, "position", "6"), law: "N5", customer: nobody, position: 6, quick: true},
	{name: "business's line's id", column: "business_audit_entries.id", do: setBusinessLine(2, "id", "replace(id, 'aud_', 'aud-')"), law: "N5", customer: nobody, position: 2, quick: true},
	{name: "business's line's action", column: "business_audit_entries.action", do: setBusinessLine(4, "action", "'key.create'"), law: "N5", customer: nobody, position: 4, quick: true},
	{name: "business's line's key", column: "business_audit_entries.key_id", do: setBusinessLine(5, "key_id", "''"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's key of another business", column: "business_audit_entries.key_id", do: setBusinessLine(5, "key_id", "'key_bus_zeta_test'"), law: "N1", customer: nobody, position: 5, quick: true},
	{name: "business's line's address", column: "business_audit_entries.address", do: setBusinessLine(5, "address", "''"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's state before", column: "business_audit_entries.before_state", do: setBusinessLine(5, "before_state", "replace(before_state, '{}', '[]')"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's state after", column: "business_audit_entries.after_state", do: setBusinessLine(5, "after_state", "replace(after_state, '0.0119', '0.0118')"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's reason", column: "business_audit_entries.reason", do: setBusinessLine(5, "reason", "'Why not.'"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's time", column: "business_audit_entries.created_at", do: setBusinessLine(5, "created_at", "5"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's line's hash", column: "business_audit_entries.hash", do: setBusinessLine(5, "hash", "zeroblob(32)"), law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's trail stands further on", column: "tenants.audit_position", do: `update tenants set audit_position = 6 where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's trail with another end", column: "tenants.audit_hash", do: `update tenants set audit_hash = zeroblob(32) where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "settings past the trail", column: "tenants.settings", do: `update tenants set settings = replace(settings, 'conflict', 'replay') where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "alerts past the trail", column: "tenants.settings", do: `update tenants set settings = replace(settings, '1000', '1001') where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "a setting that nobody made", column: "tenants.settings", do: `update tenants set settings = replace(settings, '{"en', '{"more":1,"en') where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "settings that do not decode", column: "tenants.settings", do: `update tenants set settings = 'x' where no = 1`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's name past the trail", column: "businesses.name", do: `update businesses set name = 'Other'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "business's time past the trail", column: "businesses.created_at", do: `update businesses set created_at = 2`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key that lives again", column: "api_keys.revoked_at", do: `update api_keys set revoked_at = 0 where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key that expires later", column: "api_keys.expires_at", do: `update api_keys set expires_at = 10 where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key that may write", column: "api_keys.scope", do: `update api_keys set scope = 'write' where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key with another secret", column: "api_keys.hash", do: `update api_keys set hash = zeroblob(32) where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key with another hint", column: "api_keys.hint", do: `update api_keys set hint = 'x' where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key with another name", column: "api_keys.name", do: `update api_keys set name = 'x' where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key made at another time", column: "api_keys.created_at", do: `update api_keys set created_at = 2 where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key gone", column: "api_keys.id", do: `delete from api_keys where id = 'key_old_1'`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "key that nobody made", do: `insert into api_keys (id, tenant, name, scope, hash, hint, created_at)
		values ('key_mine', 1, 'mine', 'write', x'0101010101010101010101010101010101010101010101010101010101010101', 'h', 5)`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "product of nobody", column: "products.tenant", do: `update products set tenant = 99`, law: "N1", quick: true},
	{name: "product of another business", column: "products.tenant", do: `update products set tenant = 3`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product with another id", column: "products.id", do: `update products set id = 'pdt_2'`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product at another price", column: "products.definition", do: `update products set definition = replace(definition, '"price":7', '"price":6')`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product that does not decode", column: "products.definition", do: `update products set definition = 'x'`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product listed as paid once", column: "products.recurring", do: `update products set recurring = 0`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product listed as sold", column: "products.archived", do: `update products set archived = 0`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product gone", do: `delete from products`, law: "N5", customer: liveBusiness, position: liveEnd, quick: true},
	{name: "product that nobody made", do: `insert into products (tenant, id, recurring, archived, definition) values (1, 'pdt_mine', 0, 0, '{}')`, law: "N5", customer: nobody, position: 5, quick: true},
	{name: "product's line as a setting's", column: "business_audit_entries.action", do: `update business_audit_entries set action = 'settings.update' where tenant = 2 and position = 7`, law: "N5", customer: liveBusiness, position: 7, quick: true},
}
