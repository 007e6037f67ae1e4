-- the external network by which topologies that are made by themselves go out
alter table networks add column is_default boolean not null default false;

create table auto_allocated_topologies (
  project_id text collate "C" primary key,
  network_id uuid not null,
  router_id uuid not null,
  constraint auto_allocated_topologies_network foreign key (network_id) references networks (id) on delete cascade
);
