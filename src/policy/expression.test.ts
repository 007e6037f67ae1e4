import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Facts, outcomesOf, passes, type Target } from './evaluate.ts';
import { parseRule, RuleSyntaxError } from './expression.ts';

const FACTS: Facts = {
  ...{ user_id: 'u', project_id: 'p', roles: ['Member', 'netops'], is_admin: false },
  user: { domain: { id: 'd' } },
  ...{ groups: [{ name: 'a' }, { name: 'b' }], level: 3, nothing: null },
};
const TARGET: Target = {
  ...{ project_id: 'p', tenant_id: 'p', name: 'web', shared: true, mtu: 1500, status: null },
  ...{ 'network:tenant_id': 'q', device_owner: 'network:dhcp', role_asked: 'netops', user: 'u' },
};

const says = (rule: string, target: Target = TARGET): boolean =>
  passes(parseRule(rule), { facts: FACTS, target }, () => false);

test('what passes', () => {
  for (const rule of [
    '',
    '   ',
    '@',
    'role:member',
    'role:NETOPS',
    'role:%(role_asked)s',
    'project_id:%(project_id)s',
    'user_id:u',
    'user_id:%(user)s',
    'is_admin:False',
    'user.domain.id:d',
    'groups.name:b',
    'level:3',
    'nothing:None',
    "'web':%(name)s",
    '"web":%(name)s',
    'True:%(shared)s',
    'None:%(status)s',
    '1500:%(mtu)s',
    'name_of:x or @',
    'user_id:u and project_id:p',
    'not role:admin',
    'NOT role:admin AND role:member',
    'not not role:member',
    '(role:member)',
    '((role:admin or role:member) and role:netops)',
    'role:member or role:admin and !',
    'not (role:admin or role:auditor)',
    'field:networks:shared=True',
    'field:networks:shared=yes',
    'field:networks:mtu=1500',
    'field:port:device_owner=~^network:',
    'field:port:device_owner=~network:d',
    'field:networks:name=web',
  ])
    assert.equal(says(rule), true, rule);
});

test('what does not', () => {
  for (const rule of [
    '!',
    'role:admin',
    'role:mem',
    'role:%(missing)s',
    'project_id:%(missing)s',
    'tenant_id:%(network:tenant_id)s',
    'is_admin:True',
    'user.domain:d',
    'user.domain.name:d',
    'groups.name:c',
    'missing:None',
    'missing:undefined',
    "'web':%(mtu)s",
    'True:%(missing)s',
    '(role:admin or role:member) and !',
    'not role:member',
    'role:member and not role:netops',
    'field:networks:shared=False',
    'field:networks:router:external=True',
    'field:networks:status=None',
    'field:networks:name=~eb',
    'constructor:u',
    'user_id:%(constructor)s',
  ])
    assert.equal(says(rule), false, rule);
});

test('whether a network is shared is known of what is in it', () => {
  const rule = 'field:networks:shared=True';
  assert.equal(says(rule, { 'network:shared': true }), true);
  assert.equal(says(rule, { 'network:shared': false }), false);
  assert.equal(says(rule, {}), false);
  assert.equal(says('field:subnetpools:shared=True', { 'network:shared': true }), false);
});

test('what is no rule, and why', () => {
  for (const [rule, why] of [
    ['admin', /"admin" is no check/],
    [':x', /no check/],
    ['role:a role:b', /and, or "\)" before "role:b"\?/],
    ['role:a and', /missing at the end/],
    ['and role:a', /missing before "and"/],
    ['role:a or or role:b', /missing before "or"/],
    ['not', /missing at the end/],
    ['(role:a', /"\)" is missing/],
    ['role:a)', /"\)" too many/],
    ['(role:a)and role:b', /blanks go before/],
    ['role:a(role:b)', /blanks go before/],
    ['()', /missing before "\)"/],
    ['project_id:%(project_id', /blanks go before/],
    ['project_id:%(project_id)', /blanks go before/],
    ['project_id:50%', /after %/],
    ['field:networks:shared', /RESOURCE:ATTRIBUTE=VALUE/],
    ['field:port:device_owner=~(', /Invalid regular expression|invalid/i],
    ['http://policy.example/check', /nobody outside/],
  ] as const)
    assert.throws(
      () => parseRule(rule),
      (error: Error) => error instanceof RuleSyntaxError && why.test(error.message),
      rule,
    );
});

test('what may come out before it is known what it is about', () => {
  const outcomes = (rule: string) => {
    const { yes, no } = outcomesOf(parseRule(rule), FACTS, () => ({ yes: true, no: true }));
    return `${yes ? 'yes' : ''}${no ? 'no' : ''}`;
  };
  for (const [rule, expected] of [
    ['role:member', 'yes'],
    ['role:admin', 'no'],
    ['project_id:%(project_id)s', 'yesno'],
    ['role:admin and project_id:%(project_id)s', 'no'],
    ['role:member and project_id:%(project_id)s', 'yesno'],
    ['role:member or field:networks:shared=True', 'yes'],
    ['not role:admin', 'yes'],
    ['not field:networks:shared=True', 'yesno'],
    ['rule:x and role:member', 'yesno'],
    ['rule:x or @', 'yes'],
    ['! or @', 'yes'],
    ['! and @', 'no'],
  ] as const)
    assert.equal(outcomes(rule), expected, rule);
});
