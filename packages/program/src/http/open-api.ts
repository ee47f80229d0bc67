import { ROLES, type Method, type MethodTypes } from '../rpc/method.ts';
import { jsonSchemaOf } from './json-schema.ts';
import type { Route } from './route.ts';
import { SESSION_HEADER } from './session-cookie.ts';

/** What is served of a contract: methods by their keys. */
export type ServedContract = Readonly<Record<string, Method<MethodTypes>>>;

export interface Described {
  readonly title: string;
  readonly version: string;
  readonly contract: ServedContract;
  readonly routes: readonly Route[];
}

const failure = {
  type: 'object',
  properties: {
    error: {
      type: 'object',
      properties: { code: { type: 'string' }, message: { type: 'string' } },
      required: ['code', 'message'],
    },
  },
  required: ['error'],
};

const failures = {
  default: { description: 'why not', content: { 'application/json': { schema: failure } } },
};

const TOKEN = [{ bearer: [] }, { cookie: [], key: [] }];

const CALLER = {
  type: 'object',
  properties: { id: { type: 'string' }, name: { type: 'string' }, role: { enum: ROLES } },
  required: ['id', 'name', 'role'],
};

const SESSION = {
  ...CALLER,
  properties: { ...CALLER.properties, key: { type: 'string' } },
  required: [...CALLER.required, 'key'],
};

const asJson = (schema: object): object => ({ content: { 'application/json': { schema } } });

/** What every program serves. */
const STACK_PATHS: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  '/session': {
    post: {
      summary: 'turns a token into a cookie and its key',
      security: [],
      requestBody: {
        required: true,
        ...asJson({ type: 'object', properties: { token: { type: 'string' } }, required: ['token'] }),
      },
      responses: {
        200: { description: 'whose token it is, and the key of the session', ...asJson(SESSION) },
        ...failures,
      },
    },
    get: {
      summary: 'whose session it is',
      security: TOKEN,
      'x-role': 'read',
      responses: { 200: { description: 'whose token it is', ...asJson(CALLER) }, ...failures },
    },
    delete: {
      summary: 'ends the session of a browser',
      security: [],
      responses: { 204: { description: 'ended' }, ...failures },
    },
  },
  '/api/events': {
    get: {
      summary: 'what changes, as server-sent events: `reset` first, and when something was missed',
      security: TOKEN,
      'x-role': 'read',
      parameters: [
        { name: 'since', in: 'query', description: 'the id of the last event', schema: { type: 'string' } },
        { name: 'last-event-id', in: 'header', description: 'the same', schema: { type: 'string' } },
      ],
      responses: { 200: { description: 'events', content: { 'text/event-stream': {} } }, ...failures },
    },
  },
  '/api/openapi.json': {
    get: {
      summary: 'this document',
      security: TOKEN,
      'x-role': 'read',
      responses: { 200: { description: 'the document', ...asJson({ type: 'object' }) }, ...failures },
    },
  },
};

/** The methods that HTTP serves. */
export function remoteMethods(contract: ServedContract): Method<MethodTypes>[] {
  return Object.values(contract).filter(({ access }) => access !== undefined);
}

/** The document of what is served, for OpenAPI 3.1. */
export function openApiDocument({ title, version, contract, routes }: Described): object {
  const paths: Record<string, Record<string, object>> = structuredClone(STACK_PATHS);
  for (const method of remoteMethods(contract))
    paths[`/api/${method.name}`] = { [method.changes === true ? 'post' : 'get']: operationOf(method) };
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: routeOperation(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title, version },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        cookie: { type: 'apiKey', in: 'cookie', name: 'the cookie of POST /session' },
        key: {
          type: 'apiKey',
          in: 'header',
          name: SESSION_HEADER,
          description: 'the key that POST /session answers; a GET may have it as ?session=',
        },
      },
    },
  };
}

function operationOf(method: Method<MethodTypes>): object {
  const { name, access = 'admin', changes, params, item, result } = method;
  const takes = { content: { 'application/json': { schema: jsonSchemaOf(params) } } };
  const hasItems = item.type !== 'never';
  const schema = jsonSchemaOf(result);
  const lines = {
    'application/x-ndjson': {
      schema: {
        description: 'one JSON value a line; empty lines keep the connection open',
        oneOf: [
          { type: 'object', properties: { item: jsonSchemaOf(item) }, required: ['item'] },
          { type: 'object', properties: { result: schema }, required: ['result'] },
          failure,
        ],
      },
    },
  };
  return {
    operationId: name,
    'x-role': access,
    security: TOKEN,
    ...(changes === true
      ? { requestBody: { required: true, ...takes } }
      : { parameters: [{ name: 'params', in: 'query', description: 'JSON, URL-encoded', ...takes }] }),
    responses: {
      200: { description: 'the result', content: hasItems ? lines : { 'application/json': { schema } } },
      ...failures,
    },
  };
}

function routeOperation({ path, method, access, describe, gives, takes }: Route): object {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  return {
    summary: describe,
    ...(access === 'open'
      ? { security: [] }
      : { security: TOKEN, 'x-role': access === 'local' ? 'read' : access }),
    ...(names.length === 0
      ? {}
      : {
          parameters: names.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
        }),
    ...(method === 'GET'
      ? {}
      : { requestBody: { required: true, content: { [takes ?? 'application/json']: {} } } }),
    responses: { 200: { description: 'the answer', content: { [gives]: {} } }, ...failures },
  };
}
