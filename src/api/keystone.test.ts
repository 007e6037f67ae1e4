import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callerOf, readToken, type RoleNames, type TokenFacts } from './keystone.ts';

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
  const facts = { expiresAt: Date.UTC(2026, 0, 31, 12), userId: 'u1', projectId: 'p1' };
  assert.deepEqual(readToken({ token }), { ...facts, roles: ['member', 'reader'] });
  const { project, roles, ...unscoped } = token;
  assert.deepEqual(readToken({ token: unscoped }), { ...facts, projectId: '', roles: [] });
  const ofDomain = { ...unscoped, domain: { id: 'd1' }, roles };
  assert.deepEqual(readToken({ token: ofDomain }), { ...facts, projectId: '', roles: ['member', 'reader'] });
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
  ...{ expiresAt: 0, userId: 'u', projectId, roles },
});

test('who the bearer is', () => {
  const as = (roles: readonly string[], projectId = 'p') => callerOf(factsOf(roles, projectId), NAMES);
  const member = { projectId: 'p', userId: 'u', isAdmin: false };
  assert.deepEqual(as(['reader', 'member', 'admin']), { ...member, isAdmin: true });
  assert.deepEqual(as(['cloud_admin']), { ...member, isAdmin: true });
  assert.deepEqual(as(['reader', 'member']), member);
  assert.deepEqual(as(['member']), member);
  for (const role of ['reader', 'auditor'])
    assert.deepEqual(as([role, 'other']), { ...member, mayOnlyRead: true });
  for (const roles of [[], ['other'], ['adm'], ['administrator']]) assert.equal(as(roles), undefined);
  assert.deepEqual(as(['admin'], ''), { projectId: '', userId: 'u', isAdmin: true });
  for (const role of ['member', 'reader']) assert.equal(as([role], ''), undefined);
});
