-- What the servers make of each agent: whether it is alive, and how often it died lately. Written on transitions only, by
-- the leader; `server_id` says who hears it now.
alter table agents
  add column liveness text collate "C" not null default 'alive',
  add column deaths integer not null default 0;
create index agents_server on agents (server_id);
create index agents_remembered on agents (host) where liveness <> 'alive' or deaths > 0;
