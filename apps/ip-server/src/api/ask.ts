import { existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { FilerError } from '@filer/protocol';
import { acquireLock, connectControl, openHome, type Context, type Lock } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import { openStoppedDesk } from './desk.ts';
import { methodsOn, type MethodName } from './methods.ts';

/** Asks the server, whether it runs or not. */
export interface Asker {
  readonly running: boolean;
  /** Whether the network was made just now, by opening the home. */
  readonly isNew: boolean;
  /** @returns the method's result, unchecked @throws FilerError the method's */
  ask(method: MethodName, params?: object): Promise<unknown>;
  close(): Promise<void>;
}

export interface AskOptions {
  /** Where a stopped server would listen. */
  readonly settings: ServerSettings;
  /** Whether a home that holds nothing becomes a server's. @default false */
  readonly make?: boolean;
  /**
   * Whether something will be changed: then no server may start meanwhile, since it would not know.
   *
   * @default false
   */
  readonly exclusive?: boolean;
}

/** Another command, or a server that is starting, may hold a stopped home: how long to wait for it. */
const HELD_MS = 10_000;
const PAUSE_MS = 100;

/**
 * The running server over its control socket, else its home itself.
 *
 * @throws FilerError `needs-daemon` when there is neither
 */
export async function openAsker(context: Context, options: AskOptions): Promise<Asker> {
  const { home, signal } = context;
  for (const until = Date.now() + HELD_MS; ; await wait(PAUSE_MS, undefined, { signal })) {
    const caller = await connectControl(home, { signal });
    if (caller !== undefined) {
      return {
        running: true,
        isNew: false,
        ask: (method, params = {}) => caller.call(method, params, { signal }),
        close: () => caller.close(),
      };
    }
    try {
      return await openStopped(context, options);
    } catch (error) {
      const held = error instanceof FilerError && error.code === 'already-running';
      if (!held || Date.now() > until) throw error;
    }
  }
}

async function openStopped(
  { home, env, signal }: Context,
  { settings, make = false, exclusive = false }: AskOptions,
): Promise<Asker> {
  let lock: Lock | undefined;
  if (exclusive && (make || existsSync(home.databaseFile))) {
    await openHome(home);
    lock = await acquireLock(home.lockFile);
  }
  try {
    const desk = await openStoppedDesk(home, settings, env, make);
    const methods = methodsOn(desk);
    return {
      running: false,
      isNew: desk.isNew,
      ask: async (method, params = {}) => methods[method](params, { emit: () => Promise.resolve(), signal }),
      close: async () => {
        desk.close();
        await lock?.release();
      },
    };
  } catch (error) {
    await lock?.release();
    throw error;
  }
}
