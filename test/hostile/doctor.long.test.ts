import { MEASURE_BYTES, MAX_MEASURE_PIECE_BYTES } from '@filer/protocol';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { EvilPeer } from '../support/evil-peer.ts';
import { runHere } from '../support/in-process.ts';
import { openLiar } from '../support/liar-here.ts';
import type { ClientHere, NetworkHere } from '../support/network-here.ts';
import { jsonLines, type Line } from '../support/programs.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';

/* What `doctor` does against a peer that grants everything, and one that stops reading, in the times of a real measurement. */

let network: NetworkHere;
let proxy: TcpProxy;
let liar: EvilPeer;
let anna: ClientHere;

beforeAll(async () => {
  ({ network, proxy, liar, anna } = await openLiar());
});
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await liar[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

async function throughput(): Promise<Line> {
  const outcome = await runHere('filer-client', anna.home, ['doctor', 'bob', '--json']);
  const checks = (jsonLines(outcome)[0]?.['checks'] ?? []) as Line[];
  return checks.find(({ check }) => check === 'throughput') ?? {};
}

/** Grants more than there is, and does something with each piece. */
function granting(onPiece: (bytes: number, stop: () => void) => void): void {
  liar.does = async ({ hand }) => {
    for (;;) {
      const asked = await hand.hear();
      if (asked === undefined) return;
      const { type, id: re = '' } = asked.header;
      if (type === 'probe') await hand.say({ type: 'probed', re, time: String(Date.now()) });
      if (type === 'measure') {
        const everything = String(Number.MAX_SAFE_INTEGER);
        await hand.say({ type: 'measure-granted', re, maxBytes: everything, maxMs: everything });
      }
      if (type === 'measure-piece') onPiece(asked.content.length, () => hand.messenger.socket.pause());
      if (type === 'measure-end' || type === 'measure-back')
        await hand.say({ type: 'measured', re, bytes: '1', ms: '1' });
    }
  };
}

test('a peer that grants everything gets what a measurement has, and nothing beyond', async () => {
  let received = 0;
  granting((bytes) => (received += bytes));
  const check = await throughput();

  expect(check).toMatchObject({ state: 'ok' });
  expect(received).toBeGreaterThan(0);
  expect(received).toBeLessThanOrEqual(MEASURE_BYTES + MAX_MEASURE_PIECE_BYTES);
});

test('a peer that stops reading is left, and what that may mean is said', async () => {
  granting((_, stop) => stop());
  const check = await throughput();

  expect(check).toMatchObject({ state: 'failed', facts: { code: 'timed-out' } });
  expect(String(check['remedy'])).toContain('mtu');
}, 60_000);
