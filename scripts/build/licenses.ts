import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly license?: string;
  /** The form of old packages. */
  readonly licenses?: readonly { readonly type: string }[];
}

/** The licences of all packages that files under node_modules belong to; packages that share a text stand above it together. */
export function licensesOf(sources: Iterable<string>): string {
  const packages = new Map<string, string>();
  for (const source of sources) {
    const directory = packageOf(source);
    if (directory) packages.set(directory, '');
  }
  const byText = new Map<string, string[]>();
  for (const directory of packages.keys()) {
    const { name, version, license, licenses } = manifestOf(directory);
    const terms = license ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'no stated licence';
    const text = textOf(directory) ?? `Licensed under ${terms}.`;
    byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${terms})`]);
  }
  const sections = [...byText].map(([text, names]) => `${[...new Set(names)].sort().join('\n')}\n\n${text}\n`);
  const rule = `\n${'-'.repeat(80)}\n\n`;
  return `Third-party packages in these bundles, and their licences.\n${rule}${sections.sort().join(rule)}`;
}

function packageOf(source: string): string | undefined {
  if (!/\/node_modules\//.test(source) || !/\.[cm]?js$/.test(source)) return undefined;
  for (let directory = dirname(source); !/\/node_modules$/.test(directory); directory = dirname(directory)) {
    if (existsSync(join(directory, 'package.json')) && manifestOf(directory).version) return directory;
  }
  return undefined;
}

function manifestOf(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

function textOf(directory: string): string | undefined {
  const file = readdirSync(directory)
    .sort()
    .find((name) => /^(licen[cs]e|copying)([.-](md|txt|mit|bsd))?$/i.test(name));
  return file ? readFileSync(join(directory, file), 'utf8').replaceAll('\r\n', '\n').trim() : undefined;
}
