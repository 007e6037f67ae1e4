-- Routers, their replicas, floating IPs and port forwardings.

-- Where the host is reached by the management network, the second way of heartbeats between a router's replicas.
alter table hosts add column management_ip text collate "C" not null default '';
alter table hosts alter column management_ip drop default;

-- Segments on which replicas of one project's HA routers talk.
create table ha_networks (
  network_id uuid primary key constraint ha_networks_network references networks on delete cascade,
  project_id text collate "C" not null
);
create index ha_networks_of_project on ha_networks (project_id);

create table routers (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  admin_state_up boolean not null,
  status text collate "C" not null,
  ha boolean not null,
  ha_network_id uuid constraint routers_ha_network references ha_networks,
  ha_vr_id integer,
  gw_port_id uuid constraint routers_gateway references ports,
  enable_snat boolean not null,
  routes jsonb not null,
  availability_zone_hints jsonb not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  -- of two routers on one segment none has the other's VRRP number
  constraint routers_vrid unique (ha_network_id, ha_vr_id)
);
create index routers_of_project on routers (project_id);
create index routers_of_gateway on routers (gw_port_id);

create table router_bindings (
  router_id uuid not null constraint router_bindings_router references routers on delete cascade,
  agent_id uuid not null constraint router_bindings_agent references agents on delete cascade,
  host text collate "C" not null,
  rank integer not null,
  leaving boolean not null,
  ha_state text collate "C" not null,
  tag bigint not null,
  position bigint,
  primary key (router_id, agent_id)
);
create index router_bindings_of_agent on router_bindings (agent_id);
create index router_bindings_of_host on router_bindings (host);
create index router_bindings_tag on router_bindings (tag) where position is null;

create table floating_ips (
  id uuid primary key,
  project_id text collate "C" not null,
  description text collate "C" not null,
  floating_network_id uuid not null constraint floating_ips_network references networks,
  floating_ip_address text collate "C" not null,
  floating_port_id uuid not null constraint floating_ips_floating_port references ports,
  port_id uuid constraint floating_ips_port references ports,
  fixed_ip_address text collate "C",
  router_id uuid constraint floating_ips_router references routers,
  status text collate "C" not null,
  -- the transaction that associated it, and its position
  tag bigint not null,
  position bigint,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  constraint floating_ips_fixed unique (floating_network_id, port_id, fixed_ip_address)
);
create index floating_ips_of_project on floating_ips (project_id);
create index floating_ips_of_port on floating_ips (port_id);
create index floating_ips_of_floating_port on floating_ips (floating_port_id);
create index floating_ips_of_router on floating_ips (router_id);
create index floating_ips_tag on floating_ips (tag) where position is null;

create table port_forwardings (
  id uuid primary key,
  floating_ip_id uuid not null constraint port_forwardings_floating_ip references floating_ips on delete cascade,
  router_id uuid not null constraint port_forwardings_router references routers,
  internal_port_id uuid not null constraint port_forwardings_port references ports,
  internal_ip_address text collate "C" not null,
  protocol text collate "C" not null,
  external_port_first integer not null,
  external_port_last integer not null,
  internal_port_first integer not null,
  internal_port_last integer not null,
  description text collate "C" not null,
  constraint port_forwardings_external unique (floating_ip_id, protocol, external_port_first),
  constraint port_forwardings_internal unique (internal_port_id, internal_ip_address, protocol, internal_port_first)
);
create index port_forwardings_of_router on port_forwardings (router_id);

-- A port is a router's by its device_owner; device_id then is the router, but is text in which a client may write anything.
create index ports_of_router on ports (device_id) where device_owner in
  ('network:router_interface', 'network:router_gateway', 'network:router_ha_interface', 'network:ha_router_replicated_interface');

create function is_router_port(device_owner text, device_id text) returns boolean language sql immutable as $$
  select device_owner in
      ('network:router_interface', 'network:router_gateway', 'network:router_ha_interface', 'network:ha_router_replicated_interface')
    and device_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
$$;

-- The router's interfaces in a network, as refs.
create function interface_refs(of_network uuid) returns text[] language sql stable as $$
  select array(select 'router/' || device_id || '|interface/' || id from ports
    where network_id = of_network and is_router_port(device_owner, device_id))
$$;

create or replace function hint_network() returns trigger language plpgsql as $$
declare
  it networks := coalesce(new, old);
begin
  perform stage_hints(array['network/' || it.id || '|network/' || it.id] || interface_refs(it.id), '{}');
  return null;
end $$;

create or replace function hint_subnet() returns trigger language plpgsql as $$
declare
  it subnets := coalesce(new, old);
begin
  perform stage_hints(array['dhcp/' || it.network_id || '|subnet/' || it.id] || interface_refs(it.network_id), '{}');
  return null;
end $$;

create or replace function hint_port() returns trigger language plpgsql as $$
declare
  it ports;
  replicas text[];
begin
  foreach it in array case tg_op when 'INSERT' then array[new] when 'DELETE' then array[old] else array[old, new] end loop
    perform stage_hints(array['dhcp/' || it.network_id || '|lease/' || it.id], '{}');
    if it.host <> '' then
      perform stage_hints(array['host/' || it.host || '|port/' || it.id, 'network/' || it.network_id || '|endpoint/' || it.host],
        array[it.host]);
    end if;
    if is_router_port(it.device_owner, it.device_id) then
      select array_agg(host) into replicas from router_bindings where router_id::text = it.device_id;
      perform stage_hints(
        array['router/' || it.device_id || '|interface/' || it.id]
          || array(select 'network/' || it.network_id || '|endpoint/' || host from unnest(replicas) as host),
        coalesce(replicas, '{}'));
    end if;
  end loop;
  return null;
end $$;

create or replace function hint_host() returns trigger language plpgsql as $$
declare
  it hosts := coalesce(new, old);
begin
  perform stage_hints(
    array['host/' || it.name || '|host/' || it.name]
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.name from ports where host = it.name)
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.name from dhcp_bindings where host = it.name)
      || array(select 'router/' || router_id || '|replica/' || it.name from router_bindings where host = it.name)
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.name from router_bindings, ports
        where router_bindings.host = it.name and device_id = router_id::text and device_owner in
          ('network:router_interface', 'network:router_gateway', 'network:router_ha_interface', 'network:ha_router_replicated_interface')),
    array[it.name]);
  return null;
end $$;
drop trigger hint_updated on hosts;
create trigger hint_updated after update on hosts for each row
  when ((old.tunnel_ip, old.management_ip) is distinct from (new.tunnel_ip, new.management_ip)) execute function hint_host();

create function hint_router() returns trigger language plpgsql as $$
declare
  it routers := coalesce(new, old);
begin
  perform stage_hints(array['router/' || it.id || '|router/' || it.id], '{}');
  return null;
end $$;
create trigger hint_changed after insert or delete on routers for each row execute function hint_router();
create trigger hint_updated after update on routers for each row
  when ((old.name, old.admin_state_up, old.ha, old.ha_vr_id, old.enable_snat, old.routes)
    is distinct from (new.name, new.admin_state_up, new.ha, new.ha_vr_id, new.enable_snat, new.routes))
  execute function hint_router();

create function hint_router_binding() returns trigger language plpgsql as $$
declare
  it router_bindings := coalesce(new, old);
begin
  perform stage_hints(
    array['router/' || it.router_id || '|replica/' || it.host]
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.host from ports
        where device_id = it.router_id::text and device_owner in
          ('network:router_interface', 'network:router_gateway', 'network:router_ha_interface', 'network:ha_router_replicated_interface')),
    array[it.host]);
  return null;
end $$;
create trigger hint_changed after insert or delete on router_bindings for each row execute function hint_router_binding();
create trigger hint_updated after update on router_bindings for each row
  when (old.rank is distinct from new.rank) execute function hint_router_binding();

create function hint_floating_ip() returns trigger language plpgsql as $$
declare
  it floating_ips;
begin
  foreach it in array case tg_op when 'INSERT' then array[new] when 'DELETE' then array[old] else array[old, new] end loop
    if it.router_id is not null then
      perform stage_hints(array['router/' || it.router_id || '|floating-ip/' || it.id], '{}');
    end if;
  end loop;
  return null;
end $$;
create trigger hint_changed after insert or delete on floating_ips for each row execute function hint_floating_ip();
create trigger hint_updated after update on floating_ips for each row
  when ((old.port_id, old.fixed_ip_address, old.router_id) is distinct from (new.port_id, new.fixed_ip_address, new.router_id))
  execute function hint_floating_ip();

create function hint_port_forwarding() returns trigger language plpgsql as $$
declare
  it port_forwardings;
begin
  foreach it in array case tg_op when 'INSERT' then array[new] when 'DELETE' then array[old] else array[old, new] end loop
    perform stage_hints(array['router/' || it.router_id || '|forwarding/' || it.id], '{}');
  end loop;
  return null;
end $$;
create trigger hint_changed after insert or delete on port_forwardings for each row execute function hint_port_forwarding();
create trigger hint_updated after update on port_forwardings for each row
  when ((old.router_id, old.internal_ip_address, old.protocol, old.external_port_first, old.external_port_last,
      old.internal_port_first, old.internal_port_last)
    is distinct from (new.router_id, new.internal_ip_address, new.protocol, new.external_port_first, new.external_port_last,
      new.internal_port_first, new.internal_port_last))
  execute function hint_port_forwarding();

-- Replicas and associations learn their place as DHCP bindings do: with the row of the log that their transaction appends.
create function place_routers() returns trigger language plpgsql as $$
begin
  update router_bindings set position = new.position where tag = new.tag and position is null;
  update floating_ips set position = new.position where tag = new.tag and position is null;
  return null;
end $$;
create trigger place_routers after insert on changes for each row execute function place_routers();
