-- What L2 agents hear of security groups. A host in `hosts` whose name has a slash, which no host's has, is a group: every
-- host that has it in scope, as who reads the log knows them in what has committed. So a rule that names a remote reaches
-- also those whose ports came into the group at the same moment, of which this transaction does not see.

create function hint_security_group() returns trigger language plpgsql as $$
declare
  it security_groups := coalesce(new, old);
begin
  perform stage_hints(array['security-group/' || it.id || '|security-group/' || it.id], '{}');
  return null;
end $$;
create trigger hint_changed after insert or delete on security_groups for each row execute function hint_security_group();
create trigger hint_updated after update on security_groups for each row
  when (old.stateful is distinct from new.stateful) execute function hint_security_group();

create function hint_security_group_rule() returns trigger language plpgsql as $$
declare
  it security_group_rules;
  of_group text;
begin
  foreach it in array case tg_op when 'INSERT' then array[new] when 'DELETE' then array[old] else array[old, new] end loop
    of_group := 'security-group/' || it.security_group_id;
    perform stage_hints(array[of_group || '|' || of_group],
      case when it.remote_group_id is null and it.remote_address_group_id is null then '{}' else array[of_group] end);
  end loop;
  return null;
end $$;
create trigger hint_changed after insert or delete on security_group_rules for each row
  execute function hint_security_group_rule();
create trigger hint_updated after update on security_group_rules for each row
  when ((old.security_group_id, old.direction, old.ethertype, old.protocol, old.port_range_min, old.port_range_max,
      old.remote_ip_prefix, old.remote_group_id, old.remote_address_group_id)
    is distinct from (new.security_group_id, new.direction, new.ethertype, new.protocol, new.port_range_min, new.port_range_max,
      new.remote_ip_prefix, new.remote_group_id, new.remote_address_group_id))
  execute function hint_security_group_rule();

create function hint_port_security_group() returns trigger language plpgsql as $$
declare
  it port_security_groups := coalesce(new, old);
  of_host text;
begin
  perform stage_hints(array['members/' || it.security_group_id || '|member/' || it.port_id], '{}');
  -- Locked: of a port that is bound, or given other addresses, at the same moment, the later of the two sees both.
  select host into of_host from ports where id = it.port_id for no key update;
  if of_host <> '' then
    perform stage_hints(array['host/' || of_host || '|port/' || it.port_id], array[of_host]);
  end if;
  return null;
end $$;
create trigger hint_changed after insert or delete on port_security_groups for each row
  execute function hint_port_security_group();

-- What hint_port does not tell of: that would bring the port's lease to those who serve it, for whom nothing has changed.
create function hint_port_security() returns trigger language plpgsql as $$
begin
  if (old.fixed_ips, old.allowed_address_pairs) is distinct from (new.fixed_ips, new.allowed_address_pairs) then
    perform stage_hints(
      array(select 'members/' || security_group_id || '|member/' || port_id from port_security_groups where port_id = new.id),
      '{}');
  end if;
  if new.host <> '' and (old.port_security_enabled, old.allowed_address_pairs)
    is distinct from (new.port_security_enabled, new.allowed_address_pairs)
  then
    perform stage_hints(array['host/' || new.host || '|port/' || new.id], '{}');
  end if;
  return null;
end $$;
create trigger hint_security after update on ports for each row
  when ((old.fixed_ips, old.allowed_address_pairs, old.port_security_enabled)
    is distinct from (new.fixed_ips, new.allowed_address_pairs, new.port_security_enabled))
  execute function hint_port_security();

create function hint_address_group() returns trigger language plpgsql as $$
declare
  it address_groups := coalesce(new, old);
begin
  perform stage_hints(array['address-group/' || it.id || '|address-group/' || it.id], '{}');
  return null;
end $$;
create trigger hint_changed after insert or delete on address_groups for each row execute function hint_address_group();
create trigger hint_updated after update on address_groups for each row
  when (old.addresses is distinct from new.addresses) execute function hint_address_group();
