-- Where a copy came from, see `billfold copy`. The table is empty in an
-- installation that is no copy; a row without an end keeps a copy that is not
-- whole from being served.
--
-- Risk: none, the table is new.

create table copied_from (
  no          integer     not null primary key check (no = 1),
  source      text        not null, -- for people
  origin      bytea       not null check (length(origin) = 32),
  state       bytea       not null check (length(state) = 32), -- a digest of the source
  table_name  text        not null, -- the table that is being copied
  place       text        not null, -- of its last row that was, '' for none
  entries     bigint      not null check (entries >= 0), -- copied so far
  began_at    timestamptz not null,
  finished_at timestamptz
);
