-- The index from an idempotency key to the entry that used it, kept for ever.
--
-- It is a cache of ledger_entries.idempotency_key and may be dropped and built
-- again from there. Keys are hashed, so every key would land at a random place
-- of a B-tree; instead they are written in sorted runs, each a small static
-- tree of pages, and runs are merged into longer ones. Every page is a row at
-- the right edge of key_pages and fills one page of the file.
--
-- Risk: none, the tables are new.

create table key_runs (
  no           integer primary key,
  state        text    not null check (state in ('building', 'live', 'dead')),
  level        integer not null check (level >= 0), -- a run of level 1 was merged from runs of level 0
  keys         integer not null check (keys > 0),
  blocks       integer not null check (blocks > 0), -- of the filter, 64 bytes each
  root         blob    not null, -- directory pages: pairs of first hash and page number
  filter_pages blob    not null  -- varints: the first page number, then the steps to the next
) strict;

-- Which pages a run owns, also while it is built and while it is deleted.
create table key_extents (
  run        integer not null,
  first_page integer not null,
  pages      integer not null check (pages > 0),
  primary key (run, first_page)
) strict, without rowid;

create table key_pages (
  no   integer primary key,
  data blob    not null
) strict;

-- One row: every keyed entry up to number `sealed` is in a live run.
create table key_mark (
  no     integer primary key check (no = 1),
  sealed integer not null check (sealed >= 0)
) strict;

insert into key_mark (no, sealed) values (1, 0);
