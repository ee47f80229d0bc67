import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLogger, resolveHome } from '@filer/program';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { watchDocument } from '../../../apps/filer-client/src/watch/watch-document.ts';
import { Watches } from '../../../apps/filer-client/src/watch/watches.ts';
import { until } from '../../support/in-process.ts';
import { TestNetwork } from '../../support/test-network.ts';

let network: TestNetwork;

beforeAll(async () => {
  network = await TestNetwork.open();
  await network.join('anna');
});
afterAll(() => network.close());

test('a watch that cannot begin says why, and the others are watched', async () => {
  using member = await Member.open(resolveHome('filer-client', { FILER_HOME: network.home('anna') }));
  const folder = network.path('w');
  await mkdir(folder);
  const options = JSON.stringify({ to: ['@all'], settleMs: 100, rescanMs: 60_000 });
  const broken = member.watches.add({ name: 'broken', folder, options: 'no json', addedAt: 1 });
  const good = member.watches.add({ name: 'good', folder, options, addedAt: 1 });
  const jobs = { keep: () => '', begin: () => undefined, retry: () => undefined };
  const log = await createLogger({ stream: { write: () => undefined } });

  await using watches = new Watches({ member, jobs, log, inbox: network.path('inbox') });
  watches.start();
  await until(
    () => Promise.resolve(watches.standing(broken.id)?.state),
    (state) => state !== undefined,
  );

  expect(watches.standing(broken.id)).toEqual({
    state: 'failing',
    reason: expect.stringContaining('restore the home'),
    unshipped: 0,
  });
  expect(watchDocument(member, broken, watches.standing(broken.id))).toMatchObject({
    state: 'failing',
    to: [],
  });
  expect(watches.standing(good.id)?.reason ?? '').not.toContain('restore');
  await watches.remove(broken.id);
  expect(watches.standing(broken.id)).toBeUndefined();
});
