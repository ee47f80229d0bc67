import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetworkHere } from '../support/network-here.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

let network: NetworkHere;
let receiver: WebhookReceiver;

beforeAll(async () => {
  [network, receiver] = [await NetworkHere.open(), await WebhookReceiver.listen()];
});

afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await receiver[Symbol.asyncDispose]();
});

async function restartWith(configuration: string): Promise<void> {
  await network.stopServer();
  await appendFile(join(network.serverHome, 'config.toml'), `\n${configuration}\n`);
  await network.startServer();
}

test('a test alarm without a receiver says what to set', async () => {
  for (const flags of [[], ['--hook'], ['--webhook']]) {
    const { code, stderr } = await network.runServer('alarms', 'test', ...flags);
    expect(code).toBe(1);
    expect(stderr).toContain('config.toml');
  }
});

test('a test alarm goes to the program and the webhook, marked, and is no alarm of a machine', async () => {
  const out = join(network.folder, 'hooked');
  await restartWith(
    `on-alarm = ["/bin/sh", "-c", "echo $FILER_ALARM $FILER_ALARMS_WAITING >> '${out}'; cat >> '${out}'"]\nwebhook = "${receiver.url}"`,
  );
  const tested = await network.askServer('alarms', 'test');
  expect(tested).toMatchObject({
    ok: true,
    exitCode: 0,
    deliveries: [
      { channel: 'hook', ok: true, problem: null },
      { channel: 'webhook', ok: true, problem: null },
    ],
  });
  const hooked = await readFile(out, 'utf8');
  expect(hooked).toMatch(/^test 0\n/);
  expect(JSON.parse(hooked.slice(hooked.indexOf('{')))).toMatchObject({ type: 'alarm.test' });
  const [post] = receiver.posts;
  expect(post?.headers['webhook-id']).toBe(tested['id']);
  expect(JSON.parse(post?.body ?? '')).toMatchObject({
    type: 'alarm.test',
    data: { peer: 'test', schedule: 'test' },
  });
  expect(await network.askServer('alarms')).toEqual({ alarms: [] });
});

test('what a receiver answers is said, and one that fails of two is exit 8', async () => {
  receiver.answers.push(503, 500);
  const { code, stdout, stderr } = await network.runServer('alarms', 'test');
  expect(code).toBe(8);
  expect(stdout).toMatch(/^hook \/bin\/sh: /);
  expect(stderr).toContain('503');
  const alone = await network.runServer('alarms', 'test', '--webhook', '--json');
  expect(alone.code).toBe(1);
  expect(JSON.parse(alone.stdout)).toMatchObject({
    ok: false,
    exitCode: 1,
    deliveries: [{ channel: 'webhook' }],
  });
});

test('a stopped server says that it must run', async () => {
  await network.stopServer();
  expect((await network.runServer('alarms', 'test')).code).toBe(12);
  await network.startServer();
});
