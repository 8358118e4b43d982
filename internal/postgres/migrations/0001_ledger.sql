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
  unique (business_id, mode)
);

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
  primary key (customer_id, tenant)
) with (fillfactor = 70);

create index customers_by_tenant on customers (tenant, no);
create index customers_by_email on customers (tenant, email, no);

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

  next_expiry      timestamptz, -- when the next of the open lots expires, null when none can

  primary key (customer_id, tenant, currency),
  foreign key (customer_id, tenant) references customers (customer_id, tenant)
) with (fillfactor = 70);

-- Most wallets have no lot that can expire, and are not in it. The sweep looks
-- here for its work, once a minute, for all customers at once; an entry that does
-- not change the time changes nothing in the index.
create index wallets_by_expiry on wallets (next_expiry) where next_expiry is not null;

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
  category        text             not null, -- '' on a debit
  expires_at      timestamptz,
  allocations     bigint[],        -- lot seq, amount, lot seq, amount …; null on a credit
  reason          text,
  reference_object_id text,
  metadata        text,            -- null for {}
  idempotency_key text collate "C",
  fingerprint     bytea            not null check (length(fingerprint) = 16),
  created_by      text             not null,
  created_at      timestamptz      not null,
  hash            bytea            not null check (length(hash) = 32),
  check (after_balance = before_balance + case when is_credit then amount else -amount end),
  primary key (customer_id, tenant, position),
  unique (customer_id, tenant, currency, seq),
  unique (customer_id, tenant, idempotency_key)
);

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
       '', now(), decode(repeat('00', 32), 'hex')
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
