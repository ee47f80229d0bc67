import { MIRROR, type RemovedBatch } from '@filer/protocol';
import { iso } from '@filer/program';
import type { SendEvent as EngineEvent, SendOptions } from '@filer/transfer';
import type { SendEvent } from '../api/contract/send.ts';
import { nameThere, type SendRequest } from '../jobs/send-request.ts';
import type { Member } from '../network/member.ts';
import { provesRemovals } from './watched-root.ts';
import type { NeededFeature } from '../network/reach-for-transfer.ts';
import type { KnownPeer } from '../store/directory-store.ts';

/** What `--delete` needs. */
export const MIRRORS: NeededFeature = { feature: MIRROR, option: '--delete' };

export interface MirroredOptions {
  readonly member: Member;
  readonly job: string;
  readonly peer: KnownPeer;
  readonly request: SendRequest;
  readonly emit: (event: SendEvent) => void;
}

/** What a recipient removes of what it was sent before (`--delete`), as it is kept, counted and told. */
export class Mirrored {
  readonly #options: MirroredOptions;
  /** Names that the recipient has signed for; those of folders count for nothing. */
  readonly #removed = new Set<string>();
  readonly #folders = new Set<string>();
  #time = 0;
  /** Removals that were noticed in the watched folder when this connection began. */
  #noticed: number | undefined;

  constructor(options: MirroredOptions) {
    this.#options = options;
    const { member, job, peer, request } = options;
    if (request.mirror)
      for (const { batch } of member.removed.of(job, peer.id))
        batch?.files.forEach((file) => this.#count(file));
  }

  /** Files and links that were removed, over all tries. */
  get filesRemoved(): number {
    return this.#removed.size - this.#folders.size;
  }

  /** What one connection is to do. */
  begin(): Pick<SendOptions, 'mirror' | 'provesGone' | 'removedBefore' | 'keepRemoved'> {
    const { member, peer, request } = this.#options;
    if (!request.mirror) return {};
    const mirroring = {
      mirror: true,
      removedBefore: this.#removed,
      keepRemoved: (batch: RemovedBatch) => this.#keep(batch),
    };
    if (request.watch === 0) return mirroring;
    this.#noticed = member.watches.owedRemovals(request.watch, peer.id);
    return this.#noticed === undefined ? {} : { ...mirroring, provesGone: () => this.#provesGone };
  }

  /** A connection did all that it was to do. */
  completed(): void {
    const { member, peer, request } = this.#options;
    if (this.#noticed === undefined || !this.#provesGone) return;
    member.watches.noteMirrored(request.watch, peer.id, this.#noticed);
  }

  get #provesGone(): boolean {
    const { member, request } = this.#options;
    return provesRemovals(member.watches, request.watch, request.paths[0] ?? '');
  }

  /** Tells of something that went, or stays. */
  take(event: EngineEvent): void {
    const { emit, job, peer } = this.#options;
    const common = { job, recipient: peer.name, recipientId: peer.id };
    if (event.type === 'removed') {
      const { extra, file: path } = event;
      const { path: receivedAs, kind, size } = extra;
      emit({ type: 'removed', ...common, path, receivedAs, kind, size, time: iso(this.#time) });
    }
    if (event.type === 'not-removed') {
      const { file: path, code, message } = event;
      if (code === 'partial') this.#noticed = undefined; // nothing was removed: it is still owed
      emit({ type: 'not-removed', ...common, path, code, message });
    }
  }

  #keep(batch: RemovedBatch): void {
    const { member, job, peer, request } = this.#options;
    const paths = batch.files.map(({ name }) => pathHere(request, name));
    member.removed.add({ job, peer: peer.id, batch, paths, receivedAt: member.clock.stamp() });
    this.#time = batch.time;
    for (const file of batch.files) this.#count(file);
  }

  #count({ name, kind }: RemovedBatch['files'][number]): void {
    this.#removed.add(name);
    if (kind === 'dir') this.#folders.add(name);
  }
}

/** Where something that a recipient names was here. */
export function pathHere(request: SendRequest, name: string): string {
  for (const path of request.paths) {
    const top = nameThere(request, path);
    if (name.startsWith(`${top}/`)) return `${path}${name.slice(top.length)}`;
  }
  return name;
}
