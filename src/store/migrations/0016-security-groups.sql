create table security_groups (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  stateful boolean not null,
  -- the project whose default group it is: each has one
  default_of text collate "C" constraint security_groups_default unique,
  shared boolean not null,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index security_groups_of_project on security_groups (project_id);

create table security_group_rules (
  id uuid primary key,
  project_id text collate "C" not null,
  description text collate "C" not null,
  security_group_id uuid not null
    constraint security_group_rules_group references security_groups on delete cascade,
  direction text collate "C" not null,
  ethertype text collate "C" not null,
  protocol text collate "C",
  port_range_min integer,
  port_range_max integer,
  remote_ip_prefix text collate "C",
  remote_group_id uuid constraint security_group_rules_remote references security_groups on delete cascade,
  remote_address_group_id uuid constraint security_group_rules_address_group references address_groups,
  revision_number bigint not null,
  created_at text collate "C" not null,
  updated_at text collate "C" not null,
  tags jsonb not null
);
create index security_group_rules_of_project on security_group_rules (project_id);
create index security_group_rules_of_group on security_group_rules (security_group_id);
create index security_group_rules_of_remote on security_group_rules (remote_group_id);
create index security_group_rules_of_address_group on security_group_rules (remote_address_group_id);

create table port_security_groups (
  port_id uuid constraint port_security_groups_port references ports on delete cascade,
  security_group_id uuid constraint port_security_groups_group references security_groups,
  primary key (port_id, security_group_id)
);
create index port_security_groups_of_group on port_security_groups (security_group_id);

-- A server from before this column, beside one that has it, does not name it when it makes a row.
alter table ports add column allowed_address_pairs jsonb not null default '[]';

-- Nothing has been enforced for the ports that are there: to begin with it would cut them off, as they are in no group.
update ports set port_security_enabled = false where port_security_enabled;
