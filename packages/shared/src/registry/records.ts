import type { HistoryEvent, Journal, Retirement } from '../domain/deployment.ts';
import type { HealthCheck, Instance, InstanceSpec, Release } from '../domain/release.ts';
import type { RunIdentity } from '../domain/run.ts';
import type { MatchRule, Route, Target, Traffic, TrafficPlan } from '../domain/traffic.ts';
import type { Evidence } from '../domain/verdict.ts';
import { boolean, list, nullable, number, object, or, pair, type Shape, text, texts, word } from './codec.ts';

/** The shapes of everything the registry holds. A field that the domain adds later is given with `or`, so old records stay readable. */
const run = object<RunIdentity>({ actor: text, url: text, sha: text, id: text });

const instance = object<Instance>({ id: text, name: text, host: text, address: text, port: number });

const health = object<HealthCheck>({
  path: text,
  port: number,
  status: list(pair(number, number)),
  timeout: number,
  interval: number,
  stable: number,
});

const spec = object<InstanceSpec>({
  image: text,
  port: number,
  replicas: number,
  env: texts,
  secretEnv: list(text),
  command: list(text),
  volumes: list(text),
  networks: list(text),
  memory: number,
  cpus: number,
  labels: texts,
  logDriver: text,
  logOptions: texts,
  stopTimeout: number,
  health,
});

export const release = object<Release>({
  version: text,
  image: text,
  imageId: text,
  digest: text,
  order: number,
  state: word('candidate', 'live', 'standby', 'stopped', 'failed'),
  verifiedAt: or(text, ''),
  registeredAt: text,
  spec,
  instances: list(instance),
  run,
});

const route = object<Route>({
  listen: list(text),
  serverName: list(text),
  pathPrefix: text,
  tls: nullable(object<{ readonly certificate: string; readonly key: string }>({ certificate: text, key: text })),
  template: nullable(text),
  redirect: or<readonly string[] | undefined>(list(text), undefined),
  maintenancePage: or<string | undefined>(text, undefined),
});

const plan = object<TrafficPlan>({
  targets: list(object<Target>({ version: text, weight: number })),
  rules: list(object<MatchRule>({ kind: word('header', 'cookie'), name: text, value: text, version: text })),
  sticky: boolean,
  mirror: nullable(object<{ readonly version: string; readonly share: number }>({ version: text, share: number })),
  maintenance: nullable(object<{ readonly retryAfter: number }>({ retryAfter: number })),
});

export const traffic = object<Traffic>({ generation: number, route, plan });

/** A word that is only shown to people: a newer version may use one that this version does not know. */
const shown = text as Shape<never>;

export const journal = object<Journal>({
  operation: shown,
  phase: word('intent', 'activating', 'draining'),
  version: text,
  from: nullable(traffic),
  retiring: list(
    object<Retirement>({
      version: text,
      keep: word('running', 'stopped', 'none'),
      deadline: number,
      forget: or<boolean | undefined>(boolean, undefined),
    }),
  ),
  startedAt: text,
  run,
  reason: text,
});

export const historyEvent = object<HistoryEvent>({
  at: text,
  event: shown,
  version: text,
  detail: text,
  reason: text,
  run,
});

export const evidence = object<Evidence>({
  gate: text,
  verdict: word('pass', 'fail', 'inconclusive'),
  at: text,
  reportDigest: text,
  facts: texts,
  runUrl: text,
});

/** The holder of a lease. */
export const holder = object<{
  readonly run: RunIdentity;
  readonly operation: string;
  readonly version: string;
  readonly reason: string;
  readonly since: string;
}>({ run, operation: text, version: text, reason: text, since: text });
