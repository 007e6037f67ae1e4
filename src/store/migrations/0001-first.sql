-- Networks, subnets, ports, agents, and the change log that carries them to the hosts.
-- Text sorts by code point (collation C) whatever the database's own collation is.

create table networks (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  admin_state_up boolean not null,
  status text collate "C" not null,
  shared boolean not null,
  external boolean not null,
  mtu integer not null,
  network_type text collate "C" not null,
  physical_network text collate "C",
  segmentation_id integer,
  port_security_enabled boolean not null,
  dns_domain text collate "C" not null,
  availability_zone_hints jsonb not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  -- two nulls are equal here: one flat network for each physical network, one VNI each
  constraint networks_segment unique nulls not distinct (network_type, physical_network, segmentation_id)
);
create index networks_project on networks (project_id);

create table subnets (
  id uuid primary key,
  project_id text collate "C" not null,
  network_id uuid not null constraint subnets_network references networks on delete cascade,
  name text collate "C" not null,
  description text collate "C" not null,
  ip_version integer not null,
  cidr text collate "C" not null,
  gateway_ip text collate "C",
  enable_dhcp boolean not null,
  ipv6_ra_mode text collate "C",
  ipv6_address_mode text collate "C",
  allocation_pools jsonb not null,
  dns_nameservers jsonb not null,
  host_routes jsonb not null,
  service_types jsonb not null,
  dns_publish_fixed_ip boolean not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null
);
create index subnets_of_network on subnets (network_id);

create table ports (
  id uuid primary key,
  project_id text collate "C" not null,
  network_id uuid not null constraint ports_network references networks,
  name text collate "C" not null,
  description text collate "C" not null,
  admin_state_up boolean not null,
  status text collate "C" not null,
  mac_address text collate "C" not null,
  fixed_ips jsonb not null,
  device_id text collate "C" not null,
  device_owner text collate "C" not null,
  host text collate "C" not null,
  vnic_type text collate "C" not null,
  profile jsonb not null,
  vif_type text collate "C" not null,
  vif_details jsonb not null,
  generation integer not null,
  port_security_enabled boolean not null,
  extra_dhcp_opts jsonb not null,
  dns_name text collate "C" not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  constraint ports_mac unique (network_id, mac_address)
);
create index ports_of_host on ports (host, network_id) where host <> '';
create index ports_of_project on ports (project_id);
create index ports_of_device on ports (device_id) where device_id <> '';

create table ip_allocations (
  subnet_id uuid not null constraint ip_allocations_subnet references subnets,
  ip_address text collate "C" not null,
  port_id uuid not null constraint ip_allocations_port references ports on delete cascade,
  network_id uuid not null,
  primary key (subnet_id, ip_address),
  constraint ip_allocations_address unique (network_id, ip_address)
);
create index ip_allocations_of_port on ip_allocations (port_id);

create table provisioning_blocks (
  port_id uuid not null constraint provisioning_blocks_port references ports on delete cascade,
  entity text collate "C" not null,
  tag bigint not null,
  position bigint,
  generation integer not null,
  primary key (port_id, entity)
);
create index provisioning_blocks_tag on provisioning_blocks (tag) where position is null;

create table hosts (
  name text collate "C" primary key,
  credential_hash text collate "C" constraint hosts_credential unique,
  tunnel_ip text collate "C" not null,
  physical_networks jsonb not null,
  created_at text collate "C" not null
);

create table agents (
  id uuid primary key,
  host text collate "C" not null constraint agents_host references hosts on delete cascade,
  role text collate "C" not null,
  description text collate "C" not null,
  admin_state_up boolean not null,
  availability_zone text collate "C" not null,
  configurations jsonb not null,
  created_at text collate "C" not null,
  started_at text collate "C" not null,
  heartbeat_at text collate "C" not null,
  server_id text collate "C" not null,
  incarnation bigint not null,
  counter bigint not null,
  realised_position bigint,
  realised_tag bigint,
  exceptions jsonb not null,
  exception_count integer not null,
  constraint agents_host_role unique (host, role)
);

create table dhcp_bindings (
  network_id uuid not null constraint dhcp_bindings_network references networks on delete cascade,
  agent_id uuid not null constraint dhcp_bindings_agent references agents on delete cascade,
  host text collate "C" not null,
  primary key (network_id, agent_id)
);
create index dhcp_bindings_of_agent on dhcp_bindings (agent_id);
create index dhcp_bindings_of_host on dhcp_bindings (host);

create table quotas (
  project_id text collate "C" not null,
  resource text collate "C" not null,
  "limit" bigint not null,
  primary key (project_id, resource)
);

-- Servers say that they live by moving their own beat; observers time it on their own clock.
create table servers (
  id text collate "C" primary key,
  beat bigint not null,
  beat_at timestamptz not null
);

create table meta (
  key text collate "C" primary key,
  value text collate "C" not null
);

-- The change log. Dense positions, visible in order; the last row is never trimmed.
create table changes (
  position bigint primary key,
  tag bigint not null,
  refs text[] not null,
  hosts text[] not null,
  committed_at timestamptz not null default clock_timestamp()
);
create index changes_committed_at on changes (committed_at);
insert into changes (position, tag, refs, hosts)
  values (0, 1 + floor(random() * 9007199254740990)::bigint, '{}', '{}');

-- Tags of recent transactions that wrote something but staged no hint: how one whose answer to COMMIT was lost is
-- found. (A transaction id would not do: after a crash the server gives ids again whose transactions left no trace.)
create table hintless_commits (
  tag bigint not null,
  committed_at timestamptz not null default clock_timestamp()
);

-- Hints are staged in two settings of the transaction; a savepoint that is rolled back takes its hints with it.
create function stage_hints(new_refs text[], new_hosts text[]) returns void language plpgsql as $$
begin
  perform set_config('deuteron.refs',
    coalesce(current_setting('deuteron.refs', true), '') || array_to_string(new_refs, E'\n') || E'\n', true);
  if cardinality(new_hosts) > 0 then
    perform set_config('deuteron.hosts',
      coalesce(current_setting('deuteron.hosts', true), '') || array_to_string(new_hosts, E'\n') || E'\n', true);
  end if;
end $$;

-- The last act of a transaction. The lock makes positions dense and visible in commit order: it is held until the
-- commit, and max() runs in a statement of its own, so it sees every earlier holder's row (READ COMMITTED).
create function append_changes(own_tag bigint) returns bigint language plpgsql as $$
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
  perform set_config('deuteron.refs', '', true), set_config('deuteron.hosts', '', true);
  return own_position;
end $$;

create function hint_network() returns trigger language plpgsql as $$
declare
  it networks := coalesce(new, old);
begin
  perform stage_hints(array['network/' || it.id || '|network/' || it.id], '{}');
  return null;
end $$;
create trigger hint_changed after insert or delete on networks for each row execute function hint_network();
create trigger hint_updated after update on networks for each row
  when ((old.name, old.admin_state_up, old.mtu, old.network_type, old.physical_network, old.segmentation_id, old.dns_domain)
    is distinct from (new.name, new.admin_state_up, new.mtu, new.network_type, new.physical_network, new.segmentation_id, new.dns_domain))
  execute function hint_network();

create function hint_subnet() returns trigger language plpgsql as $$
declare
  it subnets := coalesce(new, old);
begin
  perform stage_hints(array['dhcp/' || it.network_id || '|subnet/' || it.id], '{}');
  return null;
end $$;
create trigger hint_changed after insert or delete on subnets for each row execute function hint_subnet();
create trigger hint_updated after update on subnets for each row
  when ((old.gateway_ip, old.enable_dhcp, old.ipv6_ra_mode, old.ipv6_address_mode, old.dns_nameservers, old.host_routes)
    is distinct from (new.gateway_ip, new.enable_dhcp, new.ipv6_ra_mode, new.ipv6_address_mode, new.dns_nameservers, new.host_routes))
  execute function hint_subnet();

create function hint_port() returns trigger language plpgsql as $$
declare
  it ports;
begin
  foreach it in array case tg_op when 'INSERT' then array[new] when 'DELETE' then array[old] else array[old, new] end loop
    perform stage_hints(array['dhcp/' || it.network_id || '|lease/' || it.id], '{}');
    if it.host <> '' then
      perform stage_hints(array['host/' || it.host || '|port/' || it.id, 'network/' || it.network_id || '|endpoint/' || it.host],
        array[it.host]);
    end if;
  end loop;
  return null;
end $$;
create trigger hint_changed after insert or delete on ports for each row execute function hint_port();
create trigger hint_updated after update on ports for each row
  when ((old.admin_state_up, old.mac_address, old.fixed_ips, old.device_id, old.device_owner, old.host, old.generation, old.extra_dhcp_opts, old.dns_name)
    is distinct from (new.admin_state_up, new.mac_address, new.fixed_ips, new.device_id, new.device_owner, new.host, new.generation, new.extra_dhcp_opts, new.dns_name))
  execute function hint_port();

create function hint_dhcp_binding() returns trigger language plpgsql as $$
declare
  it dhcp_bindings := coalesce(new, old);
begin
  perform stage_hints(array['network/' || it.network_id || '|endpoint/' || it.host], array[it.host]);
  return null;
end $$;
create trigger hint_changed after insert or delete on dhcp_bindings for each row execute function hint_dhcp_binding();

create function hint_host() returns trigger language plpgsql as $$
declare
  it hosts := coalesce(new, old);
begin
  perform stage_hints(
    array['host/' || it.name || '|host/' || it.name]
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.name from ports where host = it.name)
      || array(select distinct 'network/' || network_id || '|endpoint/' || it.name from dhcp_bindings where host = it.name),
    array[it.name]);
  return null;
end $$;
create trigger hint_changed after insert or delete on hosts for each row execute function hint_host();
create trigger hint_updated after update on hosts for each row
  when (old.tunnel_ip is distinct from new.tunnel_ip) execute function hint_host();
