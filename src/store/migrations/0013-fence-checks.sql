-- What fence devices said when they were last asked in ordinary times, one row a host that has one.
create table fence_checks (
  host text collate "C" primary key,
  ok boolean not null,
  since text collate "C" not null,
  at text collate "C" not null,
  message text collate "C" not null
);
