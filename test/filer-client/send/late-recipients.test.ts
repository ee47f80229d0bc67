import { randomBytes } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RelayRace } from '@filer/transfer';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { begunTogether } from '../../support/begun-together.ts';
import { until } from '../../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../../support/network-here.ts';

const MiB = 1024 * 1024;
const content = randomBytes(8 * MiB + 1_000);

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  bob = await network.add('bob');
  anna = await network.add('anna');
  await anna.sees('bob');
});
afterAll(() => network[Symbol.asyncDispose]());

/** Sends a file to bob, and to one that is off. @returns what starts that one and awaits its file, and its id */
async function sentToOneThatIsOff(name: string): Promise<{ start(): Promise<ClientHere> }> {
  expect((await network.join(name)).code).toBe(0);
  const away = await (await network.start(network.home(name))).connected();
  await anna.sees(name);
  await away[Symbol.asyncDispose]();
  await anna.sees(name, ({ online }) => online === false);
  const file = join(network.folder, `for-${name}`);
  await writeFile(file, content);
  const done = await anna.ask('send', file, '--to', `bob,${name}`, '--queue');
  expect(done).toMatchObject({ ok: true, filesSent: 1 });
  return {
    start: async () => {
      const late = await (await network.start(network.home(name))).connected();
      await until(
        () => anna.run('history', String(done['job']), '--json'),
        ({ stdout }) => stdout.includes('"state":"done"'),
      );
      expect((await readFile(join(network.home(name), 'inbox', 'anna', `for-${name}`))).equals(content)).toBe(
        true,
      );
      return late;
    },
  };
}

function passedOn(races: readonly RelayRace[], { daemon }: ClientHere): readonly string[] {
  return (
    races
      .at(-1)
      ?.via(daemon.id)
      .map(({ peer }) => peer) ?? []
  );
}

test('one that was off gets it of another recipient that has it since', async () => {
  const late = await sentToOneThatIsOff('carol');
  const races = begunTogether(2);

  const carol = await late.start();

  expect(passedOn(races, carol)).toEqual([bob.daemon.id]);
});

test('what the other one has changed since comes from the sender', async () => {
  const late = await sentToOneThatIsOff('dave');
  await writeFile(join(network.home('bob'), 'inbox', 'anna', 'for-dave'), randomBytes(content.length));
  const races = begunTogether(2);

  const dave = await late.start();

  expect(passedOn(races, dave)).toEqual([]);
});

test('one with `pass-on = false` is asked for nothing', async () => {
  await bob[Symbol.asyncDispose]();
  await appendFile(join(network.home('bob'), 'config.toml'), 'pass-on = false\n');
  bob = await (await network.start(network.home('bob'))).connected();
  await anna.sees('bob');
  const late = await sentToOneThatIsOff('erin');
  const races = begunTogether(1);

  const erin = await late.start();

  expect(races).toHaveLength(1);
  expect(passedOn(races, erin)).toEqual([]);
});
