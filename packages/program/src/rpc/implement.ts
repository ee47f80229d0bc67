import { FilerError } from '@filer/protocol';
import { checked } from './checked.ts';
import type { Contract, Method, MethodTypes } from './method.ts';

/** A call while it runs, as the method sees it. */
export interface Call<Item> {
  /** Hands items to the caller, together; await it, so that a slow caller holds back its own call. */
  readonly emit: (...items: readonly Item[]) => Promise<void>;
  /** Aborted when the caller has gone away or the daemon stops. */
  readonly signal: AbortSignal;
}

/** What a method does. Its params are checked. A FilerError reaches the caller with its code. */
export type Handler<T extends MethodTypes> = (
  params: T['params'],
  call: Call<T['item']>,
) => T['result'] | Promise<T['result']>;

export type Handlers<M extends Record<keyof M, MethodTypes>> = {
  readonly [K in keyof M]: Handler<M[K]>;
};

/** A method as a transport calls it: by its name, with params that are unchecked. */
export type Served = (params: unknown, call: Call<unknown>) => Promise<unknown>;

/** The methods of a daemon, by name. */
export type Methods = ReadonlyMap<string, Served>;

/** Binds each method of a contract to what does it. The params are checked here, where they come in. */
export function implement<M extends Record<keyof M, MethodTypes>, H extends Handlers<M>>(
  contract: Contract<M>,
  handlers: H,
): Methods {
  const methods = new Map<string, Served>();
  for (const key in contract) methods.set(contract[key].name, served(contract[key], handlers[key]));
  return methods;
}

/** What a method does with what its daemon has at hand. */
export type Operation<C, T extends MethodTypes> = (
  context: C,
  params: T['params'],
  call: Call<T['item']>,
) => T['result'] | Promise<T['result']>;

export type Operations<C, M extends Record<keyof M, MethodTypes>> = {
  readonly [K in keyof M]: Operation<C, M[K]>;
};

/** The same for operations. @param contextOf is asked at each call */
export function implementWith<C, M extends Record<keyof M, MethodTypes>, O extends Operations<C, M>>(
  contract: Contract<M>,
  contextOf: () => C,
  operations: O,
): Methods {
  const methods = new Map<string, Served>();
  for (const key in contract) {
    const operation = operations[key];
    methods.set(
      contract[key].name,
      served(contract[key], (params, call) => operation(contextOf(), params, call)),
    );
  }
  return methods;
}

function served<T extends MethodTypes>(method: Method<T>, handler: Handler<T>): Served {
  const words = `the parameters of "${method.name}" are not what it takes`;
  return async (params, call) => {
    const known = checked(method.params, params ?? {}, 'message-malformed', words);
    return await handler(known, { emit: (...items) => call.emit(...items), signal: call.signal });
  };
}

/** @throws FilerError `unsupported` */
export function methodOf(methods: Methods, name: string): Served {
  const found = methods.get(name);
  if (found !== undefined) return found;
  throw new FilerError(
    'unsupported',
    `the running daemon has no "${name}": it may be another version, restart it`,
  );
}
