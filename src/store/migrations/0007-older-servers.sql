-- A server from before these columns, beside one that has them, does not name them when it makes a row.
alter table hosts alter column management_ip set default '';
alter table router_bindings
  alter column role_since set default '',
  alter column role_incarnation set default 0,
  alter column role_seq set default 0,
  alter column role_details set default 'null',
  alter column "order" set default 'null',
  alter column epoch set default 0;
