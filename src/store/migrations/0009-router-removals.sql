-- Which agents an operator took which routers from: the background gives them no such router, nor any other one too soon.
create table router_removals (
  router_id uuid constraint router_removals_router references routers on delete cascade,
  agent_id uuid constraint router_removals_agent references agents on delete cascade,
  at text collate "C" not null,
  primary key (router_id, agent_id)
);
create index router_removals_of_agent on router_removals (agent_id);
