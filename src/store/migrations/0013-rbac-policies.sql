-- What owners share with single projects; with every project (`*`) also where the row itself says that it is shared.
create table rbac_policies (
  id uuid primary key,
  project_id text collate "C" not null,
  description text collate "C" not null,
  object_type text collate "C" not null,
  object_id uuid not null,
  action text collate "C" not null,
  target_tenant text collate "C" not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null,
  constraint rbac_policies_target unique (object_type, object_id, target_tenant, action)
);
create index rbac_policies_of_project on rbac_policies (project_id);
create index rbac_policies_of_target on rbac_policies (target_tenant, object_type);

alter table address_groups add column shared boolean not null default false;
alter table address_groups alter column shared drop default;

insert into rbac_policies
select gen_random_uuid(), project_id, '', 'address_scope', id, 'access_as_shared', '*', 1, created_at, updated_at, '[]'
from address_scopes where shared;
