-- The ledger: businesses, API keys, customers, wallets and entries.
--
-- The shape follows one measurement: a row appended at the right edge of a
-- table costs about 3.5 microseconds, a row put at a random place of an index
-- about 10, because it dirties a page of its own. So entries are only ever
-- appended, lists walk from an entry to the one before it, and the wallet row
-- is written once per commit however many entries it received.
--
-- Times are microseconds since 1970 in UTC, 0 for none. Amounts are minor
-- units. Risk: none, the tables are new.

create table businesses (
  id         text    not null primary key,
  name       text    not null,
  created_at integer not null
) strict, without rowid;

-- A business in one mode.
create table tenants (
  no          integer primary key,
  business_id text    not null references businesses (id),
  mode        text    not null check (mode in ('test', 'live')),
  settings    text    not null, -- JSON

  -- Where the audit trail of the business in this mode stands.
  audit_position integer not null default 0 check (audit_position >= 0),
  audit_hash  blob    not null default (zeroblob(32)) check (length(audit_hash) = 32),
  unique (business_id, mode)
) strict;

-- What was done to settings, API keys and products, in a chain for each tenant.
create table business_audit_entries (
  tenant       integer not null references tenants (no),
  position     integer not null check (position > 0),
  id           text    not null,
  action       text    not null,
  key_id       text    not null, -- '' for the operator
  address      text    not null, -- '' where none is known
  before_state text    not null, -- canonical JSON object of what became different
  after_state  text    not null,
  reason       text    not null, -- '' for none
  created_at   integer not null,
  hash         blob    not null check (length(hash) = 32),
  primary key (tenant, position)
) strict, without rowid;

create trigger business_audit_entries_are_not_updated before update on business_audit_entries
begin
  select raise(abort, 'audit entries are immutable');
end;

create trigger business_audit_entries_are_not_deleted before delete on business_audit_entries
begin
  select raise(abort, 'audit entries are immutable');
end;

create table api_keys (
  no         integer primary key,
  id         text    not null unique,
  tenant     integer not null references tenants (no),
  name       text    not null,
  scope      text    not null check (scope in ('read', 'write')),
  hash       blob    not null unique check (length(hash) = 32),
  hint       text    not null,
  created_at integer not null,
  expires_at integer not null default 0,
  revoked_at integer not null default 0
) strict;

create table customers (
  no           integer primary key,
  tenant       integer not null references tenants (no),
  id           text    not null,
  email        text    not null,
  name         text    not null,
  name_folded  text    not null, -- lower case, for the name filter
  phone_number text    not null, -- '' for none
  metadata     text    not null, -- canonical JSON object
  created_at   integer not null,
  updated_at   integer not null,

  -- A line for each freeze, sorted by currency: currency ('' for the customer as
  -- a whole), scope, time, id of the line of the audit trail, reason.
  freezes      text    not null default '',

  -- A line for each wallet that has thresholds of its own, sorted by currency:
  -- currency, below:recover_at of each.
  alerts       text    not null default '',

  -- Where the customer's audit trail stands.
  audit_position integer not null default 0 check (audit_position >= 0),
  audit_hash   blob    not null default (zeroblob(32)) check (length(audit_hash) = 32),

  -- Where the events about the customer's objects stand: number and hash of the last.
  object_number integer not null default 0 check (object_number >= 0),
  object_hash  blob    not null default (zeroblob(32)) check (length(object_hash) = 32),

  -- Id of the customer's test clock, '' for none, and where that stands for the customer.
  clock        text    not null default '',
  clock_at     integer not null default 0 check ((clock_at = 0) = (clock = '')),
  unique (tenant, id)
) strict;

-- Few customers have a test clock.
create index customers_by_clock on customers (clock, clock_at) where clock <> '';

-- Clocks by which the time of customers in test mode passes, listed newest first by number.
create table test_clocks (
  no         integer primary key,
  tenant     integer not null references tenants (no),
  id         text    not null,
  name       text    not null,
  frozen_at  integer not null, -- where it stands, and its customers are or are to come
  deleted    integer not null check (deleted in (0, 1)), -- its customers stand where they are
  failure    text    not null, -- why a customer cannot come on, '' while all can
  created_at integer not null,
  unique (tenant, id)
) strict;

create index test_clocks_in_order on test_clocks (tenant, no) where deleted = 0;

create index customers_by_tenant on customers (tenant);
create index customers_by_email on customers (tenant, email);

-- One row per wallet that has entries. The row with the highest position
-- carries the head of the customer's chain.
create table wallets (
  no         integer primary key,
  tenant     integer not null references tenants (no), -- of the customer
  customer   integer not null references customers (no),
  currency   text    not null,
  balance    integer not null check (balance between 0 and 9007199254740991),
  held       integer not null default 0 check (held between 0 and balance),
  seq        integer not null check (seq > 0),         -- of the wallet's last entry
  position   integer not null check (position >= seq), -- of the wallet's last entry
  last_entry integer not null,                         -- no of the wallet's last entry
  hash       blob    not null check (length(hash) = 32), -- of the wallet's last entry
  updated_at integer not null,                         -- created_at of the wallet's last entry

  -- Open lots in spend order: for each lot four varints, its seq, 0 for
  -- promotional or 1 for paid, expires_at, and what remains.
  lots       blob    not null,

  -- Lots that never expire and were never touched need no storage of their
  -- own: they are the wallet's credits of one category without expiry, from a
  -- seq upwards. Each pair is that seq (0: there are none) and their sum.
  promotional_from integer not null default 0,
  promotional_sum  integer not null default 0 check (promotional_sum >= 0),
  paid_from        integer not null default 0,
  paid_sum         integer not null default 0 check (paid_sum >= 0),

  -- Open lots that can expire and have rows of their own, in wallet_lots: their
  -- sum, and the sum of those that had expired at an instant.
  shelved_sum integer not null default 0 check (shelved_sum >= 0),
  lapsed_sum  integer not null default 0 check (lapsed_sum between 0 and shelved_sum),
  lapsed_at   integer not null default 0,

  -- When the next of the open lots expires. Most wallets have none that can,
  -- and are not in the index.
  next_expiry integer not null default 0,

  -- Thresholds in force, with where the wallet stands at each, such as
  -- 500:700:armed; null for none.
  alerts      text,

  -- Of the last event about a hold in this wallet. The highest of a customer's
  -- wallets is the number of the customer's last.
  hold_number integer not null default 0 check (hold_number >= 0),
  hold_at     integer not null default 0, -- created_at of that event

  -- What is owed after reversals of credits that were spent: the credits against
  -- the account debt, less the debits.
  debt        integer not null default 0 check (debt between 0 and 9007199254740991),

  -- A place in the spend order of the open lots that can expire: each before it was
  -- announced. When the lot there expires, 0 when none is left, and its seq, negated
  -- if it is promotional. It is kept whether or not the business wants notices.
  next_notice     integer not null default 0,
  next_notice_lot integer not null default 0 check ((next_notice_lot = 0) = (next_notice = 0)),
  notice_number   integer not null default 0 check (notice_number >= 0), -- of the wallet's last notice

  unique (customer, currency)
) strict;

create index wallets_by_expiry on wallets (next_expiry) where next_expiry > 0;

-- A business that wants notices finds its wallets here, without those of others.
create index wallets_by_notice on wallets (tenant, next_notice) where next_notice > 0;

-- Open lots that can expire, beyond the first few of a wallet, which stand in its
-- row: in the order in which they are spent. Only wallets with many have any.
create table wallet_lots (
  customer   integer not null references customers (no),
  currency   text    not null,
  expires_at integer not null check (expires_at > 0),
  category   integer not null check (category in (0, 1)), -- 0 for promotional, 1 for paid
  seq        integer not null check (seq > 0),            -- of the credit that opened it
  remaining  integer not null check (remaining > 0),
  primary key (customer, currency, expires_at, category, seq)
) strict, without rowid;

create table ledger_entries (
  no              integer primary key, -- grows by one, in commit order
  id              text    not null,
  customer        integer not null references customers (no),
  currency        text    not null,
  position        integer not null check (position > 0),
  seq             integer not null check (seq > 0),
  previous        integer not null, -- no of the customer's entry before, 0 for the first
  wallet_previous integer not null, -- no of the wallet's entry before, 0 for the first
  is_credit       integer not null check (is_credit in (0, 1)),
  amount          integer not null check (amount between 1 and 999999999999),
  before_balance  integer not null check (before_balance >= 0),
  after_balance   integer not null check (after_balance between 0 and 9007199254740991),
  available       integer not null check (available between 0 and after_balance),
  event_type      text    not null,
  account         text    not null,
  category        text    not null, -- '' on what opens no lot
  expires_at      integer not null default 0,
  allocations     blob,             -- varint pairs of lot seq and amount, null on a credit that opens a lot
  reason          text,
  reference_object_id text,
  metadata        text,             -- null for {}
  idempotency_key text,
  fingerprint     blob    not null check (length(fingerprint) = 16),
  created_by      text    not null,
  created_at      integer not null,
  hash            blob    not null check (length(hash) = 32),
  reverses        text,             -- id of the entry that this one undoes, null for none
  alerts          text,             -- thresholds in force, where this entry changed them or crossed one, else null
  hold_id         text,             -- of the hold that this debit captures, null for none
  held            integer check (held between 1 and after_balance), -- after this entry, null for nothing
  check (after_balance = before_balance + case is_credit when 1 then amount else -amount end)
) strict;

-- How much was undone of an entry. Few are, and only their reversals are in it.
create index ledger_entries_by_reversed on ledger_entries (customer, reverses, amount) where reverses is not null;

create trigger ledger_entries_are_not_updated before update on ledger_entries
begin
  select raise(abort, 'ledger entries are immutable');
end;

create trigger ledger_entries_are_not_deleted before delete on ledger_entries
begin
  select raise(abort, 'ledger entries are immutable');
end;

-- Every 64th entry of a customer and of a wallet can be found directly, so
-- that no page of a long list is more than 63 steps away.
create table customer_marks (
  customer integer not null,
  position integer not null,
  entry    integer not null,
  primary key (customer, position)
) strict, without rowid;

create table wallet_marks (
  customer integer not null,
  currency text    not null,
  seq      integer not null,
  entry    integer not null,
  primary key (customer, currency, seq)
) strict, without rowid;

-- The lots of a wallet as they were after about every 64th of its entries or of the
-- customer's hold events, or as many as there are lots here: what is behind a mark
-- and before the next is little to read. Lots of the past are found from the last
-- mark before.
create table lot_marks (
  customer    integer not null references customers (no),
  currency    text    not null,
  seq         integer not null check (seq > 0), -- of the wallet's last entry then
  made_at     integer not null,                 -- when the change was made that left the lots so
  hold_event  integer not null check (hold_event >= 0), -- number of the hold event that it was, 0 if it had an entry
  hold_number integer not null check (hold_number >= 0), -- as in wallets, then
  lots        blob    not null,                 -- as in wallets, with those of wallet_lots
  lot_count   integer not null check (lot_count >= 0),  -- how many these are
  promotional_from integer not null,            -- this and what follows as in wallets
  promotional_sum  integer not null check (promotional_sum >= 0),
  paid_from        integer not null,
  paid_sum         integer not null check (paid_sum >= 0),
  primary key (customer, currency, seq, made_at, hold_event)
) strict, without rowid;

-- Who changed what about a customer, and why. Each line has a hash over itself
-- and the hash of the customer's line before.
create table audit_entries (
  customer     integer not null references customers (no),
  position     integer not null check (position > 0),
  id           text    not null,
  action       text    not null,
  key_id       text    not null,
  address      text    not null, -- '' where none is known
  before_state text    not null, -- canonical JSON object of what became different
  after_state  text    not null,
  reason       text    not null, -- '' for none
  created_at   integer not null,
  hash         blob    not null check (length(hash) = 32),
  primary key (customer, position)
) strict, without rowid;

create trigger audit_entries_are_not_updated before update on audit_entries
begin
  select raise(abort, 'audit entries are immutable');
end;

create trigger audit_entries_are_not_deleted before delete on audit_entries
begin
  select raise(abort, 'audit entries are immutable');
end;

-- What the feed tells of customers beside their entries, which are in the feed by
-- their own numbers: that they were made, each line of their audit trails, what
-- happened to their holds, the notices of what expires soon, and the events about their
-- objects that have a kind. Both are in commit order, and what stands here comes
-- behind the entry that was the last at its time.
create table customer_events (
  no          integer primary key, -- grows by one, in commit order
  customer    integer not null references customers (no),
  kind        text    not null check (kind in ('made', 'audit', 'hold', 'notice', 'object')),
  position    integer not null check ((position > 0) = (kind <> 'made')), -- of the line, or number of the hold event, notice or object event
  after_entry integer not null check (after_entry >= 0) -- no of an entry, 0 for none
) strict;

-- Each event about an object is told once. The other kinds have no such index, because
-- an index costs more than the row.
create unique index customer_events_of_objects on customer_events (customer, position) where kind = 'object';

-- One row: which feed this is. A place in a feed is a place in this file only, and
-- in no copy of it by billfold copy.
create table feed (
  no integer primary key check (no = 1),
  id text    not null
) strict;

insert into feed values (1, lower(hex(randomblob(16))));

-- Transfers, with a row at each of the two customers: at the source from the
-- first commit on, at the destination once it has decided. A refusal has no
-- entry, and keeps what was refused from arriving later.
create table transfers (
  customer   integer not null references customers (no),
  id         text    not null, -- the same at both customers
  outgoing   integer not null check (outgoing in (0, 1)),
  other_id   text    not null, -- the customer at the other end
  state      text    not null check (state in ('in_transit', 'completed', 'returned', 'refused')),
  currency   text    not null,
  amount     integer not null check (amount between 1 and 999999999999),
  position   integer not null, -- of the customer's first entry of the transfer, 0 for a refusal
  entry_id   text    not null, -- of that entry, '' for a refusal
  refusal    text    not null, -- code of why the destination refused, '' while it did not
  created_at integer not null,
  updated_at integer not null,
  check (outgoing = (state in ('in_transit', 'returned')) or state = 'completed'),
  check ((position > 0) = (state <> 'refused') and (entry_id <> '') = (state <> 'refused')),
  check ((refusal <> '') = (state in ('returned', 'refused'))),
  primary key (customer, id)
) strict, without rowid;

create unique index transfers_by_position on transfers (customer, position) where position > 0;

-- Those that somebody has to bring to their end; nearly always empty.
create index transfers_in_transit on transfers (id) where state = 'in_transit';

-- Money that is promised. What is active is pinned: its lots are none of the
-- wallet's.
create table holds (
  customer   integer not null references customers (no),
  number     integer not null check (number > 0), -- of the event that made it
  id         text    not null,
  currency   text    not null,
  amount     integer not null check (amount between 1 and 999999999999),
  captured   integer not null check (captured between 0 and amount),
  released   integer not null check (released between 0 and amount - captured),
  state      text    not null check (state in ('active', 'captured', 'released', 'expired')),
  expires_at integer not null,
  lots       blob    not null, -- what is left of the pinned lots, as in wallets
  reason     text,
  reference_object_id text,
  metadata   text,             -- null for {}
  created_by text    not null,
  created_at integer not null,
  updated_at integer not null, -- created_at of its last event
  primary key (customer, number),
  check ((state = 'active') = (captured + released < amount))
) strict, without rowid;

create index holds_by_expiry on holds (expires_at) where state = 'active';
create index holds_that_are_active on holds (customer, currency, expires_at) where state = 'active';

-- What happened to the holds of a customer, in the order in which it did.
create table hold_events (
  customer   integer not null references customers (no),
  number     integer not null check (number > 0),
  hold       integer not null check (hold between 1 and number), -- number of the event that made it
  kind       text    not null check (kind in ('made', 'captured', 'released', 'expired')),
  allocations blob,            -- of the event that made it: varint pairs of lot seq and amount
  amount     integer not null check (amount > 0),
  captured   integer not null, -- of the hold, after it
  released   integer not null,
  position   integer not null, -- of the capture's entry, 0 for none
  seq        integer not null, -- of the wallet, after it
  balance    integer not null,
  held       integer not null check (held between 0 and balance),
  available  integer not null check (available between 0 and balance - held),
  moved_at   integer not null, -- updated_at of the wallet
  alerts     text check (alerts is null or position = 0), -- thresholds in force, where it changed or crossed one; a capture's stand in its entry
  idempotency_key text,
  fingerprint blob   not null check (length(fingerprint) = 16),
  created_by text    not null,
  created_at integer not null,
  primary key (customer, number)
) strict, without rowid;

create unique index hold_events_by_key on hold_events (customer, idempotency_key) where idempotency_key is not null;

create trigger hold_events_are_not_updated before update on hold_events
begin
  select raise(abort, 'hold events are immutable');
end;

create trigger hold_events_are_not_deleted before delete on hold_events
begin
  select raise(abort, 'hold events are immutable');
end;

-- What is kept about customers beside the ledger, such as invoices, and changes in
-- one commit with the money that it moves.
create table objects (
  customer   integer not null references customers (no),
  tenant     integer not null references tenants (no), -- the customer's
  kind       text    not null check (kind <> ''),
  id         text    not null,
  number     integer not null check (number > 0), -- of the event that made it
  version    integer not null check (version > 0),
  state      text    not null,
  due_at     integer not null, -- when something is to be done about it, 0 for never
  data       text    not null, -- JSON
  created_at integer not null,
  updated_at integer not null, -- created_at of its last event
  primary key (customer, kind, id)
) strict;

create index objects_by_id on objects (tenant, kind, id);

-- The feed and verify look here for the object of an event.
create unique index objects_by_number on objects (customer, number);

-- The workers look here for their work, for all customers at once.
create index objects_that_are_due on objects (kind, due_at, id) where due_at > 0;

-- Every change of a customer's objects, in the order in which they happened. A row is
-- larger than what fits into a tree by its key, so that it stands at the end of the table
-- and the key is an index.
create table object_events (
  customer   integer not null references customers (no),
  number     integer not null check (number > 0),
  object     integer not null check (object between 1 and number), -- number of the event that made it
  version    integer not null check ((version = 1) = (object = number)),
  position   integer not null check (position >= 0), -- of the customer's last entry then, 0 for none
  kind       text    not null, -- as what it is told, '' where it is told to nobody
  data       text    not null,
  created_at integer not null,
  digest     blob    not null check (length(digest) = 32), -- of the object after it
  hash       blob    not null check (length(hash) = 32),
  primary key (customer, number)
) strict;

create trigger object_events_are_not_updated before update on object_events
begin
  select raise(abort, 'object events are immutable');
end;

create trigger object_events_are_not_deleted before delete on object_events
begin
  select raise(abort, 'object events are immutable');
end;

-- What was announced of money that expires soon: each lot once.
create table expiry_notices (
  customer    integer not null references customers (no),
  number      integer not null check (number > 0),
  id          text    not null,
  currency    text    not null,
  lot         integer not null check (lot > 0), -- seq of the credit that opened it
  category    text    not null check (category in ('paid', 'promotional')),
  expires_at  integer not null,
  remaining   integer not null check (remaining > 0), -- of the lot, then
  seq         integer not null check (seq >= lot),    -- of the wallet's last entry then
  hold_number integer not null check (hold_number >= 0), -- of the customer's last hold event then, 0 for none
  created_at  integer not null check (created_at < expires_at),
  primary key (customer, number)
) strict, without rowid;

create unique index expiry_notices_by_lot on expiry_notices (customer, currency, lot);

create trigger expiry_notices_are_not_updated before update on expiry_notices
begin
  select raise(abort, 'expiry notices are immutable');
end;

create trigger expiry_notices_are_not_deleted before delete on expiry_notices
begin
  select raise(abort, 'expiry notices are immutable');
end;

-- Receivers of what happens.
create table webhook_endpoints (
  no         integer primary key,
  id         text    not null unique,
  tenant     integer not null references tenants (no),
  idempotency_key text,
  definition text    not null, -- JSON; with the secrets
  disabled   integer not null check (disabled in (0, 1)),
  deleted    integer not null check (deleted in (0, 1)), -- it is none any more, but has deliveries
  place      text    not null default '' -- in the feed: everything before it is queued
) strict;

create index webhook_endpoints_by_tenant on webhook_endpoints (tenant, no) where deleted = 0;
create unique index webhook_endpoints_by_key on webhook_endpoints (tenant, idempotency_key)
 where idempotency_key is not null and deleted = 0;

-- What is and was to be sent.
create table webhook_deliveries (
  no        integer primary key, -- along those of an endpoint, in the order of the feed
  endpoint  integer not null references webhook_endpoints (no),
  event_id  text    not null,
  kind      text    not null,
  queue     text    not null, -- what belongs in one order
  body      blob    not null,
  state     text    not null check (state in ('pending', 'delivered', 'failed')),
  due_at    integer not null,
  tries     integer not null check (tries >= 0),
  attempts  text    not null, -- JSON
  queued_at integer not null
) strict;

create unique index webhook_deliveries_by_event on webhook_deliveries (endpoint, event_id);
create index webhook_deliveries_in_order on webhook_deliveries (endpoint, no);
create index webhook_deliveries_due on webhook_deliveries (endpoint, due_at, no, queue) where state = 'pending';
create index webhook_deliveries_waiting on webhook_deliveries (endpoint, queue, no) where state = 'pending';
create index webhook_deliveries_failed on webhook_deliveries (endpoint, no) where state = 'failed';
create index webhook_deliveries_old on webhook_deliveries (due_at, no) where state = 'delivered'; -- when it was

-- How far the feed of each business was published to a message broker.
create table sink_cursors (
  sink   text    not null,
  tenant integer not null references tenants (no),
  place  text    not null, -- in the feed: everything before it was acknowledged
  primary key (sink, tenant)
) strict, without rowid;

-- What entries moved, added up for reports: in a quarter of an hour and on a day by how
-- they count, and on a day by the month in which the money was funded and by the day on
-- which it expires. A sum that does not fit stays at 2^63 - 1. Made from the entries up
-- to report_progress and from nothing else, so it may be emptied together with that.
create table report_sums (
  tenant   integer not null references tenants (no),
  span     text    not null check (span in ('quarter', 'day', 'cohort', 'expiry')),
  start    integer not null,
  currency text    not null,
  label    text    not null,
  credited integer not null check (credited >= 0),
  debited  integer not null check (debited >= 0),
  entries  integer not null check (entries > 0),
  primary key (tenant, span, start, currency, label)
) strict, without rowid;

-- Between which entries those of a quarter of an hour stand.
create table report_places (
  tenant integer not null references tenants (no),
  start  integer not null,
  first  integer not null, -- no of an entry
  last   integer not null check (last >= first),
  primary key (tenant, start)
) strict, without rowid;

-- One row: the no of the last entry that is in these sums.
create table report_progress (
  no      integer primary key check (no = 1),
  through integer not null check (through >= 0)
) strict;

insert into report_progress values (1, 0);

-- Answers to requests that make or change a customer, kept for their repeats.
create table request_answers (
  tenant      integer not null references tenants (no),
  route       text    not null,
  key         text    not null,
  fingerprint blob    not null check (length(fingerprint) = 16),
  answer      blob    not null,
  created_at  integer not null,
  keep_until  integer not null, -- 0: for ever
  primary key (tenant, route, key)
) strict, without rowid;

create index request_answers_by_end on request_answers (keep_until) where keep_until > 0;

-- One row: what this installation is.
create table installation (
  no         integer primary key check (no = 1),
  created_at integer not null,
  secret     blob    not null check (length(secret) = 32) -- keys the hashes of the idempotency index
) strict;

-- What businesses sell, listed newest first by number.
create table products (
  no         integer primary key,
  tenant     integer not null references tenants (no),
  id         text    not null,
  recurring  integer not null check (recurring in (0, 1)), -- as in the definition, for the filters
  archived   integer not null check (archived in (0, 1)),
  definition text    not null, -- JSON, which the audit trail of the business has too
  unique (tenant, id)
) strict;

create index products_in_order on products (tenant, archived, no);

-- What card processors told unasked: what was taken, so that it is known when it comes
-- again, and what people have to look at, with what was sent.
create table processor_notices (
  tenant      integer not null references tenants (no),
  id          text    not null, -- the processor's
  kind        text    not null,
  reason      text    not null, -- empty: it was taken
  body        text    not null,
  received_at integer not null,
  primary key (tenant, id)
) strict, without rowid;

create index processor_notices_taken on processor_notices (received_at) where reason = '';
create index processor_notices_quarantined on processor_notices (tenant, received_at) where reason <> '';

-- The persons who sign in, their sessions and invitations, and who is in which team.
create table people (
  kind       text    not null,
  id         text    not null,
  about      text    not null, -- what it is found by beside its id
  expires_at integer not null, -- from then on it is as if it were not there; 0: never
  data       text    not null, -- JSON
  primary key (kind, id)
) strict, without rowid;

create index people_about on people (kind, about, id);
create index people_expired on people (expires_at) where expires_at > 0;
