/** The faults of several operations, with Neutron's words where it has words for them. */
import { Fault } from '../resources/errors.ts';
import { formatPlace, type Place } from '../resources/place.ts';

export const invalidInput = (what: string): Fault =>
  new Fault('InvalidInput', `Invalid input for operation: ${what}.`);

export const networkNotFound = (id: string): Fault =>
  new Fault('NetworkNotFound', `Network ${id} could not be found.`);

export const subnetNotFound = (id: string): Fault =>
  new Fault('SubnetNotFound', `Subnet ${id} could not be found.`);

export const portNotFound = (id: string): Fault =>
  new Fault('PortNotFound', `Port ${id} could not be found.`);

export const agentNotFound = (id: string): Fault =>
  new Fault('AgentNotFound', `Agent ${id} could not be found.`);

export const availabilityZoneNotFound = (name: string): Fault =>
  new Fault('AvailabilityZoneNotFound', `AvailabilityZone ${name} could not be found.`);

export const hostNotFound = (name: string): Fault =>
  new Fault('HostNotFound', `Host ${name} could not be found.`);

/** The log has another change at that position: a restored backup, or a promotion, lost the one that is meant. */
export const positionNotFound = (place: Place): Fault =>
  new Fault(
    'PositionNotFound',
    `Position ${formatPlace(place)} could not be found: the log has lost what was written there.`,
  );

export const badRequest = (resource: string, why: string): Fault =>
  new Fault('BadRequest', `Bad ${resource} request: ${why}.`);

export const routerNotFound = (id: string): Fault =>
  new Fault('RouterNotFound', `Router ${id} could not be found`);

export const floatingIpNotFound = (id: string): Fault =>
  new Fault('FloatingIPNotFound', `Floating IP ${id} could not be found`);

/** The caller may see it, but not do this with it. `rule` as in policy files: `update_network`. */
export const forbidden = (rule: string): Fault =>
  new Fault('PolicyNotAuthorized', `(rule:${rule}) is disallowed by policy`);

export const networkInUse = (id: string, portIds: readonly string[]): Fault =>
  new Fault(
    'NetworkInUse',
    `Unable to complete operation on network ${id}. There are one or more ports still in use on the network, id for these ports is: ${portIds.join(',')}.`,
  );

export const subnetInUse = (id: string): Fault =>
  new Fault(
    'SubnetInUse',
    `Unable to complete operation on subnet ${id}: One or more ports have an IP allocation from this subnet.`,
  );

export const macInUse = (networkId: string, mac: string): Fault =>
  new Fault(
    'MacAddressInUse',
    `Unable to complete operation for network ${networkId}. The mac address ${mac} is in use.`,
  );

export const addressAllocated = (address: string, subnetId: string): Fault =>
  new Fault('IpAddressAlreadyAllocated', `IP address ${address} already allocated in subnet ${subnetId}`);

export const addressesExhausted = (networkId: string): Fault =>
  new Fault('IpAddressGenerationFailure', `No more IP addresses available on network ${networkId}.`);
