create table address_scopes (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  ip_version integer not null,
  shared boolean not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index address_scopes_of_project on address_scopes (project_id);
