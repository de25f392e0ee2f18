import { encodeRequest, ProtocolError, ResponseReader } from '@cd-actions/shared/gates/load/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** Feeds the bytes cut at the given places; what came of it. */
function read(bytes: string, cuts: readonly number[] = [], headRequest = false) {
  const reader = new ResponseReader(headRequest, 'x-version');
  const all = Buffer.from(bytes, 'latin1');
  const places = [...new Set(cuts.map((cut) => cut % all.length))].filter((cut) => cut > 0).sort((a, b) => a - b);
  let complete = false;
  for (const [index, from] of [0, ...places].entries())
    complete = reader.feed(all.subarray(from, places[index] ?? all.length));
  return {
    complete,
    status: reader.status,
    version: reader.version,
    keepAlive: reader.keepAlive,
    bytes: reader.bodyBytes,
  };
}

const whole = { complete: true, status: 200, version: 'v2', keepAlive: true };

describe('an answer', () => {
  const answers: readonly [what: string, bytes: string, expected: object, headRequest?: boolean][] = [
    ['with a length', 'HTTP/1.1 200 OK\r\nX-Version: v2\r\nContent-Length: 5\r\n\r\nhello', { ...whole, bytes: 5 }],
    ['without a body', 'HTTP/1.1 204 No Content\r\nx-version:v2\r\n\r\n', { ...whole, status: 204, bytes: 0 }],
    ['to HEAD', 'HTTP/1.1 200 OK\r\nX-Version: v2\r\nContent-Length: 5\r\n\r\n', { ...whole, bytes: 0 }, true],
    [
      'in chunks, with an extension and a trailer',
      'HTTP/1.1 200 OK\r\nX-Version: v2\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n',
      { ...whole, bytes: 15 },
    ],
    [
      'after an interim one',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX-Version: v2\r\nContent-Length: 1\r\n\r\nx',
      { ...whole, bytes: 1 },
    ],
    [
      'that closes',
      'HTTP/1.1 200 OK\r\nX-Version: v2\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n',
      { ...whole, keepAlive: false, bytes: 0 },
    ],
    [
      'of HTTP/1.0',
      'HTTP/1.0 200 OK\r\nX-Version: v2\r\nContent-Length: 1\r\n\r\nx',
      { ...whole, keepAlive: false, bytes: 1 },
    ],
    [
      'that ends with the connection',
      'HTTP/1.1 200 OK\r\nX-Version: v2\r\n\r\nall of it',
      { ...whole, complete: false, keepAlive: false, bytes: 9 },
    ],
  ];

  it.each(answers)('%s reads the same however it is cut into pieces', (_what, bytes, expected, headRequest) => {
    expect(read(bytes, [], headRequest)).toEqual(expected);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        expect(read(bytes, cuts, headRequest)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['no status line', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['another protocol, before the head has ended', 'RTSP/1.0 200'],
    ['a header without colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['a chunk without size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'],
    ['a chunk longer than its size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\nA: ${'a'.repeat(70_000)}`],
  ])('with %s is not HTTP', (_what, bytes) => {
    expect(() => read(bytes)).toThrow(ProtocolError);
  });

  it('with surplus bytes spoils the connection', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK')).toMatchObject({
      complete: true,
      keepAlive: false,
    });
  });
});

it('a request is written whole, with what the user did not give', () => {
  const url = new URL('http://[::1]:8080/a%20b?c=d#e');
  const bytes = encodeRequest({
    url,
    method: 'POST',
    headers: { Accept: 'text/plain' },
    body: Buffer.from('ü'),
    close: false,
  });
  expect(bytes.toString('utf8')).toBe(
    'POST /a%20b?c=d HTTP/1.1\r\nHost: [::1]:8080\r\nUser-Agent: cd-actions-perf-test\r\nAccept: text/plain\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nü',
  );
});
