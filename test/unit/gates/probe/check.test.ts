import { check } from '@cd-actions/shared/gates/probe/check';
import { judge, under } from '@cd-actions/shared/gates/probe/checks';
import type { Answer } from '@cd-actions/shared/gates/probe/http';
import { describe, expect, it } from 'vitest';

const answer = (change: Partial<Answer> = {}): Answer => ({
  ...{ status: 200, version: 'v2', truncated: false, milliseconds: 20, failure: null, error: '' },
  headers: { 'content-type': 'application/json; charset=utf-8', 'x-version': 'v2' },
  body: '{"items":[{"name":"a b","price":2.5},{}],"ok":true,"none":null,"odd key":{"length":7},"text":"four"}',
  ...change,
});
const reasons = (text: string, change: Partial<Answer> = {}, version?: string) =>
  judge(check.parse(text), answer(change), version);

describe('a check is met', () => {
  it.each([
    'GET / 200',
    'GET / 200-299',
    'GET / 204,200,301-308',
    'GET / 200 json:$.items.length>0 <500ms',
    'GET / 200 json:$.items[0].name="a b"',
    'GET / 200 json:$.items[0].price>=2.5 json:$.items[0].price<3',
    'GET / 200 json:$.ok==true json:$.none==null',
    'GET / 200 json:$["odd key"].length=7',
    'GET / 200 json:$.text.length==4 json:$.text!=five json:$.text=four',
    'GET / 200 json:$.items[1]',
    'GET / 200 header:Content-Type~json header:x-version=v2 header:X-Version',
    'GET / 200 header:Content-Type="application/json; charset=utf-8"',
    'GET / 200 body:/"ok":true/',
    'GET / 200 body:/a b/ <=20ms',
  ])('%s', (text) => {
    expect(reasons(text)).toEqual([]);
  });
});

describe('a check is not met, and says why', () => {
  it.each([
    ['GET / 201-299', 'status 200 instead of 201-299'],
    ['GET / 200 json:$.items.length>2', 'json:$.items.length>2: found 2'],
    ['GET / 200 json:$.missing', 'json:$.missing: there is nothing at this path'],
    ['GET / 200 json:$.missing!=1', 'json:$.missing!=1: there is nothing at this path'],
    ['GET / 200 json:$.text>3', 'json:$.text>3: found "four"'],
    ['GET / 200 json:$.constructor', 'json:$.constructor: there is nothing at this path'],
    ['GET / 200 json:$.__proto__.length', 'json:$.__proto__.length: there is nothing at this path'],
    ['GET / 200 header:X-None', 'the answer has no header X-None'],
    ['GET / 200 header:X-Version=v1', 'header X-Version is "v2", which is not header:X-Version=v1'],
    ['GET / 200 body:/a.b/', 'the body does not contain "a.b"'],
    ['GET / 200 <20ms', 'took 20 ms, not <20ms'],
  ])('%s', (text, why) => {
    expect(reasons(text)).toEqual([why]);
  });

  it('when the body is not JSON, is too large, or another version answered', () => {
    expect(reasons('GET / 200 json:$.a', { body: '<html>' })).toEqual(['the body is not JSON']);
    expect(reasons('GET / 200 json:$.a', { truncated: true })[0]).toMatch(/larger than 1 MiB/);
    expect(reasons('GET / 200', {}, 'v3')).toEqual(['version v2 answered instead of v3']);
    expect(reasons('GET / 200', { version: '' }, 'v3')).toEqual(['the answer names no version']);
  });
});

it.each([
  ['', /GET, HEAD or OPTIONS/],
  ['POST / 200', /changes nothing/],
  ['get / 200', /GET, HEAD or OPTIONS/],
  ['GET health 200', /begins with/],
  ['GET /', /one status/],
  ['GET / 200 201', /one status/],
  ['GET / 299-200', /no status/],
  ['GET / 2000', /no status/],
  ['GET / 200 wat', /no expectation/],
  ['GET / 200 <5', /not a duration/],
  ['GET / 200 <5s <6s', /more than one time/],
  ['GET / 200 json:a', /begins with `\$`/],
  ['GET / 200 json:$.a[*]', /no JSON path/],
  ['GET / 200 json:$.a>"x"', /no number/],
  ['GET / 200 json:$.a=x;y', /double quotes/],
  ['GET / 200 body:/', /body:/],
  ['GET / 200 header:=x', /header:/],
  ['GET / 200 "open', /not closed/],
  ['HEAD / 200 body:/x/', /HEAD/],
])('refuses %s', (text, why) => {
  expect(() => check.parse(text)).toThrow(why);
});

it('a check asks below the path of the base URL and never another host', () => {
  expect(under('http://shop/base/', '/health?x=1').href).toBe('http://shop/base/health?x=1');
  expect(under('http://shop', '//evil.org/x').host).toBe('shop');
  expect(under('http://shop/', '/@evil.org').host).toBe('shop');
});
