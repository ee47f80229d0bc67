import {
  createKeyPair,
  encodeReportBody,
  signLeave,
  signPeerRecord,
  signRemoval,
  type Heartbeat,
  type KeyPair,
  type PeerRecord,
  type Report,
} from '@filer/protocol';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Upload, UploadKey } from '../../apps/ip-server/src/store/attachment-store.ts';
import type { NewAlarm } from '../../apps/ip-server/src/store/alarm-store.ts';
import { NO_EFFECTS } from '../../apps/ip-server/src/store/effects.ts';
import type { Collect, CollectRun, FailedTry, NewRun } from '../../apps/ip-server/src/store/collect-store.ts';
import type { Expectation } from '../../apps/ip-server/src/store/expectation.ts';
import type { Store } from '../../apps/ip-server/src/store/interfaces.ts';
import type { Changed } from '../../apps/ip-server/src/store/registry.ts';
import { MESSAGES_KEPT_PER_SENDER } from '../../apps/ip-server/src/store/message-store.ts';
import type { NewReport, ReportQuery } from '../../apps/ip-server/src/store/report-store.ts';
import { PaperNetwork } from '../ip-server/members.ts';
import type { NewAuditEntry } from '../../apps/ip-server/src/store/audit-store.ts';
import type { StoredToken } from '../../apps/ip-server/src/store/token-store.ts';
import { reportsFound } from '../support/reports-found.ts';

const NOW = 1_500_000;
const ANY_SIZE = 1e12;

interface Made extends Partial<Pick<Report, 'seq' | 'spool' | 'time' | 'title' | 'schedule'>> {
  readonly peer?: string;
  readonly value?: string;
  readonly receivedAt?: number;
}

function report({ peer = 'ANNA', value = 'x', receivedAt = 0, ...over }: Made): NewReport {
  const { seq = 1, spool = 'a', time = 0, title = '', schedule = '' } = over;
  const body = { title, values: [['value', value] as const], schedule };
  const kind = schedule === '' ? 'user' : 'schedule';
  const made: Report = { ...body, spool: spool.repeat(32), seq, time, kind };
  return { peer, report: made, content: encodeReportBody(body), receivedAt };
}

const many = (count: number, over: Made = {}): NewReport[] =>
  Array.from({ length: count }, (_, index) => report({ ...over, seq: index + 1 }));

function alarm(id: string, peer = 'ANNA', schedule = 's'): NewAlarm {
  return { id, time: 1, steady: 1, event: 'missing', peer, schedule, payload: '{}' };
}

function expectation(schedule: string): Expectation {
  const times = { dueAt: 5, thirdAt: 15, since: 1, reportedAt: undefined, graceMs: undefined };
  return { peer: 'ANNA', schedule, always: false, state: 'ok', stopped: false, ...times };
}

const heartbeatOf = (uptimeMs: number, loadHundredths: number): Heartbeat => ({
  ...{ uptimeMs, loadHundredths, memoryTotalBytes: 8, memoryFreeBytes: 4, inboxFreeBytes: 2 },
  ...{ transfers: 0, spooled: 0 },
});

function changed(outcome: Changed | string): Changed {
  if (typeof outcome === 'string') throw new Error(`refused: ${outcome}`);
  return outcome;
}

/** How every engine of the ip-server's store behaves. @param open an empty one, which the caller closes */
export function storeSuite(open: () => Promise<Store>): void {
  let store: Store;
  beforeEach(async () => {
    store = await open();
  });

  describe('the registry', () => {
    const network = new PaperNetwork();
    const admit = async (...args: Parameters<PaperNetwork['membership']>): Promise<Changed> =>
      changed(
        await store.registry.admit({ membership: network.membership(...args), countsUse: false, now: NOW }),
      );

    const recordOf = (peer: KeyPair): PeerRecord =>
      signPeerRecord(peer, { network: network.networkKey.id, addresses: [], seq: 1, expiresAt: 2 * NOW });

    test('gives positions in the order of the changes, from where a run begins', async () => {
      const { registry } = store;
      const runs = await registry.beginRun(1_000);
      const anna = createKeyPair();
      const { seq, member } = await admit('anna', anna);
      const saved = await registry.saveRecord(recordOf(anna));
      const change = { handle: member.handle, state: 'online', lastSeen: 9, software: '1' } as const;
      const presence = await registry.savePresence([change]);

      expect(runs).toMatchObject([{}, { from: 1_000 }]);
      expect([seq, saved?.seq, presence.seqs]).toEqual([1_001, 1_002, [1_003]]);
      expect(await registry.seq()).toBe(1_003);
      expect(await registry.beginRun(0)).toMatchObject([{}, { to: 1_003 }, { from: 1_004 }]);
    });

    test('tells another reader what changed since a position, and nothing twice', async () => {
      const { registry } = store;
      const [anna, ben] = [createKeyPair(), createKeyPair()];
      const annas = network.membership('anna', anna);
      await registry.admit({ membership: annas, countsUse: false, now: NOW });
      const first = await registry.changes(0);
      await admit('ben', ben);
      await registry.leave(anna.id, signLeave(anna, annas, NOW));
      await registry.remove(signRemoval(network.networkKey, { number: 1, id: ben.id, removedAt: NOW }));
      const second = await registry.changes(first.seq);

      expect(first.members.map(({ membership }) => membership.name)).toEqual(['anna']);
      expect(second.members.map(({ membership, status }) => [membership.name, status])).toEqual([
        ['anna', 'left'],
        ['ben', 'removed'],
      ]);
      expect([second.leaves.length, second.removals.map(({ id }) => id)]).toEqual([1, [ben.id]]);
      expect(await registry.changes(second.seq)).toEqual({
        ...{ seq: second.seq, members: [], removals: [], leaves: [] },
      });
    });

    test('uses of an invite that come at once are counted one by one, and those above its limit refused', async () => {
      const { registry } = store;
      const grant = { ...network.invite.grant, uses: 3 };
      await registry.addInvite(grant);
      const outcomes = await Promise.all(
        ['a', 'b', 'c', 'd', 'e'].map((name) =>
          registry.admit({ membership: network.membership(name), countsUse: true, now: NOW }),
        ),
      );

      expect(outcomes.filter((each) => each === 'used-up')).toHaveLength(2);
      expect(await registry.members()).toHaveLength(3);
      expect(await registry.invite(grant.invite)).toMatchObject({ used: 3 });
    });

    test('a machine that repeats its enrolment uses the invite once, and is not another member', async () => {
      const { registry } = store;
      await registry.addInvite(network.invite.grant);
      const anna = createKeyPair();
      const enrol = async (serial: number): Promise<Changed> =>
        changed(
          await registry.admit({
            membership: network.membership('anna', anna, serial),
            countsUse: true,
            now: NOW,
          }),
        );
      const [first, again] = await Promise.all([enrol(1), enrol(2)]);

      expect(again.member).toEqual(first.member);
      expect(await registry.invite(network.invite.grant.invite)).toMatchObject({ used: 1 });
    });

    test('of two machines that ask for one name at once one gets it; a removed one frees it', async () => {
      const { registry } = store;
      const [one, two] = [createKeyPair(), createKeyPair()];
      const ask = (key: typeof one): ReturnType<typeof registry.admit> =>
        registry.admit({ membership: network.membership('pc', key), countsUse: false, now: NOW });

      expect((await Promise.all([ask(one), ask(two)]))[1]).toBe('name-taken');
      await registry.remove(signRemoval(network.networkKey, { number: 1, id: one.id, removedAt: NOW }));
      expect(await ask(one)).toBe('removed');
      expect(changed(await ask(two)).member.status).toBe('member');
    });

    test('what each server keeps of itself is its own', async () => {
      const { registry } = store;
      const at = (port: number) => ({ host: '::', port, advertise: [] });
      const trust = { timeMs: 7, steadyMs: 5, boot: 'b' };
      await registry.saveListenedAt('ONE', at(1));
      await registry.saveListenedAt('TWO', at(2));
      await registry.saveTrustedTime('TWO', trust);

      expect([await registry.listenedAt('ONE'), await registry.listenedAt('TWO')]).toEqual([at(1), at(2)]);
      expect(await registry.listenedAt('THREE')).toBeUndefined();
      expect([await registry.trustedTime('ONE'), await registry.trustedTime('TWO')]).toEqual([
        undefined,
        trust,
      ]);
    });

    test('a changed membership moves record and presence along, and keeps all else of its member', async () => {
      const { registry } = store;
      const anna = createKeyPair();
      const { member, seq } = await admit('anna', anna);
      const record = recordOf(anna);
      await registry.saveRecord(record);
      const { handle } = member;
      await registry.savePresence([{ handle, state: 'online', lastSeen: 9, software: 'filer/2' }]);
      const heartbeat = { at: 8, heartbeat: heartbeatOf(1, 2) };
      await registry.saveHeartbeats(new Map([[anna.id, heartbeat]]));
      const membership = network.membership('renamed', anna, 2);
      const amended = changed(await registry.amend(membership));

      const at = seq + 3;
      expect(amended).toEqual({
        seq: at,
        member: {
          ...{ ...member, membership, memberSeq: at, record, recordSeq: at, presenceSeq: at, heartbeat },
          ...{ presence: 'online', lastSeen: 9, software: 'filer/2' },
        },
      });
      expect(await registry.members()).toEqual([amended.member]);
      expect(await registry.saveRecord(record)).toBeUndefined();
    });

    test('a machine that never was a member has nothing to change, publish or leave', async () => {
      const { registry } = store;
      const anna = createKeyPair();

      expect(await registry.amend(network.membership('anna', anna, 2))).toBe('older');
      expect(await registry.saveRecord(recordOf(anna))).toBeUndefined();
      expect((await registry.leave(anna.id)).member).toBeUndefined();
      expect(await registry.members()).toEqual([]);
    });

    test('an older membership, and one that a leave has ended, are refused', async () => {
      const { registry } = store;
      const anna = createKeyPair();
      const membership = network.membership('anna', anna, 5);
      await registry.admit({ membership, countsUse: false, now: NOW });

      expect(await registry.amend(network.membership('older', anna, 5))).toBe('older');
      await registry.leave(anna.id, signLeave(anna, membership, NOW));
      expect(await registry.amend(network.membership('newer', anna, 9))).toBe('older');
      const back = network.membership('anna', anna, 9);
      expect(await registry.admit({ membership: back, countsUse: false, now: NOW })).toBe('older');
      const later = network.membership('anna', anna, 9, NOW);
      const { member } = changed(await registry.admit({ membership: later, countsUse: false, now: NOW }));
      expect([member.status, member.handle]).toEqual(['member', 1]);
    });
  });

  describe('reports', () => {
    const seqs = async (query: ReportQuery = {}): Promise<number[]> =>
      (await reportsFound(store.reports.query(query))).map((each) => each.report.seq);
    const append = (batch: NewReport[]): Promise<readonly string[]> => store.reports.append(batch);

    test('have ids in the order in which they were stored, whatever their own numbers are', async () => {
      await Promise.all([append([report({ seq: 7 }), report({ seq: 3 })]), append([report({ seq: 5 })])]);
      const found = await reportsFound(store.reports.query({}));

      expect(found.map((each) => each.report.seq)).toEqual([7, 3, 5]);
      expect(found.map(({ id }) => Number(id))).toEqual([1, 2, 3]);
      expect(await store.reports.newest()).toBe('3');
      expect(await seqs({ after: '1' })).toEqual([3, 5]);
    });

    test('are stored once, and an id is never given again', async () => {
      expect(await append([report({}), report({})])).toEqual(['stored', 'stored']);
      await store.reports.prune({ before: 1, maxBytes: ANY_SIZE }, 10);
      expect(await append([report({}), report({ seq: 2 })])).toEqual(['stored', 'stored']);

      expect((await reportsFound(store.reports.query({}))).map(({ id }) => id)).toEqual(['2']);
      expect(await store.reports.lastSeq('ANNA', 'a'.repeat(32))).toBe(2);
    });

    test('of a batch with one that is refused none is stored, and nothing that follows from them', async () => {
      await append([report({ seq: 2 })]);
      const batch = [report({ seq: 1 }), report({ seq: 2, value: 'other' })];
      const effects = { ...NO_EFFECTS, kept: [expectation('s')], alarms: [alarm('a')] };

      expect(await store.reports.append(batch, effects)).toEqual(['stored', 'conflict']);
      expect([await seqs(), await store.expectations.all(), await store.alarms.last(9)]).toEqual([
        [2],
        [],
        [],
      ]);
      expect(await store.reports.differences(report({ seq: 2, value: 'other' }))).toEqual(['content']);
      expect(await store.reports.append(batch.slice(0, 1), effects)).toEqual(['stored']);
      expect((await store.expectations.all()).length + (await store.alarms.last(9)).length).toBe(2);
    });

    test('are not stored when what follows from them cannot be', async () => {
      const effects = { ...NO_EFFECTS, kept: [expectation('s')], alarms: [alarm('given-once')] };
      await store.reports.append([report({ seq: 1 })], effects);
      const again = { ...effects, kept: [expectation('t')] };
      await expect(store.reports.append([report({ seq: 2 })], again)).rejects.toThrow(/given-once|unique/i);

      expect(await seqs()).toEqual([1]);
      expect((await store.expectations.all()).map(({ schedule }) => schedule)).toEqual(['s']);
      expect(await append([report({ seq: 2 })])).toEqual(['stored']);
    });

    test('are read page by page; what is stored meanwhile does not belong to it', async () => {
      await append(many(1_000));
      const pages = store.reports.query({})[Symbol.asyncIterator]();
      const first = await pages.next();
      await append([report({ seq: 1_001 })]);
      let count = first.done === true ? 0 : first.value.length;
      expect(count).toBeLessThan(1_000);
      for (let page = await pages.next(); page.done !== true; page = await pages.next())
        count += page.value.length;

      expect(count).toBe(1_000);
    });

    test('are found by who made them, title, schedule, time and kind', async () => {
      await append([
        report({ seq: 1, title: 'disk [1]', receivedAt: 10 }),
        report({ seq: 2, schedule: 'disk', title: 'disk of nas', receivedAt: 20 }),
        report({ seq: 3, schedule: 'disk', receivedAt: 30 }),
        report({ peer: 'BEN', seq: 4, title: 'disk?', receivedAt: 40 }),
      ]);
      const asked: [ReportQuery, number[]][] = [
        [{ peers: ['BEN', 'UNKNOWN'] }, [4]],
        [{ title: 'disk*' }, [1, 2, 4]],
        [{ title: '*[1]' }, [1]],
        [{ title: 'disk?' }, [4]],
        [{ schedule: 'disk', since: 20, until: 30 }, [2]],
        [{ kind: 'user', peers: ['ANNA'] }, [1]],
      ];
      for (const [query, expected] of asked) expect([query, await seqs(query)]).toEqual([query, expected]);
      const latest = await reportsFound(store.reports.latest({}));
      expect(latest.map((each) => each.report.seq)).toEqual([1, 3, 4]);
    });

    test('beyond their space go from the machine with most, its oldest first, some at a time', async () => {
      await append([...many(3, { peer: 'MODEST' }), ...many(20, { peer: 'GREEDY' })]);
      const each = (await store.reports.bytes()) / 23;
      const step = (): Promise<number> => store.reports.prune({ before: 0, maxBytes: 10 * each }, 8);

      expect([await step(), await step(), await step()]).toEqual([8, 5, 0]);
      expect(await seqs({ peers: ['MODEST'] })).toEqual([1, 2, 3]);
      expect(await seqs({ peers: ['GREEDY'] })).toEqual([14, 15, 16, 17, 18, 19, 20]);
      const above = ['MODEST', 'GREEDY'].map((peer) => store.reports.isAboveShare(peer, 1));
      expect(await Promise.all(above)).toEqual([false, true]);
    });
  });

  describe('what pages show', () => {
    test('the newest reports of one machine, of one of its schedules, or of all, the newest first', async () => {
      await store.reports.append([
        report({ peer: 'ANNA', seq: 1, title: 'a1' }),
        report({ peer: 'BERT', seq: 1, title: 'b1', schedule: 'nightly' }),
        report({ peer: 'ANNA', seq: 2, title: 'a2', schedule: 'nightly' }),
        report({ peer: 'ANNA', seq: 3, title: 'a3' }),
      ]);
      const titles = async (...args: Parameters<Store['reports']['recent']>): Promise<string[]> =>
        (await store.reports.recent(...args)).map(({ report: { title } }) => title);

      expect(await titles({}, 3)).toEqual(['a3', 'a2', 'b1']);
      expect(await titles({ peer: 'ANNA' }, 2)).toEqual(['a3', 'a2']);
      expect(await titles({ peer: 'ANNA', schedule: '' }, 9)).toEqual(['a3', 'a1']);
      expect(await titles({ peer: 'CARL' }, 9)).toEqual([]);
      const [, second] = await store.reports.recent({ peer: 'ANNA' }, 2);
      expect(await titles({ peer: 'ANNA' }, 9, second?.id)).toEqual(['a1']);
    });

    test('when each machine reported last, also when that report has gone', async () => {
      await store.reports.append([
        report({ peer: 'ANNA', seq: 1, receivedAt: 5 }),
        report({ peer: 'BERT', seq: 1, receivedAt: 6 }),
      ]);
      await store.reports.append([report({ peer: 'ANNA', seq: 2, receivedAt: 7 })]);
      await store.reports.prune({ before: 100, maxBytes: ANY_SIZE }, 10);

      expect(Object.fromEntries(await store.reports.lastReceived())).toEqual({ ANNA: 7, BERT: 6 });
    });

    test('the newest texts to many, so many of each sender', async () => {
      const text = (from: string, id: string) => ({
        id,
        time: 1,
        from,
        to: '@all',
        text: id,
        reached: 1,
        offline: 0,
      });
      await store.messages.add(text('BERT', 'first'));
      for (let count = 0; count <= MESSAGES_KEPT_PER_SENDER; count++)
        await store.messages.add(text('ANNA', `a${count}`));

      const all = await store.messages.last(1_000);
      expect(all).toHaveLength(MESSAGES_KEPT_PER_SENDER + 1);
      expect(all.slice(0, 2).map(({ id }) => id)).toEqual(['first', 'a1']);
      expect(await store.messages.last(1)).toEqual([text('ANNA', `a${MESSAGES_KEPT_PER_SENDER}`)]);
    });
  });

  describe('expectations and alarms', () => {
    test('what is dropped and what is kept are one change', async () => {
      const clock = { steady: 1, time: 2, uptime: 3, boot: undefined };
      await store.expectations.apply({ ...NO_EFFECTS, kept: [expectation('s'), expectation('t')] });
      await store.expectations.apply({
        ...NO_EFFECTS,
        dropped: [expectation('s'), expectation('t')],
        kept: [{ ...expectation('t'), state: 'late' }],
        clock,
      });

      expect(await store.expectations.all()).toEqual([{ ...expectation('t'), state: 'late' }]);
      expect(await store.expectations.clock()).toEqual(clock);
    });

    test('of each machine and schedule the oldest alarm waits to be told, until it is', async () => {
      const alarms = [alarm('1'), alarm('2'), alarm('3', 'BEN')];
      await store.expectations.apply({ ...NO_EFFECTS, alarms, channels: ['hook', 'webhook'] });
      const [first, second] = await store.alarms.next('hook', 9);
      expect([first?.id, second?.id]).toEqual(['1', '3']);
      if (first === undefined || second === undefined) return;
      await store.alarms.tried(first, 'hook', 'no answer');
      expect((await store.alarms.next('hook', 1))[0]).toMatchObject({ id: '1', tries: 1 });
      await store.alarms.done(first, 'hook', 5, undefined);

      expect((await store.alarms.next('hook', 9)).map(({ id }) => id)).toEqual(['2', '3']);
      expect(await store.alarms.waiting('webhook')).toBe(3);
      await store.alarms.abandon('webhook', 6, 'it is not set any more');
      expect((await store.alarms.last(3))[0]).toMatchObject({
        id: '1',
        deliveries: [
          { channel: 'hook', state: 'delivered', tries: 2, doneAt: 5 },
          { channel: 'webhook', state: 'failed', problem: 'it is not set any more' },
        ],
      });
    });
  });

  describe('samples and attachments', () => {
    test('samples are one a minute, and one an hour with its average after two days', async () => {
      const hour = 3_600_000;
      for (let minute = 0; minute < 90; minute++) {
        const beat = heartbeatOf(minute, minute < 30 ? 100 : 300);
        await store.samples.save(new Map([['ANNA', { at: minute * 60_000 + 7, heartbeat: beat }]]));
      }
      await store.samples.save(new Map([['ANNA', { at: 89 * 60_000 + 9, heartbeat: heartbeatOf(89, 300) }]]));
      while (await store.samples.rollUp(2 * 24 * hour + hour, 500));
      const [first, ...minutes] = await store.samples.of('ANNA');

      expect(first).toMatchObject({ at: 0, spanMs: hour, heartbeat: { uptimeMs: 59, loadHundredths: 200 } });
      expect([minutes.length, await store.samples.of('BEN')]).toEqual([30, []]);
    });

    const keyOf = (peer: string, seq: number): UploadKey => ({ peer, spool: 'a'.repeat(32), seq });
    const begin = async (peer: string, seq: number, now = NOW): Promise<Upload> => {
      const upload = await store.attachments.begin(keyOf(peer, seq), now);
      if (upload === undefined) throw new Error('the report is stored');
      return upload;
    };
    const note = (upload: Upload, name: string, size: number): Promise<void> =>
      store.attachments.note(upload, { name, size, digest: 'd' }, NOW);

    test('files are noted and counted for their machine, and come again with a new beginning', async () => {
      const { attachments } = store;
      const [anna, ben] = [await begin('ANNA', 1), await begin('BEN', 1)];
      await Promise.all([note(anna, 'a', 10), note(anna, 'b', 5), note(ben, 'a', 1), note(ben, 'b', 1)]);
      await note(ben, 'c', 1);

      expect([await attachments.amount('bytes'), await attachments.amountOf('files', 'ANNA')]).toEqual([
        18, 3,
      ]);
      expect(await attachments.heaviest('bytes')).toEqual({ peer: 'ANNA', amount: 15 });
      expect(await attachments.heaviest('files')).toEqual({ peer: 'BEN', amount: 4 });
      expect([...(await attachments.files(anna)).keys()]).toEqual(['a', 'b']);
      expect((await attachments.files(await begin('ANNA', 1))).size).toBe(0);
    });

    test('what files of a machine take follows each change: weighed, forgotten, begun again', async () => {
      const { attachments } = store;
      const [first, second, ben] = [await begin('ANNA', 1), await begin('ANNA', 2), await begin('BEN', 1)];
      await Promise.all([note(first, 'a', 10), note(second, 'a', 5), note(ben, 'a', 12)]);
      const amounts = async (): Promise<unknown[]> => [
        await attachments.amountOf('bytes', 'ANNA'),
        await attachments.amountOf('files', 'ANNA'),
        await attachments.amount('bytes'),
        (await attachments.heaviest('bytes'))?.peer,
      ];
      expect(await amounts()).toEqual([15, 4, 27, 'ANNA']);
      await attachments.weigh(second, { bytes: 8, files: 2 });
      expect(await amounts()).toEqual([18, 5, 30, 'ANNA']);
      await attachments.giveUp(first);
      expect(await amounts()).toEqual([18, 5, 30, 'ANNA']); // until its files are removed
      await attachments.forget(first);
      await attachments.forget(first);
      expect(await amounts()).toEqual([8, 3, 20, 'BEN']);
      await begin('ANNA', 2);
      expect(await amounts()).toEqual([8, 3, 20, 'BEN']);
      await attachments.forget(second);
      expect(await amounts()).toEqual([0, 0, 12, 'BEN']);
    });

    test('files of a report that goes are to be removed, and none are taken for one that was stored', async () => {
      const { attachments, reports } = store;
      const [first, second] = [await begin('ANNA', 1), await begin('ANNA', 2, NOW + 1)];
      await reports.append([report({ seq: 1, receivedAt: 1 })]);
      await attachments.reported(first);
      expect(await attachments.begin(keyOf('ANNA', 1), NOW)).toBeUndefined();
      expect((await attachments.openOf('ANNA')).map(({ seq }) => seq)).toEqual([2]);
      await reports.prune({ before: 2, maxBytes: ANY_SIZE }, 9);

      expect((await attachments.gone(9)).map(({ seq }) => seq)).toEqual([1]);
      expect(await attachments.hasReport(keyOf('ANNA', 1))).toBe(true);
      await attachments.forget(first);
      expect(await attachments.find(keyOf('ANNA', 1))).toBeUndefined();
      expect((await attachments.openSince(NOW + 2, 9)).map(({ seq }) => seq)).toEqual([second.seq]);
    });
  });

  describe('collects', () => {
    const collect = (name: string): Collect => ({
      ...{ name, sources: ['@all', 'ANNA'], paths: ['x/**'], timetable: { kind: 'every', text: '6h' } },
      ...{ folder: `/srv/${name}`, graceMs: 5, createdAt: 1, nextAt: 100 },
    });
    const expected = (peer: string): NewRun['expected'][number] => ({ peer, name: peer, folder: peer });
    let runs = 0;
    const newRun = (over: Partial<NewRun> = {}): NewRun => ({
      ...{ id: `id-${++runs}`, collect: 'x', label: `label-${runs}`, startedAt: runs },
      ...{ expected: [expected('BEN'), expected('ANNA')], delivering: [], due: undefined },
      ...over,
    });
    const begin = async (over: Partial<NewRun> = {}): Promise<CollectRun> => {
      const run = await store.collects.begin(newRun(over));
      if (typeof run === 'string') throw new Error(run);
      return run;
    };
    const states = async ({ number }: CollectRun): Promise<string[]> =>
      (await store.collects.deliveries(number)).map(
        ({ peer, state, late }) => `${peer} ${state}${late ? ' late' : ''}`,
      );
    const failures = [{ name: 'a', code: 'refused', message: 'no' }];
    const refused: FailedTry = { state: 'failed', code: 'refused', reason: 'no', filesFailed: 1, failures };

    test('are kept by their names, with when they are due, which counts from one time only', async () => {
      const { collects } = store;
      expect([await collects.add(collect('x')), await collects.add(collect('a'))]).toEqual([true, true]);
      expect(await collects.add({ ...collect('x'), folder: '/other' })).toBe(false);
      expect((await collects.all()).map(({ name }) => name)).toEqual(['a', 'x']);
      expect(await collects.get('x')).toEqual(collect('x'));
      expect([await collects.setNext('x', 99, 50), await collects.setNext('x', 100, 50)]).toEqual([
        false,
        true,
      ]);
      expect((await collects.get('x'))?.nextAt).toBe(50);
    });

    test('a run that is due begins once, also when another begins it at the same time, and no two have one label', async () => {
      const { collects } = store;
      expect(await collects.begin(newRun())).toBe('no-collect');
      await collects.add(collect('x'));
      const due = { at: 100, next: undefined };
      const outcomes = await Promise.all([1, 2, 3].map(() => collects.begin(newRun({ due, label: 'day' }))));

      expect(outcomes[0]).toMatchObject({ collect: 'x', label: 'day', dueAt: 100, isLate: false });
      expect(outcomes.slice(1)).toEqual(['label-taken', 'label-taken']);
      expect(await collects.begin(newRun({ due }))).toBe('not-due');
      expect((await collects.get('x'))?.nextAt).toBeUndefined();
      expect(await collects.run('x', 'day')).toEqual(outcomes[0]);
      expect(await collects.runs('x', 9)).toEqual([outcomes[0]]);
    });

    test('who has not delivered is missing when the next run begins, but for who is just delivering', async () => {
      const { collects } = store;
      await collects.add(collect('x'));
      const first = await begin({ expected: ['ANNA', 'BEN', 'CARL'].map(expected) });
      await collects.delivered(first.number, 'CARL', { at: 7, files: 2, bytes: 3 });
      const second = await begin({ delivering: [{ run: first.number, peer: 'ANNA' }] });

      expect(await states(first)).toEqual(['ANNA waiting', 'BEN missing late', 'CARL delivered']);
      expect(await states(second)).toEqual(['ANNA waiting', 'BEN waiting']);
      expect(await collects.newest('x')).toEqual(second);
      const missed = await collects.failed(first.number, 'ANNA', { ...refused, state: 'missing' });
      expect(missed).toMatchObject({ state: 'missing', late: true, tries: 1, code: 'refused' });
    });

    test('a delivery is what came of its tries, and one that is over is not opened again', async () => {
      const { collects } = store;
      await collects.add(collect('x'));
      const { number } = await begin();
      expect(await collects.asked(number, 'ANNA', 5)).toMatchObject({ state: 'asked', askedAt: 5 });
      expect(await collects.begun('x')).toMatchObject([{ folder: 'ANNA' }]);
      expect(await collects.failed(number, 'ANNA', refused)).toMatchObject({ ...refused, tries: 1 });
      expect(await collects.late(number)).toMatchObject([{ late: true }, { late: true }]);
      expect(await collects.delivered(number, 'ANNA', { at: 9, files: 1, bytes: 2 })).toMatchObject({
        ...{ state: 'delivered', late: true, deliveredAt: 9, files: 1, bytes: 2, tries: 2 },
        ...{ filesFailed: 0, failures: [], code: undefined, reason: undefined },
      });
      const over = [collects.asked(number, 'ANNA', 10), collects.gone(number, 'ANNA', 'left')];
      expect((await Promise.all(over)).map((each) => each?.state)).toEqual(['delivered', 'delivered']);
      expect(await collects.gone(number, 'BEN', 'removed')).toMatchObject({ state: 'removed' });
      expect(await collects.asked(number, 'NOBODY', 10)).toBeUndefined();
    });

    test('what a server left that ran them before is taken up: no one is asked, earlier runs are over', async () => {
      const { collects } = store;
      await collects.add(collect('x'));
      const first = await begin();
      const second = await begin({ delivering: [{ run: first.number, peer: 'BEN' }] });
      await collects.asked(second.number, 'ANNA', 5);
      await collects.takeUp();

      expect(await states(first)).toEqual(['ANNA missing late', 'BEN missing late']);
      expect(await states(second)).toEqual(['ANNA waiting', 'BEN waiting']);
    });

    test('each machine has a folder of its own forever, also one that comes to have a known name', async () => {
      const claim = async (...machines: (readonly [string, string])[]): Promise<string[]> =>
        (
          await store.collects.claimFolders(
            '/srv',
            machines.map(([peer, name]) => ({ peer, name })),
          )
        ).map(({ folder }) => folder);
      const [one, two, three] = ['ONE', 'TWO', 'THREE'].map((each) => each.padEnd(12, 'X'));
      if (one === undefined || two === undefined || three === undefined) return;

      expect(await claim([one, 'nas'], [two, 'pc'])).toEqual(['nas', 'pc']);
      expect(await claim([two, 'nas'], [one, 'nas'])).toEqual(['nas.twoxxxxx', 'nas']);
      expect(await claim([`${two.slice(0, 8)}YYYY`, 'nas'])).toEqual(['nas.twoxxxxxyyyy']);
      expect(await claim([three, 'nas.twoxxxxx'])).toEqual(['nas.twoxxxxx.threexxx']);
    });

    test('a collect that is removed takes its ledger along', async () => {
      const { collects } = store;
      await collects.add(collect('x'));
      const { number } = await begin();
      expect([await collects.remove('x'), await collects.remove('x')]).toEqual([true, false]);
      expect([await collects.newest('x'), await collects.deliveries(number)]).toEqual([undefined, []]);
      await collects.add(collect('x'));
      expect((await begin()).number).toBeGreaterThan(number);
    });
  });

  describe('tokens', () => {
    const token = (number: number, expiresAt = NOW + 10): StoredToken => ({
      id: `id-${number}`,
      name: 'wall',
      role: 'read',
      digest: `digest-${number}`,
      createdAt: NOW,
      expiresAt,
      usedAt: undefined,
    });

    test('are found by digest and by id until they are removed, in the order in which they were made', async () => {
      const { tokens } = store;
      for (const number of [2, 1]) expect(await tokens.add(token(number), NOW)).toBe(true);
      expect(await tokens.all()).toEqual([token(2), token(1)]);
      expect(await tokens.byDigest('digest-1')).toEqual(token(1));
      await tokens.used('id-1', NOW + 1);
      expect(await tokens.byId('id-1')).toEqual({ ...token(1), usedAt: NOW + 1 });
      expect(await tokens.remove('id-1')).toMatchObject({ id: 'id-1' });
      expect(await tokens.remove('id-1')).toBeUndefined();
      expect(await tokens.byId('id-1')).toBeUndefined();
      expect(await tokens.byDigest('digest-1')).toBeUndefined();
    });

    test('are so many at most, and those that have expired count no longer', async () => {
      const { tokens } = store;
      expect(await tokens.add(token(0, NOW + 1), NOW, 2)).toBe(true);
      expect(await tokens.add(token(1), NOW, 2)).toBe(true);
      expect(await tokens.add(token(2), NOW, 2)).toBe(false);
      expect(await tokens.add(token(2), NOW + 1, 2)).toBe(true);
      expect(await tokens.all()).toEqual([token(1), token(2)]);
    });
  });

  describe('the audit log', () => {
    const entry = (by: string, target = ''): NewAuditEntry => ({
      time: NOW,
      by,
      name: by,
      action: 'rename',
      target,
    });

    test('has what began and how it ended, a page at a time', async () => {
      const { audit } = store;
      const first = await audit.begin(entry('anna', 'a'));
      const second = await audit.begin(entry('local', 'b'));
      expect(second).toBeGreaterThan(first);
      await audit.end(first, 'name-taken', NOW + 1);
      const begun = { ...entry('local', 'b'), number: second, result: undefined, endedAt: undefined };
      const ended = { ...entry('anna', 'a'), number: first, result: 'name-taken', endedAt: NOW + 1 };
      expect(await audit.last(10)).toEqual([ended, begun]);
      expect(await audit.last(1)).toEqual([begun]);
      expect(await audit.last(10, second)).toEqual([ended]);
    });

    test('loses the oldest of those who fill it, and nothing of others', async () => {
      const { audit } = store;
      const mine = await audit.begin(entry('anna'), 4);
      for (let number = 0; number < 6; number++) await audit.begin(entry('mallory'), 4);
      const all = await audit.last(100);
      expect(all.map(({ by }) => by)).toEqual(['anna', 'mallory', 'mallory', 'mallory']);
      expect(all[0]?.number).toBe(mine);
      expect(all.at(-1)?.number).toBe(mine + 6);
    });
  });
}
