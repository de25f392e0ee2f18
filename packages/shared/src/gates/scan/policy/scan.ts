import { type Finding, scoreWithin, type Where } from '../finding.ts';
import type { ScanResult } from '../scanner.ts';
import { AccountFiles } from './accounts.ts';
import type { Candidate } from './candidate.ts';
import { type ConfigFault, checkConfig } from './config-checks.ts';
import { checkText, READ_LIMIT, readText } from './content-checks.ts';
import type { ImageContents, LayerEntry } from './contents.ts';
import { grouped, type Settled } from './grouping.ts';
import { checkHistory } from './history-checks.ts';
import { checkEntry } from './mode-checks.ts';
import { Overlay } from './overlay.ts';
import { type RuleId, ruleOf } from './rules.ts';

/** The name of the built-in scanner. */
export const POLICY = 'policy';
/** Grows with the rules. */
export const POLICY_VERSION = '1.0.0';
/** An image with more suspicious files than this is not judged: to keep a part of them could hide the rest. */
const MAX_CANDIDATES = 200_000;

/**
 * Applies all rules to an image, reading it once as it streams by. Memory grows with the number of its files (8 bytes each) and of its
 * faults, not with its size.
 * @param options.now milliseconds since the epoch, for the age of the image.
 * @throws when the image cannot be read to its end.
 */
export async function scanContents(
  contents: ImageContents,
  options: { readonly now: number; readonly signal: AbortSignal },
): Promise<ScanResult> {
  const overlay = new Overlay();
  const accounts = new AccountFiles();
  const candidates: Candidate[] = [];
  const seen = { files: 0, cut: 0 };
  for await (const entry of contents.entries) {
    options.signal.throwIfAborted();
    if (overlay.add(entry)) continue;
    seen.files += 1;
    candidates.push(...checkEntry(entry), ...(await checkFile(entry, accounts, seen)));
    if (candidates.length > MAX_CANDIDATES)
      throw new Error(`the image has more than ${MAX_CANDIDATES} suspicious files`);
  }
  const { config, layers } = contents.manifest();
  const account = accounts.final(layers, overlay);
  const faults = [...checkConfig(config, options.now), ...checkHistory(config)].map(account.resolveUser);
  return {
    findings: [
      ...faults.map(fromFault),
      ...account.faults.map(([rule, path, layer, detail]) => finding(rule, detail, fileAt(path, layer, null, null))),
      ...grouped(settled(candidates, layers, overlay)).map(({ rule, detail, where }) => finding(rule, detail, where)),
    ],
    facts: { layers: String(layers.length), files: String(seen.files) },
    notChecked: seen.cut === 0 ? [] : [`what lies beyond the first ${READ_LIMIT / 1024} KiB of ${seen.cut} text files`],
    incomplete: [],
  };
}

async function checkFile(
  entry: LayerEntry,
  accounts: AccountFiles,
  seen: { cut: number },
): Promise<readonly Candidate[]> {
  if (entry.type !== 'file' || entry.size === 0) return [];
  const text = await readText(entry);
  if (text === null) return [];
  if (entry.size > READ_LIMIT) seen.cut += 1;
  accounts.add(entry, text);
  return checkText(entry, text);
}

/** Those that count once all layers are known; the same fault in several layers (a file copied up by `chmod`) is kept once. */
function settled(candidates: readonly Candidate[], layers: readonly string[], overlay: Overlay): readonly Settled[] {
  const kept = new Map<string, Settled>();
  for (const candidate of candidates) {
    const index = layers.indexOf(candidate.layer);
    if (index < 0) continue; // a layer of another image or platform in the same archive
    const gone = overlay.goneIn(candidate.path, index, layers);
    if (gone !== null && candidate.onlyVisible) continue;
    const key = JSON.stringify([candidate.rule, candidate.path, candidate.line, candidate.detail]);
    const known = kept.get(key);
    if (known && known.layer > index) continue;
    kept.set(key, { candidate, layer: index + 1, goneIn: gone === null ? null : gone + 1 });
  }
  return [...kept.values()];
}

function fromFault({ rule, key, detail }: ConfigFault): Finding {
  return finding(rule, detail, { kind: 'config', key });
}

function fileAt(path: string, layer: number, line: number | null, goneIn: number | null): Where {
  return { kind: 'file', path, layer, line, goneIn };
}

function finding(id: RuleId, detail: string, where: Where): Finding {
  const rule = ruleOf(id);
  return {
    id,
    aliases: [],
    title: rule.title,
    detail,
    description: rule.cis === '' ? rule.rationale : `${rule.rationale} (CIS Docker Benchmark ${rule.cis})`,
    remedy: rule.remedy,
    severity: rule.severity,
    score: scoreWithin(rule.severity),
    where,
    fixedVersion: '',
    references: rule.cis === '' ? [] : ['https://www.cisecurity.org/benchmark/docker'],
    engines: [POLICY],
  };
}
