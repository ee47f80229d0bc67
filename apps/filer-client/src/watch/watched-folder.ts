import { basename } from 'node:path';
import { FilerError, messageOf } from '@filer/protocol';
import type { Logger } from '@filer/program';
import { RULES_FILE } from '../jobs/rule-files.ts';
import type { Member } from '../network/member.ts';
import type { Watch } from '../store/watch-store.ts';
import { Accounts } from './accounts.ts';
import { Alarm } from './alarm.ts';
import { FolderProblems } from './folder-problems.ts';
import { unobservable } from './unobservable.ts';
import { provesRemovals } from '../send/watched-root.ts';
import { removalTrouble } from './removal-trouble.ts';
import { FolderScan } from './folder-scan.ts';
import { FolderTrigger } from './folder-trigger.ts';
import { OwnDeliveries } from './own-deliveries.ts';
import type { Folder } from './look.ts';
import { realPlace, requireNoLoop } from './places.ts';
import { Recipients, resolverOf } from './recipients.ts';
import type { WatchJobs } from './shipping.ts';
import { WatchProblems } from './watch-problems.ts';
import { Unshipped } from './unshipped.ts';
import { parseKeptOptions, type WatchOptions } from './watch-options.ts';
import { lookAtRoot } from './watch-root.ts';
import { WatchRules } from './watch-rules.ts';

/** Paths that events told about, and no one has looked at yet. Beyond, the whole folder is looked through. */
const MAX_TOLD = 10_000;

/** Whether the folder is there is looked at this often, in ms. */
const ROOT_EVERY_MS = 1_000;
/** Rounds are at least so far apart, in ms: a thousand events make one round. */
const ROUND_MS = 50;

export interface WatchParts {
  readonly member: Member;
  readonly jobs: WatchJobs;
  readonly log: Logger;
  /** Where files arrive; absolute. */
  readonly inbox: string;
}

/** `blind`: it is looked through now and then, since the system does not tell of changes. */
export type WatchState = 'watching' | 'blind' | 'folder-missing' | 'failing';

/** A folder that is watched: events and looks through it find what is new or changed, `Unshipped` puts that into jobs. */
export class WatchedFolder {
  readonly watch: Watch;
  readonly #options: WatchOptions;
  readonly #parts: WatchParts;
  readonly #rules: WatchRules;
  readonly #accounts: Accounts;
  readonly #troubles: WatchProblems;
  readonly #problems: FolderProblems;
  readonly #ownDeliveries: OwnDeliveries;
  readonly #unshipped: Unshipped;
  readonly #scan: FolderScan;
  readonly #alarm = new Alarm();
  readonly #stop = new AbortController();
  /** Paths that events told about. */
  readonly #told = new Set<string>();
  /** By what the folder is known; undefined while it is not watched. */
  #root: string | undefined;
  #isMissing = false;
  #rootAtMs = -Infinity;
  #trigger: FolderTrigger | undefined;
  #blind: string | undefined;
  #running: Promise<void> | undefined;
  #toldState: string | undefined;

  /** @throws FilerError `store-damaged` */
  constructor(watch: Watch, parts: WatchParts) {
    this.watch = watch;
    this.#parts = parts;
    const options = parseKeptOptions(watch.options);
    this.#options = options;
    this.#rules = new WatchRules(watch.folder, options.exclude);
    this.#accounts = new Accounts(parts, watch, options);
    this.#troubles = new WatchProblems(parts.log, watch.name);
    this.#problems = new FolderProblems(parts.log, watch.name);
    this.#ownDeliveries = new OwnDeliveries(watch, parts.member.watches, this.#problems, options.into);
    const { member } = parts;
    const { folder, name } = watch;
    const place: Folder = {
      folder,
      name,
      links: options.links,
      requireSendable: async (each) => requireNoLoop(each, await realPlace(parts.inbox), member.home),
    };
    const recipients = new Recipients(
      { member, resolve: resolverOf(member), onFound: () => this.#scan.soon(0) },
      watch,
      options,
    );
    this.#unshipped = new Unshipped({
      watch,
      place,
      recipients,
      options,
      parts,
      rules: this.#rules,
      troubles: this.#troubles,
      problems: this.#problems,
      ownDeliveries: this.#ownDeliveries,
      alarm: this.#alarm,
      signal: this.#stop.signal,
      onFolder: ({ path, id }) => {
        const isSeen = this.#trigger?.has(path, id) === true && !this.#problems.isIn(path);
        if (!isSeen) this.#scan.into(path);
      },
      onMissed: () => this.#scan.soon(options.settleMs),
    });
    this.#scan = new FolderScan({
      watch,
      place,
      store: parts.member.watches,
      rules: this.#rules,
      problems: this.#problems,
      ownDeliveries: this.#ownDeliveries,
      rescanMs: options.rescanMs,
      take: (found, signal) => this.#unshipped.takeAll(found, signal),
      entered: async (path) => this.#trigger?.add(path),
      begun: () => this.#trigger?.beginRound(),
      mirrors: () => options.mirror && provesRemovals(member.watches, watch.id, folder),
      done: () => {
        this.#trigger?.endRound();
        this.#troubles.note('targets', recipients.now().lost[0]?.error.message);
      },
    });
  }

  /** Resolves when the folder was looked at for the first time. */
  async start(): Promise<void> {
    const first = this.#attempt('fault', () => this.#lookAtRoot());
    this.#running ??= first.then(() => this.#run());
    await first;
  }

  get state(): WatchState {
    if (this.#isMissing) return 'folder-missing';
    if (this.#trouble !== undefined) return 'failing';
    return this.#blind === undefined ? 'watching' : 'blind';
  }

  /** Why it is not simply `watching`. */
  get reason(): string | undefined {
    return this.#trouble ?? this.#blind;
  }

  get #trouble(): string | undefined {
    const problem = this.#problems.reason;
    const reasons = [...this.#troubles.reasons, ...(problem === undefined ? [] : [problem])];
    return reasons.length === 0 ? undefined : reasons.join('; ');
  }

  /** Files that were found and are in no job yet. */
  get unshipped(): number {
    return this.#unshipped.size;
  }

  /** Forgets what was shipped and has been removed since. */
  forgetRemoved(maxAbsent?: number): Promise<void> {
    return this.#scan.forgetRemoved(this.#stop.signal, maxAbsent);
  }

  /** Jobs of this watch may have ended. */
  jobsEnded(): void {
    this.#accounts.jobsEnded();
    this.#alarm.ring();
  }

  /** A peer came online, or connected to us. */
  peerSeen(peerId: string): void {
    this.#accounts.peerSeen(peerId);
    this.#alarm.ring();
  }

  /** Ends in bounded time; what settles is found once more. May be called twice. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#alarm.ring();
    await this.#scan.restart();
    await this.#running;
    this.#trigger?.[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#attempt('fault', () => this.#round());
      await pause(ROUND_MS);
      await this.#alarm.wait(this.#nextMs());
    }
  }

  /** Never rejects: what fails now, a database say, is tried again. */
  async #attempt(what: 'fault' | 'scan-fault', work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#troubles.note(what, undefined);
    } catch (error) {
      if (!(error instanceof FilerError)) {
        const { log } = this.#parts;
        log.error('a watched folder failed for a fault of this program', { watch: this.watch.name, error });
      }
      this.#troubles.note(what, messageOf(error));
    }
    this.#tellState();
  }

  /** What was shipped is told by the store. */
  #tellState(): void {
    const state = [this.state, this.reason, this.unshipped].join(' ');
    if (state === this.#toldState) return;
    this.#toldState = state;
    this.#parts.member.events.publish('watch', {});
  }

  async #round(): Promise<void> {
    if (now() - this.#rootAtMs >= ROOT_EVERY_MS) await this.#lookAtRoot();
    if (this.#stop.signal.aborted) return;
    if (this.#root !== undefined) {
      this.#sees(this.#trigger?.refusal);
      this.#scan.begin(async (work) => {
        await this.#attempt('scan-fault', work);
        this.#alarm.ring();
      });
      if ([...this.#told].some((path) => basename(path) === RULES_FILE)) {
        this.#rules.refresh();
        this.#scan.soon(0);
      }
      // What settles is looked at again in its turn.
      const told = [...this.#told].filter((path) => !this.#unshipped.settles(path));
      this.#told.clear();
      await this.#unshipped.lookAt(told);
      await this.#unshipped.lookAgain();
      await this.#unshipped.ship(this.#scan.isRunning);
    }
    const trouble = await this.#accounts.settle(now(), this.#stop.signal);
    this.#troubles.note('away', trouble?.message);
  }

  /** How long nothing is to be done, in ms. */
  #nextMs(): number {
    const at = [this.#rootAtMs + ROOT_EVERY_MS, this.#accounts.nextMs, this.#unshipped.nextMs];
    if (this.#root !== undefined) at.push(this.#scan.nextMs);
    return Math.max(0, Math.min(...at.filter((each) => each !== undefined)) - now());
  }

  async #lookAtRoot(): Promise<void> {
    this.#rootAtMs = now();
    const { folder, name } = this.watch;
    const { member, inbox, log } = this.#parts;
    const root = await lookAtRoot(folder, inbox, member.home);
    this.#isMissing = 'trouble' in root && root.isMissing;
    this.#troubles.note('root', 'trouble' in root ? root.trouble : undefined);
    const isMirrored = this.#options.mirror && 'id' in root;
    this.#troubles.note('removals', isMirrored ? removalTrouble(member.watches, this.watch) : undefined);
    const id = 'id' in root ? root.id : undefined;
    if (id === this.#root) return;
    await this.#scan.restart();
    this.#trigger?.[Symbol.dispose]();
    this.#trigger = undefined;
    this.#unshipped.clear();
    this.#told.clear();
    this.#problems.clear();
    this.#ownDeliveries.clear();
    if (id !== undefined) this.#accounts.restoreLeft();
    this.#root = id;
    if (id === undefined || this.#stop.signal.aborted) return;
    log.info('a folder is watched', { watch: name, folder });
    this.#blind = undefined;
    this.#trigger = new FolderTrigger({ folder, onChange: (path) => this.#tell(path) });
  }

  /** Called by the system: only notes what the next round looks at. */
  #tell(path: string): void {
    if (path === '') this.#rootAtMs = -Infinity;
    else if (this.#told.size < MAX_TOLD) this.#told.add(path);
    else this.#scan.soon(0);
    this.#alarm.ring();
  }

  /** @param refusal why the system does not tell of all changes */
  #sees(refusal: string | undefined): void {
    const before = this.#blind;
    this.#blind = refusal === undefined ? undefined : unobservable(refusal, this.#options.rescanMs);
    if (this.#blind === undefined || this.#blind === before) return;
    this.#parts.log.warn('a watched folder is only scanned at intervals', {
      watch: this.watch.name,
      reason: this.#blind,
    });
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Pauses must not last for days because somebody set the clock back. */
function now(): number {
  return performance.now();
}
