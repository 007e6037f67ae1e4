create table subnet_pools (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  prefixes jsonb not null,
  ip_version integer not null,
  default_prefixlen integer not null,
  min_prefixlen integer not null,
  max_prefixlen integer not null,
  default_quota bigint,
  address_scope_id uuid constraint subnet_pools_address_scope references address_scopes,
  is_default boolean not null,
  -- its version, if it is that version's default: one each
  default_version integer constraint subnet_pools_default unique,
  shared boolean not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index subnet_pools_of_project on subnet_pools (project_id);
create index subnet_pools_of_address_scope on subnet_pools (address_scope_id);

alter table subnets add column subnetpool_id uuid constraint subnets_subnet_pool references subnet_pools;
create index subnets_of_subnet_pool on subnets (subnetpool_id);
