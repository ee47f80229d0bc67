import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;
const FILE_BYTES = 96 * MiB;
const ROUNDS = 32;

describe('kills at random points, one after the other', () => {
  let network: TestNetwork;
  let proxy: TcpProxy;
  let file: string;
  let digest: string;

  beforeAll(async () => {
    network = await TestNetwork.open({ running: ['anna'] });
    proxy = await TcpProxy.open();
    await network.join('bob');
    await startBob();
    await network.seesAs('anna', 'bob', 'online');
    file = await network.file('big.bin', FILE_BYTES);
    digest = await sha256(file);
  }, 120_000);
  afterAll(async () => {
    await network.close();
    await proxy[Symbol.asyncDispose]();
  });

  async function startBob(): Promise<void> {
    const bob = await network.startAlone('bob', '--advertise', proxy.address);
    proxy.target = bob.listen;
  }

  const seen = new Set<string>();
  /** Under a final name lies nothing but the whole file. */
  async function expectWhole(): Promise<void> {
    for (const path of await filesBelow(network.inbox('bob'))) {
      if (seen.has(path) || path.split('/').at(-1)?.startsWith(PART_PREFIX) === true) continue;
      seen.add(path);
      expect(await sha256(network.inbox('bob', path))).toBe(digest);
    }
  }

  test(`${ROUNDS} times: what lies under a final name is whole, and the send succeeds or says that it did not`, async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const point = randomInt(2_000, FILE_BYTES);
      const victim = (['receiver', 'sender', 'cable', 'server'] as const)[round % 4];
      const held = proxy.hold(point);
      const command = network.follow('anna', ['send', file, '--to', 'bob', '--json']);
      await held;
      switch (victim) {
        case 'receiver':
          await network.daemon('bob').stop('SIGKILL');
          await expectWhole();
          proxy.cut();
          await startBob();
          break;
        case 'sender':
          await network.daemon('anna').stop('SIGKILL');
          proxy.cut();
          await network.start('anna');
          break;
        case 'server':
          await network.server.stop('SIGKILL');
          proxy.release();
          await network.startServer();
          break;
        default:
          proxy.cut();
      }
      const { code } = await command.ended;
      // Before the first welcome a cut cannot be told from a machine that is off.
      const expected = victim === 'sender' ? [1] : point < 10_000 ? [0, 5] : [0];
      expect(expected, `${victim} at byte ${point}`).toContain(code);
      await expectWhole();
    }
    await network.daemon('bob').stop();
    await startBob();
    const parts = (await filesBelow(network.inbox('bob'))).filter((path) => path.includes(PART_PREFIX));
    expect(parts).toEqual([]);
  });

  test('reports are stored once each, in order, though the server is killed again and again', async () => {
    let n = 0;
    for (let round = 0; round < 10; round++) {
      const reporting = (async () => {
        for (let each = 0; each < 5; each++) await network.ask('anna', 'report', `n=${n++}`);
      })();
      await network.server.stop('SIGKILL');
      await network.startServer();
      await reporting;
    }
    for (;;) {
      const [status] = await network.ask('anna', 'status');
      if (status?.['spool'] === 0) break;
    }
    const document = await network.askServer('reports');
    expect(listOf(document, 'reports').map(({ values }) => values)).toEqual(
      Array.from({ length: n }, (_, each) => ({ n: String(each) })),
    );
  });
});
