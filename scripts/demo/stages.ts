import { runAction } from '../../test/support/run-action.ts';
import type { Application, Version } from './application.ts';
import type { World } from './world.ts';

export interface Stage {
  readonly title: string;
  readonly milliseconds: number;
  readonly note: string;
}

type Inputs = Readonly<Record<string, string>>;
type Outputs = Readonly<Record<string, string>>;

interface How {
  readonly expected?: 'passes' | 'fails';
  readonly cwd?: string;
}

/** Lines of an action's log that are shown. */
const MOST_LINES = 16;

/** Not a deployment action: it knows neither app nor registry. */
const GATES = new Set(['build-image', 'security-scan', 'perf-test']);

/** Runs bundles as a workflow does, tells what happens, and keeps the times. */
export class Stages {
  readonly done: Stage[] = [];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** Runs one action. With `expected: 'fails'` a failing step is what is wanted. Throws when it ends otherwise. */
  async run(title: string, action: string, inputs: Inputs, how: How = {}): Promise<Outputs> {
    process.stdout.write(`\n▸ ${title}  (${action})\n`);
    const all = GATES.has(action) ? inputs : { ...this.#world.inputs, ...inputs };
    const show = teller();
    const result = await runAction(action, all, {
      temp: this.#world.directory,
      cwd: how.cwd ?? process.cwd(),
      onLine: show,
      seconds: 600,
    });
    const failed = result.code !== 0;
    const expected = how.expected ?? 'passes';
    if (failed !== (expected === 'fails')) {
      throw new Error(`${title}: ${action} ${failed ? 'failed' : 'did not fail'}.`);
    }
    const note = noteOf(action, result.outputs);
    const seconds = (result.milliseconds / 1000).toFixed(1);
    process.stdout.write(`  ${failed ? 'failed, as it should' : 'done'} in ${seconds} s${note && `: ${note}`}\n`);
    this.done.push({ title, milliseconds: result.milliseconds, note });
    return result.outputs;
  }

  /** Build, scan, start and register one version. Returns the URL of one instance. */
  async candidate(version: string, app: Version & Application): Promise<string> {
    const { image = '' } = await this.run(
      `${version}: build`,
      'build-image',
      { image: app.repository, version, 'build-args': app.buildArgs },
      { cwd: app.directory },
    );
    this.#world.built(image);
    await this.run(`${version}: security`, 'security-scan', { image, 'fail-on': 'critical' });
    const { url = '' } = await this.run(`${version}: start and register`, 'register-container', {
      image,
      version,
      port: app.port === '' ? await this.#exposed(image) : app.port,
      replicas: '2',
      'health-path': app.healthPath,
      'health-status': '200-399',
      'health-stable': '1s',
    });
    return url;
  }

  /** Loads a candidate directly; only where containers can be reached from here. */
  async perfTest(title: string, url: string): Promise<void> {
    if (process.platform !== 'linux') {
      process.stdout.write(`\n▸ ${title}: skipped, the container's address cannot be reached from this system\n`);
      return;
    }
    await this.run(title, 'perf-test', {
      'target-url': url,
      rate: '100',
      duration: '3s',
      thresholds: 'error-rate<1%\np95<500ms',
    });
  }

  async #exposed(image: string): Promise<string> {
    const { Config } = await this.#world.docker.getImage(image).inspect();
    const [port] = Object.keys(Config.ExposedPorts ?? {});
    if (port === undefined) throw new Error('The image exposes no port: name it with `--port`.');
    return port.replace('/tcp', '');
  }
}

/** Shows a job's log as a person reads it: without workflow commands, indented, long groups cut. */
function teller(): (line: string) => void {
  let shown = 0;
  return (line) => {
    if (line.trim() === '' || /^::(endgroup|add-mask|debug|set-output|save-state)/.test(line)) return;
    const text = line.replace(/^::group::/, '').replace(/^::(warning|error|notice)[^:]*::/, '$1: ');
    shown += 1;
    if (shown <= MOST_LINES) process.stdout.write(`  │ ${text.slice(0, 160)}\n`);
    if (shown === MOST_LINES + 1) process.stdout.write('  │ …\n');
  };
}

function noteOf(action: string, outputs: Outputs): string {
  const notes: Readonly<Record<string, () => string>> = {
    'switch-traffic': () => `generation ${outputs['generation']}, confirmed in ${outputs['duration-ms']} ms`,
    rollback: () =>
      `${outputs['from-version']} → ${outputs['live-version']}, confirmed in ${outputs['duration-ms']} ms`,
    verify: () => `${outputs['verdict']}, ${outputs['failed']} of ${outputs['checked']} checks failed`,
    'security-scan': () => `${outputs['verdict']}, ${outputs['findings']} findings`,
    'perf-test': () => `${outputs['verdict']}, p95 ${outputs['p95']}, ${outputs['rps']} requests/s`,
  };
  return notes[action]?.() ?? '';
}
