/* A process of thousands of members, for `one.ts`. */
import { createInterface } from 'node:readline';
import { createReadStream } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import {
  createIdentity,
  keyPairFromPem,
  parseMembership,
  RECONNECT_FIRST_MS,
  RECONNECT_LONGEST_MS,
  type Identity,
} from '@filer/protocol';
import { LightLink, LightMember, reportOf, type ServerAt } from './light-member.ts';

export type Task =
  | { readonly do: 'load'; readonly file: string; readonly from: number; readonly to: number }
  | { readonly do: 'bare'; readonly server: ServerAt; readonly count: number; readonly atOnce: number }
  | { readonly do: 'make joiners'; readonly count: number }
  | { readonly do: 'enrol'; readonly server: ServerAt; readonly invite: string; readonly atOnce: number }
  | { readonly do: 'connect'; readonly server: ServerAt; readonly count: number; readonly atOnce: number }
  | { readonly do: 'drop'; readonly count: number }
  | { readonly do: 'await page' }
  | { readonly do: 'report'; readonly reporters: number; readonly onTheWay: number; readonly ms: number }
  | { readonly do: 'end' };

export interface Done {
  /** Of what the task is about. */
  readonly count: number;
  /** How often something was tried again, and why at first. */
  readonly again: number;
  readonly why?: string;
  /** When the first and the last one had it, in ms of the machine's clock that does not jump. */
  readonly firstAt: number;
  readonly lastAt: number;
}

const BEAT_MS = 10_000;

const members: LightMember[] = [];
/** Those that are connected, by the place of their member. */
const links = new Map<number, LightLink>();
let joiners: Identity[] = [];
/** A home may have those of earlier runs. */
const run = Math.random().toString(36).slice(2, 8);
let first = 0;
let again = 0;
let why: string | undefined;

process.on('message', (task: Task) => {
  again = 0;
  why = undefined;
  const startAt = nowMs();
  void perform(task).then((done) => {
    const told = why === undefined ? {} : { why };
    process.send?.({ count: 0, again, ...told, firstAt: startAt, lastAt: nowMs(), ...done } satisfies Done);
    if (task.do === 'end') process.disconnect();
  });
});

async function perform(task: Task): Promise<Partial<Done>> {
  switch (task.do) {
    case 'load':
      first = task.from;
      await load(task.file, task.from, task.to);
      return { count: members.length };
    case 'bare':
      return await bare(task.server, task.count, task.atOnce);
    case 'make joiners':
      joiners = [];
      for (let made = 0; made < task.count; made++) joiners.push(await createIdentity());
      return {};
    case 'enrol':
      await atOnce(joiners.length, task.atOnce, (n) =>
        untilDone(() => {
          const identity = joiners[n];
          if (identity === undefined) throw new Error('a joiner for each');
          return LightMember.enrol(
            identity,
            task.server,
            task.invite,
            `j-${run}-${first}-${n}`,
            30_000 + first + n,
          );
        }),
      );
      return { count: joiners.length };
    case 'connect':
      return await connectAll(task.server, task.count, task.atOnce);
    case 'drop':
      for (const [n, link] of [...links].slice(0, task.count)) {
        links.delete(n);
        link.onClose = () => undefined;
        link.vanish();
      }
      return {};
    case 'await page':
      return await awaitPage();
    case 'report':
      return await report(task.reporters, task.onTheWay, task.ms);
    case 'end':
      for (const link of links.values()) link.vanish();
      return {};
  }
}

async function load(file: string, from: number, to: number): Promise<void> {
  let at = 0;
  for await (const line of createInterface(createReadStream(file))) {
    if (at >= to) break;
    if (at++ < from) continue;
    const { keyPem, certPem, membership } = JSON.parse(line) as Record<string, string>;
    const identity = { ...keyPairFromPem(keyPem ?? ''), keyPem: keyPem ?? '', certPem: certPem ?? '' };
    members.push(new LightMember(identity, parseMembership(membership), at - 1));
  }
}

async function bare(server: ServerAt, count: number, width: number): Promise<Partial<Done>> {
  const open: LightLink[] = [];
  await atOnce(count, width, (n) =>
    untilDone(async () => {
      const member = members[n];
      if (member !== undefined) open.push(await LightLink.open(member.identity, server, member.from));
    }),
  );
  const lastAt = nowMs();
  setTimeout(() => open.forEach((link) => link.vanish()), 2_000);
  return { count: open.length, lastAt };
}

async function connectAll(server: ServerAt, count: number, width: number): Promise<Partial<Done>> {
  const missing = [...members.keys()].filter((n) => !links.has(n)).slice(0, count);
  await atOnce(missing.length, width, async (at) => {
    const n = missing[at] ?? 0;
    const member = members[n];
    if (member === undefined) return;
    const link = await untilDone(() => member.connect(server));
    links.set(n, link);
    link.onClose = () => links.delete(n);
    beat(n, link);
  });
  return { count: missing.length };
}

/** At times of their own, as machines that came at different times do. */
function beat(n: number, link: LightLink): void {
  setTimeout(
    () => {
      if (links.get(n) !== link) return;
      link.beat();
      beat(n, link);
    },
    BEAT_MS * (0.9 + 0.2 * Math.random()),
  ).unref();
}

async function awaitPage(): Promise<Partial<Done>> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let [left, firstAt] = [links.size, 0];
  for (const link of links.values()) {
    link.onPage = () => {
      if (firstAt === 0) firstAt = nowMs();
      link.onPage = () => undefined;
      if (--left === 0) resolve();
    };
  }
  const count = left;
  await promise;
  return { count, firstAt, lastAt: nowMs() };
}

async function report(reporters: number, onTheWay: number, ms: number): Promise<Partial<Done>> {
  const endsAt = performance.now() + ms;
  let count = 0;
  const those = [...links.values()].slice(0, reporters);
  await Promise.all(
    those.map(async (link) => {
      const spool = Math.random().toString(16).slice(2).padEnd(32, '0').slice(0, 32);
      let seq = 0;
      const one = async (): Promise<void> => {
        while (performance.now() < endsAt) {
          await link.ask(reportOf(spool, ++seq));
          count++;
        }
      };
      await Promise.all(Array.from({ length: onTheWay }, one));
    }),
  );
  return { count };
}

async function atOnce(count: number, width: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const workers = Array.from({ length: Math.min(width, count) }, async () => {
    for (let n = next++; n < count; n = next++) await work(n);
  });
  await Promise.all(workers);
}

/** As machines do: again after a pause that grows. */
async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  for (let pauseMs = RECONNECT_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, RECONNECT_LONGEST_MS)) {
    try {
      return await work();
    } catch (error) {
      again++;
      why ??= String(error);
      await wait(pauseMs * (0.5 + Math.random()));
    }
  }
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
