/** What `scripts/demo.mjs` found and was asked for. */
export interface Settings {
  /** The directory of the user's own application; absent for the sample. */
  readonly app?: string;
  readonly keep: boolean;
  /** The port that the user's application listens on; absent: what its image exposes. */
  readonly port?: string;
  readonly health?: string;
  /** Between the steps of the canary. */
  readonly seconds: number;
  readonly socket: string;
  readonly images: { readonly nginx: string; readonly redis: string; readonly node?: string };
}

export function readSettings(json: string | undefined): Settings {
  if (json === undefined) throw new Error('Run `npm run demo`, which prepares the machine first.');
  const given = JSON.parse(json) as Omit<Settings, 'seconds'> & { seconds?: string };
  return { ...given, seconds: Number(given.seconds ?? 3) };
}
