-- What ports keep for other services, and the names of floating IPs. An older server, beside one that has this, names none of
-- it. No agent reads any of it: it takes no position.
alter table ports add column dns_domain text collate "C" not null default '';
alter table ports add column ip_allocation text collate "C" not null default 'immediate';
update ports set ip_allocation = 'none' where fixed_ips = '[]';
alter table ports add column data_plane_status text collate "C";
alter table ports add column propagate_uplink_status boolean not null default true;
alter table ports add column device_profile text collate "C";
alter table ports add column numa_affinity_policy text collate "C";

alter table floating_ips add column dns_name text collate "C" not null default '';
alter table floating_ips add column dns_domain text collate "C" not null default '';
