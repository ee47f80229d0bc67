import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FilerError, messageOf, systemCode } from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { JobRunner } from '../jobs/job-runner.ts';
import { RULES_FILE } from '../jobs/rule-files.ts';
import type { Member } from '../network/member.ts';
import type { Watch } from '../store/watch-store.ts';
import { Accounts } from './accounts.ts';
import { Alarm } from './alarm.ts';
import { FolderTrigger } from './folder-trigger.ts';
import { look, type Found } from './look.ts';
import { openForWriting } from './open-writers.ts';
import { realPlace, requireNoLoop } from './places.ts';
import { restoreLeft } from './put-away.ts';
import { scan } from './scan.ts';
import { Settling } from './settling.ts';
import { recipientsOf, ship } from './shipping.ts';
import { parseKeptOptions, type WatchOptions } from './watch-options.ts';
import { settleMsOf, WatchRules } from './watch-rules.ts';

/** What is waited for at once; the looking waits while there is so much. */
const MAX_SETTLING = 20_000;
/** Of files, and of files times recipients: what is put into jobs at once, so that nobody else waits for long. */
const MAX_BATCH = 10_000;
const MAX_OWED = 50_000;
/** Paths that events told of, and nobody has looked at yet. Beyond, the whole folder is looked through. */
const MAX_TOLD = 10_000;

/** Looked at side by side. */
const LOOKS_AT_ONCE = 64;
/** What has settled waits for what still settles, so that it goes together: so many times the settle time. */
const GATHER_SETTLES = 2.5;
/** Whether the folder is there is looked at this often, in ms. */
const ROOT_EVERY_MS = 1_000;
/** Rounds are at least so far apart, in ms: a thousand events make one round. */
const ROUND_MS = 50;
/** A scan takes at most this part of the time. */
const SCAN_SHARE = 10;
/** What was put into jobs and is not there any more is forgotten this often, in ms. */
const FORGET_EVERY_MS = 3_600_000;

export interface WatchParts {
  readonly member: Member;
  readonly jobs: Pick<JobRunner, 'keep' | 'begin' | 'retry'>;
  readonly log: Logger;
  /** Where files arrive; absolute. */
  readonly inbox: string;
}

/** `blind`: it is looked through now and then, since the system does not tell of changes. */
export type WatchState = 'watching' | 'blind' | 'folder-missing' | 'failing';

type Trouble = 'root' | 'files' | 'targets' | 'away' | 'fault';

/** A folder that is watched: finds what is new or changed, waits until it rests, and puts it into jobs. */
export class WatchedFolder {
  readonly watch: Watch;
  readonly options: WatchOptions;
  readonly #parts: WatchParts;
  readonly #rules: WatchRules;
  readonly #accounts: Accounts;
  readonly #alarm = new Alarm();
  readonly #stop = new AbortController();
  readonly #settling = new Settling<Found>(MAX_SETTLING);
  /** Settled, and not in a job yet. */
  readonly #ready = new Map<string, { readonly found: Found; readonly sinceMs: number }>();
  /** Paths that events told of. */
  readonly #told = new Set<string>();
  /** Folders that are to be looked through. */
  readonly #folders = new Set<string>();
  /** By which the system knows the folder; undefined while it is not there. */
  #root: string | undefined;
  #rootAtMs = -Infinity;
  #trigger: FolderTrigger | undefined;
  #blind: string | undefined;
  #scanAtMs = -Infinity;
  #scanning: Promise<void> | undefined;
  #forgetAtMs: number;
  /** Why something does not go, by what it is about. */
  readonly #troubles = new Map<Trouble, string>();
  #running: Promise<void> | undefined;

  constructor(watch: Watch, parts: WatchParts) {
    this.watch = watch;
    this.options = parseKeptOptions(watch.options);
    this.#parts = parts;
    this.#rules = new WatchRules(watch.folder, this.options.exclude);
    this.#accounts = new Accounts(parts, watch, this.options);
    this.#forgetAtMs = now() + FORGET_EVERY_MS;
  }

  /** Resolves when the folder was looked at for the first time. */
  async start(): Promise<void> {
    const first = this.#attempt(() => this.#lookAtRoot());
    this.#running ??= first.then(() => this.#run());
    await first;
  }

  get state(): WatchState {
    if (this.#troubles.has('root')) return 'folder-missing';
    if (this.#troubles.size > 0) return 'failing';
    return this.#blind === undefined ? 'watching' : 'blind';
  }

  /** Why it is not simply `watching`. */
  get reason(): string | undefined {
    const [first] = this.#troubles.values();
    return first ?? this.#blind;
  }

  /** Files that were seen and are in no job yet. */
  get settling(): number {
    return this.#settling.size + this.#ready.size;
  }

  /** Jobs of this watch may have ended. */
  jobsEnded(): void {
    this.#alarm.ring();
  }

  /** A recipient may have come. */
  peerSeen(): void {
    this.#accounts.retryNow();
    this.#alarm.ring();
  }

  /** Ends in bounded time; what settles is found once more. May be called twice. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#alarm.ring();
    await this.#running;
    await this.#scanning;
    await this.#unwatch();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await this.#attempt(() => this.#round());
      await pause(ROUND_MS);
      await this.#alarm.wait(this.#nextMs());
    }
  }

  /** Never rejects: what fails now, a database say, is tried again. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#trouble('fault', undefined);
    } catch (error) {
      if (!(error instanceof FilerError)) {
        const { log } = this.#parts;
        log.error('a watched folder failed for a fault of this program', { watch: this.watch.name, error });
      }
      this.#trouble('fault', messageOf(error));
    }
  }

  async #round(): Promise<void> {
    if (now() - this.#rootAtMs >= ROOT_EVERY_MS) await this.#lookAtRoot();
    if (this.#root !== undefined) {
      this.#beginScan();
      await this.#lookAtTold();
      await this.#lookAtAll(this.#settling.due(now()));
      await this.#shipReady();
    }
    const trouble = await this.#accounts.settle(now(), this.#stop.signal);
    this.#trouble('away', trouble?.message);
  }

  /** How long nothing is to be done, in ms. */
  #nextMs(): number {
    const at = [this.#rootAtMs + ROOT_EVERY_MS, this.#accounts.retryAt, this.#settling.nextMs];
    if (this.#scanning === undefined) at.push(this.#scanAtMs);
    if (this.#ready.size > 0) at.push(this.#gatheredAtMs);
    return Math.max(0, Math.min(...at.filter((each) => each !== undefined)) - now());
  }

  /** The folder may come, go, be another one, or be hidden below what is mounted over it. */
  async #lookAtRoot(): Promise<void> {
    this.#rootAtMs = now();
    const { folder } = this.watch;
    const [root, trouble] = await this.#rootNow();
    this.#trouble('root', trouble);
    if (root === this.#root) return;
    this.#root = root;
    await this.#unwatch();
    this.#settling.clear();
    this.#ready.clear();
    this.#told.clear();
    this.#folders.clear();
    if (root === undefined) return;
    this.#parts.log.info('a folder is watched', { watch: this.watch.name, folder });
    this.#blind = undefined;
    this.#trigger = new FolderTrigger({
      folder,
      rules: this.#rules,
      onChange: (path) => this.#tell(path),
      onFolder: (path) => this.#lookInto(path),
      onBlind: (code) => this.#isBlind(code),
    });
    this.#scanAtMs = -Infinity;
  }

  /** By what the folder is known, or why it is not watched now. */
  async #rootNow(): Promise<[string | undefined, string | undefined]> {
    const { inbox, member } = this.#parts;
    const [root, trouble] = await rootOf(this.watch.folder);
    if (root === undefined) return [root, trouble];
    try {
      requireNoLoop(await realPlace(this.watch.folder), await realPlace(inbox), member.home);
      return [root, undefined];
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      return [undefined, error.message];
    }
  }

  async #unwatch(): Promise<void> {
    const trigger = this.#trigger;
    this.#trigger = undefined;
    await trigger?.[Symbol.asyncDispose]();
  }

  #tell(path: string): void {
    if (path === '') this.#rootAtMs = -Infinity;
    else if (this.#told.size < MAX_TOLD) this.#told.add(path);
    else this.#scanAtMs = now();
    if (basename(path) === RULES_FILE) {
      this.#rules.refresh();
      this.#scanAtMs = now();
    }
    this.#alarm.ring();
  }

  #lookInto(path: string): void {
    this.#folders.add(path);
    this.#alarm.ring();
  }

  #isBlind(code: string): void {
    if (this.#blind !== undefined) return;
    const { rescanMs } = this.options;
    this.#blind = blindness(code, rescanMs);
    this.#parts.log.warn('a watched folder is only looked through now and then', {
      watch: this.watch.name,
      reason: this.#blind,
    });
  }

  /** Looks through all of the folder when it is time to, or through what has come to be in it. */
  #beginScan(): void {
    if (this.#scanning !== undefined) return;
    const isWhole = now() >= this.#scanAtMs;
    if (!isWhole && this.#folders.size === 0) return;
    const below = isWhole ? [''] : [...this.#folders];
    this.#folders.clear();
    this.#scanning = this.#scan(below, isWhole)
      .catch((error: unknown) => {
        if (!(error instanceof FilerError)) throw error;
        this.#trouble('fault', error.message);
      })
      .finally(() => {
        this.#scanning = undefined;
        this.#alarm.ring();
      });
  }

  async #scan(below: readonly string[], isWhole: boolean): Promise<void> {
    const beganAt = now();
    const { signal } = this.#stop;
    if (isWhole) {
      this.#scanAtMs = Infinity;
      this.#rules.refresh();
    }
    const failures: FilerError[] = [];
    let failed = 0;
    const options = {
      folder: this.watch,
      rules: this.#rules,
      signal,
      aside: (path: string) => restoreLeft(join(this.watch.folder, path)),
      failed: (error: FilerError) => {
        if (failed++ === 0) failures.push(error);
      },
    };
    for (const path of below) {
      if (path !== '' && this.#rules.hides(path, true)) continue;
      for await (const found of scan({ ...options, below: path })) {
        if (signal.aborted || this.#root === undefined) return;
        await this.#take(found, true);
      }
    }
    if (!isWhole) return;
    const [first] = failures;
    const others = failed > 1 ? ` (and ${failed - 1} more)` : '';
    this.#trouble('files', first === undefined ? undefined : `${first.message}: it stays here${others}`);
    this.#trouble('targets', recipientsOf(this.#parts.member, this.options.to).lost[0]?.message);
    if (now() >= this.#forgetAtMs) await this.#forgetGone();
    const pauseMs = Math.max(this.options.rescanMs, (now() - beganAt) * SCAN_SHARE);
    this.#scanAtMs = Math.min(this.#scanAtMs, now() + pauseMs);
  }

  /** What is not there any more need not be remembered. */
  async #forgetGone(): Promise<void> {
    const { watches } = this.#parts.member;
    const { id } = this.watch;
    this.#forgetAtMs = now() + FORGET_EVERY_MS;
    for (let last = ''; !this.#stop.signal.aborted;) {
      const page = watches.page(id, last, LOOKS_AT_ONCE);
      const looks = await Promise.all(page.map(({ path }) => look(this.watch, path)));
      const gone = page.filter((_, n) => looks[n] === undefined);
      if (gone.length > 0) watches.forget(id, gone);
      const end = page.at(-1);
      if (end === undefined) return;
      last = end.path;
    }
  }

  /** What settles or is to go is looked at again in its turn. */
  async #lookAtTold(): Promise<void> {
    const told = [...this.#told].filter((path) => !this.#settling.has(path) && !this.#ready.has(path));
    this.#told.clear();
    await this.#lookAtAll(told);
  }

  async #lookAtAll(paths: readonly string[]): Promise<void> {
    for (let at = 0; at < paths.length && !this.#stop.signal.aborted; at += LOOKS_AT_ONCE) {
      const some = paths.slice(at, at + LOOKS_AT_ONCE);
      const looks = await Promise.all(some.map((path) => look(this.watch, path)));
      const found: Found[] = [];
      some.forEach((path, n) => {
        const each = looks[n];
        if (each === undefined || each instanceof FilerError) this.#settling.drop(path);
        else if (!this.#rules.hides(path, each.kind === 'folder')) found.push(each);
      });
      await this.#take(found, false);
    }
  }

  /** What was found settles, unless it is in a job as it is. @param waits whether it waits for room; else what has none is found again */
  async #take(found: readonly Found[], waits: boolean): Promise<void> {
    const news = new Set(this.#parts.member.watches.unknown(this.watch.id, found));
    for (const each of found) {
      const { path, state } = each;
      if (!news.has(each)) {
        this.#settling.drop(path);
        continue;
      }
      if (this.#ready.get(path)?.found.state === state) continue;
      this.#ready.delete(path);
      while (waits && this.#isFull(path) && !this.#stop.signal.aborted) await this.#alarm.next(ROOT_EVERY_MS);
      if (this.#isFull(path)) {
        this.#scanAtMs = Math.min(this.#scanAtMs, now() + this.options.settleMs);
        continue;
      }
      const settleMs = settleMsOf(path, this.options.settleMs);
      const isSettled = this.#settling.see(path, each, state, settleMs, now());
      if (!isSettled) continue;
      this.#ready.set(path, { found: each, sinceMs: now() });
      // What came into it before it was watched.
      if (each.kind === 'folder') this.#lookInto(path);
    }
    if (news.size > 0) this.#alarm.ring();
  }

  #isFull(path: string): boolean {
    return !this.#settling.has(path) && this.settling >= MAX_SETTLING;
  }

  /** When what has settled goes, whatever still settles. */
  get #gatheredAtMs(): number {
    const [first] = this.#ready.values();
    return first === undefined ? Infinity : first.sinceMs + GATHER_SETTLES * this.options.settleMs;
  }

  async #shipReady(): Promise<void> {
    const { member } = this.#parts;
    const { size } = this.#ready;
    if (size === 0) return;
    const isAll = this.#settling.size === 0 && this.#scanning === undefined;
    if (!isAll && size < MAX_BATCH && now() < this.#gatheredAtMs) return;
    const { recipients, lost } = recipientsOf(member, this.options.to);
    this.#trouble('targets', lost[0]?.message);
    if (recipients.length === 0) return;
    const owed = this.options.deleteAfter || this.options.moveTo !== undefined ? recipients.length : 1;
    const most = Math.max(1, Math.min(MAX_BATCH, Math.floor(MAX_OWED / owed)));
    const batch = [...this.#ready.values()].slice(0, most).map(({ found }) => found);
    const resting = await this.#resting(batch);
    if (this.#stop.signal.aborted || this.#root === undefined) return;
    for (const { path } of batch) this.#ready.delete(path);
    ship(this.#parts, this.watch, this.options, recipients, resting);
    this.#alarm.ring();
  }

  /** Those that are what they were, and that nobody is writing to; the others settle again. */
  async #resting(batch: readonly Found[]): Promise<Found[]> {
    const resting: Found[] = [];
    for (let at = 0; at < batch.length; at += LOOKS_AT_ONCE) {
      const some = batch.slice(at, at + LOOKS_AT_ONCE);
      const looks = await Promise.all(some.map((found) => this.#isResting(found)));
      resting.push(...some.filter((_, n) => looks[n]));
    }
    const files = resting.filter(({ kind }) => kind === 'file');
    const busy = await openForWriting(new Map(files.map(({ path, inode }) => [path, inode])));
    for (const found of files) if (busy.has(found.path)) this.#unrest(found);
    return resting.filter(({ path }) => !busy.has(path));
  }

  async #isResting(found: Found): Promise<boolean> {
    const { path, version } = found;
    const there = await look(this.watch, path);
    if (there === undefined || there instanceof FilerError) return false;
    if (there.version !== version) this.#unrest(there);
    return there.version === version;
  }

  #unrest(found: Found): void {
    const settleMs = settleMsOf(found.path, this.options.settleMs);
    this.#settling.see(found.path, found, found.state, settleMs, now());
  }

  #trouble(what: Trouble, reason: string | undefined): void {
    const before = this.#troubles.get(what);
    if (reason === undefined) this.#troubles.delete(what);
    else this.#troubles.set(what, reason);
    if (reason === undefined || reason === before) return;
    this.#parts.log.warn('a watched folder has a problem', { watch: this.watch.name, reason });
  }
}

/** What the folder is known by, or why it is not there. */
async function rootOf(folder: string): Promise<[string | undefined, string | undefined]> {
  const what = JSON.stringify(folder.toWellFormed());
  try {
    const found = await stat(folder, { bigint: true });
    // A folder that is made anew may get the number of the one that was removed.
    if (found.isDirectory()) return [`${found.dev}:${found.ino}:${found.birthtimeNs}`, undefined];
    return [undefined, `${what} is no folder: it is watched as soon as it is one`];
  } catch (error) {
    const code = systemCode(error);
    if (code === undefined) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return [undefined, `there is no folder ${what}: it is watched as soon as it is there`];
    return [undefined, `${what} cannot be looked at (${code}): change its permissions`];
  }
}

function blindness(code: string, rescanMs: number): string {
  const seconds = Math.round(rescanMs / 1_000);
  if (code === 'ENOSPC') {
    return `the system watches no more folders for this user, so it is looked through every ${seconds} s: raise fs.inotify.max_user_watches with sysctl, then restart filer-client`;
  }
  if (code === 'EMFILE') {
    return `the system has no room for another watcher of this user, so it is looked through every ${seconds} s: raise fs.inotify.max_user_instances with sysctl, then restart filer-client`;
  }
  return `the system does not tell of all changes (${code}), so it is looked through every ${seconds} s`;
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
