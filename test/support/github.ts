import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import description from '../fixtures/github/openapi.json' with { type: 'json' };

interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
}

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly schema: Schema;
  }[];
  readonly requestBody: Schema | null;
}

interface Record_ {
  [key: string]: unknown;
}

export interface Call {
  readonly operation: string;
  readonly path: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * GitHub's REST API at the level of HTTP, as far as the suite uses it: each request has to fit GitHub's published description, what was
 * written can be read again. What does not fit is in `wrong`.
 */
export class GitHubStandIn {
  readonly calls: Call[] = [];
  readonly wrong: string[] = [];
  readonly deployments: Record_[] = [];
  readonly statuses: Record_[] = [];
  readonly comments: Record_[] = [];
  readonly issues: Record_[] = [];
  pulls: { number: number }[] = [];
  commits: { sha: string; commit: { message: string } }[] = [];
  /** Operations that the token lacks the right for. */
  readonly denied = new Set<string>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async open(): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url ?? '/', this.url);
    const found = match(request.method ?? '', url.pathname);
    const send = (status: number, value: unknown): void => {
      response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8' }).end(JSON.stringify(value));
    };
    if (!found) {
      this.wrong.push(`no such operation: ${request.method} ${url.pathname}`);
      return send(404, { message: 'Not Found' });
    }
    const { operation, path } = found;
    const body = (text === '' ? {} : JSON.parse(text)) as Record_;
    this.wrong.push(
      ...misfits(operation, path, url.searchParams, body).map((each) => `${operation.operationId}: ${each}`),
    );
    if (request.headers.authorization !== 'token secret-token') return send(401, { message: 'Bad credentials' });
    if (this.denied.has(operation.operationId)) return send(403, { message: 'Resource not accessible by integration' });
    this.calls.push({ operation: operation.operationId, path, body });
    const [status, value] = this.#do(operation.operationId, path, body, url.searchParams);
    send(status, value);
  }

  #do(
    operation: string,
    path: Readonly<Record<string, string>>,
    body: Record_,
    query: URLSearchParams,
  ): [number, unknown] {
    const numbered = (list: Record_[], more: Record_): Record_ => {
      const made = {
        id: list.length + 1,
        number: list.length + 1,
        html_url: `https://github.test/${list.length + 1}`,
        ...more,
      };
      list.push(made);
      return made;
    };
    const page = (list: Record_[]): Record_[] => {
      const size = Number(query.get('per_page') ?? 30);
      return list.slice((Number(query.get('page') ?? 1) - 1) * size).slice(0, size);
    };
    const of = (list: Record_[], id: string | undefined): Record_ =>
      list.find((each) => String(each['id']) === id) ?? {};
    switch (operation) {
      case 'repos/create-deployment':
        return [201, numbered(this.deployments, body)];
      case 'repos/create-deployment-status':
        return [201, numbered(this.statuses, { ...body, deployment: Number(path['deployment_id']) })];
      case 'repos/list-pull-requests-associated-with-commit':
        return [200, this.pulls];
      case 'issues/list-comments':
        return [200, page(this.comments.filter((each) => String(each['issue']) === path['issue_number']))];
      case 'issues/create-comment':
        return [201, numbered(this.comments, { ...body, issue: Number(path['issue_number']) })];
      case 'issues/update-comment':
        return [200, Object.assign(of(this.comments, path['comment_id']), body)];
      case 'repos/compare-commits-with-basehead':
        return [
          200,
          { commits: this.commits, total_commits: this.commits.length, html_url: 'https://github.test/compare' },
        ];
      case 'issues/list-for-repo':
        return [200, page(this.issues.filter((each) => each['state'] === query.get('state')))];
      case 'issues/create':
        return [201, numbered(this.issues, { state: 'open', ...body })];
      case 'issues/update':
        return [200, Object.assign(of(this.issues, path['issue_number']), body)];
      default:
        return [500, { message: `the stand-in does not do ${operation}` }];
    }
  }
}

function match(method: string, pathname: string): { operation: Operation; path: Record<string, string> } | null {
  for (const [template, operations] of Object.entries(description.paths)) {
    const pattern = new RegExp(`^${template.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)')}$`);
    const found = pattern.exec(pathname);
    const operation = (operations as unknown as Record<string, Operation>)[method.toLowerCase()];
    if (found && operation) return { operation, path: { ...found.groups } };
  }
  return null;
}

/** What in a request is not as the description has it. */
function misfits(
  operation: Operation,
  path: Readonly<Record<string, string>>,
  query: URLSearchParams,
  body: Record_,
): string[] {
  const given: Record<string, Readonly<Record<string, string>>> = { path, query: Object.fromEntries(query) };
  const known = new Set(operation.parameters.filter((each) => each.in === 'query').map(({ name }) => name));
  const parameters = operation.parameters.flatMap(({ name, in: where, required, schema }) => {
    const value = given[where]?.[name];
    if (value === undefined) return required ? [`${name} is missing`] : [];
    return unfit(schema.type === 'integer' ? Number(value) : value, schema, name);
  });
  const unknown = [...query.keys()].filter((name) => !known.has(name)).map((name) => `there is no ${name}`);
  const bodies = operation.requestBody
    ? unfit(body, operation.requestBody, 'body')
    : Object.keys(body).map((name) => `takes no body, got ${name}`);
  return [...parameters, ...unknown, ...bodies];
}

/** Stricter than JSON Schema: a property that is not described is refused too. */
function unfit(value: unknown, schema: Schema, where: string): string[] {
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.some((each) => unfit(value, each, where).length === 0) ? [] : [`${where} fits no choice`];
  if (value === null) return schema.nullable ? [] : [`${where} is null`];
  if (schema.enum && !schema.enum.includes(value)) return [`${where} is none of ${schema.enum.join(', ')}`];
  if (Array.isArray(value)) {
    if (schema.type !== 'array') return [`${where} is a list`];
    return value.flatMap((each, at) => unfit(each, schema.items ?? {}, `${where}[${at}]`));
  }
  if (typeof value === 'object') {
    const { properties = {}, required = [] } = schema;
    return [
      ...required.filter((name) => !(name in value)).map((name) => `${where}.${name} is missing`),
      ...Object.entries(value).flatMap(([name, each]) =>
        properties[name] ? unfit(each, properties[name], `${where}.${name}`) : [`${where}.${name} is not described`],
      ),
    ];
  }
  const type = typeof value === 'number' && Number.isInteger(value) ? ['integer', 'number'] : [typeof value];
  return schema.type === undefined || type.includes(schema.type) ? [] : [`${where} is no ${schema.type}`];
}
