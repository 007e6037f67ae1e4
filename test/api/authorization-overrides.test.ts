/** Who may do what with a policy file: what it says is so, and all else is as by default. */
import { testMatrix } from './authorization-matrix.ts';

testMatrix({
  policy: `
# creating is somebody else's
create_address_scope: role:netops
# what is seen and may not be changed is forbidden, what is not seen is not there
update_router: role:netops and rule:project_member
delete_router: "!"
# more than by default: readers may set tags
update_routers_tags: rule:project_reader
# what may not be got is not there
get_address_group: rule:admin_only
`,
  readersWrite: /^put \/v2.0\/routers\/\{id\}\/tags/,
  changed: {
    ...{ 'address_scopes create red': 403, 'address_scopes create blue': 400 },
    ...{ 'routers update red': 403, 'routers delete red': 403 },
    ...{ 'routers add a tag red-reader': 201, 'routers set tags red-reader': 200 },
    ...{ 'routers add a tag blue-reader': 404, 'routers set tags blue-reader': 404 },
    ...{ 'address_groups show red': 404, 'address_groups show red-reader': 404 },
    ...{ 'address_groups list red': 404, 'address_groups list red-reader': 404 },
    ...{ 'address_groups list tags red': 404, 'address_groups list tags red-reader': 404 },
    ...{ 'address_groups check a tag red': 404, 'address_groups check a tag red-reader': 404 },
  },
});
