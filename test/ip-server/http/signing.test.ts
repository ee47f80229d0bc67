import { rm } from 'node:fs/promises';
import { parseInvite } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Api } from './api.ts';

let api: Api;
let admin: string;
beforeAll(async () => {
  api = await Api.open();
  admin = (await api.token('admin')).token;
  for (const name of ['anna', 'ben', 'carl', 'dora']) {
    const { code, stderr } = await api.network.join(name);
    if (code !== 0) throw new Error(stderr);
  }
});
afterAll(() => api.close());

const codeOf = (body: string): unknown =>
  (JSON.parse(body) as { readonly error?: { readonly code: string } }).error?.code;
const nameOf = async (peer: string) => {
  const { peers } = await api.network.askServer('peers');
  return (peers as { id: string; name: string; groups: string[] }[]).find(({ name }) => name === peer);
};

describe('with the network key at the server', () => {
  test('an invite is made that a machine can join with', async () => {
    const answer = await api.post('/api/member-invite', admin, {
      groups: ['lab'],
      expiresMs: 60_000,
      uses: 2,
    });
    const { link } = JSON.parse(answer.body) as { link: string };
    expect(parseInvite(link).grant).toMatchObject({ groups: ['lab'], uses: 2 });
  });

  test('a machine is renamed and grouped', async () => {
    const answer = await api.post('/api/member-change', admin, {
      peer: 'anna',
      name: 'anne',
      groups: ['lab'],
    });
    expect(JSON.parse(answer.body)).toMatchObject({ name: 'anne', groups: ['lab'] });
    expect(await nameOf('anne')).toMatchObject({ groups: ['lab'] });
  });

  test.each([
    ['member-change', { peer: 'ben', name: 'anne' }, 'name-taken'],
    ['member-change', { peer: 'nobody', name: 'x' }, 'no-such-peer'],
    ['member-change', { peer: 'ben', name: '<img onerror=a>' }, 'message-malformed'],
    ['member-change', { peer: 'ben', name: 'server' }, 'message-malformed'],
    ['member-change', { peer: 'ben', groups: ['all'] }, 'message-malformed'],
    ['member-change', { peer: 'ben', groups: ['<b>'] }, 'message-malformed'],
    [
      'member-change',
      { peer: 'ben', groups: Array.from({ length: 33 }, (_, n) => `g${n}`) },
      'message-malformed',
    ],
    ['member-invite', { groups: ['a b'], expiresMs: 60_000, uses: 1 }, 'message-malformed'],
    ['member-invite', { groups: [], expiresMs: 60_000, uses: 0 }, 'message-malformed'],
    ['member-remove', { peer: 'nobody' }, 'no-such-peer'],
  ])('%s %j is refused as %s', async (method, params, code) => {
    const answer = await api.post(`/api/${method}`, admin, params);
    expect([answer.status >= 400 && answer.status < 500, codeOf(answer.body)]).toEqual([true, code]);
    expect(await nameOf('ben')).toMatchObject({ groups: [] });
  });

  test('machines that are removed at the same time are all removed', async () => {
    const dora = await nameOf('dora');
    const answers = await Promise.all(
      ['carl', dora?.id, 'anne'].map((peer) => api.post('/api/member-remove', admin, { peer })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await nameOf('carl')).toBeUndefined();
    const { entries } = await api.network.askServer('audit');
    expect(entries).toContainEqual(
      expect.objectContaining({ action: 'member-remove', target: dora?.id, machine: 'dora' }),
    );
    expect(entries).toContainEqual(expect.objectContaining({ target: 'carl', machine: null }));
  });
});

test('without it the answer says who can do it', async () => {
  await rm(api.network.server.home.networkKeyFile);
  for (const [method, params] of [
    ['member-invite', { groups: [], expiresMs: 60_000, uses: 1 }],
    ['member-change', { peer: 'ben', name: 'benno' }],
    ['member-remove', { peer: 'ben' }],
  ] as const) {
    const answer = await api.post(`/api/${method}`, admin, params);
    expect([answer.status, codeOf(answer.body)]).toEqual([409, 'network-key-missing']);
    expect(answer.body).toContain('ip-server');
  }
  expect(await nameOf('ben')).toBeDefined();
});
