/**
 * The one catalogue of what can be wrong with a request. Anything may throw a Fault; `api/` alone turns its type
 * into a status and `{"NeutronError": {type, message, detail}}`. Names and statuses are Neutron's
 * (neutron_lib.exceptions), so that clients which look at `type` find what they know.
 */
export const FAULT_STATUS = {
  BadRequest: 400,
  InvalidInput: 400,
  HTTPBadRequest: 400,
  InvalidSharedSetting: 409,
  HTTPNotFound: 404,
  HTTPUnauthorized: 401,
  PolicyNotAuthorized: 403,
  PreconditionFailed: 412,
  RevisionNumberConstraintFailed: 412,
  RequestTooLarge: 413,
  MethodNotAllowed: 405,
  UnsupportedMediaType: 415,
  RouterNotFound: 404,
  RouterInUse: 409,
  RouterInterfaceNotFound: 404,
  RouterInterfaceNotFoundForSubnet: 404,
  RouterInterfaceInUseByFloatingIP: 409,
  RouterInterfaceInUseByRoute: 409,
  RouterExternalGatewayInUseByFloatingIp: 409,
  InvalidRoutes: 400,
  RoutesExhausted: 400,
  SubnetMismatchForPort: 400,
  ServicePortInUse: 409,
  DeviceIDNotOwnedByTenant: 409,
  FloatingIPNotFound: 404,
  ExternalGatewayForFloatingIPNotFound: 404,
  FloatingIPPortAlreadyAssociated: 409,
  ExternalIpAddressExhausted: 400,
  ExternalNetworkInUse: 409,
  FipAssociated: 409,
  PortForwardingNotFound: 404,
  FipInUseByPortForwarding: 409,
  PortHasBindingFloatingIP: 409,
  InvalidL3Agent: 404,
  RouterHostedByL3Agent: 409,
  RouterNotMovable: 409,
  NetworkNotFound: 404,
  SubnetNotFound: 404,
  PortNotFound: 404,
  AgentNotFound: 404,
  AvailabilityZoneNotFound: 404,
  EventNotFound: 404,
  PositionNotFound: 404,
  QuotaNotFound: 404,
  ExtensionNotFound: 404,
  HostNotFound: 404,
  NetworkInUse: 409,
  SubnetInUse: 409,
  PortInUse: 409,
  MacAddressInUse: 409,
  IpAddressInUse: 409,
  IpAddressAlreadyAllocated: 409,
  HostInUse: 409,
  HostExists: 409,
  InvalidIpForNetwork: 400,
  InvalidIpForSubnet: 400,
  GatewayConflictWithAllocationPools: 409,
  GatewayIpInUse: 409,
  OverlappingAllocationPools: 409,
  InvalidAllocationPool: 400,
  OutOfBoundsAllocationPool: 400,
  IpAddressGenerationFailure: 409,
  IpAddressGenerationFailureNoMatchingSubnet: 409,
  AllocationOnAutoAddressSubnet: 400,
  InvalidServiceType: 400,
  PortBound: 409,
  NetworkMacAddressGenerationFailure: 503,
  NoNetworkAvailable: 503,
  VlanIdInUse: 409,
  TunnelIdInUse: 409,
  FlatNetworkInUse: 409,
  DNSNameServersExhausted: 400,
  HostRoutesExhausted: 400,
  OverQuota: 409,
  QuotaResourceUnknown: 404,
  TenantQuotaNotFound: 404,
  TagNotFound: 404,
  RbacPolicyNotFound: 404,
  DuplicateRbacPolicy: 409,
  RbacPolicyInUse: 409,
  AddressScopeNotFound: 404,
  AddressScopeUpdateError: 400,
  AddressGroupNotFound: 404,
  AddressesNotFound: 404,
  AddressesAlreadyExist: 400,
  NetworkHostedByDHCPAgent: 409,
  NetworkNotHostedByDhcpAgent: 409,
  InvalidDHCPAgent: 404,
  StandardAttributeIDNotFound: 404,
  UnsupportedPortDeviceOwner: 409,
  ServiceUnavailable: 503,
} as const;

export type FaultType = keyof typeof FAULT_STATUS;

/** A request that cannot be served as asked. `message` is for the user and names the field. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly type: FaultType;
  readonly detail: string;

  constructor(type: FaultType, message: string, detail = '') {
    super(message);
    this.type = type;
    this.detail = detail;
  }
}
