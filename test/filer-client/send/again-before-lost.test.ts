import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseHostPort } from '@filer/protocol';
import { NetworkHere } from '../../support/network-here.ts';
import { jsonLines } from '../../support/programs.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';

test('a sender that comes again before its lost connection is missed continues where it was', async () => {
  await using network = await NetworkHere.open({ relay: false });
  await using proxy = await TcpProxy.open();
  await network.join('ben');
  const ben = await network.start(network.home('ben'), undefined, [parseHostPort(proxy.address)]);
  proxy.target = ben.daemon.listen;
  const anna = await network.add('anna');
  await anna.sees('ben');
  const file = join(network.folder, 'a.bin');
  const content = Buffer.from(Array.from({ length: 1_000_000 }, (_, n) => `${n}`.padStart(6)).join(''));
  await writeFile(file, content);
  const held = proxy.hold(4_000_000);
  const sending = anna.run('send', file, '--to', 'ben', '--json');
  await held;
  proxy.cutDiallers();
  const outcome = await sending;
  const lines = jsonLines(outcome);
  const lost = lines.findIndex(({ type }) => type === 'retry');
  const [next] = lines.slice(lost).filter(({ type }) => type === 'progress');

  expect(outcome.code).toBe(0);
  expect(lost).toBeGreaterThan(0);
  expect(Number(next?.['bytesDone'])).toBeGreaterThanOrEqual(2_000_000);
  expect(await readFile(join(ben.home, 'inbox', 'anna', 'a.bin'))).toEqual(content);
  expect(ben.log).not.toContain('ended early');
});
