import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createRawServer, type AddressInfo, type Socket } from 'node:net';
import { FilerError } from '@filer/protocol';
import { createLogger, NO_EVENTS } from '@filer/program';
import { expect, onTestFinished, test } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { AlarmSender, type AlarmRoute } from '../../apps/ip-server/src/alarms/alarm-sender.ts';
import { Alarms } from '../../apps/ip-server/src/alarms/alarms.ts';
import { webhookRoute } from '../../apps/ip-server/src/alarms/webhook.ts';
import type { AlarmStore, Delivery, NewAlarm } from '../../apps/ip-server/src/store/alarm-store.ts';
import type { Expectation } from '../../apps/ip-server/src/store/expectation.ts';
import { NO_EFFECTS } from '../../apps/ip-server/src/store/effects.ts';
import { isSigned, WebhookReceiver } from '../support/webhook-receiver.ts';

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
const DAY_MS = 24 * 3_600_000;

function alarm(id: string, peer = 'NAS', event: NewAlarm['event'] = 'missing'): NewAlarm {
  const payload = JSON.stringify({ type: `report.${event}`, data: { peer, schedule: 'nightly' } });
  return { id, time: 1_000, steady: 0, event, peer, schedule: 'nightly', payload };
}

/** Alarms in a database of their own, and who is told about them. */
async function told(
  route: AlarmRoute,
  over: { now?: () => number; alarms?: (store: AlarmStore) => AlarmStore } = {},
) {
  const store = await freshStore();
  const lines: string[] = [];
  const problems: (FilerError | undefined)[] = [];
  const { now = () => performance.now(), alarms = (real) => real } = over;
  const sender = new AlarmSender({
    events: NO_EVENTS,
    route,
    alarms: alarms(store.alarms),
    now: () => ({ steady: now(), time: 2_000 }),
    log: await createLogger({ stream: { write: (line) => lines.push(line) } }),
    onProblem: (problem) => problems.push(problem),
    firstPauseMs: 10,
  });
  onTestFinished(async () => {
    await sender.close();
    await store.close();
  });
  return {
    sender,
    lines,
    problems,
    raise: async (...alarms: NewAlarm[]) => {
      await store.expectations.apply({ ...NO_EFFECTS, alarms, channels: [route.channel] });
      sender.wake();
    },
    deliveries: async (): Promise<Partial<Delivery>[]> =>
      (await store.alarms.last(1_000)).flatMap((each) => each.deliveries),
  };
}

function postTo(receiver: Pick<WebhookReceiver, 'url'>, timeoutMs?: number): AlarmRoute {
  const secret = Buffer.alloc(24, 7);
  return webhookRoute({ url: new URL(receiver.url), secret, software: '1', now: Date.now, timeoutMs });
}

/** A way to tell that the test answers: resolves what was called with. */
function byHand(more: Partial<AlarmRoute> = {}) {
  const calls: { readonly id: string; answer(problem?: string): void }[] = [];
  let wake = (): void => undefined;
  const route: AlarmRoute = {
    channel: 'webhook',
    atOnce: 4,
    retryForMs: DAY_MS,
    deliver: ({ id }, signal) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => resolve('it was ended'), { once: true });
        calls.push({ id, answer: (problem) => resolve(problem) });
        wake();
      }),
    ...more,
  };
  const call = async (number: number): Promise<(typeof calls)[number]> => {
    for (;;) {
      const found = calls[number];
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return { route, calls, call };
}

test('a receiver that fails is tried again, each time with the same id and a signature of its own; a redirect is not followed', async () => {
  await using receiver = await WebhookReceiver.listen();
  receiver.answers.push(500, 302, 404);
  const { raise, deliveries, lines, sender } = await told(postTo(receiver));
  await raise(alarm('alarm_1'));
  const posts = await Promise.all([0, 1, 2, 3].map((number) => receiver.post(number)));

  expect(posts.map(({ headers }) => headers['webhook-id'])).toEqual(Array(4).fill('alarm_1'));
  expect(await Promise.all(posts.map((post) => isSigned(post, SECRET)))).toEqual([true, true, true, true]);
  expect(posts.map(({ path }) => path)).toEqual(Array(4).fill('/hooks/filer?team=ops'));
  await expect
    .poll(deliveries)
    .toEqual([{ channel: 'webhook', state: 'delivered', tries: 4, problem: undefined, doneAt: 2_000 }]);
  expect(sender.problem).toBeUndefined();
  expect(lines.filter((line) => line.includes('was not delivered'))).toHaveLength(3);
  expect(lines.filter((line) => line.includes('delivered again'))).toHaveLength(1);
});

test('dozens of alarms at once are a few connections to a receiver that drags each out, and all are told when it takes them', async () => {
  const open = new Set<Socket>();
  let [most, dragged] = [0, 0];
  const receiver = createRawServer((socket) => {
    open.add(socket.on('error', () => undefined));
    most = Math.max(most, open.size);
    socket.once('close', () => open.delete(socket));
    socket.once('data', () => {
      if (dragged++ >= 4) {
        socket.end('HTTP/1.1 204 Yes\r\nconnection: close\r\n\r\n');
        return;
      }
      socket.write('HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write('1\r\nx\r\n'.repeat(2_000)));
      };
      socket.on('drain', more);
      more();
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  onTestFinished(() => void receiver.close());
  const { port } = receiver.address() as AddressInfo;
  const { raise, deliveries } = await told(postTo({ url: `http://127.0.0.1:${port}/` }, 200));
  const alarms = Array.from({ length: 60 }, (_, n) => alarm(`alarm_${n}`, `P${n}`));
  await raise(...alarms);

  await expect
    .poll(async () => (await deliveries()).filter(({ state }) => state === 'delivered').length)
    .toBe(alarms.length);
  expect(most).toBeLessThanOrEqual(5); // one may still close
});

test('of many alarms all are told, those of one machine in order, and the store is read now and then only', async () => {
  const { route, calls, call } = byHand();
  let reads = 0;
  const counted = (real: AlarmStore): AlarmStore => {
    const next = real.next.bind(real);
    real.next = (...args) => (reads++, next(...args));
    return real;
  };
  const { raise, deliveries } = await told(route, { alarms: counted });
  const machines = Array.from({ length: 250 }, (_, number) => `M${number}`);
  await raise(
    ...machines.map((peer) => alarm(`1 ${peer}`, peer)),
    ...machines.map((peer) => alarm(`2 ${peer}`, peer, 'back')),
  );
  for (let number = 0; number < 500; number++) (await call(number)).answer();
  await expect
    .poll(async () => (await deliveries()).filter(({ state }) => state === 'delivered').length)
    .toBe(500);

  expect(calls.map(({ id }) => id).toSorted()).toEqual(
    machines.flatMap((peer) => [`1 ${peer}`, `2 ${peer}`]).toSorted(),
  );
  for (const peer of machines)
    expect(calls.findIndex(({ id }) => id === `1 ${peer}`)).toBeLessThan(
      calls.findIndex(({ id }) => id === `2 ${peer}`),
    );
  expect(reads).toBeLessThan(20);
});

test('a failure that stays the same is said once', async () => {
  await using receiver = await WebhookReceiver.listen();
  receiver.answers.push(503, 503, 503, 503);
  const { raise, lines } = await told(postTo(receiver));
  await raise(alarm('alarm_1'));
  await receiver.post(4);

  expect(lines.filter((line) => line.includes('it answered with status 503'))).toHaveLength(1);
});

test.each([
  ['never comes', 'alarm_silent', 50, { state: 'failed', problem: 'it did not answer within 0.05 s' }],
  ['never ends', 'alarm_endless', undefined, { state: 'delivered' }],
])('an answer that %s holds no one up', async (_, id, timeoutMs, outcome) => {
  const server = createServer((request, response) => {
    if (request.headers['webhook-id'] === 'alarm_silent') return;
    const timer = setInterval(() => response.write(Buffer.alloc(64 * 1024)), 1);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const { raise, deliveries } = await told({
    ...webhookRoute({ url, secret: Buffer.alloc(24), software: '1', now: Date.now, timeoutMs }),
    retryForMs: 0,
  });
  await raise(alarm(id));

  await expect.poll(deliveries).toMatchObject([outcome]);
});

test('of a flood so many are told at once as may be, each once, and of one machine in order', async () => {
  const { route, calls, call } = byHand();
  const { raise, deliveries } = await told(route);
  const peers = Array.from({ length: 50 }, (_, number) => `P${number}`);
  await raise(...peers.map((peer) => alarm(`missing-${peer}`, peer)));
  await raise(...peers.map((peer) => alarm(`back-${peer}`, peer, 'back')));
  for (let number = 0; number < 100; number++) {
    (await call(number)).answer();
    expect(calls.length - number).toBeLessThanOrEqual(4);
  }

  const states = async (): Promise<unknown> => new Set((await deliveries()).map(({ state }) => state));
  await expect.poll(states).toEqual(new Set(['delivered']));
  const ids = calls.map(({ id }) => id);
  expect(new Set(ids).size).toBe(100);
  for (const peer of peers) expect(ids.indexOf(`missing-${peer}`)).toBeLessThan(ids.indexOf(`back-${peer}`));
});

test('one alarm that a receiver will not have holds back no other', async () => {
  const { route, calls, call } = byHand({ atOnce: 1 });
  const { raise, deliveries } = await told(route);
  await raise(alarm('poison', 'A'), alarm('good', 'B'));
  for (let number = 0; !calls.some(({ id }) => id === 'good'); number++) {
    const next = await call(number);
    next.answer(next.id === 'poison' ? 'it answered with status 400' : undefined);
  }
  (await call(calls.length - 1)).answer();

  await expect.poll(deliveries).toMatchObject([{ state: 'waiting' }, { state: 'delivered' }]);
});

test('an alarm that is older than a day when the server starts is tried for an hour before it is given up', async () => {
  let now = 5 * DAY_MS;
  const { route, call } = byHand();
  const { raise, deliveries, sender } = await told(route, { now: () => now });
  await raise(alarm('alarm_1'));
  (await call(0)).answer('nobody there');
  await expect.poll(deliveries).toMatchObject([{ state: 'waiting', tries: 1 }]);
  now += DAY_MS / 24;
  sender.wake();
  (await call(1)).answer('nobody there');

  await expect.poll(deliveries).toMatchObject([{ state: 'failed', tries: 2 }]);
});

test('what no one takes for a day is given up, which is said', async () => {
  let now = 0;
  const { route, call } = byHand();
  const { raise, deliveries, lines } = await told(route, { now: () => now });
  await raise(alarm('alarm_1'));
  now = DAY_MS;
  (await call(0)).answer('nobody there');

  await expect
    .poll(deliveries)
    .toEqual([{ channel: 'webhook', state: 'failed', tries: 1, problem: 'nobody there', doneAt: 2_000 }]);
  expect(lines.join('')).toContain('an alarm was given up');
});

test('what was told while the store failed is noted later, and not told again', async () => {
  const { route, calls, call } = byHand();
  let fails = false;
  const { raise, deliveries, problems } = await told(route, {
    alarms: (real) =>
      Object.assign(Object.create(real) as AlarmStore, {
        next: real.next.bind(real),
        done: async (...args: Parameters<AlarmStore['done']>) => {
          if (fails) throw new FilerError('no-space', 'the disk is full');
          await real.done(...args);
        },
      }),
  });
  fails = true;
  await raise(alarm('alarm_1'));
  (await call(0)).answer();
  await expect.poll(() => problems.at(-1)?.code).toBe('no-space');
  fails = false;

  await expect.poll(deliveries).toMatchObject([{ state: 'delivered' }]);
  expect(calls).toHaveLength(1);
});

test('one that its end cut off is told again after the next start', async () => {
  const { route, call } = byHand();
  const { raise, deliveries, sender } = await told(route);
  await raise(alarm('alarm_1'));
  await call(0);
  await sender.close();

  expect(await deliveries()).toMatchObject([{ state: 'waiting', tries: 0 }]);
});

test('what waits for somebody who is not set any more is given up at the start', async () => {
  const store = await freshStore();
  const channels = ['hook', 'webhook'] as const;
  await store.expectations.apply({ ...NO_EFFECTS, alarms: [alarm('alarm_1')], channels });
  const { route, call } = byHand();
  const alarms = new Alarms({
    events: NO_EVENTS,
    alarms: store.alarms,
    routes: [route],
    source: { network: 'N', server: 'S', about: () => undefined },
    now: () => ({ steady: 0, time: 2_000 }),
    log: await createLogger({ stream: { write: () => undefined } }),
    onProblem: () => undefined,
  });
  await alarms.start();
  (await call(0)).answer();

  await expect
    .poll(async () => (await store.alarms.last(1))[0]?.deliveries)
    .toMatchObject([
      { channel: 'hook', state: 'failed', problem: 'it is not set any more' },
      { channel: 'webhook', state: 'delivered' },
    ]);
  await alarms.close();
});

test('an alarm is in the log once it is stored, not when it is tried', async () => {
  const store = await freshStore();
  const lines: string[] = [];
  const alarms = new Alarms({
    events: NO_EVENTS,
    alarms: store.alarms,
    routes: [],
    source: { network: 'N', server: 'S', about: () => ({ name: 'nas', groups: [] }) },
    now: () => ({ steady: 0, time: 2_000 }),
    log: await createLogger({ stream: { write: (line) => lines.push(line) } }),
    onProblem: () => undefined,
  });
  const before: Expectation = {
    ...{ peer: 'NAS', schedule: 'nightly', always: false, graceMs: undefined, dueAt: 0, thirdAt: 0 },
    ...{ state: 'ok', since: 0, reportedAt: undefined, stopped: false },
  };
  const events = [
    { event: 'missing' as const, at: 0, before, now: { ...before, state: 'missing' as const } },
  ];
  const raised = alarms.of(events, { steady: 0, time: 2_000 });
  await store.expectations.apply({ ...NO_EFFECTS, ...raised });
  expect(await store.alarms.last(9)).toHaveLength(1);
  expect(lines).toEqual([]);
  alarms.raised(events);

  expect(lines).toEqual([expect.stringContaining('reports of a schedule are missing')]);
});
