/**
 * Output of a foreign program as it may stand in a workflow log: a line that the runner would take for a workflow command
 * (`::name::`, `##[name]`) is made harmless. See https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
 */
export function inert(line: string): string {
  return line.replace(/^\s*::/, '> ::').replaceAll('##[', '# #[');
}

/** Splits at line ends and at carriage returns, which progress bars use; drops the empty end. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/**
 * The text of a container's log as the Engine API sends it: frames of 8 bytes header and payload, or plain text when the container has
 * a terminal (https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Container/operation/ContainerAttach).
 */
export function demultiplex(log: Buffer, tty: boolean): string {
  if (tty) return log.toString('utf8');
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= log.length) {
    const length = log.readUInt32BE(at + 4);
    parts.push(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString('utf8');
}

/**
 * The values of a stream of JSON texts, one a line or, as Buildx 0.13 writes them, indented over several. A line that is no JSON goes
 * to `other`.
 */
export async function* jsonLines(
  stream: AsyncIterable<Buffer | string>,
  other: (line: string) => void = () => undefined,
): AsyncGenerator<unknown> {
  const decoder = new TextDecoder();
  let rest = '';
  let indented: string[] = [];
  for await (const chunk of stream) {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (indented.length === 0 && line !== '{') {
        yield* parsed(line, other);
        continue;
      }
      indented.push(line);
      if (line !== '}') continue;
      yield* parsed(indented.join('\n'), other);
      indented = [];
    }
  }
  for (const line of [...indented, rest]) yield* parsed(line, other);
}

function* parsed(line: string, other: (line: string) => void): Generator<unknown> {
  if (line.trim() === '') return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    other(line);
    return;
  }
  if (typeof value === 'object' && value !== null) yield value;
  else other(line);
}
