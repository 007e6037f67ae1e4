create table network_segment_ranges (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  shared boolean not null,
  network_type text collate "C" not null,
  physical_network text collate "C",
  minimum integer not null,
  maximum integer not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
