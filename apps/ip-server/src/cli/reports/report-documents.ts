import { FilerError, type Attachment, type CommandRun } from '@filer/protocol';
import { iso, readConfiguration, type Context } from '@filer/program';
import { SETTINGS } from '../../settings.ts';
import type { Registry } from '../../store/registry.ts';
import type { StoredReport } from '../../store/report-store.ts';
import type { Store } from '../../store/interfaces.ts';
import { mayHoldAnything, openStore, storePlaceOf } from '../../store/store.ts';

/** A report as `reports` prints it. Times are ISO 8601 UTC. */
export interface ReportDocument {
  readonly id: string;
  /** The name of the machine that made it. */
  readonly peer: string;
  readonly peerId: string;
  readonly spool: string;
  readonly seq: number;
  readonly kind: 'user' | 'schedule';
  /** When it was made, by its maker's clock. */
  readonly time: string;
  readonly receivedAt: string;
  readonly title: string | null;
  readonly schedule: string | null;
  readonly values: Readonly<Record<string, string>>;
  /** What its command wrote; null when there was none. */
  readonly output: string | null;
  /** How its command ended. */
  readonly run: CommandRun | null;
  readonly attachments: readonly Attachment[];
}

/**
 * Opens the store beside the server: readers do not disturb it, so the history needs no help of the server,
 * running or not.
 *
 * @throws FilerError `needs-daemon` when no server has ever run there
 */
export async function openHistory({ home, env }: Pick<Context, 'home' | 'env'>): Promise<Store> {
  const settings = await readConfiguration(SETTINGS, { home, env, flags: {} });
  const storePlace = await storePlaceOf(home, settings);
  if (!mayHoldAnything(storePlace)) {
    throw new FilerError('needs-daemon', 'no ip-server has run here yet, start it with "ip-server start"');
  }
  return await openStore(storePlace.place, storePlace);
}

export function documentOf(stored: StoredReport, names: ReadonlyMap<string, string>): ReportDocument {
  const { id, peer, receivedAt, report } = stored;
  return {
    id,
    peer: names.get(peer) ?? peer,
    peerId: peer,
    spool: report.spool,
    seq: report.seq,
    kind: report.kind,
    time: iso(report.time),
    receivedAt: iso(receivedAt),
    title: report.title === '' ? null : report.title,
    schedule: report.schedule === '' ? null : report.schedule,
    values: valuesOf(report.values),
    output: report.output ?? null,
    run: report.run ?? null,
    attachments: report.attachments ?? [],
  };
}

/** The names of machines by their ids, as another process reads them while the server runs. */
export class Names {
  readonly #registry: Pick<Registry, 'changes'>;
  readonly #names = new Map<string, string>();
  #seq = -1;

  constructor(registry: Pick<Registry, 'changes'>) {
    this.#registry = registry;
  }

  get all(): ReadonlyMap<string, string> {
    return this.#names;
  }

  /** Reads those that are new or were changed since the last time. */
  async update(): Promise<void> {
    const { seq, members } = await this.#registry.changes(this.#seq);
    for (const { membership } of members) this.#names.set(membership.id, membership.name);
    this.#seq = seq;
  }
}

/** A user may name a value `__proto__`; of a key that is there twice the last value holds. */
function valuesOf(values: StoredReport['report']['values']): Record<string, string> {
  const result = Object.create(null) as Record<string, string>;
  for (const [key, value] of values) result[key] = value;
  return result;
}
