import type { ConfigFault } from './config-checks.ts';
import type { LayerEntry } from './contents.ts';
import type { Overlay } from './overlay.ts';
import type { RuleId } from './rules.ts';

const PASSWD = 'etc/passwd';
const SHADOW = 'etc/shadow';

interface Accounts {
  /** The configuration's fault with the user looked up: a name may well mean root. */
  readonly resolveUser: (fault: ConfigFault) => ConfigFault;
  /** Rule, path, layer from 1, detail. */
  readonly faults: readonly (readonly [RuleId, string, number, string])[];
}

interface Lines {
  readonly layer: number;
  readonly fields: readonly (readonly string[])[];
}

/** The image's account files: those of each layer are kept until it is known which of them stands. */
export class AccountFiles {
  readonly #texts = new Map<string, string>();

  add({ layer, path }: LayerEntry, text: string): void {
    if (path === PASSWD || path === SHADOW) this.#texts.set(`${layer} ${path}`, text);
  }

  /** @param layers the names of the layers, the base first. */
  final(layers: readonly string[], overlay: Overlay): Accounts {
    const passwd = this.#visible(PASSWD, layers, overlay);
    const shadow = this.#visible(SHADOW, layers, overlay);
    const rootNames = new Set(passwd.fields.filter(([, , uid]) => uid === '0').map(([name]) => name));
    const second = passwd.fields.filter(([name, , uid]) => uid === '0' && name !== 'root');
    return {
      resolveUser: (fault) => {
        const name = /^the user is (.+)$/.exec(fault.detail)?.[1];
        return fault.rule === 'CD002' && rootNames.has(name)
          ? { ...fault, rule: 'CD001', detail: `the user is ${name}, which has user id 0` }
          : fault;
      },
      faults: [
        ...second.map(([name]) => ['CD003', PASSWD, passwd.layer, `account ${name}`] as const),
        ...withoutPassword(passwd).map((name) => ['CD004', PASSWD, passwd.layer, `account ${name}`] as const),
        ...withoutPassword(shadow).map((name) => ['CD004', SHADOW, shadow.layer, `account ${name}`] as const),
      ],
    };
  }

  #visible(path: string, layers: readonly string[], overlay: Overlay): Lines {
    const index = layers.findLastIndex((layer) => this.#texts.has(`${layer} ${path}`));
    if (index < 0 || overlay.goneIn(path, index, layers) !== null) return { layer: 0, fields: [] };
    const text = this.#texts.get(`${layers[index]} ${path}`) ?? '';
    return { layer: index + 1, fields: text.split('\n').map((line) => line.trim().split(':')) };
  }
}

/** passwd(5) and shadow(5): the second field is the password; `x` refers to the other file, `!` and `*` lock. */
function withoutPassword({ fields }: Lines): readonly string[] {
  return fields.flatMap(([name = '', password, ...rest]) =>
    name !== '' && password === '' && rest.length > 0 ? [name] : [],
  );
}
