/**
 * What a container printed, apart by stream, from the engine's framed log: one byte of stream (1, 2), three of nothing, four of length
 * (docs.docker.com, Engine API, "Attach to a container").
 */
export function framesOf(log: Buffer): { readonly stdout: string; readonly stderr: string } {
  const pieces: Record<1 | 2, Buffer[]> = { 1: [], 2: [] };
  for (let at = 0; at + 8 <= log.length; ) {
    const stream = log[at] === 2 ? 2 : 1;
    const length = log.readUInt32BE(at + 4);
    pieces[stream].push(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(pieces[1]).toString('utf8'), stderr: Buffer.concat(pieces[2]).toString('utf8') };
}
