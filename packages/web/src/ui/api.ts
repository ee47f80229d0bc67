import type { Method } from '@filer/program';
import { lose, sessionHeaders } from './session.ts';

type Types<M> = M extends Method<infer T> ? T : never;
type Params<C, K extends keyof C> = Types<C[K]>['params'];
type Item<C, K extends keyof C> = Types<C[K]>['item'];
type Result<C, K extends keyof C> = Types<C[K]>['result'];

export interface CallOptions<I = never> {
  readonly signal?: AbortSignal | undefined;
  /** Of a method with items: gets them in order, many at once. @default they are dropped */
  readonly onItems?: ((items: readonly I[]) => void) | undefined;
}

/** What the server answered instead of a result. */
export class ApiError extends Error {
  /** A code of filer, or `unreachable` when no answer came. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The methods of a daemon over HTTP, typed by its contract: by the keys under which that has them. */
export interface Api<C> {
  /** A method that only reads. @throws ApiError */
  read<K extends keyof C & string>(
    name: K,
    params: Params<C, K>,
    options?: CallOptions<Item<C, K>>,
  ): Promise<Result<C, K>>;
  /** A method that changes something. @throws ApiError */
  change<K extends keyof C & string>(
    name: K,
    params: Params<C, K>,
    options?: CallOptions<Item<C, K>>,
  ): Promise<Result<C, K>>;
}

/** @returns the one client of a page; C is `typeof contract` of the daemon that serves it */
export function apiOf<C>(): Api<C> {
  return {
    read: (name, params, options) => {
      const query =
        Object.keys(params ?? {}).length === 0 ? '' : `?params=${encodeURIComponent(JSON.stringify(params))}`;
      return call(`${pathOf(name)}${query}`, { method: 'GET' }, options);
    },
    change: (name, params, options) =>
      call(
        pathOf(name),
        {
          method: 'POST',
          body: JSON.stringify(params ?? {}),
        },
        options,
      ),
  };
}

/** `collectAdd` is called `collect-add`. */
function pathOf(key: string): string {
  return `/api/${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

const JSON_BODY = { 'content-type': 'application/json' };

/*
 * The answers have the types of the contract: the daemon that serves the page is the one that the page was built with, and the
 * compiler has checked what it answers.
 */
async function call<R, I>(path: string, init: RequestInit, options: CallOptions<I> = {}): Promise<R> {
  const { signal, onItems } = options;
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      headers: { ...JSON_BODY, ...sessionHeaders() },
      signal: signal ?? null,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new ApiError(
      'unreachable',
      `the server does not answer: ${error instanceof Error ? error.message : ''}`,
    );
  }
  if (!response.ok) throw await refusalOf(response);
  if (response.headers.get('content-type')?.startsWith('application/x-ndjson') !== true)
    return valueOf<R>(await response.text());
  return readLines<R, I>(response, onItems);
}

async function readLines<R, I>(response: Response, onItems?: (items: readonly I[]) => void): Promise<R> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) break;
    const lines = (rest + piece.value).split('\n');
    rest = lines.pop() ?? '';
    const items: I[] = [];
    for (const line of lines.filter((each) => each !== '')) {
      const told = valueOf<Line<R, I>>(line);
      if ('item' in told) items.push(told.item);
      else {
        if (items.length > 0) onItems?.(items);
        if ('result' in told) return told.result;
        throw new ApiError(told.error.code, told.error.message);
      }
    }
    if (items.length > 0) onItems?.(items);
  }
  throw new ApiError('unreachable', 'the server ended before it had answered');
}

type Line<R, I> =
  | { readonly item: I }
  | { readonly result: R }
  | { readonly error: { readonly code: string; readonly message: string } };

function valueOf<T>(text: string): T {
  const value: unknown = JSON.parse(text);
  if (isDeclared<T>(value)) return value;
  throw new ApiError('unreachable', 'the server answered nothing');
}

/** See above: the compiler has checked it. */
function isDeclared<T>(value: unknown): value is T {
  return value !== undefined;
}

async function refusalOf(response: Response): Promise<ApiError> {
  if (response.status === 401) lose();
  try {
    const { error } = valueOf<{ error: { code: string; message: string } }>(await response.text());
    return new ApiError(error.code, error.message);
  } catch {
    return new ApiError('unreachable', `the server answered ${response.status} ${response.statusText}`);
  }
}
