import { FilerError } from '@filer/protocol';
import { describe, expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

const SPOOL = 'ab'.repeat(16);

describe('reports', () => {
  test('a report is listed with its values, and got by its id', async () => {
    await using server = await RunningServer.start();
    await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
    await anna.report(1, { disk: '007', note: '1e3' }, SPOOL);
    const [report] = await server.reports();

    expect(report).toMatchObject({
      peer: 'anna',
      peerId: anna.member.id,
      spool: SPOOL,
      seq: 1,
      kind: 'user',
      time: '1970-01-01T00:00:01.001Z',
      title: null,
      schedule: null,
      values: { disk: '007', note: '1e3' },
      attachments: [],
    });
    expect(await server.json('reports', 'get', String(report?.['id']))).toEqual(report);
    expect((await server.run('reports', 'get', '999')).code).toBe(1);
  });

  test('reports of one machine, and of the last hour, can be asked for', async () => {
    await using server = await RunningServer.start();
    const link = await server.invite('--uses', '2');
    await using anna = await (await TestMember.join(link, 'anna')).connect();
    await using ben = await (await TestMember.join(link, 'ben')).connect();
    await anna.report(1);
    await ben.report(1);

    expect(await server.reports('--peer', 'ben')).toMatchObject([{ peer: 'ben' }]);
    expect(await server.reports('--since', '1h')).toHaveLength(2);
    expect(await server.reports('--since', '0ms')).toEqual([]);
    expect(await server.run('reports', '--peer', 'bem')).toMatchObject({ code: 4 });
  });

  test('a report that is sent again is stored once', async () => {
    await using server = await RunningServer.start();
    await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
    const answers = [await anna.report(1, { a: '1' }), await anna.report(1, { a: '1' })];

    expect(answers[1]).toEqual(answers[0]);
    expect(await server.reports()).toHaveLength(1);
  });

  test('a known number with other content is a conflict and changes nothing', async () => {
    await using server = await RunningServer.start();
    await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
    await anna.report(1, { a: '1' });

    await expect(anna.report(1, { a: '2' })).rejects.toMatchObject({ code: 'report-conflict' });
    await expect(anna.report(2, { a: '2' })).resolves.toBeDefined();
    expect(await server.reports()).toMatchObject([{ values: { a: '1' } }, { values: { a: '2' } }]);
  });

  test('a server that is killed in the middle has every report that it acknowledged, once', async () => {
    let server = await RunningServer.start();
    const member = await TestMember.join(await server.invite(), 'anna');
    const total = 400;
    const acknowledged = new Set<number>();
    const reasons: unknown[] = [];
    for (let kills = 0; acknowledged.size < total; kills++) {
      const connection = await member.connect();
      const missing = Array.from({ length: total }, (_, seq) => seq).filter((seq) => !acknowledged.has(seq));
      const killAfter = missing[Math.floor(missing.length / 3)];
      const sent = missing.map(async (seq) => {
        await connection.report(seq, { seq: String(seq) });
        acknowledged.add(seq);
        if (kills < 3 && seq === killAfter) server.daemon.child.kill('SIGKILL');
      });
      const ends = await Promise.allSettled(sent);
      reasons.push(...ends.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : [])));
      connection.vanish();
      if (kills < 3) {
        await server.stop('SIGKILL');
        server = await server.again();
      }
    }
    await using again = server;

    expect(reasons.every((reason) => reason instanceof FilerError)).toBe(true);
    const stored = (await again.reports()).map((report) => Number(report['seq']));
    expect(stored.toSorted((a, b) => a - b)).toEqual(Array.from({ length: total }, (_, seq) => seq));
  });

  test('what is wrong in a report is answered, and the connection stays', async () => {
    await using server = await RunningServer.start();
    await using anna = await (await TestMember.join(await server.invite(), 'anna')).connect();
    const { session } = anna;
    const header = { type: 'report', spool: SPOOL, seq: '1', kind: 'user', time: '1' };
    const refused = { code: 'message-malformed' };

    await expect(session.request(header, Buffer.from('{'))).rejects.toMatchObject(refused);
    await expect(session.request({ ...header, seq: '0x10' })).rejects.toMatchObject(refused);
    await expect(session.request({ ...header, spool: 'mine' })).rejects.toMatchObject(refused);
    await expect(session.request(header, Buffer.alloc(65_537))).rejects.toMatchObject({ code: 'too-large' });
    await expect(session.request({ type: 'nonsense' })).rejects.toMatchObject({ code: 'unsupported' });
    await anna.report(1);
  });
});
