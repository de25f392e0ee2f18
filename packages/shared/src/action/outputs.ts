/** How each output of an action is read off its result. The keys are the contract: `action.yml` lists the same. */
export type Outputs<R> = Readonly<Record<string, (result: R) => string | number | boolean>>;

/** All outputs of a result as strings. */
export function toOutputs<R>(outputs: Outputs<R>, result: R): Record<string, string> {
  return Object.fromEntries(Object.entries(outputs).map(([name, read]) => [name, String(read(result))]));
}
