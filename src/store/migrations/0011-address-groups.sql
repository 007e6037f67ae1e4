create table address_groups (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  addresses jsonb not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index address_groups_of_project on address_groups (project_id);
