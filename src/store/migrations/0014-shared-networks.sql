-- What networks already say of themselves, as policies.
insert into rbac_policies
select gen_random_uuid(), project_id, '', 'network', id, 'access_as_shared', '*', 1, created_at, updated_at, '[]'
from networks where shared;
insert into rbac_policies
select gen_random_uuid(), project_id, '', 'network', id, 'access_as_external', '*', 1, created_at, updated_at, '[]'
from networks where external;
