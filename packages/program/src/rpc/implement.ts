import { FilerError, type ErrorCode } from '@filer/protocol';
import { describeFailure } from '../failure.ts';
import { checked } from './checked.ts';
import type { Contract, Method, MethodTypes, Role } from './method.ts';

/** Who calls: the user of this machine with a command, or who has a token, over HTTP. */
export interface Caller {
  /** Of the token; `local` for a command. */
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** When the token ends, in ms since the epoch. @default by itself never */
  readonly expiresAt?: number;
}

/** A command on this machine. */
export const LOCAL_CALLER: Caller = { id: 'local', name: 'command', role: 'admin' };

/** A call while it runs, as the method sees it. */
export interface Call<Item> {
  readonly caller: Caller;
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

/** Who changed what is written down here. */
export interface Audit {
  /**
   * Called before a method that changes something.
   *
   * @returns what is called at its end @throws FilerError when it cannot be written; nothing is changed then
   */
  begin(caller: Caller, action: string, target: string): Promise<(result: 'ok' | ErrorCode) => Promise<void>>;
}

/**
 * Binds each method of a contract to what does it. The params are checked here, where they come in.
 *
 * @param audit gets each call that changes something @default none
 */
export function implement<M extends Record<keyof M, MethodTypes>, H extends Handlers<M>>(
  contract: Contract<M>,
  handlers: H,
  audit?: Audit,
): Methods {
  const methods = new Map<string, Served>();
  for (const key in contract) methods.set(contract[key].name, served(contract[key], handlers[key], audit));
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

function served<T extends MethodTypes>(method: Method<T>, handler: Handler<T>, audit?: Audit): Served {
  const words = `the parameters of "${method.name}" are not what it takes`;
  return async (params, call) => {
    const known = checked(method.params, params ?? {}, 'message-malformed', words);
    const run = async (): Promise<T['result']> =>
      await handler(known, { ...call, emit: (...items) => call.emit(...items) });
    if (audit === undefined || method.changes !== true) return await run();
    const end = await audit.begin(call.caller, method.name, method.target?.(known) ?? '');
    try {
      const result = await run();
      await end('ok');
      return result;
    } catch (error) {
      await end(describeFailure(error).code);
      throw error;
    }
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
