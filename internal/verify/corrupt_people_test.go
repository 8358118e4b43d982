package verify_test

// inTeam is what is found where a row of people is not what the trail of their team has left,
// and amongUsers where two rows do not fit each other.
func inTeam(name, column, do string) corruption {
	return corruption{name: name, column: column, do: do, law: "N5", customer: liveBusiness, position: liveEnd, quick: true}
}

func amongUsers(name, column, do string) corruption {
	return corruption{name: name, column: column, do: do, law: "N5", quick: true}
}

// setJohn replaces a part of what is kept of John.
func setJohn(part, with string) string {
	return `update people set data = replace(data, '` + part + `', '` + with + `') where id = 'usr_john'`
}

var peopleCorruptions = []corruption{
	inTeam("user with another role", "people.data", setJohn(`"support"`, `"owner"`)+`;
		update people set data = replace(data, '"support"', '"owner"') where kind = 'team'`),
	inTeam("user with another role than in the team", "people.data", setJohn(`"support"`, `"owner"`)),
	inTeam("team with another role than of the user", "people.data", `update people set data = replace(data, '"support"', '"owner"') where kind = 'team'`),
	inTeam("user with another password", "people.data", setJohn("$3", "$4")),
	inTeam("user with the password before", "people.data", setJohn("$3", "$2")),
	inTeam("user of another generation", "people.data", setJohn(`"generation":1`, `"generation":2`)),
	inTeam("user with a second factor", "people.data", setJohn(`"roles"`, `"second_factor":"x","roles"`)),
	inTeam("user with another address", "people.data", setJohn("john@", "joe@")+`; update people set id = 'joe@example.com' where id = 'john@example.com'`),
	amongUsers("user with another address than leads to them", "people.data", setJohn("john@", "joe@")),
	amongUsers("user with another id", "people.id", `update people set id = 'usr_joe' where id = 'usr_john'`),
	amongUsers("user who does not decode", "people.data", `update people set data = 'x' where id = 'usr_john'`),
	amongUsers("user gone", "", `delete from people where id = 'usr_john'`),
	inTeam("user gone from everywhere", "", `delete from people where id in ('usr_john', 'john@example.com');
		update people set data = replace(data, ',"usr_john":"support"', '') where kind = 'team'`),
	inTeam("user whom nobody let in", "", `insert into people (kind, id, about, expires_at, data) values
		('user', 'usr_me', '', 0, '{"id":"usr_me","email":"me@example.com","password":"$5","roles":{"bus_acme":"owner"}}'),
		('email', 'me@example.com', 'usr_me', 0, '{}');
		update people set data = replace(data, '"usr_john"', '"usr_me":"owner","usr_john"') where kind = 'team'`),
	{name: "user of a business that does not exist", do: setJohn(`"bus_acme":`, `"bus_none":"owner","bus_acme":`), law: "N1", quick: true},
	amongUsers("address of another user", "people.about", `update people set about = 'usr_jane' where id = 'john@example.com'`),
	amongUsers("address gone", "", `delete from people where id = 'john@example.com'`),
	amongUsers("user who expires", "people.expires_at", `update people set expires_at = 10 where id = 'usr_john'`),
	amongUsers("invitation that does not expire", "people.expires_at", `update people set expires_at = 0 where kind = 'invitation'`),
	amongUsers("record of another kind", "people.kind", `update people set kind = 'god' where id = 'usr_john'`),
	inTeam("invitation with another token", "people.id", `update people set id = 'mine' where kind = 'invitation'`),
	inTeam("invitation to another role", "people.data", `update people set data = replace(data, '"support"', '"owner"') where kind = 'invitation'`),
	inTeam("invitation that nobody made", "", `insert into people (kind, id, about, expires_at, data) values
		('invitation', 'mine', 'bus_acme', 10, '{"id":"ivt_2","business_id":"bus_acme","role":"owner","by":"usr_jane"}')`),
	{
		name: "invitation of another business", column: "people.about",
		do: `update people set about = 'bus_zeta' where kind = 'invitation'`, law: "N1", quick: true,
	},
	{
		name: "line of a user who was never there", column: "business_audit_entries.key_id",
		do: setBusinessLine(5, "key_id", "'usr_zoe'"), law: "N1", customer: nobody, position: 5, quick: true,
	},
	{
		name: "team in test mode", column: "business_audit_entries.action",
		do: `update business_audit_entries set action = 'team.invite', before_state = '{"ivt_1":null}', after_state = '{"ivt_1":{}}'
			where tenant = 1 and position = 5`, law: "N5", customer: nobody, position: 5, quick: true,
	},
	{
		name: "password that the trail does not tell of", column: "business_audit_entries.after_state",
		do: `update business_audit_entries set after_state = before_state where tenant = 2 and position = 12`, law: "N5",
		customer: liveBusiness, position: 12, quick: true,
	},
	{
		name: "role as a join", column: "business_audit_entries.action",
		do: `update business_audit_entries set action = 'team.leave' where tenant = 2 and position = 11`, law: "N5",
		customer: liveBusiness, position: 11, quick: true,
	},
	{
		name: "password as a withdrawal", column: "business_audit_entries.action",
		do: `update business_audit_entries set action = 'team.withdraw' where tenant = 2 and position = 12`, law: "N5",
		customer: liveBusiness, position: 12, quick: true,
	},
}
