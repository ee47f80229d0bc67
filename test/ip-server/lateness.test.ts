import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AnnouncedSchedule } from '@filer/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sqlInHome } from '../support/engine.ts';
import { freshFolder, ipServer, RunningServer } from '../support/ip-server.ts';
import { ProgramProcess, type Line } from '../support/programs.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';
import { isSigned, WebhookReceiver } from '../support/webhook-receiver.ts';

/** How quickly a server of these tests looks. */
const QUICK = ['--report-interval', '500ms', '--broadcast-interval', '100ms'];
/** No one is waited for after a start. */
const FAST = [...QUICK, '--settle', '0ms'];
const DAY_MS = 24 * 3_600_000;
/** Far enough away for a test. */
const LATER = { nextInMs: 600_000, thirdInMs: 1_800_000 };

function schedule(name: string, more: Partial<AnnouncedSchedule> = {}): AnnouncedSchedule {
  return { name, nextInMs: 200, thirdInMs: 600, graceMs: 0, always: false, ...more };
}

async function member(server: RunningServer, name: string): Promise<TestMember> {
  return TestMember.join(await server.invite(), name);
}

/** A daemon that announces schedules in its hello. */
function connect(machine: TestMember, ...schedules: AnnouncedSchedule[]): Promise<MemberConnection> {
  return machine.connect({ hello: { schedules } });
}

/** Everything that `peers --json` says of one machine, whenever that changes. */
function follow(server: RunningServer): (name: string, fits: (peer: Line) => boolean) => Promise<Line> {
  const watch = new ProgramProcess('ip-server', ['peers', '--watch', '--json'], server.home);
  onTestFinished(async () => void (await watch.stop('SIGKILL')));
  return async (name, fits) => {
    const of = (line: Line) => (line['peers'] as Line[]).find((peer) => peer['name'] === name);
    const line = await watch.line((each) => {
      const peer = of(each);
      return peer !== undefined && fits(peer);
    });
    return of(line) ?? {};
  };
}

/** What a stopped server knows is a day older than it was. */
async function aDayLater(server: RunningServer): Promise<void> {
  await sqlInHome(
    server.home,
    `UPDATE schedules SET due_at = due_at - ${DAY_MS}, third_at = third_at - ${DAY_MS},
    since = since - ${DAY_MS}, reported_at = reported_at - ${DAY_MS}`,
  );
}

async function alarms(server: RunningServer): Promise<Line[]> {
  return (await server.json('alarms'))['alarms'] as Line[];
}

/** A program that writes what it is given into a folder, and says so on a receiver that the test waits for. */
async function hook(receiver: WebhookReceiver): Promise<{ program: string; folder: string }> {
  const folder = await freshFolder();
  const program = join(folder, 'hook.js');
  await writeFile(
    program,
    `#!${process.execPath}
    const { readFileSync, appendFileSync } = require('node:fs');
    const { FILER_ALARM, FILER_PEER, FILER_SCHEDULE, FILER_LAST_REPORT_AT, FILER_ALARMS_WAITING, IP_SERVER_HOME } = process.env;
    const input = readFileSync(0, 'utf8');
    appendFileSync(${JSON.stringify(join(folder, 'runs'))}, JSON.stringify({
      FILER_ALARM, FILER_PEER, FILER_SCHEDULE, FILER_LAST_REPORT_AT, FILER_ALARMS_WAITING, IP_SERVER_HOME,
      input, secret: process.env.IP_SERVER_WEBHOOK_SECRET ?? null, cwd: process.cwd(),
    }) + '\\n');
    console.log('told\\u001b[2J of ' + FILER_PEER);
    fetch('http://127.0.0.1:${receiver.port}/', { method: 'POST', body: input });`,
  );
  await chmod(program, 0o700);
  return { program, folder };
}

describe('a machine whose reports stop', () => {
  test('is late, then missing, and back with its next report; the hook and the webhook are told, signed and once', async () => {
    await using webhook = await WebhookReceiver.listen();
    await using hookRan = await WebhookReceiver.listen();
    const { program, folder } = await hook(hookRan);
    await using server = await RunningServer.start([
      ...FAST,
      ...['--webhook', webhook.url, '--on-alarm', program],
    ]);
    await using nas = await connect(
      await member(server, 'nas'),
      schedule('nightly', { thirdInMs: LATER.thirdInMs }),
      schedule('other', LATER),
    );
    const sees = follow(server);
    await sees('nas', ({ reports }) => reports === 'late');
    await nas.announce(schedule('nightly'), schedule('other', LATER));
    const missing = await sees('nas', ({ reports }) => reports === 'missing');

    expect(missing['schedules']).toEqual([
      {
        name: 'nightly',
        state: 'missing',
        dueAt: expect.any(String),
        lastReportAt: null,
        since: expect.any(String),
      },
      expect.objectContaining({ name: 'other', state: 'ok' }),
    ]);
    const post = await webhook.post(0);
    const secret = (await readFile(join(server.home, 'webhook-secret'), 'utf8')).trim();
    expect((await stat(join(server.home, 'webhook-secret'))).mode & 0o777).toBe(0o600);
    expect(await isSigned(post, secret)).toBe(true);
    expect(await isSigned({ ...post, body: post.body.replace('nas', 'nan') }, secret)).toBe(false);
    expect(post).toMatchObject({
      method: 'POST',
      path: '/hooks/filer?team=ops',
      headers: {
        'content-type': 'application/json',
        'webhook-id': expect.stringMatching(/^alarm_[0-9a-f]{32}$/),
        'webhook-timestamp': expect.stringMatching(/^1[0-9]{9}$/),
      },
    });
    expect(JSON.parse(post.body)).toEqual({
      type: 'report.missing',
      timestamp: expect.any(String),
      data: {
        peer: 'nas',
        peerId: nas.member.id,
        groups: [],
        schedule: 'nightly',
        dueAt: expect.any(String),
        lastReportAt: null,
        missingSince: expect.any(String),
        network: nas.member.network,
        server: server.id,
      },
    });

    await nas.reportOf('nightly', 1, LATER);
    expect(JSON.parse((await webhook.post(1)).body)).toMatchObject({ type: 'report.back' });
    const nightly = (peer: Line) => (peer['schedules'] as Line[])[0];
    const back = await sees('nas', (peer) => nightly(peer)?.['lastReportAt'] !== null);
    expect(nightly(back)).toMatchObject({ state: 'ok', lastReportAt: expect.any(String) });
    await hookRan.post(1);
    const runs = (await readFile(join(folder, 'runs'), 'utf8')).trim().split('\n');
    expect(runs.map((run) => JSON.parse(run) as unknown)).toEqual([
      {
        FILER_ALARM: 'missing',
        FILER_PEER: 'nas',
        FILER_SCHEDULE: 'nightly',
        FILER_LAST_REPORT_AT: '',
        FILER_ALARMS_WAITING: '0',
        IP_SERVER_HOME: server.home,
        input: `${post.body}\n`,
        secret: null,
        cwd: server.home,
      },
      expect.objectContaining({ FILER_ALARM: 'back', FILER_PEER: 'nas' }),
    ]);
    await server.daemon.said('on-alarm was run', 2);
    expect(server.daemon.stderr).toContain('told\\u001b[2J of nas');

    expect(await alarms(server)).toMatchObject(
      ['missing', 'back'].map((event) => ({
        event,
        peer: 'nas',
        schedule: 'nightly',
        deliveries: [
          { channel: 'hook', state: 'delivered', tries: 1, problem: null },
          { channel: 'webhook', state: 'delivered', tries: 1, problem: null },
        ],
      })),
    );
    const status = await server.run('status');
    expect(status.stdout).toContain(`posts to http://127.0.0.1:${webhook.port}\n`);
    expect(status.stdout).toContain(`signs with ${join(server.home, 'webhook-secret')}`);
    expect(`${status.stdout}${server.daemon.stderr}`).not.toContain(secret);
    expect(webhook.told).toEqual(['missing nas nightly', 'back nas nightly']);
  });

  test('no one is told about machines that said goodbye, left or were removed; of others, and of what is expected always, they are', async () => {
    await using webhook = await WebhookReceiver.listen();
    await using server = await RunningServer.start([...FAST, '--webhook', webhook.url]);
    const names = ['stopped', 'left', 'removed', 'lost', 'always'];
    const [stopped, left, removed, lost, always] = await Promise.all(
      names.map(async (name) =>
        connect(await member(server, name), schedule('soon', { ...LATER, always: name === 'always' })),
      ),
    );
    await Promise.all([
      stopped?.goodbye(),
      always?.goodbye(),
      left?.session.ask({ header: { type: 'leave' }, content: Buffer.alloc(0) }).catch(() => undefined),
      server.run('remove', 'removed', '--yes').then(({ code }) => expect(code).toBe(0)),
    ]);
    lost?.vanish();
    await removed?.session.closed;
    const sees = follow(server);
    await Promise.all(['stopped', 'always'].map((name) => sees(name, ({ state }) => state === 'stopped')));
    await server.stop();
    await aDayLater(server);

    const again = await server.again([...FAST, '--webhook', webhook.url]);
    try {
      await webhook.post(1);
      // One that becomes missing later than they would have.
      await using last = await connect(await member(again, 'last'), schedule('soon'));
      await webhook.post(2);

      expect(webhook.told.toSorted()).toEqual([
        'missing always soon',
        'missing last soon',
        'missing lost soon',
      ]);
      expect(await again.peer('stopped')).toMatchObject({ state: 'stopped', reports: 'stopped' });
      expect((await again.peer('removed'))?.['schedules']).toEqual([]);
      expect(last.member.membership.name).toBe('last');
    } finally {
      await again.stop();
    }
  });
});

describe('a server that was away', () => {
  test('that was killed before it could tell anybody does so after its start, with the same id, and once', async () => {
    const receiver = await WebhookReceiver.listen();
    const { url, port } = receiver;
    await receiver[Symbol.asyncDispose]();
    await using server = await RunningServer.start([...FAST, '--webhook', url]);
    const nas = await connect(await member(server, 'nas'), schedule('nightly'));
    await server.daemon.said('an alarm was not delivered');
    const [alarm] = await alarms(server);
    expect(alarm).toMatchObject({
      deliveries: [
        { channel: 'webhook', state: 'waiting', problem: expect.stringContaining('ECONNREFUSED') },
      ],
    });
    expect((await server.json('status'))['alarms']).toMatchObject({
      waiting: { webhook: 1 },
      problem: expect.stringContaining('ECONNREFUSED'),
    });
    nas.vanish();
    await server.stop('SIGKILL');

    await using back = await WebhookReceiver.listen(port);
    const again = await server.again([...FAST, '--webhook', url]);
    try {
      expect((await back.post(0)).headers['webhook-id']).toBe(alarm?.['id']);
      const machine = await connect(nas.member, schedule('nightly', LATER));
      await machine.reportOf('nightly', 1, LATER);
      await back.post(1);
      expect(back.told).toEqual(['missing nas nightly', 'back nas nightly']);
      await machine.close();
    } finally {
      await again.stop();
    }
  });

  test('for a day raises no alarm for who comes back, and one for who does not', async () => {
    await using webhook = await WebhookReceiver.listen();
    await using server = await RunningServer.start([...FAST, '--webhook', webhook.url]);
    const [returns, lost] = await Promise.all(
      ['returns', 'lost'].map(async (name) => {
        const machine = await member(server, name);
        const connection = await connect(machine, schedule('hourly', LATER));
        await connection.reportOf('hourly', 1, LATER);
        connection.vanish();
        return machine;
      }),
    );
    await server.stop('SIGKILL');
    await aDayLater(server);

    // While it is stopped, too, what was known is shown.
    expect(await server.peer('lost')).toMatchObject({ state: 'lost', reports: 'ok' });
    const again = await server.again([...QUICK, '--settle', '8s', '--webhook', webhook.url]);
    try {
      if (returns === undefined || lost === undefined) throw new Error('both have joined');
      await using connection = await connect(returns, schedule('hourly', LATER));
      const sees = follow(again);
      await sees('lost', ({ reports }) => reports === 'missing');
      await webhook.post(0);

      expect(await again.peer('returns')).toMatchObject({ reports: 'ok' });
      expect(webhook.told).toEqual(['missing lost hourly']);
      expect(connection.member).toBe(returns);
    } finally {
      await again.stop();
    }
  });

  test('takes what comes from a spool after a day: the last report counts', async () => {
    await using server = await RunningServer.start(FAST);
    await using nas = await connect(
      await member(server, 'nas'),
      schedule('hourly', { nextInMs: 0, thirdInMs: 0 }),
    );
    const sees = follow(server);
    await sees('nas', ({ reports }) => reports === 'missing');
    for (const seq of [1, 2, 3]) await nas.reportOf('hourly', seq, LATER);
    await nas.announce(schedule('hourly', LATER), schedule('other', LATER));

    expect(await server.peer('nas')).toMatchObject({
      reports: 'ok',
      schedules: [{ name: 'hourly', lastReportAt: expect.any(String) }, { name: 'other' }],
    });
    expect(await server.reports()).toHaveLength(3);
    await nas.announce();
    expect(await server.peer('nas')).toMatchObject({ reports: 'none', schedules: [] });
  });
});

test('the session of a command announces nothing', async () => {
  await using server = await RunningServer.start(FAST);
  await using nas = await (
    await member(server, 'nas')
  ).connect({ role: 'command', hello: { schedules: [schedule('x')] } });

  await expect(nas.announce(schedule('x'))).rejects.toMatchObject({ code: 'refused' });
  expect(await server.peer('nas')).toMatchObject({ reports: 'none' });
});

test('a hook that fails is told about in the log and in alarms, and is not run again', async () => {
  const folder = await freshFolder();
  const program = join(folder, 'fails');
  await writeFile(program, '#!/bin/sh\necho "$FILER_PEER" >> "$0.ran"\nexit 3\n', { mode: 0o700 });
  await using server = await RunningServer.start([...FAST, '--on-alarm', program]);
  await using nas = await connect(await member(server, 'nas'), schedule('nightly'));
  await server.daemon.said('an alarm was not delivered');
  await nas.reportOf('nightly', 1, LATER);
  await expect.poll(() => readFile(`${program}.ran`, 'utf8')).toBe('nas\nnas\n');
  const words = await server.run('alarms');

  expect(words.stdout).toContain('hook FAILED: on-alarm failed: it ended with exit 3');
  expect((await server.run('status')).stdout).toContain('FAILS: on-alarm failed: it ended with exit 3');
});

describe('settings that cannot be', () => {
  test.each([
    [
      ['--webhook', 'ops.example/x'],
      2,
      '--webhook takes an http or https address such as https://ops.example/hooks/filer',
    ],
    [['--webhook', 'ftp://ops.example/x'], 2, '--webhook takes'],
    [['--webhook', 'https://me:secret@ops.example/'], 2, '--webhook takes'],
    [['--settle', 'soon'], 2, '--settle takes a duration'],
    [['--on-alarm', '/nowhere/program'], 1, 'on-alarm cannot run /nowhere/program'],
    [
      ['--webhook', 'http://127.0.0.1:9', '--webhook-secret-file', '/nowhere/secret'],
      1,
      'cannot read the secret of the webhook',
    ],
  ])('%j', async (args, code, words) => {
    const outcome = await ipServer(await freshFolder(), 'start', '--port', '0', ...args);

    expect(outcome.code).toBe(code);
    expect(outcome.stderr).toContain(words);
  });

  test('an invalid secret is refused, and is not shown', async () => {
    const folder = await freshFolder();
    const file = join(folder, 'secret');
    await writeFile(file, 'hunter2-hunter2-hunter2', { mode: 0o600 });
    const args = ['--webhook', 'http://127.0.0.1:9', '--webhook-secret-file', file];
    const outcome = await ipServer(join(folder, 'home'), 'start', '--port', '0', ...args);

    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toContain(
      'does not contain the secret of a webhook, which is whsec_ and the base64',
    );
    expect(outcome.stderr).not.toContain('hunter2');
  });
});
