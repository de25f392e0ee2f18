import type { Outputs } from '@cd-actions/shared/action/outputs';
import type { Registered } from '@cd-actions/shared/delivery/register';

export const outputs: Outputs<Registered> = {
  version: ({ release }) => release.version,
  instances: ({ release }) =>
    JSON.stringify(release.instances.map(({ id, host, address, port }) => ({ id, host, address, port }))),
  addresses: ({ release }) => release.instances.map(({ address, port }) => `${address}:${port}`).join('\n'),
  url: ({ release }) => urlOf(release.instances[0]),
  state: ({ release }) => release.state,
};

function urlOf(instance: Registered['release']['instances'][number] | undefined): string {
  if (!instance) return '';
  const host = instance.address.includes(':') ? `[${instance.address}]` : instance.address;
  return `http://${host}:${instance.port}`;
}
