-- The ledger: businesses, API keys, customers, wallets and entries.
--
-- The customer leads every key and foreign key of the tables that hold what
-- belongs to one customer, so that they can be distributed by it: one customer
-- is always on one shard. Ids and keys are compared byte for byte, whatever the
-- locale of the database.
--
-- Entries refer to no other table: the check would read and lock a row of it
-- for each entry, and the customer's row is locked by then anyway. `billfold
-- verify` finds an entry that belongs to nobody.
--
-- Risk: none, the tables are new.

create table businesses (
  id         text collate "C" not null primary key,
  name       text             not null,
  created_at timestamptz      not null
);

-- A business in one mode.
create table tenants (
  no          integer          not null primary key,
  business_id text collate "C" not null references businesses (id),
  mode        text             not null check (mode in ('test', 'live')),
  settings    text             not null, -- JSON

  -- Where the audit trail of the business in this mode stands.
  audit_position bigint        not null default 0 check (audit_position >= 0),
  audit_hash  bytea            not null default decode(repeat('00', 32), 'hex') check (length(audit_hash) = 32),
  unique (business_id, mode)
);

-- What was done to settings, API keys and products, in a chain for each tenant.
create table business_audit_entries (
  tenant       integer          not null references tenants (no),
  position     bigint           not null check (position > 0),
  id           text collate "C" not null,
  action       text             not null,
  key_id       text             not null, -- '' for the operator
  address      text             not null, -- '' where none is known
  before_state text             not null, -- canonical JSON object of what became different
  after_state  text             not null,
  reason       text             not null, -- '' for none
  created_at   timestamptz      not null,
  hash         bytea            not null check (length(hash) = 32),
  primary key (tenant, position)
);

-- One row: which feed this is. A place in a feed is a place in this database only,
-- and in no copy of it.
create table feed (
  no integer not null primary key check (no = 1),
  id uuid    not null
);

insert into feed values (1, gen_random_uuid());

-- The order of the feed. A row that tells of something has the number of its
-- transaction, or of the next one that could have begun when it was written if
-- that is higher. It is taken by a statement behind the one that locked the
-- customer, so that along the entries of a customer it never goes down; and it is
-- never below the number of its transaction, so that whoever reads only what is
-- below the oldest transaction that still runs passes over nothing. What is added
-- is above 0 in a database that was restored into a server with lower numbers.
create function feed_base() returns bigint language sql immutable as 'select 0::bigint';

create sequence api_keys_no;

create table api_keys (
  id         text collate "C" not null primary key,
  no         bigint           not null default nextval('api_keys_no'), -- in the order of creation
  tenant     integer          not null references tenants (no),
  name       text             not null,
  scope      text             not null check (scope in ('read', 'write')),
  hash       bytea            not null unique check (length(hash) = 32),
  hint       text             not null,
  created_at timestamptz      not null,
  expires_at timestamptz,
  revoked_at timestamptz
);

-- Customers are listed newest first by this number. It may have gaps.
create sequence customers_no;

create table customers (
  customer_id  text collate "C" not null,
  tenant       integer          not null,
  no           bigint           not null default nextval('customers_no'),
  email        text collate "C" not null,
  name         text             not null,
  name_folded  text             not null, -- lower case, for the name filter
  phone_number text             not null, -- '' for none
  metadata     text             not null, -- canonical JSON object
  created_at   timestamptz      not null,
  updated_at   timestamptz      not null,

  -- A line for each freeze, sorted by currency: currency ('' for the customer as
  -- a whole), scope, microseconds, id of the line of the audit trail, reason.
  freezes      text             not null default '',

  -- A line for each wallet that has thresholds of its own, sorted by currency:
  -- currency, below:recover_at of each.
  alerts       text             not null default '',

  -- Where the customer's audit trail stands.
  audit_position bigint         not null default 0 check (audit_position >= 0),
  audit_hash   bytea            not null default decode(repeat('00', 32), 'hex') check (length(audit_hash) = 32),

  -- Where the events about the customer's objects stand: number and hash of the last.
  object_number bigint          not null default 0 check (object_number >= 0),
  object_hash  bytea            not null default decode(repeat('00', 32), 'hex') check (length(object_hash) = 32),

  -- Id of the customer's test clock, '' for none, and where that stands for the customer.
  clock        text collate "C" not null default '',
  clock_at     timestamptz      check ((clock_at is null) = (clock = '')),
  feed_order   bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  primary key (customer_id, tenant)
) with (fillfactor = 70);

create index customers_by_tenant on customers (tenant, no);
create index customers_by_email on customers (tenant, email, no);
create index customers_by_feed on customers (tenant, feed_order);

-- Few customers have a test clock.
create index customers_by_clock on customers (clock, clock_at) where clock <> '';

-- One row per wallet that has entries. The row with the highest position
-- carries the head of the customer's chain.
create table wallets (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  currency    text collate "C" not null,
  balance     bigint           not null check (balance between 0 and 9007199254740991),
  held        bigint           not null check (held between 0 and balance),
  seq         bigint           not null check (seq > 0),         -- of the wallet's last entry
  position    bigint           not null check (position >= seq), -- of the wallet's last entry
  hash        bytea            not null check (length(hash) = 32), -- of the wallet's last entry
  updated_at  timestamptz      not null,                         -- created_at of the wallet's last entry

  -- Open lots in spend order: for each lot four varints, its seq, 0 for
  -- promotional or 1 for paid, expires_at in microseconds, and what remains.
  lots        bytea            not null,

  -- Lots that never expire and were never touched need no storage of their
  -- own: they are the wallet's credits of one category without expiry, from a
  -- seq upwards. Each pair is that seq (0: there are none) and their sum.
  promotional_from bigint      not null,
  promotional_sum  bigint      not null check (promotional_sum >= 0),
  paid_from        bigint      not null,
  paid_sum         bigint      not null check (paid_sum >= 0),

  -- Open lots that can expire and have rows of their own, in wallet_lots: their
  -- sum, and the sum of those that had expired at an instant, null for never.
  shelved_sum      bigint      not null default 0 check (shelved_sum >= 0),
  lapsed_sum       bigint      not null default 0 check (lapsed_sum between 0 and shelved_sum),
  lapsed_at        timestamptz,

  next_expiry      timestamptz, -- when the next of the open lots expires, null when none can

  -- Thresholds in force, with where the wallet stands at each, such as
  -- 500:700:armed; null for none.
  alerts           text,

  -- Of the last event about a hold in this wallet. The highest of a customer's
  -- wallets is the number of the customer's last.
  hold_number      bigint      not null default 0 check (hold_number >= 0),
  hold_at          timestamptz, -- created_at of that event, null for none

  -- What is owed after reversals of credits that were spent: the credits against
  -- the account debt, less the debits.
  debt             bigint      not null default 0 check (debt between 0 and 9007199254740991),

  -- A place in the spend order of the open lots that can expire: each before it was
  -- announced. When the lot there expires, null when none is left, and its seq, negated
  -- if it is promotional. It is kept whether or not the business wants notices.
  next_notice      timestamptz,
  next_notice_lot  bigint      not null default 0 check ((next_notice_lot = 0) = (next_notice is null)),
  notice_number    bigint      not null default 0 check (notice_number >= 0), -- of the wallet's last notice

  primary key (customer_id, tenant, currency),
  foreign key (customer_id, tenant) references customers (customer_id, tenant)
) with (fillfactor = 70);

-- Most wallets have no lot that can expire, and are not in it. The sweep looks
-- here for its work, once a minute, for all customers at once; an entry that does
-- not change the time changes nothing in the index.
create index wallets_by_expiry on wallets (next_expiry) where next_expiry is not null;

-- A business that wants notices finds its wallets here, without those of others.
create index wallets_by_notice on wallets (tenant, next_notice) where next_notice is not null;

-- Open lots that can expire, beyond the first few of a wallet, which stand in its
-- row: in the order in which they are spent. Only wallets with many have any. There is
-- one index, by which each is found, so that no planner can take another.
create table wallet_lots (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  currency    text collate "C" not null,
  expires_at  timestamptz      not null,
  category    smallint         not null check (category in (0, 1)), -- 0 for promotional, 1 for paid
  seq         bigint           not null check (seq > 0),            -- of the credit that opened it
  remaining   bigint           not null check (remaining > 0),
  primary key (customer_id, tenant, currency, expires_at, category, seq)
);

create table ledger_entries (
  customer_id     text collate "C" not null,
  tenant          integer          not null,
  position        bigint           not null check (position > 0),
  currency        text collate "C" not null,
  seq             bigint           not null check (seq > 0 and seq <= position),
  id              text collate "C" not null,
  is_credit       boolean          not null,
  amount          bigint           not null check (amount between 1 and 999999999999),
  before_balance  bigint           not null check (before_balance >= 0),
  after_balance   bigint           not null check (after_balance between 0 and 9007199254740991),
  available       bigint           not null check (available between 0 and after_balance),
  event_type      text             not null,
  account         text             not null,
  category        text             not null, -- '' on what opens no lot
  expires_at      timestamptz,
  allocations     bigint[],        -- lot seq, amount, lot seq, amount …; null on a credit that opens a lot
  reason          text,
  reference_object_id text,
  metadata        text,            -- null for {}
  idempotency_key text collate "C",
  fingerprint     bytea            not null check (length(fingerprint) = 16),
  created_by      text             not null,
  created_at      timestamptz      not null,
  hash            bytea            not null check (length(hash) = 32),
  reverses        text collate "C", -- id of the entry that this one undoes, null for none
  alerts          text,            -- thresholds in force, where this entry changed them or crossed one, else null
  hold_id         text collate "C", -- of the hold that this debit captures, null for none
  held            bigint check (held between 1 and after_balance), -- after this entry, null for nothing
  feed_order      bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  check (after_balance = before_balance + case when is_credit then amount else -amount end),
  primary key (customer_id, tenant, position),
  unique (customer_id, tenant, currency, seq),
  unique (customer_id, tenant, idempotency_key)
);

-- How much was undone of an entry. Few are, and only their reversals are in it.
create index ledger_entries_by_reversed on ledger_entries (customer_id, tenant, reverses) include (amount) where reverses is not null;

-- The feed of a business. All entries of a commit have one number, so the index is
-- small, and grows at its right edge.
create index ledger_entries_by_feed on ledger_entries (tenant, feed_order);

-- What the planner is to believe: a customer may have very many entries, and a
-- business very many customers. Left to itself it learns that most have a few, or
-- nothing yet, takes every index that begins with the customer for equally good,
-- and reads a customer's whole history to find one entry. Without statistics it
-- assumes that a column has 200 different values; so the customer of an entry
-- gets none, and the tenant, of which there may be one or thousands, counts as
-- one. The rows are there for the planner to look at once, so that it believes
-- this from the first entry on.
alter table ledger_entries
  alter column customer_id set statistics 0,
  alter column tenant set (n_distinct = 1);
alter table customers
  alter column tenant set (n_distinct = 1);

insert into ledger_entries
select '', -n, n, '', n, '', true, 1, 0, 1, 0, '', '', '', null, null, null, null, null, n::text, decode(repeat('00', 16), 'hex'),
       '', now(), decode(repeat('00', 32), 'hex'), null, null, null, null
  from generate_series(1, 20) as n;
insert into customers
select n::text, -n, n, '', '', '', '', '{}', now(), now()
  from generate_series(1, 20) as n;
analyze ledger_entries, customers;
delete from ledger_entries;
delete from customers;

create function ledger_entries_are_immutable() returns trigger language plpgsql as $$
begin
  raise exception 'ledger entries are immutable';
end $$;

create trigger ledger_entries_are_not_changed before update or delete on ledger_entries
  for each row execute function ledger_entries_are_immutable();

create trigger ledger_entries_are_not_truncated before truncate on ledger_entries
  for each statement execute function ledger_entries_are_immutable();

-- The lots of a wallet as they were after about every 64th of its entries or of the
-- customer's hold events, or as many as there are lots here: what is behind a mark
-- and before the next is little to read. Lots of the past are found from the last
-- mark before. There is one index, as of wallet_lots.
create table lot_marks (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  currency    text collate "C" not null,
  seq         bigint           not null check (seq > 0),          -- of the wallet's last entry then
  made_at     timestamptz      not null,                          -- when the change was made that left the lots so
  hold_event  bigint           not null check (hold_event >= 0),  -- number of the hold event that it was, 0 if it had an entry
  hold_number bigint           not null check (hold_number >= 0), -- as in wallets, then
  lots        bytea            not null,                          -- as in wallets, with those of wallet_lots
  lot_count   bigint           not null check (lot_count >= 0),   -- how many these are
  promotional_from bigint      not null,                          -- this and what follows as in wallets
  promotional_sum  bigint      not null check (promotional_sum >= 0),
  paid_from        bigint      not null,
  paid_sum         bigint      not null check (paid_sum >= 0),
  primary key (customer_id, tenant, currency, seq, made_at, hold_event)
);

-- Who changed what about a customer, and why. Each line has a hash over itself
-- and the hash of the customer's line before.
create table audit_entries (
  customer_id  text collate "C" not null,
  tenant       integer          not null,
  position     bigint           not null check (position > 0),
  id           text collate "C" not null,
  action       text             not null,
  key_id       text             not null,
  address      text             not null, -- '' where none is known
  before_state text             not null, -- canonical JSON object of what became different
  after_state  text             not null,
  reason       text             not null, -- '' for none
  created_at   timestamptz      not null,
  hash         bytea            not null check (length(hash) = 32),
  feed_order   bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  primary key (customer_id, tenant, position)
);

create index audit_entries_by_feed on audit_entries (tenant, feed_order);

create function audit_entries_are_immutable() returns trigger language plpgsql as $$
begin
  raise exception 'audit entries are immutable';
end $$;

create trigger audit_entries_are_not_changed before update or delete on audit_entries
  for each row execute function audit_entries_are_immutable();

create trigger audit_entries_are_not_truncated before truncate on audit_entries
  for each statement execute function audit_entries_are_immutable();

create trigger business_audit_entries_are_not_changed before update or delete on business_audit_entries
  for each row execute function audit_entries_are_immutable();

create trigger business_audit_entries_are_not_truncated before truncate on business_audit_entries
  for each statement execute function audit_entries_are_immutable();

-- Transfers, with a row at each of the two customers: at the source from the
-- first commit on, at the destination once it has decided. A refusal has no
-- entry, and keeps what was refused from arriving later.
create table transfers (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  id          text collate "C" not null, -- the same at both customers
  outgoing    boolean          not null,
  other_id    text collate "C" not null, -- the customer at the other end
  state       text             not null check (state in ('in_transit', 'completed', 'returned', 'refused')),
  currency    text collate "C" not null,
  amount      bigint           not null check (amount between 1 and 999999999999),
  position    bigint           not null, -- of the customer's first entry of the transfer, 0 for a refusal
  entry_id    text collate "C" not null, -- of that entry, '' for a refusal
  refusal     text             not null, -- code of why the destination refused, '' while it did not
  created_at  timestamptz      not null,
  updated_at  timestamptz      not null,
  check (outgoing = (state in ('in_transit', 'returned')) or state = 'completed'),
  check ((position > 0) = (state <> 'refused') and (entry_id <> '') = (state <> 'refused')),
  check ((refusal <> '') = (state in ('returned', 'refused'))),
  primary key (customer_id, tenant, id)
);

create unique index transfers_by_position on transfers (customer_id, tenant, position) where position > 0;

-- Those that somebody has to bring to their end; nearly always empty.
create index transfers_in_transit on transfers (id) where state = 'in_transit';

-- Money that is promised. What is active is pinned: its lots are none of the
-- wallet's.
create table holds (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  number      bigint           not null check (number > 0), -- of the event that made it
  id          text collate "C" not null,
  currency    text collate "C" not null,
  amount      bigint           not null check (amount between 1 and 999999999999),
  captured    bigint           not null check (captured between 0 and amount),
  released    bigint           not null check (released between 0 and amount - captured),
  state       text             not null check (state in ('active', 'captured', 'released', 'expired')),
  expires_at  timestamptz      not null,
  lots        bytea            not null, -- what is left of the pinned lots, as in wallets
  reason      text,
  reference_object_id text,
  metadata    text,            -- null for {}
  created_by  text             not null,
  created_at  timestamptz      not null,
  updated_at  timestamptz      not null, -- created_at of its last event
  primary key (customer_id, tenant, number),
  check ((state = 'active') = (captured + released < amount))
) with (fillfactor = 70);

-- The sweep looks here for its work, for all customers at once.
create index holds_by_expiry on holds (expires_at) where state = 'active';
create index holds_that_are_active on holds (customer_id, tenant, currency, expires_at) where state = 'active';

-- What happened to the holds of a customer, in the order in which it did.
create table hold_events (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  number      bigint           not null check (number > 0),
  hold        bigint           not null check (hold between 1 and number), -- number of the event that made it
  kind        text             not null check (kind in ('made', 'captured', 'released', 'expired')),
  allocations bigint[],        -- of the event that made it: lot seq, amount, lot seq, amount …
  amount      bigint           not null check (amount > 0),
  captured    bigint           not null, -- of the hold, after it
  released    bigint           not null,
  position    bigint           not null, -- of the capture's entry, 0 for none
  seq         bigint           not null, -- of the wallet, after it
  balance     bigint           not null,
  held        bigint           not null check (held between 0 and balance),
  available   bigint           not null check (available between 0 and balance - held),
  moved_at    timestamptz      not null, -- updated_at of the wallet
  alerts      text check (alerts is null or position = 0), -- thresholds in force, where it changed or crossed one; a capture's stand in its entry
  idempotency_key text collate "C",
  fingerprint bytea            not null check (length(fingerprint) = 16),
  created_by  text             not null,
  created_at  timestamptz      not null,
  feed_order  bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  after_position bigint        not null default 0, -- of the customer's entry before it, which the feed tells first
  primary key (customer_id, tenant, number)
);

create index hold_events_by_feed on hold_events (tenant, feed_order);
create unique index hold_events_by_key on hold_events (customer_id, tenant, idempotency_key) where idempotency_key is not null;

-- As of entries: or the planner takes the index of the feed for a look-up by key.
alter table hold_events
  alter column customer_id set statistics 0,
  alter column tenant set (n_distinct = 1);
insert into hold_events
select '', -n, n, n, 'made', null, 1, 0, 0, 0, 0, 0, 0, 0, now(), null, null, decode(repeat('00', 16), 'hex'), '', now()
  from generate_series(1, 20) as n;
analyze hold_events;
delete from hold_events;

create function hold_events_are_immutable() returns trigger language plpgsql as $$
begin
  raise exception 'hold events are immutable';
end $$;

create trigger hold_events_are_not_changed before update or delete on hold_events
  for each row execute function hold_events_are_immutable();

create trigger hold_events_are_not_truncated before truncate on hold_events
  for each statement execute function hold_events_are_immutable();

-- What is kept about customers beside the ledger, such as invoices, and changes in
-- one commit with the money that it moves.
create table objects (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  kind        text collate "C" not null check (kind <> ''),
  id          text collate "C" not null,
  number      bigint           not null check (number > 0), -- of the event that made it
  version     bigint           not null check (version > 0),
  state       text             not null,
  due_at      timestamptz,     -- when something is to be done about it, null for never
  data        text             not null, -- JSON
  created_at  timestamptz      not null,
  updated_at  timestamptz      not null, -- created_at of its last event
  primary key (customer_id, tenant, kind, id)
) with (fillfactor = 70);

create index objects_by_id on objects (tenant, kind, id);

-- The feed and verify look here for the object of an event.
create unique index objects_by_number on objects (customer_id, tenant, number);

-- The workers look here for their work, for all customers at once.
create index objects_that_are_due on objects (kind, due_at, id) where due_at is not null;

-- Every change of a customer's objects, in the order in which they happened.
create table object_events (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  number      bigint           not null check (number > 0),
  object      bigint           not null check (object between 1 and number), -- number of the event that made it
  version     bigint           not null check ((version = 1) = (object = number)),
  position    bigint           not null check (position >= 0), -- of the customer's last entry then, 0 for none
  kind        text             not null, -- as what it is told, '' where it is told to nobody
  data        text             not null,
  created_at  timestamptz      not null,
  digest      bytea            not null check (length(digest) = 32), -- of the object after it
  hash        bytea            not null check (length(hash) = 32),
  feed_order  bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  after_hold  bigint           not null default 0, -- number of the customer's hold event before it, which the feed tells first
  after_notice bigint          not null default 0, -- and of the notice
  primary key (customer_id, tenant, number)
);

create index object_events_by_feed on object_events (tenant, feed_order) where kind <> '';

-- As of entries: or the planner takes the index of the feed for a look-up by key.
alter table object_events
  alter column customer_id set statistics 0,
  alter column tenant set (n_distinct = 1);
insert into object_events
select '', -n, n, n, 1, 0, 'told', '', now(), decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex')
  from generate_series(1, 20) as n;
analyze object_events;
delete from object_events;

create function object_events_are_immutable() returns trigger language plpgsql as $$
begin
  raise exception 'object events are immutable';
end $$;

create trigger object_events_are_not_changed before update or delete on object_events
  for each row execute function object_events_are_immutable();

create trigger object_events_are_not_truncated before truncate on object_events
  for each statement execute function object_events_are_immutable();

-- What was announced of money that expires soon: each lot once.
create table expiry_notices (
  customer_id text collate "C" not null,
  tenant      integer          not null,
  number      bigint           not null check (number > 0),
  id          text collate "C" not null,
  currency    text collate "C" not null,
  lot         bigint           not null check (lot > 0), -- seq of the credit that opened it
  category    text             not null check (category in ('paid', 'promotional')),
  expires_at  timestamptz      not null,
  remaining   bigint           not null check (remaining > 0), -- of the lot, then
  seq         bigint           not null check (seq >= lot),    -- of the wallet's last entry then
  hold_number bigint           not null check (hold_number >= 0), -- of the customer's last hold event then, 0 for none
  created_at  timestamptz      not null check (created_at < expires_at),
  feed_order  bigint           not null default feed_base() + greatest(txid_current(), txid_snapshot_xmax(txid_current_snapshot())), -- see feed_base
  after_position bigint        not null default 0, -- of the customer's entry before it, which the feed tells first
  primary key (customer_id, tenant, number),
  unique (customer_id, tenant, currency, lot)
);

create index expiry_notices_by_feed on expiry_notices (tenant, feed_order);

-- As of entries: or the planner takes the index of the feed for a look-up by key.
alter table expiry_notices
  alter column customer_id set statistics 0,
  alter column tenant set (n_distinct = 1);
insert into expiry_notices
select '', -n, n, '', '', n, 'paid', 'infinity', 1, n, 0, now()
  from generate_series(1, 20) as n;
analyze expiry_notices;
delete from expiry_notices;

create function expiry_notices_are_immutable() returns trigger language plpgsql as $$
begin
  raise exception 'expiry notices are immutable';
end $$;

create trigger expiry_notices_are_not_changed before update or delete on expiry_notices
  for each row execute function expiry_notices_are_immutable();

create trigger expiry_notices_are_not_truncated before truncate on expiry_notices
  for each statement execute function expiry_notices_are_immutable();

-- Instances that send webhooks, each until it has not been heard of for a moment.
create table webhook_instances (
  id    text collate "C" not null primary key,
  until timestamptz      not null
);

create sequence webhook_endpoints_no;

-- Receivers of what happens.
create table webhook_endpoints (
  no              bigint           not null primary key default nextval('webhook_endpoints_no'),
  id              text collate "C" not null unique,
  tenant          integer          not null references tenants (no),
  idempotency_key text collate "C",
  definition      text             not null, -- JSON; with the secrets
  disabled        boolean          not null,
  deleted         boolean          not null, -- it is none any more, but has deliveries
  place           text             not null default '', -- in the feed: everything before it is queued
  instance        text collate "C"           -- that sends to it, while that one lives
);

create index webhook_endpoints_by_tenant on webhook_endpoints (tenant, no) where not deleted;
create unique index webhook_endpoints_by_key on webhook_endpoints (tenant, idempotency_key)
 where idempotency_key is not null and not deleted;

create sequence webhook_deliveries_no;

-- What is and was to be sent.
create table webhook_deliveries (
  no        bigint           not null primary key default nextval('webhook_deliveries_no'), -- along those of an endpoint, in the order of the feed
  endpoint  bigint           not null references webhook_endpoints (no),
  event_id  text collate "C" not null,
  kind      text collate "C" not null,
  queue     text collate "C" not null, -- what belongs in one order
  body      bytea            not null,
  state     text collate "C" not null check (state in ('pending', 'delivered', 'failed')),
  due_at    timestamptz      not null,
  tries     integer          not null check (tries >= 0),
  attempts  text             not null, -- JSON
  queued_at timestamptz      not null
);

create unique index webhook_deliveries_by_event on webhook_deliveries (endpoint, event_id);
create index webhook_deliveries_in_order on webhook_deliveries (endpoint, no);
create index webhook_deliveries_due on webhook_deliveries (endpoint, due_at, no, queue) where state = 'pending';
create index webhook_deliveries_waiting on webhook_deliveries (endpoint, queue, no) where state = 'pending';
create index webhook_deliveries_failed on webhook_deliveries (endpoint, no) where state = 'failed';
create index webhook_deliveries_old on webhook_deliveries (due_at, no) where state = 'delivered'; -- when it was

-- Instances that publish to a message broker, each until it has not been heard of for
-- a moment.
create table sink_leases (
  sink     text collate "C" not null primary key,
  instance text collate "C" not null,
  until    timestamptz      not null
);

-- How far the feed of each business was published to a message broker.
create table sink_cursors (
  sink   text collate "C" not null,
  tenant integer          not null references tenants (no),
  place  text             not null, -- in the feed: everything before it was acknowledged
  primary key (sink, tenant)
);

-- What entries moved, added up for reports: in a quarter of an hour and on a day by how
-- they count, and on a day by the month in which the money was funded and by the day on
-- which it expires. A sum that does not fit stays at 2^63 - 1. Made from the entries
-- before report_progress and from nothing else, so it may be emptied together with that.
create table report_sums (
  tenant   integer          not null references tenants (no),
  span     text collate "C" not null check (span in ('quarter', 'day', 'cohort', 'expiry')),
  start    timestamptz      not null,
  currency text collate "C" not null,
  label    text collate "C" not null,
  credited bigint           not null check (credited >= 0),
  debited  bigint           not null check (debited >= 0),
  entries  bigint           not null check (entries > 0),
  primary key (tenant, span, start, currency, label)
);

-- Between which feed_order the entries of a quarter of an hour stand.
create table report_places (
  tenant integer     not null references tenants (no),
  start  timestamptz not null,
  first  bigint      not null,
  last   bigint      not null check (last >= first),
  primary key (tenant, start)
);

-- Every entry with a lower feed_order is in these sums, and no other.
create table report_progress (
  tenant  integer not null primary key references tenants (no),
  through bigint  not null check (through >= 0)
);

-- Answers to requests that make or change a customer, kept for their repeats.
-- A row without an answer is being made by the transaction that holds it.
create table request_answers (
  tenant      integer          not null references tenants (no),
  route       text collate "C" not null,
  key         text collate "C" not null,
  fingerprint bytea            not null check (length(fingerprint) = 16),
  answer      bytea,
  created_at  timestamptz      not null,
  keep_until  timestamptz, -- null: for ever
  primary key (tenant, route, key)
);

create index request_answers_by_end on request_answers (keep_until) where keep_until is not null;

-- One row: what this installation is. All instances must have the secret key of
-- the first; what is kept of it can only be compared.
create table installation (
  no           integer     not null primary key check (no = 1),
  created_at   timestamptz not null,
  secret_check bytea       not null check (length(secret_check) = 32)
);

-- What businesses sell, listed newest first by number.
create sequence products_no;

create table products (
  tenant     integer          not null references tenants (no),
  id         text collate "C" not null,
  no         bigint           not null unique default nextval('products_no'),
  recurring  boolean          not null, -- as in the definition, for the filters
  archived   boolean          not null,
  definition text             not null, -- JSON, which the audit trail of the business has too
  primary key (tenant, id)
);

create index products_in_order on products (tenant, archived, no);

-- What card processors told unasked: what was taken, so that it is known when it comes
-- again, and what people have to look at, with what was sent.
create table processor_notices (
  tenant      integer          not null references tenants (no),
  id          text collate "C" not null, -- the processor's
  kind        text             not null,
  reason      text             not null, -- empty: it was taken
  body        text             not null,
  received_at timestamptz      not null,
  primary key (tenant, id)
);

create index processor_notices_taken on processor_notices (received_at) where reason = '';
create index processor_notices_quarantined on processor_notices (tenant, received_at) where reason <> '';

-- Clocks by which the time of customers in test mode passes, listed newest first by number.
create sequence test_clocks_no;

create table test_clocks (
  tenant     integer          not null references tenants (no),
  id         text collate "C" not null,
  no         bigint           not null unique default nextval('test_clocks_no'),
  name       text             not null,
  frozen_at  timestamptz      not null, -- where it stands, and its customers are or are to come
  deleted    boolean          not null, -- its customers stand where they are
  failure    text             not null, -- why a customer cannot come on, '' while all can
  created_at timestamptz      not null,
  primary key (tenant, id)
);

create index test_clocks_in_order on test_clocks (tenant, no) where not deleted;

-- The persons who sign in, their sessions and invitations, and who is in which team.
create table people (
  kind       text collate "C" not null,
  id         text collate "C" not null,
  about      text collate "C" not null, -- what it is found by beside its id
  expires_at timestamptz,               -- from then on it is as if it were not there; null: never
  data       text             not null, -- JSON
  primary key (kind, id)
);

create index people_about on people (kind, about, id);
create index people_expired on people (expires_at) where expires_at is not null;
