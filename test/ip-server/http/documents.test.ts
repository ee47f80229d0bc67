import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contract } from '../../../apps/ip-server/src/api/contract.ts';
import { AttachmentFolders } from '../../../apps/ip-server/src/uploads/attachment-folders.ts';
import { encodeReportBody } from '@filer/protocol';
import { Api } from './api.ts';

let api: Api;
let admin: string;
beforeAll(async () => {
  api = await Api.open();
  admin = (await api.token('admin')).token;
});
afterAll(() => api.close());

interface Operation {
  readonly security?: readonly unknown[];
  readonly responses: Readonly<Record<string, { readonly content: Readonly<Record<string, unknown>> }>>;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

describe('the OpenAPI document', () => {
  test('has every route, and every route that it has is served as it says', async () => {
    const document = JSON.parse((await api.get('/api/openapi.json', admin)).body) as Document;
    expect(document.openapi).toBe('3.1.0');
    const remote = Object.values(contract).filter(({ access }) => access !== undefined);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        ...remote.map(({ name }) => `/api/${name}`),
        '/metrics',
        '/healthz',
        '/readyz',
        '/session',
        '/api/events',
      ]),
    );
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { security, responses }] of Object.entries(operations)) {
        if (path === '/api/events') continue; // does not end by itself
        const asked = path.replaceAll(/\{\w+\}/g, 'x');
        const headers: Record<string, string> =
          method === 'post' ? { 'content-type': 'application/json' } : {};
        const open = await api.ask(asked, { method: method.toUpperCase(), headers });
        // Without a token: what is open, or local, answers; a session is begun with one; all else says that it needs one.
        const isOpen = security?.length === 0 || path === '/metrics';
        const isRefused = path === '/session' ? method !== 'delete' : !isOpen;
        expect([path, open.status === 401]).toEqual([path, isRefused]);
        if (method !== 'get') continue;
        const answer = await api.get(asked, admin);
        expect([path, [404, 405].includes(answer.status) && !asked.includes('/x')]).toEqual([path, false]);
        if (answer.status !== 200) continue;
        const types = Object.keys(responses['200']?.content ?? {});
        expect([path, types]).toEqual([path, [answer.headers['content-type']?.split(';')[0]]]);
      }
    }
  });
});

describe('metrics', () => {
  const valueIn = (text: string, sample: string): number =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${sample} `))
        ?.split(' ')
        .at(-1) ?? 0,
    );
  const metricsOf = async (): Promise<string> => (await api.get('/metrics')).body;
  const folder = fileURLToPath(new URL('../../../docs/operations/', import.meta.url));

  test('are read without a token on this machine, and not through a proxy', async () => {
    expect((await api.get('/metrics')).status).toBe(200);
    for (const header of ['x-forwarded-for', 'forwarded'])
      expect((await api.ask('/metrics', { headers: { [header]: '192.0.2.1' } })).status).toBe(401);
  });

  test('follow the rules for names, and each label has few values', async () => {
    const text = await metricsOf();
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of samples)
      expect(line).toMatch(/^(filer|process|nodejs)_[a-z_]+(\{[^}]*\})? [0-9.e+-]+$/i);
    const counters = [...text.matchAll(/^# TYPE (\S+) counter$/gm)].map(([, name]) => name);
    for (const name of counters) expect(name).toMatch(/_total$/);
    for (const standing of ['online', 'offline', 'late', 'missing', 'left'])
      expect(text).toContain(`filer_members{standing="${standing}"} 0\n`);
    const { server } = api.network;
    server.events.publish('report', { count: 3, peers: [] });
    for (let number = 0; number < 3; number++) await api.get(`/nothing/${number}`);
    await api.get('/api/openapi.json');
    const after = await metricsOf();
    expect(after).not.toContain('/nothing');
    const more = (sample: string): number => valueIn(after, sample) - valueIn(text, sample);
    expect(more('filer_reports_stored_total')).toBe(3);
    expect(more('filer_http_requests_total{route="pages",method="GET",status="404"}')).toBe(3);
    expect(more('filer_http_requests_total{route="/metrics",method="GET",status="200"}')).toBe(1);
    expect(more('filer_http_requests_total{route="/api/openapi.json",method="GET",status="401"}')).toBe(1);
  });

  test.each(['grafana-dashboard.json', 'alerts.yml'])(
    '%s names only metrics that there are',
    async (name) => {
      const text = await metricsOf();
      const known = new Set([...text.matchAll(/^([a-z_]+)/gm)].map(([, metric]) => metric));
      const file = readFileSync(join(folder, name), 'utf8');
      const expressions = [...file.matchAll(/"?expr"?: "?(.+?)"?,?$/gm)].map(
        ([, expression = '']) => expression,
      );
      expect(expressions.length).toBeGreaterThan(4);
      const named = expressions.flatMap(
        (expression) => expression.match(/\b(filer|process|nodejs)_[a-z_]+/g) ?? [],
      );
      expect(named.length).toBeGreaterThan(4);
      expect(named.filter((metric) => !known.has(metric))).toEqual([]);
    },
  );
});

test('the server is alive, and ready as long as its store works', async () => {
  expect((await api.get('/healthz')).status).toBe(200);
  expect(JSON.parse((await api.get('/readyz')).body)).toEqual({ ready: true, problem: null });
  const { health } = api.network.server;
  const { FilerError } = await import('@filer/protocol');
  health.tell('reports', new FilerError('no-space', 'the disk is full, in a test'));
  const answer = await api.get('/readyz');
  expect([answer.status, JSON.parse(answer.body)]).toEqual([503, { ready: false, problem: 'reports' }]);
  expect((await api.get('/metrics')).body).toContain('filer_store_failing{task="reports"} 1');
  health.tell('reports', undefined);
  expect((await api.get('/readyz')).status).toBe(200);
});

describe('a file of a report', () => {
  const name = '<img onerror=a>"\'\u{1f600}.html';
  const content = '<script>alert(1)</script>';
  const key = { peer: 'A'.repeat(52), spool: 'a'.repeat(32), seq: 1 };

  beforeAll(async () => {
    const { store, home } = api.network.server;
    const attachments = [{ name, size: content.length, digest: `blake3:${'a'.repeat(64)}` }];
    const body = { title: 't', values: [], schedule: '', attachments };
    const report = { ...body, spool: key.spool, seq: 1, time: 0, kind: 'user' as const };
    await store.reports.append([
      { peer: key.peer, report, content: encodeReportBody(body), receivedAt: Date.now() },
    ]);
    const folder = new AttachmentFolders(home.attachments).pathOf(key);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), content);
  });

  test('is something to save, whatever a machine has called it', async () => {
    const id = await api.network.server.store.reports.newest();
    const { token } = await api.token('read');
    const answer = await api.get(`/api/attachments/${id}/${encodeURIComponent(name)}`, token);
    expect([answer.status, answer.body]).toEqual([200, content]);
    expect(answer.headers['content-type']).toBe('application/octet-stream');
    expect(answer.headers['content-disposition']).toBe(
      "attachment; filename*=UTF-8''%3Cimg%20onerror%3Da%3E%22%27%F0%9F%98%80.html",
    );
  });

  test.each(['nothing', '..', '../../ip-server.db', '%2e%2e%2f%2e%2e%2fip-server.db'])(
    'there is no %s',
    async (other) => {
      const id = await api.network.server.store.reports.newest();
      expect((await api.get(`/api/attachments/${id}/${encodeURIComponent(other)}`, admin)).status).toBe(404);
      expect((await api.get(`/api/attachments/nothing/${encodeURIComponent(name)}`, admin)).status).toBe(404);
    },
  );
});
