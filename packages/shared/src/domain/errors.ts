/** What the user can put right: a bad input, a missing tool, a host that is not prepared. */
export class UserError extends Error {
  override readonly name = 'UserError';
  /** What to change, as an imperative sentence. */
  readonly remedy: string | undefined;
  constructor(message: string, remedy?: string, options?: ErrorOptions) {
    super(message, options);
    this.remedy = remedy;
  }
}

/** A delivery that could not be completed. `serving` says what still answers the users. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly serving: string | undefined;
  constructor(message: string, serving?: string, options?: ErrorOptions) {
    super(message, options);
    this.serving = serving;
  }
}

/** The lease was lost (expired and taken over), so a write was refused. Nothing was written. */
export class StaleLeaseError extends Error {
  override readonly name = 'StaleLeaseError';
}

/** A part the delivery stands on (Redis, Docker, Nginx) does not answer. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly part: string;
  constructor(part: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.part = part;
  }
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
