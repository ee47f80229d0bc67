import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, writesTo } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { ArrivalHook } from '../../../apps/filer-client/src/receive/arrival-hook.ts';
import { RUNNING } from '../../../apps/filer-client/src/receive/stage/switching.ts';
import { ArrivalStore } from '../../../apps/filer-client/src/store/arrival-store.ts';
import { openDatabase } from '../../../apps/filer-client/src/store/database.ts';
import { InboxStore } from '../../../apps/filer-client/src/store/inbox-store.ts';
import { StageStore } from '../../../apps/filer-client/src/store/stage-store.ts';
import { until } from '../../support/in-process.ts';

test('programs that were to run when the daemon ended run at its next start, by turns of the senders', async () => {
  const home = await mkdtemp(join(tmpdir(), 'filer-hooks-'));
  onTestFinished(() => rm(home, { recursive: true }));
  await mkdir(join(home, 'inbox'));
  using database = openDatabase(join(home, 'filer.db'));
  const [arrivals, stages] = [new ArrivalStore(database), new StageStore(database)];
  const inbox = new InboxStore(database, writesTo(database));
  const staged = (sender: string, job: string, now: number): void => {
    const where = { folder: sender, hidden: job, mirror: false, overwrite: false, note: '' };
    stages.hookEnded(stages.begin({ sender, senderName: sender, job, ...where }, now), RUNNING);
  };
  ['e1', 'e2', 'e3'].forEach((job, n) => staged('eve', job, n));
  staged('carol', 'c1', 9);
  arrivals.folderOf({ id: 'bob', name: 'bob' }, { job: 'b1', note: '', beganAt: 1 }, () => 'bob');
  const file = { path: '/bob/b1', name: 'b1', size: 1, digest: '', receivedAt: 1, note: '' };
  const came = { ...file, from: 'bob', fromName: 'bob', id: 'b1', job: 'b1', wasThere: false } as const;
  await inbox.add({ ...came, state: 'received' });
  arrivals.done('bob', 'b1');
  const said = join(home, 'said');
  const hook = new ArrivalHook({
    command: ['/bin/sh', '-c', `cat >/dev/null; echo $FILER_JOB >>"${said}"`],
    timeoutMs: 60_000,
    inbox: join(home, 'inbox'),
    environment: { PATH: process.env['PATH'] },
    arrivals,
    stages,
    log: await createLogger({ stream: { write: () => undefined } }),
  });

  hook.wake();
  const order = await until(
    async () => (await readFile(said, 'utf8').catch(() => '')).trim().split('\n'),
    (jobs) => jobs.length === 5,
  );
  await hook.close();

  expect(order).toEqual(['e1', 'c1', 'b1', 'e2', 'e3']);
});
