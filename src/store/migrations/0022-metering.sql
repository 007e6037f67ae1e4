create table metering_labels (
  id uuid primary key,
  project_id text collate "C" not null,
  name text collate "C" not null,
  description text collate "C" not null,
  shared boolean not null
);

create table metering_label_rules (
  id uuid primary key,
  metering_label_id uuid not null,
  direction text collate "C" not null,
  excluded boolean not null,
  remote_ip_prefix text collate "C",
  source_ip_prefix text collate "C",
  destination_ip_prefix text collate "C",
  constraint metering_label_rules_label foreign key (metering_label_id) references metering_labels (id) on delete cascade
);
create index metering_label_rules_of_label on metering_label_rules (metering_label_id);
