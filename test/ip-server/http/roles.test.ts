import { once } from 'node:events';
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contract } from '../../../apps/ip-server/src/api/contract.ts';
import { Api } from './api.ts';

let api: Api;
beforeAll(async () => {
  api = await Api.open();
});
afterAll(() => api.close());

const entries = async (): Promise<Record<string, unknown>[]> => {
  const { entries: found } = await api.network.askServer('audit');
  return found as Record<string, unknown>[];
};

describe('a role', () => {
  const remote = Object.values(contract).filter(({ access }) => access !== undefined);

  test('is declared for each method that HTTP serves, and all that change something are in the audit log', () => {
    const local = Object.values(contract).filter(({ access }) => access === undefined);
    expect(local.map(({ name }) => name).toSorted()).toEqual(['events', 'stop']);
    const reading = remote.filter(({ changes }) => changes !== true);
    expect(reading.filter(({ name }) => /add|remove|revoke|make|change|amend/.test(name))).toEqual([]);
    const changing = remote.filter(({ changes }) => changes === true);
    expect(changing.filter(({ access }) => access === 'read')).toEqual([]);
  });

  test.each(['read', 'jobs'] as const)('%s may not do what needs a higher one', async (role) => {
    const { token } = await api.token(role);
    const ranks = ['read', 'jobs', 'admin'];
    for (const { name, access = 'admin', changes } of remote) {
      if (ranks.indexOf(access) <= ranks.indexOf(role)) continue;
      const path = `/api/${name}`;
      const answer = await (changes === true ? api.post(path, token, {}) : api.get(path, token));
      expect([name, answer.status]).toEqual([name, 403]);
    }
  });

  test('jobs sends texts, which stand in the audit log with what came of them', async () => {
    const { token, id } = await api.token('jobs', 'night shift');
    const answer = await api.post('/api/broadcast', token, { text: 'back in ten minutes' });
    expect(JSON.parse(answer.body)).toEqual({ reached: 0, offline: 0 });
    expect((await entries()).at(-1)).toMatchObject({
      by: id,
      name: 'night shift',
      action: 'broadcast',
      target: 'back in ten minutes',
      result: 'ok',
    });
    await api.get('/api/tokens', token);
    expect((await entries()).at(-1)).toMatchObject({ by: id, action: 'tokens', result: 'refused' });
    await api.post('/api/collect-run', token, { name: 'nothing' });
    expect((await entries()).at(-1)).toMatchObject({
      action: 'collect-run',
      target: 'nothing',
      result: 'path-missing',
    });
  });

  test('admin chooses no folder for a collect', async () => {
    const { token } = await api.token('admin');
    const definition = {
      name: 'logs',
      from: ['@all'],
      paths: ['logs/**'],
      kind: 'every',
      timetable: '1h',
      graceMs: 1,
    };
    const answer = await api.post('/api/collect-add', token, { ...definition, folder: '/root/.ssh' });
    expect(answer.status).toBe(403);
    expect((await api.post('/api/collect-add', token, definition)).status).toBe(200);
  });
});

test('a command stands in the audit log as local', async () => {
  await api.network.invite();
  expect((await entries()).at(-1)).toMatchObject({ by: 'local', action: 'invite-add', result: 'ok' });
});

test('a revoked token ends its session and its stream at once', async () => {
  const { token, id } = await api.token('read');
  const session = await api.session(token);
  const other = await api.token('read');
  const open = async (with_: string) => {
    const stream = get(`${api.url}/api/events`, {
      agent: false,
      headers: { authorization: `Bearer ${with_}` },
    });
    const [incoming] = (await once(stream, 'response')) as [NodeJS.ReadableStream];
    incoming.on('error', () => undefined).resume();
    return { stream, ended: new Promise((resolve) => incoming.once('close', resolve)) };
  };
  const mine = await open(token);
  const theirs = await open(other.token);
  const revoked = await api.network.runServer('dashboard', '--revoke', id);
  expect([revoked.stderr, revoked.code]).toEqual(['', 0]);
  expect(revoked.stdout).toContain(id);
  await mine.ended;
  expect((await api.get('/api/status', token)).status).toBe(401);
  expect((await api.ask('/api/status', { headers: session })).status).toBe(401);
  expect((await api.get('/api/status', other.token)).status).toBe(200);
  theirs.stream.destroy();
  await theirs.ended;
  expect((await api.network.runServer('dashboard', '--revoke', id)).code).toBe(1);
});

test('a token that has expired lets no one in', async () => {
  const { token, stored } = await api.network.server.tokens.add('short', 'admin', 1);
  expect((await api.network.server.tokens.all()).map(({ id }) => id)).toContain(stored.id);
  while (Date.now() <= stored.expiresAt) await new Promise(setImmediate);
  expect((await api.get('/api/status', token)).status).toBe(401);
});

test('the session of a browser lasts as long as its link', async () => {
  const { token } = await api.network.server.tokens.add('wall', 'read', 90 * 24 * 3_600_000);
  const { headers, body } = await api.post('/session', undefined, { token });
  expect(headers['set-cookie']?.[0]).toMatch(/; HttpOnly; SameSite=Strict; /);
  expect(headers['set-cookie']?.[0]).not.toContain(token);
  const [, seconds = ''] = /Max-Age=(\d+)/.exec(headers['set-cookie']?.[0] ?? '') ?? [];
  expect(Number(seconds)).toBeGreaterThan(89 * 24 * 3_600);
  expect(Number(seconds)).toBeLessThanOrEqual(90 * 24 * 3_600);
  expect(JSON.parse(body)).toMatchObject({ name: 'wall', role: 'read' });
});

describe('ip-server dashboard', () => {
  test('prints a link that holds its token behind a #, and no command shows it again', async () => {
    const { stdout } = await api.network.runServer(
      'dashboard',
      '--role',
      'read',
      '--name',
      'wall',
      '--expires',
      '1h',
    );
    const [, base, token = ''] = /^(http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{43})\n$/.exec(stdout) ?? [];
    expect(base).toBe(api.url);
    const status = await api.get('/api/status', token);
    expect(JSON.parse(status.body)).toMatchObject({ running: true, http: api.url, members: 0 });
    const list = await api.network.runServer('dashboard', '--list');
    expect(list.stdout).toMatch(/wall +read +in (1h|59m)/);
    expect(list.stdout).not.toContain(token);
    expect(JSON.stringify(await api.network.askServer('dashboard', '--list'))).not.toContain(token);
  });

  test.each([
    ['--role', 'owner'],
    ['--expires', '400d'],
    ['--list', '--revoke', 'x'],
  ])('refuses %s %s', async (...args) => {
    expect((await api.network.runServer('dashboard', ...args)).code).toBe(2);
  });
});
