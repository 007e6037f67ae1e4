-- What the servers themselves follow up: moves of DHCP, leadership, and what happened.

-- A binding counts as served once its agent has realised the place at which it was made; one that is leaving serves
-- until another does. Bindings from before this have always been there.
alter table dhcp_bindings
  add column leaving boolean not null default false,
  add column tag bigint not null default 0,
  add column position bigint;
update dhcp_bindings set position = 0;
alter table dhcp_bindings alter column leaving drop default, alter column tag drop default;
create index dhcp_bindings_leaving on dhcp_bindings (network_id) where leaving;
create index dhcp_bindings_tag on dhcp_bindings (tag) where position is null;

-- Who performs a duty that only one server should. Others take over when the beat has not moved for long, on their own clock.
create table leases (
  name text collate "C" primary key,
  holder text collate "C" not null,
  term bigint not null,
  beat bigint not null
);

-- What happened and what was done about it: remedies, deaths, moves, alerts. Kept for a while.
create table events (
  id uuid primary key,
  at text collate "C" not null,
  kind text collate "C" not null,
  severity text collate "C" not null,
  host text collate "C" not null,
  role text collate "C" not null,
  object text collate "C" not null,
  message text collate "C" not null,
  data jsonb not null
);
create index events_at on events (at);
create index events_object on events (object, at);

create or replace function append_changes(own_tag bigint) returns bigint language plpgsql as $$
declare
  staged_refs text[];
  staged_hosts text[];
  own_position bigint;
begin
  select array_agg(distinct ref collate "C" order by ref collate "C") into staged_refs
    from unnest(string_to_array(current_setting('deuteron.refs', true), E'\n')) as ref where ref <> '';
  if staged_refs is null then
    insert into hintless_commits (tag) values (own_tag);
    return null;
  end if;
  select coalesce(array_agg(distinct host collate "C" order by host collate "C"), '{}') into staged_hosts
    from unnest(string_to_array(current_setting('deuteron.hosts', true), E'\n')) as host where host <> '';
  perform pg_advisory_xact_lock(4951, 1);
  select max(position) + 1 into own_position from changes;
  insert into changes (position, tag, refs, hosts) values (own_position, own_tag, staged_refs, staged_hosts);
  update provisioning_blocks set position = own_position where tag = own_tag and position is null;
  update dhcp_bindings set position = own_position where tag = own_tag and position is null;
  perform set_config('deuteron.refs', '', true), set_config('deuteron.hosts', '', true);
  return own_position;
end $$;
