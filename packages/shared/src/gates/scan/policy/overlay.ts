import type { LayerEntry } from './contents.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';

/** What one layer does to those below it. Paths are kept as 53-bit hashes: a layer may hold a million. */
interface LayerEffect {
  readonly paths: Set<number>;
  /** Removed files and directories (image-spec, layer.md, "Whiteouts"). */
  readonly removed: Set<string>;
  /** Directories whose lower contents are hidden. */
  readonly opaque: Set<string>;
}

/** Which files of which layer are still visible once all layers lie upon each other. */
export class Overlay {
  readonly #layers = new Map<string, LayerEffect>();

  /** Takes note of an entry; true when it is a whiteout and so no file of the image. */
  add(entry: LayerEntry): boolean {
    let layer = this.#layers.get(entry.layer);
    if (!layer) {
      layer = { paths: new Set(), removed: new Set(), opaque: new Set() };
      this.#layers.set(entry.layer, layer);
    }
    const slash = entry.path.lastIndexOf('/');
    const [directory, name] = [entry.path.slice(0, Math.max(slash, 0)), entry.path.slice(slash + 1)];
    if (name === OPAQUE) layer.opaque.add(directory);
    else if (name.startsWith(WHITEOUT)) layer.removed.add(join(directory, name.slice(WHITEOUT.length)));
    else layer.paths.add(hash(entry.path));
    return name.startsWith(WHITEOUT);
  }

  /** The index in `order` of the layer that removed or replaced a path of the layer at `index`; null while it is visible. */
  goneIn(path: string, index: number, order: readonly string[]): number | null {
    const parents = ancestors(path);
    for (let later = index + 1; later < order.length; later++) {
      const layer = this.#layers.get(order[later] ?? '');
      if (!layer) continue;
      const removed = [path, ...parents].some((each) => layer.removed.has(each));
      if (removed || layer.paths.has(hash(path)) || parents.some((each) => layer.opaque.has(each))) return later;
    }
    return null;
  }
}

const join = (directory: string, name: string): string => (directory === '' ? name : `${directory}/${name}`);

/** The directories above a path, the root as an empty string. */
function ancestors(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index).join('/'));
}

/** Two independent 32-bit hashes (FNV-1a with different offsets and a final mix), joined to 53 bits. */
function hash(text: string): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return ((b >>> 0) & 0x1fffff) * 0x1_0000_0000 + (a >>> 0);
}
