import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from './api.ts';

let api: Api;
let admin: string;

beforeAll(async () => {
  api = await Api.open({ httpName: ['ops.example'] });
  admin = (await api.token('admin')).token;
});
afterAll(() => api.close());

const codeOf = (body: string): unknown => (JSON.parse(body) as { error: { code: string } }).error.code;

describe('Host', () => {
  test.each([
    ['evil.example', 421],
    ['evil.example:10980', 421],
    ['127.0.0.1.evil.example', 421],
    ['192.0.2.7', 421],
    ['[::1]', 421], // this connection came to 127.0.0.1
    ['localhost', 200],
    ['LOCALHOST:1', 200],
    ['127.0.0.1', 200],
    ['ops.example', 200],
  ])('%j gives %d', async (host, status) => {
    const answer = await api.ask('/api/status', { token: admin, headers: { host } });
    expect(answer.status).toBe(status);
  });

  test('is asked of pages and of healthz, too', async () => {
    for (const path of ['/', '/healthz', '/readyz', '/metrics', '/session'])
      expect((await api.ask(path, { headers: { host: 'evil.example' } })).status).toBe(421);
  });
});

describe('without a token', () => {
  test.each(['/api/status', '/api/events', '/api/openapi.json', '/api/attachments/a/b', '/session'])(
    '%s is refused',
    async (path) => {
      const answer = await api.get(path);
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Bearer');
    },
  );

  test.each(['', 'x', 'x'.repeat(256), 'Bearer', '%00'])('a wrong one is, too: %j', async (token) => {
    expect((await api.get('/api/status', token)).status).toBe(401);
    expect((await api.post('/session', undefined, { token })).status).toBe(401);
  });

  test('what is no token at all is, too', async () => {
    for (const body of [null, [], 7, { token: 7 }, { token: { a: 1 } }])
      expect((await api.post('/session', undefined, body)).status).toBe(401);
  });

  test('a forged or altered cookie is refused', async () => {
    const session = await api.session(admin);
    const { cookie: good } = session;
    expect((await api.ask('/api/status', { headers: session })).status).toBe(200);
    const [name = '', value = ''] = good.split('=');
    const [id = '', expires = '', mac = ''] = value.split('.');
    const later = (Number.parseInt(expires, 36) + 1).toString(36);
    const forged = [
      `${id}.${later}.${mac}`,
      `${id}.${expires}.`,
      `${id}.${expires}`,
      `${id}`,
      '',
      `a.${expires}.${mac}`,
    ];
    for (const wrong of forged)
      expect(
        (await api.ask('/api/status', { headers: { ...session, cookie: `${name}=${wrong}` } })).status,
      ).toBe(401);
  });

  test('a cookie alone is refused: a browser sends it to other servers of its machine, too', async () => {
    const session = await api.session(admin);
    const { cookie, 'x-filer-session': key } = session;
    const mac = cookie.split('.').at(-1) ?? '';
    const body = { name: 'x', role: 'read', expiresMs: 1_000 };
    for (const wrong of ['', 'x', mac, `${key}A`]) {
      const headers = { cookie, origin: api.url, 'x-filer-session': wrong };
      const query = `?session=${encodeURIComponent(wrong)}`;
      for (const path of ['/api/status', '/session', `/api/status${query}`, `/api/events${query}`])
        expect((await api.ask(path, { headers: { cookie } })).status).toBe(401);
      expect((await api.ask('/api/status', { headers })).status).toBe(401);
      expect((await api.ask('/api/token-add', { method: 'POST', headers, body })).status).toBe(401);
    }
    // What a page cannot give a header.
    expect((await api.ask(`/api/status?session=${key}`, { headers: { cookie } })).status).toBe(200);
    const headers = { cookie, origin: api.url };
    const change = await api.ask(`/api/token-add?session=${key}`, { method: 'POST', headers, body });
    expect(change.status).toBe(401);
    expect((await api.ask('/api/status', { headers: { 'x-filer-session': key } })).status).toBe(401);
  });
});

describe('a browser that has a session', () => {
  const change = (headers: Readonly<Record<string, string>>) =>
    api.ask('/api/token-add', {
      method: 'POST',
      headers,
      body: { name: 'x', role: 'read', expiresMs: 1_000 },
    });

  test('changes something from the page of this server', async () => {
    const session = await api.session(admin);
    expect((await change({ ...session, origin: api.url })).status).toBe(200);
  });

  test.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' }, // another server of this machine
    {}, // a browser says the origin of what changes something
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('changes nothing from elsewhere: %j', async (from: Readonly<Record<string, string>>) => {
    const session = await api.session(admin);
    const answer = await change({ ...session, ...from });
    expect(answer.status).toBe(403);
  });

  test('reads nothing for a page of another site', async () => {
    const session = await api.session(admin);
    for (const path of ['/api/status', '/api/events', '/session'])
      expect((await api.ask(path, { headers: { ...session, 'sec-fetch-site': 'cross-site' } })).status).toBe(
        403,
      );
  });

  test('no answer lets another site read it, none can be framed, and none is guessed to be markup', async () => {
    const session = await api.session(admin);
    const origin = 'http://evil.example';
    for (const path of ['/', '/api/status', '/nothing', '/healthz']) {
      const { headers } = await api.ask(path, { headers: { ...session, origin } });
      expect(headers['access-control-allow-origin']).toBeUndefined();
      for (const rule of ["default-src 'none'", "frame-ancestors 'none'"])
        expect(headers['content-security-policy']).toContain(rule);
      expect(headers['content-security-policy']).not.toContain('unsafe');
      expect(headers['x-content-type-options']).toBe('nosniff');
    }
  });

  test('ends it', async () => {
    const { cookie } = await api.session(admin);
    const headers = { cookie, origin: api.url };
    const ended = await api.ask('/session', { method: 'DELETE', headers });
    expect(ended.status).toBe(204);
    expect(ended.headers['set-cookie']?.[0]).toContain('Max-Age=0');
    expect((await api.ask('/session', { method: 'DELETE', headers: { cookie } })).status).toBe(403);
  });
});

describe('the body of a change', () => {
  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''])(
    'of the type %j is refused: a form of another site could send it',
    async (type) => {
      const headers = { 'content-type': type };
      const answer = await api.ask('/api/token-add', { method: 'POST', token: admin, headers, body: {} });
      expect(answer.status).toBe(415);
    },
  );

  test('is bounded, and checked', async () => {
    const large = await api.post('/api/broadcast', admin, { text: 'x'.repeat(300_000) });
    expect([large.status, codeOf(large.body)]).toEqual([413, 'too-large']);
    const wrong = await api.post('/api/token-add', admin, { name: 'x', role: 'owner', expiresMs: 1 });
    expect([wrong.status, codeOf(wrong.body)]).toEqual([400, 'message-malformed']);
    const headers = { 'content-type': 'application/json' };
    const broken = await api.ask('/api/broadcast', { method: 'POST', token: admin, headers });
    expect(broken.status).toBe(400);
  });
});

test('a path that is wrong ends in 404, and a method that is wrong, too', async () => {
  expect((await api.get('/api/nothing', admin)).status).toBe(404);
  expect((await api.post('/api/status', admin, {})).status).toBe(404);
  expect((await api.get('/api/token-add', admin)).status).toBe(404);
  for (const path of ['/..%2f..%2fetc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/assets/%00'])
    expect((await api.get(path)).status).toBe(404);
});

test('params that are no JSON are refused', async () => {
  for (const params of ['{', '1', '[]', '{"all":1}', ''])
    expect((await api.get(`/api/peers?params=${encodeURIComponent(params)}`, admin)).status).toBe(400);
});

describe('floods', () => {
  test('headers beyond the bound are refused', async () => {
    const answer = await api.ask('/healthz', { headers: { x: 'y'.repeat(20_000) } });
    expect(answer.status).toBe(431);
  });
});
