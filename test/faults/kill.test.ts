import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { jsonLines, runningIn, type Line, type ProgramProcess } from '../support/programs.ts';
import { until } from '../support/in-process.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;
const FILE_BYTES = 64 * MiB;

/** anna sends from a daemon, carol without one; between them and bob stands a proxy that can stop time. */
let network: TestNetwork;
let proxy: TcpProxy;
/** Another one for each test: what bob has already would not travel. */
let file: string;
let name: string;
let files = 0;
/** The digests of what bob has, by path in his inbox. */
const whole = new Map<string, string>();

beforeAll(async () => {
  network = await TestNetwork.open({ running: ['anna'] });
  proxy = await TcpProxy.open();
  await Promise.all([network.join('bob'), network.join('carol')]);
  await startBob();
  await network.seesAs('anna', 'bob', 'online');
  await network.seesAs('carol', 'bob', 'online');
});

beforeEach(async () => {
  name = `big-${++files}.bin`;
  file = await network.file(name, FILE_BYTES);
});

afterEach(() => {
  proxy.release();
});

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

function send(from: string, ...more: string[]): ProgramProcess {
  return network.follow(from, ['send', file, '--to', 'bob', '--json', ...more]);
}

function isPart(path: string): boolean {
  return path.split('/').at(-1)?.startsWith(PART_PREFIX) === true;
}

/** What is under final names in bob's inbox. */
async function arrived(): Promise<string[]> {
  return (await filesBelow(network.inbox('bob'))).filter((path) => !isPart(path));
}

async function parts(): Promise<string[]> {
  return (await filesBelow(network.inbox('bob'))).filter(isPart);
}

/** bob's inbox holds what came so far, and nothing else has a final name. */
async function expectNoMore(): Promise<void> {
  expect(await arrived()).toEqual([...whole.keys()].toSorted());
}

/** The file has come whole, nothing of it is left over, and nothing else came. */
async function expectOneMore(from: string): Promise<void> {
  const path = `${from}/${name}`;
  whole.set(path, await sha256(file));
  await expectNoMore();
  expect(await sha256(network.inbox('bob', path))).toBe(whole.get(path));
  expect(await parts()).toEqual([]);
}

/** At most so much travels twice: what was on its way, and a block that was not whole. */
const TWICE_BYTES = 9 * MiB;

/** The same command again completes a file of which `came` bytes had come. */
async function expectTheRestGoes(from: string, came: number): Promise<void> {
  const outcome = await send(from).ended;
  expect(outcome.code).toBe(0);
  const { bytesSent } = jsonLines(outcome).at(-1) ?? {};
  expect(bytesSent).toBeLessThanOrEqual(FILE_BYTES - came + TWICE_BYTES);
  await expectOneMore(from);
}

describe.each(['anna', 'carol'])('while %s sends 64 MiB', (sender) => {
  test.each([3 * MiB, 40 * MiB, FILE_BYTES - 100_000])(
    'a receiver that is killed at byte %i and comes back gets the file whole',
    async (point) => {
      const held = proxy.hold(point);
      const command = send(sender);
      await held;
      await network.daemon('bob').stop('SIGKILL');
      await expectNoMore();
      proxy.cut();
      await startBob();
      const { code, stdout } = await command.ended;

      expect([code, jsonLines({ stdout }).at(-1)]).toEqual([
        0,
        expect.objectContaining({ ok: true, filesSent: 1 }),
      ]);
      await expectOneMore(sender);
    },
  );

  test('a receiver that does not come back within --timeout fails the send: exit 9', async () => {
    const held = proxy.hold(30 * MiB);
    const command = send(sender, '--timeout', '2s');
    await held;
    await network.daemon('bob').stop('SIGKILL');
    proxy.cut();
    const outcome = await command.ended;

    expect(outcome.code).toBe(9);
    expect(outcome.stderr.match(/^filer-client: .*$/gm)).toEqual([
      expect.stringMatching(
        /bob was lost during the transfer and did not come back within 2 s .*`filer-client retry \S+`/,
      ),
    ]);
    expect(jsonLines(outcome).at(-1)).toMatchObject({ type: 'done', ok: false, exitCode: 9, filesFailed: 1 });
    await expectNoMore();
    expect(await parts()).toHaveLength(1);
    await startBob();
    await network.seesAs(sender, 'bob', 'online');
    await expectTheRestGoes(sender, 30 * MiB);
  });

  test('a connection that is cut is made again, and the file comes whole', async () => {
    const held = proxy.hold(20 * MiB);
    const command = send(sender);
    await held;
    proxy.cut();
    const outcome = await command.ended;

    expect(outcome.code).toBe(0);
    expect(jsonLines(outcome).map(({ type }) => type)).toContain('retry');
    await expectOneMore(sender);
  });

  test('Ctrl-C at the sender ends it with 130, leaves nothing under a final name, and the next try continues', async () => {
    const told = network.daemon('bob').count('a transfer ended early');
    const held = proxy.hold(20 * MiB);
    const command = send(sender);
    await held;
    command.child.kill('SIGINT');
    const outcome = await command.ended;

    expect(outcome.code).toBe(130);
    proxy.release();
    expect(outcome.stderr).toMatch(/^filer-client: stopped by SIGINT; .*filer-client retry [a-z0-9]+.*\n$/);
    await network.daemon('bob').said('a transfer ended early', told + 1);
    await expectNoMore();
    await expectTheRestGoes(sender, 20 * MiB);
  });
});

describe('another program is killed', () => {
  test('a sender that is killed leaves nothing under a final name, and the next try continues', async () => {
    const told = network.daemon('bob').count('a transfer ended early');
    const held = proxy.hold(20 * MiB);
    const command = send('carol');
    await held;
    expect(await command.stop('SIGKILL')).toBe('SIGKILL');
    proxy.release();
    await network.daemon('bob').said('a transfer ended early', told + 1);
    await expectNoMore();
    await expectTheRestGoes('carol', 20 * MiB);
  });

  test('a daemon that is killed while it sends is said to be gone, and its job continues when it is back', async () => {
    const told = network.daemon('bob').count('a transfer ended early');
    const held = proxy.hold(20 * MiB);
    const command = send('anna');
    await held;
    await network.daemon('anna').stop('SIGKILL');
    const outcome = await command.ended;

    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(
      /^filer-client: the daemon ended before it had answered.*`filer-client start`.*`filer-client retry \S+`\n$/,
    );
    proxy.release();
    await network.daemon('bob').said('a transfer ended early', told + 1);
    await expectNoMore();
    await network.start('anna');
    await until(
      () => network.askHere('anna', 'history'),
      ([document]) =>
        listOf(document, 'jobs').some(({ paths, state }) => String(paths) === file && state === 'done'),
    );
    await expectOneMore('anna');
  });

  test('a transfer does not notice that the server is killed', async () => {
    const held = proxy.hold(20 * MiB);
    const command = send('anna');
    await held;
    await network.server.stop('SIGKILL');
    proxy.release();
    const { code, stderr } = await command.ended;

    expect([code, stderr.match(/^filer-client: .*$/gm)]).toEqual([0, null]);
    await expectOneMore('anna');
    await network.startServer();
    await network.seesAs('carol', 'bob', 'online');
  });

  test('a receiver that is stopped by SIGSTOP for a while continues where it was', async () => {
    const held = proxy.hold(20 * MiB);
    const command = send('anna');
    await held;
    network.daemon('bob').child.kill('SIGSTOP');
    proxy.release();
    const [status] = await network.ask('anna', 'status');
    expect(status).toMatchObject({ jobs: 1 });
    network.daemon('bob').child.kill('SIGCONT');

    expect((await command.ended).code).toBe(0);
    await expectOneMore('anna');
  });

  test('Ctrl-C at the receiver leaves no half file, and the sender says that it was lost: exit 9', async () => {
    const held = proxy.hold(20 * MiB);
    const command = send('anna', '--timeout', '5s');
    await held;
    const bob = network.daemon('bob');
    bob.child.kill('SIGINT');
    await bob.ended;
    proxy.cut();
    const { code, stderr } = await command.ended;

    expect(code).toBe(9);
    expect(stderr).toMatch(/bob was lost during the transfer/);
    await expectNoMore();
    await startBob();
    await network.seesAs('anna', 'bob', 'online');
    await expectTheRestGoes('anna', 20 * MiB);
  });

  test('a bit that flips on the way costs a connection and not the file', async () => {
    proxy.flipBitAt(10 * MiB);
    const outcome = await send('anna').ended;

    expect(outcome.code).toBe(0);
    expect(jsonLines(outcome).map(({ type }) => type)).toContain('retry');
    await expectOneMore('anna');
  });

  test('a report that was acknowledged is there after the server was killed at that moment', async () => {
    for (let n = 0; n < 5; n++) {
      const [told] = await network.ask('anna', 'report', `n=${n}`);
      expect(told).toMatchObject({ stored: true });
      const connected = network.daemon('anna').count('connected to the ip-server');
      await network.server.stop('SIGKILL');
      await network.startServer();
      await network.daemon('anna').said('connected to the ip-server', connected + 1);
    }
    const document = await network.askServer('reports');

    expect(listOf(document, 'reports').map(({ values }: Line) => values)).toEqual(
      [0, 1, 2, 3, 4].map((n) => ({ n: String(n) })),
    );
  });
});
