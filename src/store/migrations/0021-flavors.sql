create table flavors (
  id uuid primary key,
  name text collate "C" not null,
  description text collate "C" not null,
  service_type text collate "C" not null,
  enabled boolean not null
);

create table service_profiles (
  id uuid primary key,
  description text collate "C" not null,
  driver text collate "C" not null,
  enabled boolean not null,
  metainfo text collate "C" not null
);

create table flavor_profiles (
  flavor_id uuid not null,
  service_profile_id uuid not null,
  primary key (flavor_id, service_profile_id),
  constraint flavor_profiles_flavor foreign key (flavor_id) references flavors (id) on delete cascade,
  constraint flavor_profiles_profile foreign key (service_profile_id) references service_profiles (id)
);

alter table routers add column flavor_id uuid;
alter table routers add constraint routers_flavor foreign key (flavor_id) references flavors (id);
