-- Tags of resources. The default stays: a server from before this column, beside one that has it, does not name it.
alter table networks add column tags jsonb not null default '[]';
alter table subnets add column tags jsonb not null default '[]';
alter table ports add column tags jsonb not null default '[]';
alter table routers add column tags jsonb not null default '[]';
alter table floating_ips add column tags jsonb not null default '[]';
