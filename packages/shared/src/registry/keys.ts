import type { DeploymentId } from '../domain/names.ts';

/**
 * Every key of the registry. The braces are a hash tag: all keys of one deployment lie in one slot of a Redis Cluster, so that one
 * script may touch them together (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
 */
export interface DeploymentKeys {
  /** Hash of token, holder, nonce; expires by itself. */
  readonly lease: string;
  /** The last fencing token given out. */
  readonly fence: string;
  /** Hash of version to release. */
  readonly releases: string;
  readonly traffic: string;
  readonly journal: string;
  /** Stream of events. */
  readonly history: string;
}

export function deploymentKeys(id: DeploymentId): DeploymentKeys {
  const key = (name: string): string => `cd:{${id}}:${name}`;
  return {
    lease: key('lease'),
    fence: key('fence'),
    releases: key('releases'),
    traffic: key('traffic'),
    journal: key('journal'),
    history: key('history'),
  };
}

/** Hash of gate to evidence about one image. */
export function evidenceKey(image: string): string {
  return `cd:evidence:{${image}}`;
}

/** Set of the ids of all deployments. In a slot of its own: no script of a cluster touches it together with a deployment. */
export const DEPLOYMENTS = 'cd:deployments';
