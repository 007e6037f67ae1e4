/** What docs/api-compatibility.md says of attributes is what the attribute maps do, and of extensions what is announced. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { collections } from '../../src/api/collections.ts';
import { EXTENSIONS } from '../../src/api/extensions.ts';
import type { Attribute } from '../../src/resources/attribute.ts';

const page = readFileSync(new URL('../../docs/api-compatibility.md', import.meta.url), 'utf8');
const MAPS = collections.map(({ map }) => map);

/** The words in backticks of each resource's row, of the tables in which the page has one. */
const rowsOf = (plural: string): string[][] =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`| ${plural} |`))
    .map((line) => [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string));

const namesOf = (attributes: readonly Attribute[]) => attributes.map((attribute) => attribute.name);

test('the page has what cannot be filtered by, and what is always the same', () => {
  for (const { plural, attributes } of MAPS) {
    const [unfiltered = [], constants = [], ...others] = rowsOf(plural);
    assert.deepEqual(unfiltered, namesOf(attributes.filter((it) => !it.filter)));
    assert.deepEqual(constants, namesOf(attributes.filter((it) => 'constant' in it.type)));
    assert.deepEqual(others, []);
  }
});

test('the page has what only admins see', () => {
  const line = /- Only admins see ([\s\S]*?)\. A member/.exec(page)?.[1] ?? '';
  const said = [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
  assert.deepEqual(said, namesOf(MAPS.flatMap((map) => map.attributes.filter((it) => it.see === 'admin'))));
});

/** What Neutron (Zed) announces. */
const REFERENCE = `
  address-group address-scope agent agent-resources-synced allowed-address-pairs auto-allocated-topology
  availability_zone availability_zone_filter binding binding-extended data-plane-status
  default-subnetpools dhcp_agent_scheduler dns-domain-ports dns-integration
  dns-integration-domain-keywords dvr empty-string-filtering expose-l3-conntrack-helper
  expose-port-forwarding-in-fip ext-gw-mode external-net extra_dhcp_opt extraroute extraroute-atomic
  filter-validation fip-port-details flavors floating-ip-port-forwarding
  floating-ip-port-forwarding-description floating-ip-port-forwarding-detail
  floating-ip-port-forwarding-port-ranges floatingip-pools ip-substring-filtering ip_allocation
  l2_adjacency l3-conntrack-helper l3-ext-ndp-proxy l3-flavors l3-ha l3-ndp-proxy
  l3-port-ip-change-not-allowed l3_agent_scheduler local_ip logging metering
  metering_source_and_destination_fields multi-provider net-mtu net-mtu-writable network-ip-availability
  network-segment-range network_availability_zone pagination port-device-profile
  port-mac-address-regenerate port-mac-override port-numa-affinity-policy port-resource-request
  port-resource-request-groups port-security port-security-groups-filtering project-id provider qos
  qos-bw-limit-direction qos-bw-minimum-ingress qos-default qos-fip qos-gateway-ip qos-port-network-policy
  qos-pps qos-pps-minimum qos-pps-minimum-rule-alias qos-rule-type-details qos-rule-type-filter
  qos-rules-alias quota-check-limit quota_details quotas rbac-address-group rbac-address-scope
  rbac-policies rbac-security-groups rbac-subnetpool revision-if-match router
  router-admin-state-down-before-update router_availability_zone security-group
  security-groups-normalized-cidr security-groups-remote-address-group security-groups-shared-filtering
  segment segments-peer-subnet-host-routes service-type sorting standard-attr-description
  standard-attr-revisions standard-attr-segment standard-attr-tag standard-attr-timestamp
  stateful-security-group subnet-dns-publish-fixed-ip subnet-segmentid-writable subnet-service-types
  subnet_allocation subnet_onboard subnetpool-prefix-ops tag-ports-during-bulk-creation trunk
  trunk-details uplink-status-propagation
`
  .trim()
  .split(/\s+/);

/** The rows of the page's table of extensions. */
const EXTENSION_ROWS = page.split('\n').flatMap((line) => {
  const [, alias, here, what] =
    /^\| `([\w-]+)` \| (works|in part|not announced) \| (?:(.+) )?\|$/.exec(line) ?? [];
  return alias === undefined ? [] : [{ alias, here, what }];
});

test('the page has every extension of Neutron once, and those as working that are announced', () => {
  const aliases = EXTENSION_ROWS.map(({ alias }) => alias);
  assert.deepEqual(aliases, [...new Set(aliases)].sort());
  assert.deepEqual(
    REFERENCE.filter((alias) => !aliases.includes(alias)),
    [],
  );
  const working = EXTENSION_ROWS.filter(({ here }) => here !== 'not announced').map(({ alias }) => alias);
  const announced = EXTENSIONS.map(({ alias }) => alias);
  assert.equal(new Set(announced).size, announced.length);
  const onlyAnnounced = announced.filter((alias) => !working.includes(alias));
  const onlyOnPage = working.filter((alias) => !announced.includes(alias));
  assert.deepEqual({ onlyAnnounced, onlyOnPage }, { onlyAnnounced: [], onlyOnPage: [] });
});

test('the page says what of an extension does not work, and why one is not announced', () => {
  assert.equal(REFERENCE.length, 113);
  const silent = EXTENSION_ROWS.filter(({ here, what }) => (here === 'works') !== (what === undefined));
  assert.deepEqual(silent, []);
});
