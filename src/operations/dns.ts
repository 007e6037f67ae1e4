/** What a name for DNS must be beside well written: it has to fit the domain that it is in. */
import { Fault } from '../resources/errors.ts';
import { badRequest } from './faults.ts';
import type { Call } from './operation.ts';

const MAX = 255;

const refused = (reason: string): Fault =>
  new Fault('HTTPBadRequest', `Invalid input for dns_name. Reason: ${reason}.`);

/** Throws HTTPBadRequest for the name of a port that is not in the server's domain, or with it is too long. */
export function checkPortName({ settings }: Call, name: string | null | undefined): void {
  const { dnsDomain } = settings;
  if (!name || dnsDomain === '') return;
  const domain = dnsDomain.endsWith('.') ? dnsDomain : `${dnsDomain}.`;
  const isWhole = name.endsWith('.');
  if (isWhole && !name.endsWith(`.${domain}`)) {
    throw refused(
      `'${name}' is a FQDN. It must end in the domain of this server, '${domain}', and have labels before that`,
    );
  }
  if (!isWhole && name.length + 1 + domain.length > MAX) {
    throw refused(
      `'${name}' is a PQDN. With the domain of this server, '${domain}', it exceeds the maximum length of a FQDN of '${MAX}'`,
    );
  }
}

/** The name and the domain of a floating IP: both or neither. Throws BadRequest. */
export function floatingIpNames(asked: {
  readonly dns_name?: string | null | undefined;
  readonly dns_domain?: string | null | undefined;
}): { dns_name: string; dns_domain: string } {
  const { dns_name, dns_domain } = { dns_name: asked.dns_name ?? '', dns_domain: asked.dns_domain ?? '' };
  if (dns_domain !== '' && dns_name === '')
    throw badRequest('floatingip', 'dns_domain cannot be specified without a dns_name');
  if (dns_name !== '' && dns_domain === '')
    throw badRequest('floatingip', 'dns_name cannot be specified without a dns_domain');
  return { dns_name, dns_domain };
}
