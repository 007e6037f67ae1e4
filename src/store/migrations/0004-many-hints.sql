-- Hints of a large transaction are kept in parts: one setting that grows is copied whole at every row, so that two
-- thousand rows took most of a minute. A savepoint that is rolled back still takes its hints with it.
create or replace function stage_hints(new_refs text[], new_hosts text[]) returns void language plpgsql as $$
declare
  refs text := coalesce(current_setting('deuteron.refs', true), '');
  hosts text := coalesce(current_setting('deuteron.hosts', true), '');
  part integer;
  host text;
begin
  if length(refs) > 8000 then
    part := coalesce(nullif(current_setting('deuteron.parts', true), ''), '0')::integer + 1;
    perform set_config('deuteron.refs_' || part, refs, true), set_config('deuteron.parts', part::text, true);
    refs := '';
  end if;
  perform set_config('deuteron.refs', refs || array_to_string(new_refs, E'\n') || E'\n', true);
  foreach host in array new_hosts loop
    if strpos(E'\n' || hosts, E'\n' || host || E'\n') = 0 then
      hosts := hosts || host || E'\n';
      perform set_config('deuteron.hosts', hosts, true);
    end if;
  end loop;
end $$;

create or replace function append_changes(own_tag bigint) returns bigint language plpgsql as $$
declare
  parts integer := coalesce(nullif(current_setting('deuteron.parts', true), ''), '0')::integer;
  staged_refs text[];
  staged_hosts text[];
  own_position bigint;
begin
  select array_agg(distinct ref collate "C" order by ref collate "C") into staged_refs
    from (
      select current_setting('deuteron.refs', true) as held
      union all select current_setting('deuteron.refs_' || part, true) from generate_series(1, parts) as part
    ) as all_parts, unnest(string_to_array(held, E'\n')) as ref
    where ref <> '';
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
  perform set_config('deuteron.refs', '', true), set_config('deuteron.hosts', '', true),
    set_config('deuteron.parts', '', true);
  return own_position;
end $$;
