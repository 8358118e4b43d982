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
  unique (business_id, mode)
) strict;

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
  unique (tenant, id)
) strict;

create index customers_by_tenant on customers (tenant);
create index customers_by_email on customers (tenant, email);

-- One row per wallet that has entries. The row with the highest position
-- carries the head of the customer's chain.
create table wallets (
  no         integer primary key,
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

  -- When the next of the open lots expires. Most wallets have none that can,
  -- and are not in the index.
  next_expiry integer not null default 0,

  unique (customer, currency)
) strict;

create index wallets_by_expiry on wallets (next_expiry) where next_expiry > 0;

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
  category        text    not null, -- '' on a debit
  expires_at      integer not null default 0,
  allocations     blob,             -- varint pairs of lot seq and amount, null on a credit
  reason          text,
  reference_object_id text,
  metadata        text,             -- null for {}
  idempotency_key text,
  fingerprint     blob    not null check (length(fingerprint) = 16),
  created_by      text    not null,
  created_at      integer not null,
  hash            blob    not null check (length(hash) = 32),
  check (after_balance = before_balance + case is_credit when 1 then amount else -amount end)
) strict;

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
