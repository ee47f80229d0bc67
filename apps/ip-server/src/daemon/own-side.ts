import type { Identity, KeyPair, FilerError } from '@filer/protocol';
import { KeptClock, openHome, readClocks, TrustedClock } from '@filer/program';
import { guardFolders } from '@filer/transfer';
import { openFoundation } from '../network/foundation.ts';
import { SteadyClock } from '../reports/steady-clock.ts';
import type { Store } from '../store/interfaces.ts';
import type { Founding } from '../store/registry.ts';
import { checkLastStore, openStore, rememberStorePlace, storePlaceOf } from '../store/store.ts';
import { Files } from '../uploads/files-place.ts';
import { lockHome } from './home-lock.ts';
import { DatabaseClocks, machineClocks } from './machine-clocks.ts';
import type { ServerOptions } from './server-daemon.ts';
import { StoreHealth, type StoreTask } from './store-health.ts';

/**
 * How long one write may block the server's only thread while another program holds the database. Reports are
 * tried again for 5 s in all; presence continues meanwhile.
 */
const SERVER_BUSY_TIMEOUT_MS = 100;

/** What a server has for itself: its store, who it is, and its clocks. */
export interface OwnSide {
  readonly store: Store;
  /** Where files of machines are. */
  readonly files: Files;
  readonly health: StoreHealth;
  /** Tells of a task of the store that it fails, and (undefined) that it works. */
  readonly tells: (task: StoreTask) => (problem: FilerError | undefined) => void;
  readonly identity: Identity;
  readonly founding: Founding;
  readonly networkKey: KeyPair | undefined;
  /** Of a store that several servers share. */
  readonly databaseClocks: DatabaseClocks | undefined;
  readonly clock: SteadyClock;
  readonly trusted: TrustedClock;
  /** For what is signed and stored: never before what was stamped earlier. Servers that share a store stamp by its clock. */
  readonly now: () => number;
  /** For ages: a wall clock that jumps drops nothing. */
  readonly agesNow: () => number;
}

/** Locks the home, opens its store and finds out who this server is. @throws FilerError as `openServer` */
export async function openOwnSide(
  { home, settings, log, onFounded, storeAnswerMs: answerMs }: ServerOptions,
  closing: AsyncDisposableStack,
): Promise<OwnSide> {
  const health = new StoreHealth(log);
  await openHome(home);
  closing.adopt(await lockHome(home), (lock) => lock.release());
  closing.use(guardFolders(home.own));
  const storePlace = await storePlaceOf(home, settings);
  const { place, passwordFile } = storePlace;
  const store = closing.adopt(
    await openStore(place, { busyTimeoutMs: SERVER_BUSY_TIMEOUT_MS, passwordFile, answerMs }),
    (it) => it.close(),
  );
  const { registry } = store;
  const last = await checkLastStore(home, storePlace, store);
  if (last !== undefined)
    log.warn('the store is another one than at the last start: what came since it was copied is not here', {
      last,
      remedy: `stop it, and copy that one: ip-server store copy --from ${last}`,
    });
  const { identity, founding, networkKey, isNew } = await openFoundation(home, registry, settings.networkKey);
  await rememberStorePlace(home, storePlace);
  const { servers } = store;
  await servers?.serve(identity.id);
  const { network } = founding;
  const files = await Files.open(
    { home, network, server: identity.id, registry, servers, log },
    settings.files,
  );
  await health.attempt('attachments', () => files.require());
  if (isNew) onFounded?.();

  const databaseClocks = store.servers && new DatabaseClocks(await store.servers.now());
  const savedClock = await store.expectations.clock();
  const trusted = new TrustedClock(readClocks, (await registry.trustedTime(identity.id)) ?? savedClock?.time);
  closing.adopt(
    new KeptClock({ clock: trusted, save: (trust) => registry.saveTrustedTime(identity.id, trust), log }),
    (it) => it.close(),
  );
  return {
    store,
    files,
    health,
    tells: (task) => (problem) => health.tell(task, problem),
    identity,
    founding,
    networkKey,
    databaseClocks,
    clock: new SteadyClock(databaseClocks ?? machineClocks(), savedClock),
    trusted,
    now: databaseClocks === undefined ? () => trusted.stamp() : () => Math.round(databaseClocks.wall()),
    agesNow: () => trusted.now(),
  };
}
