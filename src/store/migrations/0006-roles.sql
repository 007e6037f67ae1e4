-- What replicas of HA routers say of their roles, and what they are told about them.
alter table router_bindings
  add column role_since text collate "C" not null default '',
  add column role_incarnation bigint not null default 0,
  add column role_seq bigint not null default 0,
  add column role_details jsonb not null default 'null',
  add column "order" jsonb not null default 'null',
  add column epoch bigint not null default 0;
alter table router_bindings
  alter column role_since drop default,
  alter column role_incarnation drop default,
  alter column role_seq drop default,
  alter column role_details drop default,
  alter column "order" drop default,
  alter column epoch drop default;

-- An order is the replica's alone: no scope changes with it, and it is in a hurry.
create function hint_router_order() returns trigger language plpgsql as $$
begin
  perform stage_hints(array['router/' || new.router_id || '|replica/' || new.host], '{}');
  return null;
end $$;
create trigger hint_order after update on router_bindings for each row
  when (old."order" is distinct from new."order") execute function hint_router_order();
