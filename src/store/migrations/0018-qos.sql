-- QoS policies, their rules, and what has which policy. An older server, beside one that has this, names none of it.
create table qos_policies (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  is_default boolean not null,
  -- the project whose default it is: each has at most one
  default_of text collate "C" constraint qos_policies_default unique,
  shared boolean not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index qos_policies_of_project on qos_policies (project_id);

create table qos_rules (
  id uuid primary key,
  qos_policy_id uuid not null constraint qos_rules_policy references qos_policies on delete cascade,
  type text collate "C" not null,
  direction text collate "C",
  parameters jsonb not null,
  -- one of a type for each direction
  constraint qos_rules_once unique nulls not distinct (qos_policy_id, type, direction)
);

alter table networks add column qos_policy_id uuid constraint networks_qos_policy references qos_policies;
create index networks_of_qos_policy on networks (qos_policy_id);
alter table ports add column qos_policy_id uuid constraint ports_qos_policy references qos_policies;
create index ports_of_qos_policy on ports (qos_policy_id);
alter table floating_ips add column qos_policy_id uuid constraint floating_ips_qos_policy references qos_policies;
create index floating_ips_of_qos_policy on floating_ips (qos_policy_id);
-- of its gateway
alter table routers add column qos_policy_id uuid constraint routers_qos_policy references qos_policies;
create index routers_of_qos_policy on routers (qos_policy_id);

-- The bound ports to which the policy of their network applies.
create function qos_refs_of_network(of_network uuid) returns text[] language sql stable as $$
  select array(select 'host/' || host || '|port/' || id from ports
    where network_id = of_network and host <> '' and qos_policy_id is null
      and device_owner not like 'network:%' and device_owner not like 'neutron:%')
$$;

create function hint_qos_of_port() returns trigger language plpgsql as $$
begin
  if new.host <> '' then
    perform stage_hints(array['host/' || new.host || '|port/' || new.id], '{}');
  end if;
  return null;
end $$;
create trigger hint_qos after update on ports for each row
  when (old.qos_policy_id is distinct from new.qos_policy_id) execute function hint_qos_of_port();

create function hint_qos_of_network() returns trigger language plpgsql as $$
begin
  perform stage_hints(qos_refs_of_network(new.id), '{}');
  return null;
end $$;
create trigger hint_qos after update on networks for each row
  when (old.qos_policy_id is distinct from new.qos_policy_id) execute function hint_qos_of_network();

create function hint_qos_of_floating_ip() returns trigger language plpgsql as $$
begin
  if new.router_id is not null then
    perform stage_hints(array['router/' || new.router_id || '|floating-ip/' || new.id], '{}');
  end if;
  return null;
end $$;
create trigger hint_qos after update on floating_ips for each row
  when (old.qos_policy_id is distinct from new.qos_policy_id) execute function hint_qos_of_floating_ip();

create function hint_qos_of_router() returns trigger language plpgsql as $$
begin
  perform stage_hints(array['router/' || new.id || '|router/' || new.id], '{}');
  return null;
end $$;
create trigger hint_qos after update on routers for each row
  when (old.qos_policy_id is distinct from new.qos_policy_id) execute function hint_qos_of_router();

create function hint_qos_rule() returns trigger language plpgsql as $$
declare
  it qos_rules := coalesce(new, old);
  network uuid;
begin
  -- Locked: of what gets the policy, or comes to a host, at the same moment, the later of the two sees both.
  perform 1 from qos_policies where id = it.qos_policy_id for update;
  perform 1 from networks where qos_policy_id = it.qos_policy_id order by id for no key update;
  perform 1 from ports where qos_policy_id = it.qos_policy_id order by id for no key update;
  perform 1 from floating_ips where qos_policy_id = it.qos_policy_id order by id for no key update;
  perform stage_hints(
    array(select 'host/' || host || '|port/' || id from ports where qos_policy_id = it.qos_policy_id and host <> '')
      || array(select 'router/' || router_id || '|floating-ip/' || id from floating_ips
        where qos_policy_id = it.qos_policy_id and router_id is not null)
      || array(select 'router/' || id || '|router/' || id from routers where qos_policy_id = it.qos_policy_id),
    '{}');
  for network in select id from networks where qos_policy_id = it.qos_policy_id loop
    perform stage_hints(qos_refs_of_network(network), '{}');
  end loop;
  return null;
end $$;
create trigger hint_changed after insert or delete on qos_rules for each row execute function hint_qos_rule();
create trigger hint_updated after update on qos_rules for each row
  when ((old.direction, old.parameters) is distinct from (new.direction, new.parameters)) execute function hint_qos_rule();
