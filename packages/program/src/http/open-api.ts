import type { Method, MethodTypes } from '../rpc/method.ts';
import { jsonSchemaOf } from './json-schema.ts';
import type { Route } from './route.ts';

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

const TOKEN = [{ bearer: [] }, { cookie: [] }];

/** The methods that HTTP serves. */
export function remoteMethods(contract: ServedContract): Method<MethodTypes>[] {
  return Object.values(contract).filter(({ access }) => access !== undefined);
}

/** The document of what is served, for OpenAPI 3.1. */
export function openApiDocument({ title, version, contract, routes }: Described): object {
  const paths: Record<string, Record<string, object>> = {};
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
