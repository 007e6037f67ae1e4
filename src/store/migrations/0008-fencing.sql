-- What was done to hosts by their fence devices. The greatest number is the last action of all: there is one in a window.
create table fencings (
  host text collate "C" primary key,
  number bigint not null,
  state text collate "C" not null,
  server_id text collate "C" not null,
  at text collate "C" not null
);
create unique index fencings_number on fencings (number);
