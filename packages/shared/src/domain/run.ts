/** Who acts: shown to whoever waits for the lease, and kept in the history. */
export interface RunIdentity {
  readonly actor: string;
  /** The workflow run's address, or where a local command runs. */
  readonly url: string;
  readonly sha: string;
  /** Unique per run and attempt: the same run continues its own work. */
  readonly id: string;
}
