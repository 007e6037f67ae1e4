import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerOf, readToken, type RoleNames, type TokenFacts } from './token.ts';

const token = {
  methods: ['password'],
  user: { id: 'u1', name: 'ann', domain: { id: 'default', name: 'Default' } },
  project: { id: 'p1', name: 'red', domain: { id: 'default', name: 'Default' } },
  roles: [
    { id: 'r1', name: 'Member' },
    { id: 'r2', name: 'reader' },
  ],
  expires_at: '2026-01-31T12:00:00.000000Z',
};

test('what a token says', () => {
  const facts = { expiresAt: Date.UTC(2026, 0, 31, 12), userId: 'u1' };
  const scope = { user_domain_id: 'default' };
  const both = { roles: ['member', 'reader'] };
  assert.deepEqual(readToken({ token }), {
    ...{ ...facts, ...both, projectId: 'p1', scope: { ...scope, project_domain_id: 'default' } },
  });
  const { project, roles, ...unscoped } = token;
  assert.deepEqual(readToken({ token: unscoped }), { ...facts, projectId: '', roles: [], scope });
  const ofDomain = { ...unscoped, domain: { id: 'd1' }, roles };
  const inDomain = { ...scope, domain_id: 'd1' };
  assert.deepEqual(readToken({ token: ofDomain }), { ...facts, ...both, projectId: '', scope: inDomain });
  const ofSystem = { ...unscoped, system: { all: true }, roles };
  const inSystem = { ...scope, system_scope: 'all' };
  assert.deepEqual(readToken({ token: ofSystem }), { ...facts, ...both, projectId: '', scope: inSystem });
  assert.equal(project.id, 'p1');
});

test('what is no token', () => {
  for (const body of [
    undefined,
    null,
    'token',
    [],
    {},
    { token: null },
    { token: [] },
    { token: { ...token, expires_at: undefined } },
    { token: { ...token, expires_at: 'soon' } },
    { token: { ...token, expires_at: 1_767_225_600 } },
    { token: { ...token, user: undefined } },
    { token: { ...token, user: { name: 'ann' } } },
    { token: { ...token, user: { id: 7 } } },
  ])
    assert.equal(readToken(body), undefined, JSON.stringify(body));
});

test('roles that are no roles give none', () => {
  const odd = { token: { ...token, roles: [null, 'admin', { name: 7 }, { id: 'admin' }] } };
  assert.deepEqual(readToken(odd)?.roles, []);
  assert.deepEqual(readToken({ token: { ...token, roles: 'admin' } })?.roles, []);
});

const NAMES: RoleNames = {
  admin: ['admin', 'Cloud_Admin'],
  member: ['member'],
  reader: ['reader', 'auditor'],
};
const factsOf = (roles: readonly string[], projectId: string): TokenFacts => ({
  ...{ expiresAt: 0, userId: 'u', projectId, roles, scope: {} },
});

test('who the bearer is', () => {
  const as = (roles: readonly string[], projectId = 'p') => {
    const { credentials: _facts, ...caller } = callerOf(factsOf(roles, projectId), NAMES);
    return caller;
  };
  const member = { projectId: 'p', userId: 'u', isAdmin: false };
  assert.deepEqual(as(['reader', 'member', 'admin']), { ...member, isAdmin: true });
  assert.deepEqual(as(['cloud_admin']), { ...member, isAdmin: true });
  assert.deepEqual(as(['reader', 'member']), member);
  assert.deepEqual(as(['member']), member);
  for (const role of ['reader', 'auditor'])
    assert.deepEqual(as([role, 'other']), { ...member, mayOnlyRead: true });
  const nobody = { ...member, mayOnlyRead: true, hasNoRole: true };
  for (const roles of [[], ['other'], ['adm'], ['administrator']]) assert.deepEqual(as(roles), nobody);
  assert.deepEqual(as(['admin'], ''), { projectId: '', userId: 'u', isAdmin: true });
  for (const role of ['member', 'reader']) assert.deepEqual(as([role], ''), { ...nobody, projectId: '' });
});

test('what policy files know of the bearer, and of the service that speaks for it', () => {
  const user = { ...factsOf(['member'], 'p'), scope: { user_domain_id: 'd' } };
  const own = { user_id: 'u', project_id: 'p', roles: ['member'], user_domain_id: 'd' };
  assert.deepEqual(callerOf(user, NAMES).credentials, own);
  const service = { ...factsOf(['service'], 'services'), userId: 'nova' };
  assert.deepEqual(callerOf(user, NAMES, service).credentials, {
    ...own,
    ...{ service_user_id: 'nova', service_project_id: 'services', service_roles: ['service'] },
  });
});
