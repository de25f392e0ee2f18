import type { DeploymentId } from './names.ts';
import type { Instance, Release } from './release.ts';
import type { RunIdentity } from './run.ts';
import { mainVersion, type Traffic } from './traffic.ts';

/** What the registry knows of one app in one environment. */
export interface Deployment {
  readonly id: DeploymentId;
  readonly releases: readonly Release[];
  /** Null until traffic was first switched. */
  readonly traffic: Traffic | null;
  /** What was being done when the last holder of the lease let go or died; null when all was finished. */
  readonly journal: Journal | null;
}

/**
 * The operation under way. `intent`: nothing live has changed. `activating`: traffic is being moved, by steps perhaps, and an Nginx
 * may serve more than what is committed; undone means back to `from`. `draining`: the move is done and stays; `retiring` still
 * have to drain and stop.
 */
export interface Journal {
  readonly operation: 'register' | 'switch' | 'rollback' | 'prune' | 'reconcile' | 'remove';
  readonly phase: 'intent' | 'activating' | 'draining';
  readonly version: string;
  /** The traffic before the operation; null when there was none. */
  readonly from: Traffic | null;
  readonly retiring: readonly Retirement[];
  readonly startedAt: string;
  readonly run: RunIdentity;
  readonly reason: string;
}

/** What becomes of the instances of a release that lost its traffic. */
export interface Retirement {
  readonly version: string;
  readonly keep: 'running' | 'stopped' | 'none';
  /** Milliseconds since the epoch after which open connections are cut. */
  readonly deadline: number;
  /** The release itself goes too, as if it had never been registered: an aborted candidate. */
  readonly forget?: boolean | undefined;
}

/** One line of the history: who did what, when, why. */
export interface HistoryEvent {
  readonly at: string;
  readonly event:
    | 'registered'
    | 'switched'
    | 'rolled-back'
    | 'verified'
    | 'failed'
    | 'retired'
    | 'removed'
    | 'reconciled'
    | 'recovered';
  readonly version: string;
  readonly detail: string;
  readonly reason: string;
  readonly run: RunIdentity;
}

export function findRelease(deployment: Deployment, version: string): Release | undefined {
  return deployment.releases.find((release) => release.version === version);
}

/** The version with the largest weight; undefined before the first switch. */
export function liveVersion(deployment: Deployment): string | undefined {
  return deployment.traffic ? mainVersion(deployment.traffic.plan) : undefined;
}

/** All instances of all releases that can be given traffic. */
export function routableInstances(release: Release): readonly Instance[] {
  return release.state === 'stopped' ? [] : release.instances;
}
