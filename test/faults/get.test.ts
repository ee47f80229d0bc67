import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { jsonLines, runningIn, type ProgramProcess } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, sha256, TestNetwork, writeRandomFile } from '../support/test-network.ts';

const MiB = 1024 * 1024;
const FILE_BYTES = 32 * MiB;
/** At most so much travels twice: what was on its way, and a block that was not whole. */
const TWICE_BYTES = 9 * MiB;

/** bob shares; anna fetches by a daemon, carol without one; a proxy that can stop time stands before bob. */
let network: TestNetwork;
let proxy: TcpProxy;
let name: string;
/** In bob's share. */
let source: string;
let files = 0;

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
  proxy = await TcpProxy.open(undefined, 'back');
  await Promise.all([network.join('bob'), network.join('carol')]);
  for (const folder of ['shared', 'at-anna', 'at-carol']) await mkdir(network.path(folder));
  await network.ask('bob', 'share', 'add', network.path('shared'));
  await startBob();
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('carol', 'bob', 'online');
});

beforeEach(async () => {
  name = `big-${++files}`;
  source = network.path(`shared/${name}`);
  await writeRandomFile(source, FILE_BYTES);
});

afterEach(() => proxy.release());

afterAll(async () => {
  await network.close();
  await proxy[Symbol.asyncDispose]();
  const left = await runningIn(network.folder);
  if (left.length > 0) throw new Error(`processes were left: ${left.join(' ')}`);
});

async function startBob(): Promise<void> {
  const bob = await network.startAlone('bob', '--advertise', proxy.address);
  proxy.target = bob.listen;
}

function get(who: string): ProgramProcess {
  return network.follow(who, ['get', `bob:shared/${name}`, network.path(`at-${who}`), '--json']);
}

async function expectWhole(who: string): Promise<void> {
  expect(await sha256(network.path(`at-${who}/${name}`))).toBe(await sha256(source));
  const hidden = (await filesBelow(network.path(`at-${who}`))).filter((path) => path.startsWith('.'));
  expect(hidden).toEqual([]);
}

describe.each(['anna', 'carol'])('while %s fetches 32 MiB', (who) => {
  test('an owner that is killed and comes back resumes', async () => {
    const held = proxy.hold(20 * MiB);
    const command = get(who);
    await held;
    await network.daemon('bob').stop('SIGKILL');
    proxy.cut();
    await startBob();
    const outcome = await command.ended;

    expect(outcome.code).toBe(0);
    const done = jsonLines(outcome).at(-1);
    expect(done).toMatchObject({ ok: true, filesSent: 1, filesFailed: 0 });
    expect(done?.['bytesSent']).toBeLessThanOrEqual(FILE_BYTES + TWICE_BYTES);
    await expectWhole(who);
  });

  test('killed itself, it leaves no half file, and the same get continues where it stopped', async () => {
    const held = proxy.hold(20 * MiB);
    const command = get(who);
    await held;
    if (who === 'anna') await network.daemon('anna').stop('SIGKILL');
    else await command.stop('SIGKILL');
    await command.ended;
    proxy.cut();
    await expect(stat(network.path(`at-${who}/${name}`))).rejects.toThrow('ENOENT');
    if (who === 'anna') await network.start('anna');

    const outcome = await get(who).ended;
    expect(outcome.code).toBe(0);
    expect(jsonLines(outcome).at(-1)?.['bytesSent']).toBeLessThanOrEqual(12 * MiB + TWICE_BYTES);
    await expectWhole(who);
  });
});

test('killed while a small file comes, it leaves a part that the next get removes', async () => {
  await writeRandomFile(source, 900_000);
  const held = proxy.hold(500_000);
  const command = get('carol');
  await held;
  const parts = async (): Promise<string[]> =>
    (await filesBelow(network.path('at-carol'))).filter((path) => path.startsWith('.filer-part-'));
  while ((await parts()).length === 0) await setImmediate();
  await command.stop('SIGKILL');
  proxy.cut();
  expect(await parts()).toHaveLength(1);

  expect((await get('carol').ended).code).toBe(0);
  await expectWhole('carol');
});

describe('on its way to standard output', () => {
  /** Writes what comes to a file, as a shell does. */
  function getInto(file: string): ProgramProcess {
    const wrapper = ['sh', '-c', 'out=$1; shift; exec "$@" > "$out"', 'sh', file];
    return network.follow('carol', ['get', `bob:shared/${name}`, '-'], { wrapper });
  }

  test('a file resumes at the byte where the output stands', async () => {
    const held = proxy.hold(20 * MiB);
    const out = network.path('out');
    const command = getInto(out);
    await held;
    await network.daemon('bob').stop('SIGKILL');
    proxy.cut();
    await startBob();

    expect(await command.ended).toMatchObject({ code: 0 });
    expect(command.stderr).toContain('trying again');
    expect(await sha256(out)).toBe(await sha256(source));
  });

  test('a file that was changed where it had been written already ends with exit 7', async () => {
    const held = proxy.hold(20 * MiB);
    const command = getInto(network.path('out'));
    await held;
    await network.daemon('bob').stop('SIGKILL');
    const content = await readFile(source);
    content.writeUInt8(content.readUInt8(5) ^ 1, 5);
    await writeFile(source, content);
    proxy.cut();
    await startBob();

    expect(await command.ended).toMatchObject({ code: 7 });
    expect(command.stderr).toContain('the file was changed after its beginning had been written');
  });
});
