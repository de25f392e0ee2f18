/** What a script run beside Nginx gave back. */
export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A request to the private server of an Nginx; `write` and `script` happen first, in this order, in the same round trip. */
export interface Exchange {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string;
  /** A shell command that has to succeed before anything else is done; when it fails, the answer's status is 412. */
  readonly guard?: string;
  /** Replaced atomically before the request is sent. */
  readonly write?: { readonly path: string; readonly content: string };
  /** The request is sent whatever it exits with. */
  readonly script?: string;
}

export interface Answer {
  /** 0 when there was none. */
  readonly status: number;
  readonly body: string;
  /** What `script` wrote to its standard output. */
  readonly output: string;
}

/**
 * The machine or container that an Nginx runs in: everything that differs between the two, and nothing else.
 * Throws `UnavailableError` when it cannot be reached at all.
 */
export interface NginxHost {
  /** Runs a POSIX shell script. Never rejects for its exit code. */
  run(script: string, timeoutMs?: number): Promise<Ran>;
  /** On a fresh connection. */
  admin(exchange: Exchange): Promise<Answer>;
  probe(
    address: string,
    port: number,
    path: string,
    timeoutMs: number,
  ): Promise<{ status: number; error: string; milliseconds: number }>;
  close(): Promise<void>;
}

/** A word for a POSIX shell, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** Shell lines that write a file whole, by rename, so that no reader ever sees half of it. */
export function writeLines(path: string, content: string, mode = '644'): string {
  const body = content.endsWith('\n') ? content : `${content}\n`;
  let end = 'CD_END';
  while (body.includes(end)) end += '_';
  const temporary = quote(`${path}.new`);
  return `cat > ${temporary} <<'${end}'\n${body}${end}\nchmod ${mode} ${temporary} && mv -f ${temporary} ${quote(path)}\n`;
}

/** The curl call of an exchange: the token comes from a file, so that no process list shows it. */
export function curlLines(exchange: Exchange, port: number, headerFile: string): string {
  const data = exchange.write
    ? ` --data-binary @${quote(exchange.write.path)}`
    : exchange.body === undefined
      ? ''
      : ` --data-binary ${quote(exchange.body)}`;
  return `curl -s -m 5 -X ${exchange.method} -H @${quote(headerFile)} -H 'Content-Type: application/json'${data} -w '\\n%{http_code}' ${quote(`http://127.0.0.1:${port}${exchange.path}`)}\n`;
}
