import {
  type Input,
  maybe,
  notYet,
  optional,
  type Problem,
  problem,
  required,
  secret,
  type Values,
} from '@cd-actions/shared/action/inputs';
import { boolean, type Grammar, list, mapped, oneOf, pattern, Refused, text } from '@cd-actions/shared/domain/grammar';
import { repositoryName, versionName } from '@cd-actions/shared/domain/names';

/** A path inside the workspace. Symbolic links are followed and checked once the workspace is known. */
const workspacePath: Grammar<string> = {
  allowed: 'a path inside the workspace',
  parse(raw) {
    text('', { maxLength: 1024 }).parse(raw);
    if (/^[a-z][a-z0-9+.-]*:\/\/|^git@/i.test(raw))
      throw new Refused('is a URL; check the repository out (actions/checkout) and give its directory');
    let depth = 0;
    for (const part of raw.split(/[\\/]/)) {
      depth += part === '..' ? -1 : part === '' || part === '.' ? 0 : 1;
      if (depth < 0) throw new Refused('leaves the workspace');
    }
    return raw;
  },
};

/** `NAME=value`, the value any text of one line. */
function assignment(allowed: string, name: RegExp): Grammar<readonly [string, string]> {
  return {
    allowed,
    parse(raw) {
      const equals = raw.indexOf('=');
      if (equals < 1) throw new Refused('has no `=`');
      const key = raw.slice(0, equals).trim();
      if (!name.test(key)) throw new Refused('has a name that is not allowed');
      return [key, text('').parse(raw.slice(equals + 1))] as const;
    },
  };
}

type Pairs = Readonly<Record<string, string>>;

function pairs(item: Grammar<readonly [string, string]>, max?: number): Grammar<Pairs> {
  const options = max === undefined ? {} : { max };
  return mapped(list(item, options), (items): Pairs => {
    const names = items.map(([name]) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new Refused(`gives ${JSON.stringify(twice)} twice`);
    return Object.fromEntries(items);
  });
}

const none: Pairs = {};
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const buildArgs = pairs(assignment('`NAME=value`', VARIABLE));
const labels = pairs(assignment('`name=value`', /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$/));
const secrets = pairs(assignment('`id=value`', /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/), 100);

/** What stands behind the `=` of each line. */
const secretValues = (raw: string): readonly string[] =>
  raw.split(/\r?\n/).flatMap((line) => (line.includes('=') ? [line.slice(line.indexOf('=') + 1).trim()] : []));

/** A tag of the image, or a whole reference. */
const extraTag: Grammar<string> = {
  allowed: 'a tag such as `latest`, or `repository:tag`',
  parse(raw) {
    const slash = raw.lastIndexOf('/');
    const colon = raw.lastIndexOf(':');
    if (colon <= slash) {
      if (slash >= 0) throw new Refused('has no tag');
      return versionName.parse(raw);
    }
    return `${repositoryName.parse(raw.slice(0, colon))}:${versionName.parse(raw.slice(colon + 1))}`;
  },
};

const stage = pattern('the name or number of a build stage', /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/, 128);
const platform = pattern('a platform such as `linux/arm64`', /^[a-z0-9_]+(?:\/[a-z0-9_]+){1,2}$/, 64);
const platforms = mapped(list(platform, { commas: true, max: 20 }), (items): readonly string[] => [...new Set(items)]);
/** Handed to Buildx as one argument behind its option; it has no spaces and cannot be an option itself. */
const cache = pattern('an image, or `type=…,…` as Buildx takes it', /^[A-Za-z0-9][A-Za-z0-9_.,:=@/+~-]{0,1023}$/, 1024);
const userName = text('a user name', { maxLength: 255 });
const password = text('a password or token', { maxLength: 16_384 });

export const inputs = {
  image: required(repositoryName),
  version: maybe(versionName, ''),
  context: optional(workspacePath, '.'),
  file: optional(workspacePath, 'Dockerfile'),
  target: maybe(stage, ''),
  'build-args': maybe(buildArgs, none),
  labels: maybe(labels, none),
  tags: maybe(list(extraTag, { commas: true, max: 100 }), [] as readonly string[]),
  secrets: secret(maybe(secrets, none), secretValues),
  platforms: maybe(platforms, [] as readonly string[]),
  'cache-from': maybe(list(cache, { max: 50 }), [] as readonly string[]),
  'cache-to': maybe(list(cache, { max: 50 }), [] as readonly string[]),
  'no-cache': optional(boolean, 'false'),
  pull: optional(boolean, 'false'),
  push: optional(boolean, 'false'),
  'registry-username': maybe(userName, '') as Input<string>,
  'registry-password': secret(maybe(password, '') as Input<string>),
  builder: optional(oneOf('auto', 'buildx', 'engine'), 'auto'),
  tests: maybe(workspacePath, ''),
} as const;

export type BuildInputs = Values<typeof inputs>;

/** What contradicts itself. */
export function check(values: BuildInputs): readonly Problem[] {
  const problems: Problem[] = [];
  const add = (input: string, message: string): void => void problems.push(problem(input, message));
  if ((values['registry-username'] === '') !== (values['registry-password'] === ''))
    add(
      values['registry-username'] === '' ? 'registry-username' : 'registry-password',
      'a login takes both `registry-username` and `registry-password`. Give both or neither.',
    );
  if (values.builder === 'engine') {
    const buildx = { secrets: values.secrets, platforms: values.platforms, 'cache-to': values['cache-to'] };
    for (const [name, value] of Object.entries(buildx))
      if (Object.keys(value).length > 0)
        add(name, 'takes BuildKit, which `builder: engine` does not use. Set `builder` to `auto` or `buildx`.');
  }
  if (values.platforms.length > 1 && !values.push)
    add(
      'platforms',
      'an image of several platforms cannot stay on the engine. Set `push: true`, or name one platform.',
    );
  if (values.tests !== '') problems.push(notYet('tests', 'Leave it out, and test the image in a step of its own.'));
  return problems;
}
