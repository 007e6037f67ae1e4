create table trunks (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  admin_state_up boolean not null,
  port_id uuid not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null,
  constraint trunks_parent unique (port_id),
  constraint trunks_port foreign key (port_id) references ports (id)
);
create index trunks_of_project on trunks (project_id);

create table trunk_subports (
  port_id uuid primary key,
  trunk_id uuid not null,
  segmentation_type text collate "C" not null,
  segmentation_id integer not null,
  constraint trunk_subports_tag unique (trunk_id, segmentation_type, segmentation_id),
  constraint trunk_subports_port foreign key (port_id) references ports (id),
  constraint trunk_subports_trunk foreign key (trunk_id) references trunks (id) on delete cascade
);
