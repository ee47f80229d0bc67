import { request } from 'node:http';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dropBody } from '../support/dropped.ts';
import { runHere, until } from '../support/in-process.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

let network: NetworkHere;
let anna: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
});

afterAll(() => network[Symbol.asyncDispose]());

interface Link {
  readonly origin: string;
  readonly token: string;
}

async function linkOf(machine: ClientHere): Promise<Link> {
  const { url } = await machine.ask('open', '--print');
  const { origin, hash } = new URL(String(url));
  return { origin, token: hash.replace('#token=', '') };
}

/** What a browser does with the link. @returns what its page then sends */
async function sessionOf({ origin, token }: Link): Promise<{ cookie: string; 'x-filer-session': string }> {
  const answer = await fetch(`${origin}/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin },
    body: JSON.stringify({ token }),
  });
  expect(answer.status).toBe(200);
  const [cookie = ''] = answer.headers.getSetCookie();
  expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  const { key } = (await answer.json()) as { key: string };
  return { cookie: cookie.split(';')[0] ?? '', 'x-filer-session': key };
}

/** With headers that `fetch` does not let through. */
function statusOf(url: string, headers: Record<string, string>, method = 'GET'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

test('the page is served on loopback after open, to who has its link, and to no other site', async () => {
  const link = await linkOf(anna);
  const { origin } = link;
  expect(origin).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const session = await sessionOf(link);
  const status = await fetch(`${origin}/api/status`, { headers: session });
  expect(await status.json()).toMatchObject({ name: 'anna', running: true });

  expect(await statusOf(`${origin}/api/status`, {})).toBe(401);
  // What a browser sends to every web server of 127.0.0.1.
  expect(await statusOf(`${origin}/api/status`, { cookie: session.cookie })).toBe(401);
  expect(await statusOf(`${origin}/api/status`, { authorization: 'Bearer wrong' })).toBe(401);
  expect(await statusOf(`${origin}/api/status`, { ...session, host: 'evil.example' })).toBe(421);
  expect(await statusOf(`${origin}/api/status`, { ...session, origin: 'http://evil.example' })).toBe(403);
  const change = { ...session, 'content-type': 'application/json' };
  expect(await statusOf(`${origin}/api/cancel`, { ...change, origin: 'http://evil.example' }, 'POST')).toBe(
    403,
  );
  expect(await statusOf(`${origin}/api/cancel`, change, 'POST')).toBe(403);
  // What only commands may do is not served.
  for (const name of ['leave', 'stop', 'trust', 'server', 'send'])
    expect(await statusOf(`${origin}/api/${name}`, { ...change, origin }, 'POST')).toBe(404);
});

test('a drop over HTTP becomes a job; one that is refused says why, and keeps nothing', async () => {
  const link = await linkOf(anna);
  const { origin } = link;
  const session = await sessionOf(link);
  const post = (query: string, body: Buffer, type = 'application/octet-stream') =>
    fetch(`${origin}/api/drop?${query}`, {
      method: 'POST',
      headers: { ...session, origin, 'content-type': type },
      body: new Uint8Array(body),
    });
  const body = dropBody([
    { path: 'set/a', content: 'abc' },
    { path: 'set/<b>', content: Buffer.alloc(3_000_000, 1) },
  ]);
  const answer = await post('to=bob&note=hello', body);
  expect(answer.status).toBe(200);
  const { job } = (await answer.json()) as { job: string };
  await until(
    () => anna.ask('history', job).then(() => anna.run('history', job, '--json')),
    ({ stdout }) => stdout.includes('"state":"done"'),
  );
  expect(await readFile(join(bob.home, 'inbox', 'anna', 'set', 'a'), 'utf8')).toBe('abc');

  const check = await fetch(
    `${origin}/api/drop-check?params=${encodeURIComponent(JSON.stringify({ to: ['bob'], note: '', files: 1, bytes: 9e15 }))}`,
    { headers: session },
  );
  expect([check.status, await check.json()]).toMatchObject([507, { error: { code: 'no-space' } }]);
  for (const many of [{ files: 200_001 }, { files: 1, entries: 200_001 }]) {
    const asked = encodeURIComponent(JSON.stringify({ to: ['bob'], note: '', bytes: 1, ...many }));
    const tooMany = await fetch(`${origin}/api/drop-check?params=${asked}`, { headers: session });
    expect(await tooMany.json()).toMatchObject({ error: { code: 'too-large' } });
  }
  const refused: [string, Buffer, number, string][] = [
    ['to=nobody-here', body, 404, 'no-such-peer'],
    ['', body, 400, 'usage'],
    ['to=bob', body.subarray(0, -4), 400, 'message-malformed'],
    ['to=bob', dropBody([{ path: '../x', content: 'x' }]), 422, 'name-refused'],
  ];
  for (const [query, sent, status, code] of refused) {
    const no = await post(query, sent);
    expect([no.status, await no.json()]).toMatchObject([status, { error: { code } }]);
  }
  expect((await post('to=bob', body, 'text/plain')).status).toBe(415);
  await until(
    () => readdir(join(anna.home, 'outgoing')),
    (left) => left.length === 0,
  );
});

test('an upload whose answer was lost is sent once, however often the page hands it over', async () => {
  let erna = await network.add('erna');
  const link = await linkOf(erna);
  let session = await sessionOf(link);
  const body = dropBody([{ path: 'once', content: Buffer.alloc(2_000_000, 7) }]);
  const id = 'an-id-of-its-own-1';
  const post = (upload: string, to = link.origin): RequestInit & { url: string } => ({
    url: `${to}/api/drop?to=bob&upload=${upload}`,
    method: 'POST',
    headers: { ...session, origin: to, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(body),
  });
  const ask = async ({ url, ...init }: RequestInit & { url: string }): Promise<unknown> => {
    const answer = await fetch(url, init);
    return [answer.status, await answer.json()];
  };
  const check = async (upload: string, to = link.origin): Promise<unknown> => {
    const params = { to: ['bob'], note: '', files: 1, bytes: 9e15, upload };
    const asked = `${to}/api/drop-check?params=${encodeURIComponent(JSON.stringify(params))}`;
    return ask({ url: asked, headers: session });
  };
  const jobs = async (): Promise<unknown[]> => (await erna.ask('history'))['jobs'] as unknown[];

  expect(await check(id)).toMatchObject([507, { error: { code: 'no-space' } }]);
  // Several at once, as where the page no longer waits for the first.
  const first = await Promise.all([ask(post(id)), ask(post(id)), ask(post(id))]);
  const sent = [200, { job: expect.any(String), files: 1, bytes: 2_000_000 }];
  expect(first).toEqual([sent, first[0], first[0]]);
  expect(await ask(post(id))).toEqual(first[0]);
  const [, { job }] = first[0] as [number, { job: string }];
  expect(await check(id)).toMatchObject([200, { job, recipients: [{ name: 'bob' }] }]);
  expect(await jobs()).toHaveLength(1);

  // One that broke off has not come.
  expect(
    await ask({ ...post('another-upload-1'), body: new Uint8Array(body.subarray(0, -4)) }),
  ).toMatchObject([400, {}]);
  expect(await ask(post('another-upload-1'))).toMatchObject([200, {}]);
  expect(await jobs()).toHaveLength(2);
  expect(await ask(post('short'))).toMatchObject([400, { error: { code: 'usage' } }]);

  // It is known after a restart, and only to the session that it is of.
  await erna.daemon.close();
  erna = await network.start(erna.home);
  const { origin } = new URL((await erna.daemon.pageUrl) ?? '');
  // Another program may have taken its port meanwhile; the cookie is of that port.
  const again = origin === link.origin ? await check(id) : [200, { job }];
  expect(again).toMatchObject([200, { job }]);
  session = await sessionOf(await linkOf(erna));
  expect(await check(id, origin)).toMatchObject([507, {}]);
  await erna.daemon.close();
});

test('no browser adds, replaces or runs a schedule that has a command', async () => {
  const link = await linkOf(anna);
  const session = await sessionOf(link);
  const ran = join(network.folder, 'ran');
  const change = async (method: string, body: object): Promise<unknown> => {
    const answer = await fetch(`${link.origin}/api/${method}`, {
      method: 'POST',
      headers: { ...session, origin: link.origin, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { error } = (await answer.json()) as { error?: { code: string } };
    return [answer.status, error?.code];
  };
  const own = { name: 'own', every: '1h', command: ['touch', ran] };
  await anna.run('report', 'schedule', 'add', 'own', '--every', '1h', '--', 'touch', ran);
  const refused = [403, 'refused'];
  expect(await change('schedule-add', { schedule: { ...own, name: 'new' } })).toEqual(refused);
  expect(await change('schedule-add', { schedule: { ...own, name: 'new', command: [] } })).toEqual(refused);
  const without = { name: 'own', every: '1h', title: 'none' };
  expect(await change('schedule-add', { schedule: without, replace: true })).toEqual(refused);
  expect(await change('schedule-run', { name: 'own' })).toEqual(refused);
  expect(await readdir(network.folder)).not.toContain('ran');

  expect(await change('schedule-add', { schedule: { ...without, name: 'titled' } })).toEqual([
    200,
    undefined,
  ]);
  expect(await change('schedule-run', { name: 'titled' })).toEqual([200, undefined]);
  await anna.ask('report', 'schedule', 'run', 'own');
  expect(await readdir(network.folder)).toContain('ran');
});

test('a daemon that restarts serves an open page again, on its port and with its session', async () => {
  let carl = await network.add('carl');
  let link: Link;
  let session: Awaited<ReturnType<typeof sessionOf>>;
  const status = () =>
    fetch(`${link.origin}/api/status`, { headers: session }).then(
      (answer) => answer.status,
      () => undefined,
    );
  for (let tries = 1; ; tries++) {
    link = await linkOf(carl);
    session = await sessionOf(link);
    expect(await status()).toBe(200);
    await carl.daemon.close();
    expect(await status()).not.toBe(200);
    carl = await network.start(carl.home);
    if ((await status()) === 200) break;
    // Another program may have taken its port meanwhile, and nothing else.
    expect((await linkOf(carl)).origin).not.toBe(link.origin);
    expect(tries).toBeLessThan(5);
  }
  // The link itself was of the daemon before.
  const late = await fetch(`${link.origin}/api/status`, {
    headers: { authorization: `Bearer ${link.token}` },
  });
  expect(late.status).toBe(401);
  await carl.daemon.close();

  await writeFile(join(carl.home, 'config.toml'), 'http-port = "off"\n');
  const off = await network.start(carl.home);
  expect(await status()).not.toBe(200);
  const { code, stderr } = await off.run('open', '--print');
  expect(code).toBe(6);
  expect(stderr).toContain('http-port');
});

test('a browser signs out, and open --list and --revoke show and end what the others have', async () => {
  const link = await linkOf(anna);
  await anna.run('open', '--revoke', 'all');
  expect(
    (await fetch(`${link.origin}/session`, { headers: { authorization: `Bearer ${link.token}` } })).status,
  ).toBe(401);
  const next = await linkOf(anna);
  const [one, two, three] = [await sessionOf(next), await sessionOf(next), await sessionOf(next)];
  const standing = (session: Record<string, string>) =>
    fetch(`${next.origin}/api/status`, { headers: session }).then(({ status }) => status);
  const list = async (): Promise<{ id: string; browser: string }[]> =>
    (await anna.ask('open', '--list'))['sessions'] as { id: string; browser: string }[];
  const before = await list();
  expect(before).toHaveLength(3);
  expect(before[0]).toMatchObject({ browser: expect.any(String), begunAt: expect.any(String) });

  // Without the key of its page a cookie ends nothing, as it begins nothing.
  const out = (headers: Record<string, string>) =>
    fetch(`${next.origin}/session`, { method: 'DELETE', headers: { origin: next.origin, ...headers } });
  await out({ cookie: one.cookie });
  expect(await standing(one)).toBe(200);
  const foreign = await out({ ...one, origin: 'http://evil.example' });
  expect([foreign.status, await standing(one)]).toEqual([403, 200]);
  // What was copied from a browser that signs out is of no use.
  const signedOut = await out(one);
  expect([signedOut.status, signedOut.headers.getSetCookie()[0]]).toEqual([
    204,
    expect.stringContaining('Max-Age=0'),
  ]);
  expect([await standing(one), await standing(two)]).toEqual([401, 200]);

  const stream = await fetch(`${next.origin}/api/events`, { headers: two });
  const [second] = await list();
  await anna.ask('open', '--revoke', second?.id ?? '');
  await expect(stream.text()).rejects.toThrow('terminated');
  expect([await standing(two), await standing(three)]).toEqual([401, 200]);
  const unknown = await anna.run('open', '--revoke', second?.id ?? '');
  expect([unknown.code, unknown.stderr]).toMatchObject([2, expect.stringContaining(second?.id ?? '-')]);
  expect((await anna.run('open', '--list')).stdout).toContain(before[2]?.id);

  await anna.run('open', '--revoke', 'all');
  expect([await standing(three), await list()]).toEqual([401, []]);
});

test('open without a daemon says how to start one', async () => {
  await network.join('dora');
  const { code, stderr } = await runHere('filer-client', network.home('dora'), ['open']);
  expect(code).toBe(12);
  expect(stderr).toContain('filer-client start');
});

test('open gives the link to the browser in a file of this user, and says so when there is no browser', async () => {
  const bin = join(network.folder, 'bin');
  await mkdir(bin);
  await writeFile(join(bin, 'xdg-open'), `#!/bin/sh\ncp -p "$1" ${join(bin, 'given')}\n`, { mode: 0o755 });
  const open = (env: Record<string, string>) =>
    runHere('filer-client', anna.home, ['open'], '', false, { PATH: `${bin}:/usr/bin:/bin`, ...env });
  const seen = await open({ DISPLAY: ':9' });
  const link = seen.stdout.trim();
  expect(link).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{43}$/);
  expect(await readFile(join(bin, 'given'), 'utf8')).toContain(`url=${link}"`);
  expect((await stat(join(bin, 'given'))).mode & 0o077).toBe(0);

  const wayland = await open({ DISPLAY: '', WAYLAND_DISPLAY: 'wayland-0' });
  expect(wayland.stderr).not.toContain('no screen');
  expect((await open({ DISPLAY: '', WAYLAND_DISPLAY: '' })).stderr).toContain('no screen');
  const none = await open({ DISPLAY: ':9', PATH: join(network.folder, 'nothing') });
  expect([none.code, none.stdout]).toMatchObject([0, expect.stringContaining('#token=')]);
  expect(none.stderr).toContain('there is no xdg-open');
});
